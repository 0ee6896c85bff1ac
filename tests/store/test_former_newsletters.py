"""A newsletter gets another slug: its readers, their places and its mails go along."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from publisher.core.model import Cadence, DeliveryState, Newsletter
from publisher.core.wishes import Wishes
from publisher.newsletters.plan import decided
from publisher.store import (
    editions,
    exports,
    newsletters,
    readership,
    schema,
    subscribers,
    subscriptions,
)
from publisher.store.engine import Database
from publisher.store.tables import delivery, edition, metadata, newsletter, slot, subscription
from tests.store.world import ALERTS, DAILY, World

MORNING = replace(DAILY, slug="morning", title="The Morning")
RENAMED = replace(DAILY, formerly=("morning",))
TUESDAY_SEVEN = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)  # in Berlin


@pytest.fixture
def morning(db: Database) -> World:
    """A world whose only newsletter ever was `morning`."""
    return World(db, newsletters=(MORNING,))


def configure(world: World, *offered: Newsletter) -> World:
    """As the next command with this configuration does."""
    world.newsletters = offered
    if not is_settled(world):
        world.settle()
    assert is_settled(world)
    return world


def is_settled(world: World) -> bool:
    with world.db.read() as conn:
        return newsletters.is_settled(conn, world.newsletters)


def everything(db: Database) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables."""
    with db.read() as conn:
        return {
            table.name: [
                dict(row)
                for row in conn.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in metadata.sorted_tables
        }


def values(world: World, statement: Any) -> list[Any]:
    with world.db.read() as conn:
        return list(conn.execute(statement).scalars())


def leave(world: World, name: str, of: str) -> None:
    with world.db.write() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        assert reader is not None
        found = subscriptions.find(conn, reader.id, of)
        assert found is not None
        assert subscriptions.unsubscribe(conn, found.id, by="page", now=world.now)


def alter(world: World, name: str, of: str, **columns: Any) -> int:
    """Set columns of a subscription; its id."""
    with world.db.write() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        assert reader is not None
        found = subscriptions.find(conn, reader.id, of)
        assert found is not None
        mine = subscription.c.id == found.id
        if columns:
            conn.execute(update(subscription).where(mine).values(**columns))
        return found.id


def known(world: World, name: str) -> list[tuple[str, str, str]]:
    """What a reader is subscribed to: newsletter, state, slot."""
    with world.db.read() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        assert reader is not None
        found = subscriptions.of_reader(conn, reader.id)
    return [(each.newsletter, each.state.value, each.slot) for each in found]


# under another slug


def test_everything_goes_along_and_nothing_names_the_former_slug(morning: World) -> None:
    world = configure(morning, MORNING, ALERTS)
    world.subscribe("ada", MORNING, at=time(9), categories=["sport"])
    world.subscribe("bo", MORNING, cadence=Cadence.WEEKLY, zone="Asia/Tokyo")
    world.subscribe("cy", MORNING, cadence=Cadence.IMMEDIATE)
    world.subscribe("di", ALERTS)
    world.subscribe("el", MORNING)
    leave(world, "el", "morning")
    alter(world, "ada", "morning", paused_until=world.now + timedelta(days=9))
    world.publish("one", "sport")
    world.wait(days=1).plan()
    before = everything(world.db)
    configure(world, RENAMED, ALERTS)

    after = everything(world.db)
    assert "morning" not in str(after)
    [was] = [row for row in before["newsletter"] if row["slug"] == "morning"]
    [now] = [row for row in after["newsletter"] if row["slug"] == "daily"]
    assert now == was | {"slug": "daily", "title": "The Daily"}
    for table in ("subscription", "edition", "slot", "delivery"):
        for old, new in zip(before[table], after[table], strict=True):
            if old.get("newsletter") == "morning":
                old["newsletter"] = "daily"
            if table == "slot":
                old["key"] = old["key"].replace("morning/", "daily/")
                if old["cadence"] == Cadence.IMMEDIATE:  # has looked for what it may have missed
                    old["next_due_at"] = new["next_due_at"]
            assert new == old


def test_a_second_settling_writes_nothing(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    configure(morning, MORNING, DAILY)
    morning.subscribe("ada", DAILY)
    configure(morning, RENAMED)
    before = everything(morning.db)
    morning.settle()
    assert everything(morning.db) == before


def test_the_next_digest_has_what_came_since_the_last(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    morning.publish("one")
    morning.wait(days=1).plan()
    morning.publish("two")
    configure(morning, RENAMED)
    morning.publish("three")
    morning.wait(days=1).plan()
    assert morning.mails("ada", "daily") == [["one"], ["three", "two"]]


def test_a_digest_that_is_due_comes_in_its_hour(morning: World) -> None:
    """Also when the program was off over that hour, and began with the new configuration."""
    morning.subscribe("ada", MORNING)
    morning.publish("one")
    morning.now = TUESDAY_SEVEN + timedelta(hours=2)
    configure(morning, RENAMED)
    morning.plan()
    assert morning.mails("ada") == [["one"]]


def test_a_planning_that_was_killed_goes_on(morning: World) -> None:
    for number in range(7):
        morning.subscribe(f"reader{number}", MORNING)
    morning.publish("one")
    morning.wait(days=1)
    morning.chunk = 3
    plan_one_chunk(morning)
    configure(morning, RENAMED)
    morning.planner.continue_planning()
    assert [morning.mails(f"reader{number}") for number in range(7)] == [[["one"]]] * 7


def plan_one_chunk(world: World) -> None:
    """Then the process is killed."""
    planner = world.planner
    with world.db.read() as conn:
        [due] = planner.slots.due(conn, world.now, None)
    planner._claim(due, world.now)
    with world.db.write() as conn:
        [edition_id] = editions.unplanned(conn)
        of = editions.find(conn, edition_id)
        assert of is not None
        readers = readership.next_readers(conn, of, world.chunk, all_given=False)
        decision = decided(conn, readership, world.planner.newsletters, of, readers)
        planner._write(conn, of, decision, readers[-1].subscription_id)


def test_open_mails_are_not_given_up_a_day_later(morning: World) -> None:
    """Not even if the newsletter was out of the configuration before."""
    morning.subscribe("ada", MORNING)
    morning.publish("one")
    morning.wait(days=1).plan()
    configure(morning)
    morning.wait(hours=23)
    configure(morning, RENAMED)
    morning.wait(days=9)
    with morning.db.write() as conn:
        assert newsletters.give_up(conn, morning.now) == 0
    assert values(morning, select(delivery.c.state)) == [DeliveryState.PENDING]


def test_readers_who_chose_no_hour_follow_to_the_new_one(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    morning.subscribe("bo", MORNING, at=time(7))
    configure(morning, replace(RENAMED, at=time(8)))
    assert known(morning, "ada") == [("daily", "confirmed", "daily/daily@08:00[Europe/Berlin]")]
    assert known(morning, "bo") == [("daily", "confirmed", "daily/daily@07:00[Europe/Berlin]")]


def test_a_category_that_comes_with_the_new_slug_brings_no_old_articles(morning: World) -> None:
    configure(morning, replace(MORNING, categories=("sport",)))
    morning.subscribe("ada", MORNING)
    morning.publish("old world", "world")
    morning.publish("old sport", "sport")
    configure(morning, replace(RENAMED, categories=("sport", "world")))
    morning.publish("new world", "world")
    morning.wait(days=1).plan()
    assert morning.mails("ada") == [["new world", "old sport"]]


def test_alerts_bring_at_once_what_came_out_while_neither_slug_was_there(world: World) -> None:
    world.subscribe("ada", ALERTS)
    configure(world, DAILY)
    world.newsletters = ()  # so that nothing wakes the slot
    world.publish("one")
    with world.db.write() as conn:
        conn.execute(update(slot).values(next_due_at=None))
    configure(world, replace(ALERTS, slug="flashes", formerly=("alerts",)))
    world.wait(minutes=2).plan()
    assert world.mails("ada", "flashes") == [["one"]]


def test_a_daemon_with_the_former_configuration_wakes_the_alerts_too(world: World) -> None:
    world.subscribe("ada", ALERTS)
    former = world.newsletters
    configure(world, replace(ALERTS, slug="flashes", formerly=("alerts",)))
    world.wait(minutes=2).plan()
    world.newsletters = former
    world.publish("one")
    world.plan()
    assert world.mails("ada", "flashes") == [["one"]]


def test_a_chain_step_by_step(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    for number, slug in enumerate(["b", "c", "d"]):
        morning.publish(f"{number}")
        former = morning.newsletters[0]
        configure(morning, replace(former, slug=slug, formerly=(former.slug, *former.formerly)))
        morning.wait(days=1).plan()
    assert morning.mails("ada", "d") == [["0"], ["1"], ["2"]]
    assert values(morning, select(newsletter.c.slug)) == ["d"]


def test_a_chain_at_once(morning: World) -> None:
    """A database that was away for two renamings."""
    morning.subscribe("ada", MORNING)
    configure(morning, replace(DAILY, slug="c", formerly=("b", "morning")))
    morning.publish("one")
    morning.wait(days=1).plan()
    assert morning.mails("ada", "c") == [["one"]]


def test_a_mistaken_renaming_turned_back(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    before = everything(morning.db)
    configure(morning, RENAMED)
    configure(morning, replace(MORNING, formerly=("daily",)))
    assert everything(morning.db) == before
    morning.publish("one")
    configure(morning, RENAMED)
    morning.wait(days=1).plan()
    assert morning.mails("ada", "daily") == [["one"]]


def test_a_renaming_that_was_forgotten_to_be_told_can_be_told_later(morning: World) -> None:
    morning.subscribe("ada", MORNING)
    morning.publish("one")
    configure(morning, DAILY)
    morning.subscribe("bo", DAILY)
    assert morning.wait(days=1).plan() == 0
    configure(morning, RENAMED)
    morning.plan()
    assert morning.mails("ada") == [["one"]]  # whose hour has passed
    morning.publish("two")
    morning.wait(days=1).plan()
    assert (morning.mails("ada"), morning.mails("bo")) == ([["one"], ["two"]], [["two"]])


def test_a_reader_given_a_slot_by_a_daemon_with_earlier_times_follows_later(world: World) -> None:
    later = replace(DAILY, at=time(8))
    configure(world, later)
    world.subscribe("ada", DAILY)
    assert known(world, "ada")[0][2] == "daily/daily@07:00[Europe/Berlin]"
    configure(world, later)
    assert known(world, "ada")[0][2] == "daily/daily@08:00[Europe/Berlin]"


# two become one


def both(world: World) -> World:
    return configure(world, MORNING, DAILY)


def nothing(world: World) -> None:
    pass


@pytest.mark.parametrize(
    ("happened", "state", "at"),
    [
        (nothing, "confirmed", "09:00"),
        (lambda world: leave(world, "ada", "morning"), "confirmed", "09:00"),
        (lambda world: leave(world, "ada", "daily"), "confirmed", "08:00"),
        (lambda world: alter(world, "ada", "daily", state="pending"), "confirmed", "08:00"),
        (
            lambda world: alter(world, "ada", "morning", consent={"given_at": "2026-11-02"}),
            "confirmed",
            "08:00",
        ),
        (
            lambda world: (leave(world, "ada", "daily"), leave(world, "ada", "morning")),
            "unsubscribed",
            "09:00",
        ),
    ],
    ids=["both", "left morning", "left daily", "pending", "morning is later", "left both"],
)
def test_a_reader_of_both_keeps_one(
    world: World, happened: Callable[[World], Any], state: str, at: str
) -> None:
    both(world)
    world.subscribe("ada", MORNING, at=time(8))
    world.subscribe("ada", DAILY, at=time(9))
    happened(world)
    world.wait(hours=1)
    configure(world, RENAMED)
    assert known(world, "ada") == [("daily", state, f"daily/daily@{at}[Europe/Berlin]")]
    world.publish("one")
    world.wait(days=2).plan()
    assert world.mails("ada") == ([["one"]] if state == "confirmed" else [])
    with world.db.read() as conn:
        exported = [each.newsletter for each in exports.everyone(conn)]
        counts = subscriptions.counts(conn)
    assert exported == ["daily"]
    assert counts == ({"daily": 1} if state == "confirmed" else {})


def test_links_of_both_lead_out_of_the_one_that_is_left(world: World) -> None:
    """Also of mails from before two mergers."""
    configure(world, MORNING, DAILY, replace(DAILY, slug="evening"))
    ids = []
    for each in world.newsletters:
        world.subscribe("ada", each)
        ids.append(alter(world, "ada", each.slug))
    configure(world, RENAMED, replace(DAILY, slug="evening"))
    configure(world, replace(DAILY, slug="evening", formerly=("daily", "morning")))
    for each in ids:
        with world.db.write() as conn:
            assert subscriptions.newsletter_of(conn, each) == "evening"
            if each != ids[0]:  # the first link has ended it
                assert not subscriptions.unsubscribe(conn, each, by="page", now=world.now)
            else:
                assert subscriptions.unsubscribe(conn, each, by="page", now=world.now)
    assert [state for _, state, _ in known(world, "ada")] == ["unsubscribed"]


def test_leaving_cancels_the_open_mails_of_both(world: World) -> None:
    both(world)
    world.subscribe("ada", MORNING, categories=["sport"])
    world.subscribe("ada", DAILY, categories=["world"])
    world.publish("one", "sport")
    world.publish("two", "world")
    world.wait(days=1).plan()
    configure(world, RENAMED)
    assert values(world, select(delivery.c.state)) == [DeliveryState.PENDING] * 2
    leave(world, "ada", "daily")
    assert values(world, select(delivery.c.state)) == [DeliveryState.CANCELLED] * 2


def test_what_only_the_weekly_was_to_bring_is_not_missed(world: World) -> None:
    """And nothing comes twice that the daily has brought."""
    both(world)
    world.subscribe("ada", MORNING, cadence=Cadence.WEEKLY)
    world.publish("before")
    world.subscribe("ada", DAILY)
    world.publish("one")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["one"]]
    configure(world, RENAMED)
    world.publish("two")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["one"], ["two", "before"]]


def test_readers_who_come_follow_the_hour_of_the_newsletter_that_was_there(world: World) -> None:
    later = replace(RENAMED, at=time(8))
    configure(world, MORNING, replace(later, formerly=()))
    world.subscribe("ada", MORNING)
    configure(world, later)
    assert known(world, "ada") == [("daily", "confirmed", "daily/daily@08:00[Europe/Berlin]")]


def test_a_category_that_only_one_had_for_long_leaves_no_gap(world: World) -> None:
    sport = replace(MORNING, categories=("sport",))
    configure(world, sport, replace(DAILY, categories=("world",)))
    world.subscribe("ada", sport)
    world.publish("one", "sport")
    configure(world, sport, replace(DAILY, categories=("world", "sport")))
    configure(world, replace(RENAMED, categories=("world", "sport")))
    world.wait(days=1).plan()
    assert world.mails("ada") == [["one"]]


def test_slots_of_the_same_times_become_one_with_all_their_editions(world: World) -> None:
    both(world)
    world.subscribe("ada", MORNING)
    world.subscribe("bo", DAILY)
    world.publish("one")
    world.wait(days=1).plan()
    occasions = values(world, select(edition.c.occasion))
    assert occasions[0] == occasions[1]
    configure(world, RENAMED)
    assert values(world, select(slot.c.key)) == ["daily/daily@07:00[Europe/Berlin]"]
    assert len(set(values(world, select(edition.c.occasion)))) == 2
    assert values(world, select(func.count()).select_from(delivery)) == [2]
    world.publish("two")
    assert world.wait(days=1).plan() == 2
    for name in ("ada", "bo"):
        assert world.mails(name) == [["one"], ["two"]]


def test_a_planning_that_was_killed_goes_on_in_a_shared_slot(world: World) -> None:
    both(world)
    world.subscribe("early", DAILY)
    for number in range(7):
        world.subscribe(f"reader{number}", MORNING)
    world.subscribe("late", DAILY)
    world.publish("one")
    with world.db.write() as conn:  # only that of `morning` has come
        conn.execute(
            update(slot).where(slot.c.newsletter == "daily").values(next_due_at=TUESDAY_SEVEN)
        )
    world.now = TUESDAY_SEVEN - timedelta(minutes=1)
    with world.db.write() as conn:
        conn.execute(
            update(slot).where(slot.c.newsletter == "morning").values(next_due_at=world.now)
        )
    world.chunk = 3
    plan_one_chunk(world)
    configure(world, RENAMED)
    world.planner.continue_planning()
    assert [world.mails(f"reader{number}") for number in range(7)] == [[["one"]]] * 7
    world.wait(days=1).plan()
    for name in ("early", "late", *(f"reader{number}" for number in range(7))):
        assert world.mails(name) == [["one"]]


STEPS = ("publish", "publish", "hour", "day", "week", "join morning", "join daily", "merge", "back")


@settings(max_examples=60)
@given(
    steps=st.lists(st.sampled_from(STEPS), max_size=25),
    cadences=st.tuples(*[st.sampled_from(list(Cadence))] * 2),
)
def test_whenever_two_become_one_each_article_comes_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], cadences: tuple[Cadence, Cadence]
) -> None:
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('merge')}/publisher.db")
    schema.prepare(db)
    world = both(World(db))
    published: list[str] = []
    due: list[str] = []
    for step in [*steps, "merge", "publish", "week", "week"]:
        match step.split():
            case ["publish"]:
                published.append(f"{len(published)}")
                world.publish(published[-1])
                if values(world, select(subscription.c.id)):
                    due.append(published[-1])
            case ["merge"]:
                configure(world, RENAMED)
            case ["back"]:
                configure(world, replace(MORNING, formerly=("daily",)))
            case ["join", slug]:
                number = ("morning", "daily").index(slug)
                there = world.newsletters[number % len(world.newsletters)]
                world.subscribe("ada", there, cadence=cadences[number])
            case _:
                world.wait(**{f"{step}s": 1}).plan()
    got = [title for mail in world.mails("ada") for title in mail]
    db.close()
    assert sorted(got, key=int) == due


def test_wishes_of_the_one_that_stays_hold(world: World) -> None:
    both(world)
    world.subscribe("ada", MORNING, categories=["sport"], cadence=Cadence.WEEKLY)
    world.subscribe("ada", DAILY, categories=["world"])
    configure(world, RENAMED)
    with world.db.read() as conn:
        reader = subscribers.find(conn, "ada@reader.example")
        assert reader is not None
        [kept] = subscriptions.of_reader(conn, reader.id)
    assert kept.wishes == Wishes(categories=("world",))
