"""Who gets which articles: no article twice, none missed, whatever a reader changes meanwhile."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from publisher.core import planning
from publisher.core.edition import VariantContent
from publisher.core.model import (
    Cadence,
    ConfiguredCategory,
    DeliveryState,
    EditionState,
    Newsletter,
)
from publisher.newsletters.plan import decided
from publisher.store import (
    articles,
    category_settings,
    control,
    editions,
    memberships,
    newsletters,
    publication,
    readership,
    renderings,
    slots,
)
from publisher.store.tables import (
    article,
    category,
    delivery,
    edition,
    subscriber,
    subscription,
    variant,
)
from tests.store.conftest import KINDS, new_database
from tests.store.world import ALERTS, DAILY, World


def test_a_new_reader_gets_what_becomes_public_afterwards(world: World) -> None:
    world.publish("before")
    world.subscribe("ada")
    world.publish("after")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["after"]]


def test_a_second_plan_of_the_same_moment_enqueues_nothing(world: World) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.wait(days=1)
    assert world.plan() == 1
    assert world.plan() == 0
    assert world.planner.plan_now("daily", world.now) == 0
    assert world.mails("ada") == [["one"]]


def test_nothing_is_due_before_the_hour_of_the_readers_zone(world: World) -> None:
    world.now = datetime(2026, 11, 2, 13, 0, tzinfo=UTC)  # 08:00 in New York
    world.subscribe("ada", zone="America/New_York")
    world.subscribe("bo", zone="Asia/Tokyo")
    world.publish("one")
    world.now = datetime(2026, 11, 2, 22, 1, tzinfo=UTC)  # 07:01 on the 3rd in Tokyo
    world.plan()
    assert (world.mails("ada"), world.mails("bo")) == ([], [["one"]])
    world.now = datetime(2026, 11, 3, 12, 1, tzinfo=UTC)  # 07:01 in New York
    world.plan()
    assert world.mails("ada") == [["one"]]


def test_an_empty_edition_is_not_mailed_and_leaves_no_trace(world: World) -> None:
    world.subscribe("ada")
    assert world.wait(days=1).plan() == 0
    with world.db.read() as conn:
        assert conn.execute(select(func.count()).select_from(edition)).scalar() == 0


def test_who_is_to_be_told_that_nothing_is_new_gets_an_empty_mail_each_day(world: World) -> None:
    world.newsletters = (replace(DAILY, send_when_empty=True), ALERTS)
    world.subscribe("ada")
    world.subscribe("bo", cadence=Cadence.IMMEDIATE)
    assert world.wait(days=1).plan() == 1
    assert world.plan() == 0
    assert world.wait(days=1).plan() == 1
    world.publish("one")
    world.wait(days=1).plan()
    assert world.wait(days=1).plan() == 1
    assert (world.mails("ada"), world.mails("bo")) == ([["one"]], [["one"]])


def test_missed_days_give_one_edition_with_everything_since(world: World) -> None:
    world.subscribe("ada")
    for title in ("one", "two", "three"):
        world.publish(title)
        world.wait(days=1)
    world.wait(days=10)
    world.plan()
    assert world.mails("ada") == [["three", "two", "one"]]
    assert world.wait(hours=1).plan() == 0


def test_a_late_or_back_dated_article_is_not_missed(world: World) -> None:
    world.subscribe("ada")
    world.publish("today")
    world.wait(days=1).plan()
    world.take_in("dated last week", published_at=world.now - timedelta(days=7))
    world.make_public()
    world.wait(days=1).plan()
    assert world.mails("ada") == [["today"], ["dated last week"]]


def test_an_embargoed_article_comes_when_it_is_public(world: World) -> None:
    world.subscribe("ada")
    world.take_in("embargoed", published_at=world.now + timedelta(days=2))
    world.publish("now")
    world.wait(days=1).plan()
    world.wait(days=2).make_public()
    world.wait(days=1).plan()
    assert world.mails("ada") == [["now"], ["embargoed"]]


def test_what_was_too_old_on_arrival_is_never_mailed_and_stands_below(world: World) -> None:
    world.subscribe("ada", since=datetime(2000, 1, 1, tzinfo=UTC))
    world.publish("live")
    for year in (2001, 2003, 2002):
        world.take_in(str(year), published_at=datetime(year, 1, 1, tzinfo=UTC), too_old=True)
    world.make_public()
    world.wait(days=1).plan()
    assert world.mails("ada") == [["live"]]
    with world.db.read() as conn:
        by_seq = conn.execute(select(article.c.title).order_by(article.c.seq.desc())).scalars()
        assert list(by_seq) == ["live", "2003", "2002", "2001"]


def test_a_withdrawn_article_is_not_planned(world: World) -> None:
    world.subscribe("ada")
    world.publish("stays")
    gone = world.publish("goes")
    with world.db.write() as conn:
        articles.withdraw(conn, [gone], by="operator", now=world.now)
    world.wait(days=1).plan()
    assert world.mails("ada") == [["stays"]]


def test_each_reader_gets_their_categories_once(world: World) -> None:
    world.subscribe("ada", categories=["sport", "world"])
    world.subscribe("bo", categories=["culture"])
    world.publish("both", "sport", "world")
    world.publish("culture", "culture")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["both"]]
    assert world.mails("bo") == [["culture"]]


def test_readers_of_the_same_content_share_a_variant(world: World) -> None:
    for name in ("ada", "bo", "cy"):
        world.subscribe(name)
    world.publish("one")
    world.wait(days=1).plan()
    with world.db.read() as conn:
        assert conn.execute(select(func.count(delivery.c.variant_id.distinct()))).scalar() == 1


def test_an_added_category_counts_from_that_moment(world: World) -> None:
    world.subscribe("ada", categories=["sport"])
    world.publish("sport 1", "sport")
    world.publish("world 1", "world")
    world.subscribe("ada", categories=["sport", "world"])
    world.publish("world 2", "world")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["world 2", "sport 1"]]


def test_taking_everything_keeps_what_was_chosen_before_without_a_gap(world: World) -> None:
    world.subscribe("ada", categories=["sport"])
    world.publish("sport 1", "sport")
    world.publish("world 1", "world")
    world.subscribe("ada", categories=["*"])
    world.publish("world 2", "world")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["world 2", "sport 1"]]


def test_a_category_that_a_newsletter_gains_counts_from_that_moment(world: World) -> None:
    world.newsletters = (replace(DAILY, categories=("sport",)), ALERTS)
    world.settle()
    world.subscribe("ada")
    world.publish("world 1", "world")
    world.newsletters = (replace(DAILY, categories=("sport", "world")), ALERTS)
    world.settle()
    world.publish("world 2", "world")
    world.wait(days=1).plan()
    # The newsletter had begun with every category; leaving `*` keeps their floors.
    assert world.mails("ada") == [["world 2"]]


def test_a_later_move_of_an_article_already_given_is_not_mailed(world: World) -> None:
    world.subscribe("ada", categories=["world"])
    world.publish("moved", "sport")
    world.wait(days=1).plan()
    with world.db.write() as conn:
        wanted = {world.ids["moved"]: ["sport", "world"]}
        memberships.place_in(conn, wanted, now=world.now)
    world.publish("new", "world")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["new"]]


def test_an_article_given_by_another_newsletter_is_not_given_again(world: World) -> None:
    world.subscribe("ada")
    world.subscribe("ada", ALERTS)
    world.publish("breaking")
    world.wait(minutes=2).plan()
    world.publish("later")
    world.wait(days=1).plan()
    given = [title for mail in world.mails("ada") for title in mail]
    assert sorted(given) == ["breaking", "later"]
    assert world.mails("ada", "alerts") == [["breaking"], ["later"]]


def test_immediate_mails_wait_for_the_window_and_gather(world: World) -> None:
    world.subscribe("ada", ALERTS)
    world.publish("one")
    assert world.wait(seconds=30).plan() == 0
    world.publish("two")
    assert world.wait(seconds=31).plan() == 1
    assert world.mails("ada") == [["two", "one"]]
    assert world.wait(days=1).plan() == 0


def test_immediate_readers_of_other_categories_are_left_alone(world: World) -> None:
    world.subscribe("ada", ALERTS, categories=["sport"])
    world.publish("world", "world")
    assert world.wait(minutes=2).plan() == 0
    world.publish("sport", "sport")
    world.wait(minutes=2).plan()
    assert world.mails("ada") == [["sport"]]


def test_a_paused_reader_of_alerts_waits_for_the_end_of_the_pause_not_for_the_next_article(
    world: World,
) -> None:
    world.subscribe("ada", ALERTS)
    world.subscribe("bo", ALERTS)
    with world.db.write() as conn:
        ada = select(subscriber.c.id).where(subscriber.c.name == "ada").scalar_subquery()
        of_hers = update(subscription).where(subscription.c.subscriber_id == ada)
        conn.execute(of_hers.values(paused_until=world.now + timedelta(days=3)))
    world.publish("one")
    world.wait(minutes=2).plan()
    world.wait(days=1).publish("two")
    world.wait(minutes=2).plan()
    assert world.mails("bo") == [["one"], ["two"]]
    world.wait(days=1).plan()
    assert world.mails("ada") == []
    world.wait(days=1).plan()
    assert [sorted(titles) for titles in world.mails("ada")] == [["one", "two"]]
    world.wait(days=9).plan()
    assert (len(world.mails("ada")), len(world.mails("bo"))) == (1, 2)


def test_paused_readers_find_it_all_in_the_next_mail(world: World) -> None:
    world.subscribe("ada")
    with world.db.write() as conn:
        conn.execute(update(subscription).values(paused_until=world.now + timedelta(days=3)))
    world.publish("one")
    assert world.wait(days=1).plan() == 0
    world.publish("two")
    world.wait(days=3).plan()
    assert world.mails("ada") == [["two", "one"]]


def test_what_is_over_the_daily_cap_folds_into_a_later_mail(world: World) -> None:
    world.subscribe("ada", ALERTS)
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(max_per_day=1))
    world.publish("one")
    world.wait(minutes=2).plan()
    world.publish("two")
    assert world.wait(minutes=2).plan() == 0
    world.wait(days=1).publish("three")
    world.wait(minutes=2).plan()
    assert world.mails("ada") == [["one"], ["three", "two"]]


@pytest.mark.parametrize("to", [ALERTS, DAILY], ids=["alerts", "daily"])
def test_a_category_that_becomes_another_brings_its_readers_nothing_old(
    world: World, to: Newsletter
) -> None:
    world.publish("f0", "football")
    world.subscribe("ada", to, categories=["football"])
    for number in range(30):
        world.publish(f"s{number}", "sport")
        world.wait(hours=24).plan()
    merged = ConfiguredCategory(slug="sport", title="sport", formerly=("football",))
    with world.db.write() as conn:
        category_settings.settle(conn, [merged])
    world.publish("new", "sport")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["new"]]


def test_an_alert_that_is_over_the_cap_comes_the_next_day_by_itself(world: World) -> None:
    world.subscribe("ada", ALERTS)
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(max_per_day=1))
    world.publish("one")
    world.wait(minutes=2).plan()
    world.publish("two")
    for _ in range(14):
        assert world.wait(hours=1).plan() == 0
    assert world.wait(hours=1).plan() == 1  # midnight in UTC, the zone of the alerts
    world.wait(days=3).plan()
    assert world.mails("ada") == [["one"], ["two"]]
    world.publish("three")  # and what is new does not wait for midnight
    assert world.wait(minutes=2).plan() == 1


@pytest.mark.parametrize("to", [ALERTS, DAILY], ids=["alerts", "daily"])
def test_the_cap_goes_by_the_days_of_the_newsletters_zone(world: World, to: Newsletter) -> None:
    """In New York 19:30 and 20:30 are one day, though it is another in Greenwich."""
    there = replace(to, zone="America/New_York")
    world.newsletters = (there,)
    world.settle()
    world.subscribe("ada", there, cadence=Cadence.IMMEDIATE)
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(max_per_day=1))
    world.now = datetime(2026, 11, 3, 0, 30, tzinfo=UTC)
    world.publish("at half past seven")
    world.wait(minutes=3).plan()
    world.now = datetime(2026, 11, 3, 1, 30, tzinfo=UTC)
    world.publish("at half past eight")
    assert world.wait(minutes=3).plan() == 0
    world.now = datetime(2026, 11, 3, 5, 30, tzinfo=UTC)
    world.publish("at half past midnight")
    assert world.wait(minutes=3).plan() == 1
    assert world.mails("ada")[1:] == [["at half past midnight", "at half past eight"]]


def test_an_alert_is_dated_in_the_zone_of_its_newsletter(world: World) -> None:
    def zone() -> str:
        with world.db.read() as conn:
            newest = conn.execute(select(func.max(variant.c.id))).scalar_one()
            content = renderings.content(conn, newest)
        assert isinstance(content, VariantContent)
        return content.zone

    world.subscribe("ada", cadence=Cadence.IMMEDIATE)
    world.publish("one")
    world.wait(minutes=20).plan()
    assert zone() == "Europe/Berlin"
    world.newsletters = (replace(DAILY, zone="Asia/Tokyo"), ALERTS)
    world.settle()
    world.publish("two")
    world.wait(minutes=20).plan()
    assert zone() == "Asia/Tokyo"


def test_a_change_of_cadence_hour_and_zone_loses_and_repeats_nothing(world: World) -> None:
    """Daily 07:00 Berlin, to weekly, to immediate, to New York: each title once."""
    world.subscribe("ada")
    published = []

    def a_day() -> None:
        for hour in range(4):
            title = f"{world.now:%d.%m.} {hour}"
            world.publish(title)
            published.append(title)
            world.wait(hours=6).plan()

    a_day()
    a_day()
    world.subscribe("ada", cadence=Cadence.WEEKLY)
    for _ in range(9):
        a_day()
    world.subscribe("ada", cadence=Cadence.IMMEDIATE)
    a_day()
    world.subscribe("ada", cadence=Cadence.DAILY, zone="America/New_York")
    a_day()
    a_day()
    world.wait(days=2).plan()
    given = [title for mail in world.mails("ada") for title in mail]
    assert sorted(given) == sorted(published)
    assert len(given) == len(set(given))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.sampled_from(["sport", "world"])),
            st.tuples(st.just("wait"), st.integers(1, 60)),
            st.tuples(st.just("cadence"), st.sampled_from(list(Cadence))),
            st.tuples(
                st.just("zone"),
                st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Kiritimati"]),
            ),
            st.tuples(st.just("at"), st.integers(0, 23)),
        ),
        max_size=25,
    ),
    chunk=st.sampled_from([1, 2, 5000]),
)
def test_whatever_readers_do_each_article_comes_once(
    steps: list[tuple[str, object]],
    chunk: int,
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with ExitStack() as things:
        _live(World(new_database(kind, tmp_path_factory.mktemp("db"), things), chunk=chunk), steps)


def _live(world: World, steps: list[tuple[str, object]]) -> None:
    wishes: dict[str, object] = {}
    world.subscribe("fixed")
    world.subscribe("restless")
    world.subscribe("sporty", categories=["sport"])
    published: dict[str, str] = {}
    for number, (what, value) in enumerate(steps):
        if what == "publish":
            published[f"{number}"] = str(value)
            world.publish(f"{number}", str(value))
        elif what == "wait":
            world.wait(hours=value)  # type: ignore[arg-type]  # an integer by the strategy
            world.plan()
        else:
            wishes[what] = time(value) if what == "at" else value  # type: ignore[arg-type]
            world.subscribe("restless", **wishes)  # type: ignore[arg-type]
    for _ in range(9):
        world.wait(days=1).plan()
    for name, wanted in (
        ("fixed", set(published)),
        ("restless", set(published)),
        ("sporty", {title for title, slug in published.items() if slug == "sport"}),
    ):
        given_titles = [title for mail in world.mails(name) for title in mail]
        assert sorted(given_titles, key=int) == sorted(wanted, key=int)


def test_planning_killed_between_chunks_goes_on_from_its_cursor(world: World) -> None:
    world.chunk = 3
    for number in range(10):
        world.subscribe(f"reader{number}")
    world.publish("one")
    world.wait(days=1)
    planner = world.planner
    with world.db.read() as conn:
        slot = next(iter(slots.due(conn, world.now)))
    planner._claim(slot, world.now)
    with world.db.write() as conn:
        [edition_id] = editions.unplanned(conn)
        of = editions.find(conn, edition_id)
        readers = readership.next_readers(conn, of, 3, all_given=False)
        decision = decided(conn, readership, world.planner.newsletters, of, readers)
        planner._write(conn, of, decision, readers[-1].subscription_id)
    # Here the process is killed. Another takes up where it stopped.
    world.planner.continue_planning()
    with world.db.read() as conn:
        row = conn.execute(select(edition)).one()
        assert (row.enqueued, row.state, row.planned) == (10, EditionState.SENDING, True)
    for number in range(10):
        assert world.mails(f"reader{number}") == [["one"]]


def test_the_books_balance(world: World) -> None:
    for number in range(7):
        world.subscribe(f"reader{number}")
    world.publish("one")
    world.wait(days=1).plan()
    with world.db.read() as conn:
        enqueued = conn.execute(select(func.sum(edition.c.enqueued))).scalar()
        rows = conn.execute(select(func.count()).select_from(delivery)).scalar()
        assert enqueued == rows == 7


def test_cancelled_editions_send_nothing_more(world: World) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.wait(days=1).plan()
    with world.db.write() as conn:
        assert control.cancel(conn, "daily", world.now) == 1
        states = conn.execute(select(delivery.c.state)).scalars().all()
    assert states == [DeliveryState.CANCELLED]


def states(world: World) -> list[str]:
    with world.db.read() as conn:
        return list(conn.execute(select(delivery.c.state).order_by(delivery.c.id)).scalars())


def give_up(world: World) -> None:
    with world.db.write() as conn:
        newsletters.give_up(conn, world.now)


def test_a_retired_newsletter_plans_nothing_and_a_day_later_gives_up_what_is_open(
    world: World,
) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.wait(days=1).plan()
    world.newsletters = (ALERTS,)
    world.settle()
    world.publish("two")
    assert world.wait(hours=23).plan() == 0
    give_up(world)
    assert states(world) == [DeliveryState.PENDING]
    world.wait(hours=2)
    give_up(world)
    assert states(world) == [DeliveryState.CANCELLED]
    with world.db.read() as conn:
        assert conn.execute(select(subscription.c.state)).scalars().all() == ["confirmed"]


def test_a_slug_mistyped_for_a_while_loses_no_mail(world: World) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.wait(days=1).plan()
    world.newsletters = (replace(DAILY, slug="dialy"), ALERTS)
    world.settle()
    world.newsletters = (DAILY, ALERTS)
    world.settle()
    world.wait(days=2)
    give_up(world)
    assert states(world) == [DeliveryState.PENDING]


def test_readers_follow_a_newsletter_to_its_new_hour(world: World) -> None:
    """Unless they chose one of their own."""
    world.subscribe("ada")
    world.subscribe("bo", at=time(9))
    world.newsletters = (replace(DAILY, at=time(8)), ALERTS)
    world.settle()
    world.publish("one")
    world.now = datetime(2026, 11, 3, 6, 30, tzinfo=UTC)  # 07:30 in Berlin
    assert world.plan() == 0
    world.wait(hours=1).plan()
    assert (world.mails("ada"), world.mails("bo")) == ([["one"]], [])
    world.wait(hours=1).plan()
    assert world.mails("bo") == [["one"]]


def test_a_newsletter_that_turns_immediate_brings_at_once_what_waited(world: World) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.newsletters = (replace(DAILY, cadences=(Cadence.IMMEDIATE,)), ALERTS)
    world.settle()
    world.wait(minutes=3).plan()
    assert world.mails("ada") == [["one"]]


def test_what_was_away_while_mails_went_out_comes_in_the_next(world: World) -> None:
    world.subscribe("ada")
    away = world.publish("away")
    with world.db.write() as conn:
        articles.withdraw(conn, [away], by="source", now=world.now)
    world.publish("there")
    world.wait(days=1).plan()
    with world.db.write() as conn:
        articles.revive(conn, away, too_old=False)
    world.make_public()
    world.wait(days=1).plan()
    assert world.mails("ada") == [["there"], ["away"]]


def test_what_was_given_and_came_back_is_not_given_again(world: World) -> None:
    world.subscribe("ada")
    away = world.publish("away")
    world.wait(days=1).plan()
    with world.db.write() as conn:
        articles.withdraw(conn, [away], by="source", now=world.now)
        articles.revive(conn, away, too_old=False)
    world.make_public()
    assert world.wait(days=1).plan() == 0


def test_a_reader_whom_no_alert_concerns_is_not_left_behind_for_ever(world: World) -> None:
    world.subscribe("ada", ALERTS, categories=["rare"])
    for number in range(planning.FAR_BEHIND + 1):
        world.take_in(f"{number}", "world")
    world.make_public()
    world.wait(minutes=2).plan()
    with world.db.read() as conn:
        assert conn.execute(select(subscription.c.after_seq)).scalar() == planning.FAR_BEHIND + 1
    world.publish("rare", "rare")
    world.wait(minutes=2).plan()
    assert world.mails("ada") == [["rare"]]


def test_a_newsletter_that_comes_back_goes_on(world: World) -> None:
    world.subscribe("ada")
    world.newsletters = (ALERTS,)
    world.settle()
    world.publish("meanwhile")
    world.wait(days=2)
    world.newsletters = (DAILY, ALERTS)
    world.settle()
    world.wait(days=1).plan()
    assert world.mails("ada") == [["meanwhile"]]


def test_every_publication_takes_its_place_and_stamps_its_categories(world: World) -> None:
    for title in ("a", "b", "c"):
        world.take_in(title, "sport", published_at=world.now)
    world.make_public()
    world.publish("d", "world")
    with world.db.read() as conn:
        seqs = conn.execute(select(article.c.seq).order_by(article.c.seq)).scalars().all()
        stamps = dict(conn.execute(select(category.c.slug, category.c.change)).all())
        assert publication.next_due_at(conn) is None
    assert all(later == earlier + 1 for earlier, later in pairwise(seqs))
    assert stamps == {"sport": 3, "world": 4}
