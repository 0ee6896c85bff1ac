"""One story, once: whatever happens, no reader is given an article twice, and none misses one.

With any number of newsletters and cadences, an article in several categories, or withdrawn for a
while, mails that end in all ways, plannings that are killed, and readers who move, pause and change
their minds. What was wrong in an article is told once, to those alone who got it as it was before.
"""

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, select, update

from publisher.core.edition import VariantContent
from publisher.core.intake import Offered, Version
from publisher.core.model import EVERYTHING, Cadence, DeliveryState, Newsletter, Rendering
from publisher.core.selection import choose
from publisher.newsletters.plan import decided
from publisher.store import (
    articles,
    control,
    editions,
    ledger,
    memberships,
    readership,
    renderings,
    subscribers,
    subscriptions,
)
from publisher.store.tables import (
    delivery,
    edition,
    rendering,
    subscriber,
    subscription,
    variant_article,
)
from tests.store.conftest import KINDS, new_database
from tests.store.world import ALERTS, DAILY, World

REVIEW = replace(DAILY, slug="review", title="Review", cadences=(Cadence.WEEKLY,), repeats=True)
NEWSLETTERS = (DAILY, ALERTS, REVIEW)
SLUGS = ("sport", "world", "culture")
NAMES = ("ada", "bo", "cy")
NOT_GIVEN = ("failed", "cancelled", "suppressed")
ARRIVED = ("sent", "uncertain")
OPEN = ("pending", "deferred")

names = st.sampled_from(NAMES)
newsletters = st.sampled_from(NEWSLETTERS)
some_slugs = st.sets(st.sampled_from(SLUGS), min_size=1)
choices = st.just({EVERYTHING}) | some_slugs
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Asia/Tokyo"])


def test_an_alert_is_not_repeated_in_the_digest_unless_the_newsletter_says_so(
    world: World,
) -> None:
    world.newsletters = NEWSLETTERS
    world.settle()
    for each in NEWSLETTERS:
        world.subscribe("ada", each)
    world.publish("breaking")
    world.wait(minutes=2).plan()
    world.wait(days=8).plan()
    world.wait(days=8).plan()
    assert world.mails("ada", "alerts") == [["breaking"]]
    assert world.mails("ada", "daily") == []
    assert world.mails("ada", "review") == [["breaking"]]


def test_what_a_repeating_newsletter_gave_others_do_not_repeat(world: World) -> None:
    world.newsletters = NEWSLETTERS
    world.settle()
    world.subscribe("ada", REVIEW)
    world.subscribe("ada", DAILY)
    world.publish("one")
    world.planner.plan_now("review", world.now)
    world.wait(days=1).plan()
    world.subscribe("ada", REVIEW, since=world.now - timedelta(days=30))
    world.wait(days=8).plan()
    assert (world.mails("ada", "review"), world.mails("ada", "daily")) == ([["one"]], [])


@pytest.mark.parametrize("in_doubt", [False, True])
def test_what_failed_is_given_by_another_unless_it_may_have_arrived(
    world: World, in_doubt: bool
) -> None:
    world.subscribe("ada", ALERTS)
    world.subscribe("ada", DAILY)
    world.publish("one")
    world.wait(minutes=2).plan()
    with world.db.write() as conn:
        conn.execute(update(delivery).values(state=DeliveryState.FAILED, in_doubt=in_doubt))
    world.wait(days=1).plan()
    assert world.mails("ada", "daily") == ([] if in_doubt else [["one"]])


def test_what_another_gave_meanwhile_is_not_sent_again(world: World) -> None:
    world.subscribe("ada", ALERTS)
    world.subscribe("bo", ALERTS)
    world.subscribe("ada", DAILY)
    world.publish("one")
    world.wait(minutes=2).plan()
    with world.db.write() as conn:
        control.cancel(conn, "alerts", world.now)
    world.wait(days=1).plan()
    assert world.mails("ada", "daily") == [["one"]]
    with world.db.write() as conn:
        assert sum(control.resend(conn, "alerts", None, repeats=False).values()) == 1  # bo
        assert sum(control.resend(conn, "alerts", None, repeats=True).values()) == 1  # ada


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    id: int
    reader: str
    newsletter: str
    state: str
    rendered: bool
    articles: dict[str, str]
    """By title, what it says was wrong in it; of one not rendered yet, those it is to hold."""
    corrections: dict[str, str]
    """By title, what it tells was wrong."""


class Once(RuleBasedStateMachine):
    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        db = new_database(self.kind, Path(folder), self.stack)
        self.world = World(db, newsletters=NEWSLETTERS, chunk=1)
        self.choices: dict[tuple[str, str], dict[str, int]] = {}
        """By reader and newsletter: what is chosen, and how many articles had come out before."""
        self.categories: dict[str, set[str]] = {}
        """By article."""
        self.owed: set[tuple[str, str, str]] = set()
        """Reader, newsletter, article: came out in what they have chosen ever since."""
        self.suspended: set[tuple[str, str, str]] = set()
        """Owed again when the article comes back."""
        self.away: set[str] = set()
        """Articles that are withdrawn."""
        self.notes: dict[str, str] = {}
        """What was wrong, by article; never the same twice."""
        self.dropped: set[int] = set()
        """Mails of which every article was withdrawn."""
        self.given_back: set[int] = set()
        """Mails that their readers' pauses kept from going out."""
        self.resent = False
        self.had_a_cap = False
        for number, name in enumerate(NAMES):
            for each in NEWSLETTERS[: len(NAMES) - number]:  # cy gets nothing from others
                self.world.subscribe(name, each, categories=[EVERYTHING])
                self.choices[name, each.slug] = {EVERYTHING: 0}

    def teardown(self) -> None:
        try:
            self.nobody_misses_anything()
        finally:
            self.stack.close()

    def an_article_comes_out(self, categories: set[str]) -> None:
        title = f"{len(self.categories)}"
        self.world.publish(title, *sorted(categories))
        self.categories[title] = categories
        self.owed |= {(*who, title) for who in self.choices if self.concerns(who, title)}

    def no_longer_owed(self, which: Callable[[tuple[str, str, str]], bool]) -> None:
        self.owed = {each for each in self.owed if not which(each)}
        self.suspended = {each for each in self.suspended if not which(each)}

    def concerns(self, who: tuple[str, str], title: str) -> bool:
        chosen = self.choices[who]
        slugs = chosen.keys() & {EVERYTHING, *self.categories[title]}
        return any(int(title) >= chosen[slug] for slug in slugs)

    @rule(name=names, to=newsletters, choice=choices, cadence=st.sampled_from(Cadence), zone=zones)
    def a_reader_chooses(
        self, name: str, to: Newsletter, choice: set[str], cadence: Cadence, zone: str
    ) -> None:
        wanted = cadence if to is DAILY else None
        self.world.subscribe(
            name, to, categories=sorted(choice), cadence=wanted, zone=zone, at=time(9)
        )
        who = (name, to.slug)
        self.choices[who] = choose(sorted(choice), self.choices.get(who), len(self.categories))
        self.no_longer_owed(lambda each: each[:2] == who and not self.concerns(who, each[2]))

    @precondition(lambda self: self.choices)
    @rule(data=st.data())
    def a_reader_leaves(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.choices)))
        with self.world.db.write() as conn:
            reader = subscribers.find(conn, f"{who[0]}@reader.example")
            assert reader is not None
            theirs = subscriptions.find(conn, reader.id, who[1])
            assert theirs is not None
            subscriptions.unsubscribe(conn, theirs.id, by="page", now=self.world.now)
        del self.choices[who]
        self.no_longer_owed(lambda each: each[:2] == who)
        self.what_did_not_go_out_is_not_owed()

    @rule(name=names, days=st.integers(1, 3), most=st.sampled_from([None, 1, 2]))
    def a_reader_pauses_or_wants_less(self, name: str, days: int, most: int | None) -> None:
        until = self.world.now + timedelta(days=days) if most is None else None
        self.had_a_cap |= most is not None
        open_before = self.waiting()
        with self.world.db.write() as conn:
            reader = subscribers.find(conn, f"{name}@reader.example")
            assert reader is not None
            for known in subscriptions.of_reader(conn, reader.id):
                if known.state == "confirmed":
                    to = next(each for each in NEWSLETTERS if each.slug == known.newsletter)
                    subscriptions.pause(conn, known, to, until, self.world.now)
            subscribers.cap(conn, reader.id, most)
        self.given_back |= open_before - self.waiting()

    def waiting(self) -> set[int]:
        """The mails that are to go out."""
        return {each.id for each in self.mails() if each.state in OPEN}

    @precondition(lambda self: self.categories)
    @rule(data=st.data(), categories=some_slugs)
    def an_article_moves(self, data: st.DataObject, categories: set[str]) -> None:
        title = data.draw(st.sampled_from(sorted(self.categories)))
        with self.world.db.write() as conn:
            wanted = {self.world.ids[title]: sorted(categories)}
            memberships.place_in(conn, wanted, now=self.world.now)
        self.categories[title] = categories
        self.no_longer_owed(
            lambda each: each[2] == title and not self.concerns((each[0], each[1]), title)
        )

    @precondition(lambda self: self.categories)
    @rule(data=st.data(), noted=st.booleans())
    def an_article_is_withdrawn(self, data: st.DataObject, noted: bool) -> None:
        self.withdraw(data.draw(st.sampled_from(sorted(self.categories))), noted)

    @precondition(lambda self: self.away)
    @rule(data=st.data(), noted=st.booleans(), at_once=st.booleans())
    def an_article_returns(self, data: st.DataObject, noted: bool, at_once: bool) -> None:
        """Public `at_once`, or not until the next is made public."""
        self.bring_back(data.draw(st.sampled_from(sorted(self.away))), noted)
        if at_once:
            self.world.make_public()

    @precondition(lambda self: self.categories.keys() - self.away)
    @rule(data=st.data(), noted=st.booleans(), newsletter=newsletters, mails_first=st.booleans())
    def an_article_is_away_for_a_while(
        self, data: st.DataObject, noted: bool, newsletter: Newsletter, mails_first: bool
    ) -> None:
        """In which mails go out, or editions are planned."""
        title = data.draw(st.sampled_from(sorted(self.categories.keys() - self.away)[-3:]))
        self.withdraw(title, noted)
        if mails_first:
            self.all_goes_out()
        else:
            self.world.planner.plan_now(newsletter.slug, self.world.now)
        self.bring_back(title, noted)
        self.world.make_public()

    def withdraw(self, title: str, noted: bool) -> None:
        article_id = self.world.ids[title]
        corrections = {article_id: self.another_note(title)} if noted else {}
        with self.world.db.write() as conn:
            articles.withdraw(
                conn, [article_id], by="source", now=self.world.now, corrections=corrections
            )
        self.away.add(title)
        self.suspended |= {each for each in self.owed if each[2] == title}
        self.owed -= self.suspended

    def bring_back(self, title: str, noted: bool) -> None:
        with self.world.db.write() as conn:
            articles.revive(conn, self.world.ids[title], too_old=False)
        if noted:
            self.revise(title)
        self.away.remove(title)
        self.owed |= {each for each in self.suspended if each[2] == title}
        self.suspended -= self.owed

    @precondition(lambda self: self.categories.keys() - self.away)
    @rule(data=st.data())
    def an_article_is_corrected(self, data: st.DataObject) -> None:
        self.revise(data.draw(st.sampled_from(sorted(self.categories.keys() - self.away))))

    def revise(self, title: str) -> None:
        article_id = self.world.ids[title]
        note = self.another_note(title)
        with self.world.db.write() as conn:
            version = Version(
                offered=Offered(
                    title=title, summary="", body_html="", correction=note, content_hash=note
                ),
                published_at=articles.find_by_id(conn, [article_id])[article_id].published_at,
                updated_at=self.world.now,
                too_old=False,
            )
            articles.revise(conn, {article_id: version}, self.world.now)

    def another_note(self, title: str) -> str:
        former = self.notes.get(title, f"{title}.0")
        self.notes[title] = f"{title}.{int(former.partition('.')[2]) + 1}"
        return self.notes[title]

    @rule(new=st.lists(some_slugs, max_size=2), hours=st.integers(0, 30))
    def time_passes_and_what_is_due_is_planned(self, new: list[set[str]], hours: int) -> None:
        for categories in new:
            self.an_article_comes_out(categories)
        self.world.wait(hours=hours).plan()

    @rule(newsletter=newsletters, categories=some_slugs)
    def the_operator_sends_now(self, newsletter: Newsletter, categories: set[str]) -> None:
        self.an_article_comes_out(categories)
        self.world.planner.plan_now(newsletter.slug, self.world.now)

    @rule(newsletter=newsletters, chunks=st.integers(0, 2), categories=some_slugs)
    def a_planning_is_killed(
        self, newsletter: Newsletter, chunks: int, categories: set[str]
    ) -> None:
        """Its edition waits half planned, while others are planned and readers change."""
        self.an_article_comes_out(categories)
        planner = self.world.planner
        with self.world.db.write() as conn:
            for slot in planner.slots.with_readers(conn, newsletter.slug):
                editions.start(conn, slot.id, newsletter.slug, "", self.world.now)
            for edition_id in editions.unplanned(conn):
                for _ in range(chunks):
                    of = editions.find(conn, edition_id)
                    assert of is not None
                    readers = readership.next_readers(conn, of, 1, all_given=False)
                    if not readers:
                        break
                    decision = decided(conn, readership, planner.newsletters, of, readers)
                    planner._write(conn, of, decision, readers[-1].subscription_id)

    @rule(
        data=st.data(),
        end=st.sampled_from(
            ["sent", "sent", "failed", "cancelled", "suppressed", "uncertain", "deferred"]
        ),
    )
    def a_mail_ends(self, data: st.DataObject, end: str) -> None:
        if waiting := [each.id for each in self.mails() if each.state in OPEN]:
            self.end(data.draw(st.sampled_from(waiting)), end)
        self.what_did_not_go_out_is_not_owed()

    def end(self, delivery_id: int, end: str) -> None:
        """As a worker does it: at the first attempt a mail takes the rendering that is current."""
        this = delivery.c.id == delivery_id
        with self.world.db.write() as conn:
            row = conn.execute(select(delivery).where(this)).one()
            if row.state not in OPEN:
                return
            if end in ("cancelled", "suppressed"):
                conn.execute(update(delivery).where(this).values(state=end))
                return
            its = row.rendering_id or self.rendered(conn, row.variant_id)
            if its is not None:
                conn.execute(update(delivery).where(this).values(state=end, rendering_id=its))

    def rendered(self, conn: Connection, variant_id: int) -> int | None:
        content = renderings.content(conn, variant_id)
        assert isinstance(content, VariantContent)
        if not content.articles:
            ledger.settle_variant(
                conn, variant_id, DeliveryState.CANCELLED, "withdrawn", now=self.world.now
            )
            ended = (delivery.c.variant_id == variant_id) & (delivery.c.reply == "withdrawn")
            self.dropped |= set(conn.execute(select(delivery.c.id).where(ended)).scalars())
            return None
        if variant_id not in renderings.current(conn, [variant_id], ["f"]):
            said = [
                {each.title: each.correction for each in some}
                for some in (content.articles, content.corrections)
            ]
            made = Rendering(
                subject="", body=json.dumps(said).encode(), boundary="", key_id="", sender=""
            )
            renderings.add(
                conn,
                variant_id,
                made,
                fingerprint="f",
                change=content.change,
                without=content.withdrawn,
                now=self.world.now,
            )
        return renderings.current(conn, [variant_id], ["f"])[variant_id]

    @rule(newsletter=newsletters)
    def the_operator_cancels(self, newsletter: Newsletter) -> None:
        with self.world.db.write() as conn:
            control.cancel(conn, newsletter.slug, self.world.now)
        self.what_did_not_go_out_is_not_owed()

    @rule(newsletter=newsletters)
    def the_operator_sends_to_the_missing(self, newsletter: Newsletter) -> None:
        with self.world.db.write() as conn:
            control.resend(conn, newsletter.slug, None, repeats=newsletter.repeats)
        self.given_back -= self.waiting()
        self.resent = True
        self.dropped -= self.waiting()

    def mails(self) -> list[Mail]:
        """All, in the order of planning: what each says, or is to say."""
        titles = {id_: title for title, id_ in self.world.ids.items()}
        with self.world.db.read() as conn:
            planned = defaultdict[int, dict[str, str]](dict)
            for row in conn.execute(select(variant_article)):
                planned[row.variant_id][titles[row.article_id]] = ""
            rows = conn.execute(
                select(delivery, subscriber.c.name, edition.c.newsletter, rendering.c.body)
                .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
                .join(edition, edition.c.id == delivery.c.edition_id)
                .outerjoin(rendering, rendering.c.id == delivery.c.rendering_id)
                .order_by(delivery.c.id)
            ).all()
        found = []
        for row in rows:
            held, told = json.loads(row.body) if row.body else (planned[row.variant_id], {})
            found.append(
                Mail(
                    id=row.id,
                    reader=row.name,
                    newsletter=row.newsletter,
                    state=row.state,
                    rendered=row.body is not None,
                    articles=held,
                    corrections=told,
                )
            )
        return found

    def what_did_not_go_out_is_not_owed(self) -> None:
        """An edition that held an article for a reader gave it, whatever became of the mail.

        Unless the reader paused before it went out, or the article was withdrawn then.
        """
        lost = {
            (mail.reader, title)
            for mail in self.mails()
            if mail.state in NOT_GIVEN and mail.id not in self.dropped | self.given_back
            for title in mail.articles
        }
        self.no_longer_owed(lambda each: (each[0], each[2]) in lost)

    @invariant()
    def nobody_is_given_an_article_twice(self) -> None:
        given: dict[tuple[str, str], list[str]] = defaultdict(list)
        for mail in self.mails():
            if mail.state not in NOT_GIVEN:
                for title in mail.articles:
                    given[mail.reader, title].append(mail.newsletter)
        for who, by in given.items():
            assert max(Counter(by).values()) == 1, (who, by)
            assert len([each for each in by if each != "review"]) <= 1, (who, by)
            if not self.resent and "review" in by:  # what it gave first, others do not repeat
                assert by[-1] == "review" or len(by) == 1, (who, by)

    @invariant()
    def what_was_wrong_is_told_once_and_to_nobody_else(self) -> None:
        mails = [each for each in self.mails() if each.rendered and each.state not in NOT_GIVEN]
        told = Counter(
            (mail.reader, mail.newsletter, note)
            for mail in mails
            for note in mail.corrections.values()
        )
        assert not told or max(told.values()) == 1, told
        for mail in mails:
            former = self.arrived(mails, mail.reader, mail.newsletter, before=mail.id)
            for title, note in mail.corrections.items():
                assert former.get(title, {note}) != {note}, (mail, title, note)

    def arrived(
        self, mails: Sequence[Mail], reader: str, newsletter: str, before: int | None = None
    ) -> dict[str, set[str]]:
        """By article that a reader got of a newsletter, what it then said was wrong in it."""
        found = defaultdict[str, set[str]](set)
        for mail in mails:
            is_theirs = (mail.reader, mail.newsletter) == (reader, newsletter)
            if is_theirs and mail.state in ARRIVED and (before is None or mail.id < before):
                for title, note in mail.articles.items():
                    found[title].add(note)
        return found

    def nobody_misses_anything(self) -> None:
        with self.world.db.write() as conn:
            conn.execute(update(subscription).values(paused_until=None))
            conn.execute(update(subscriber).values(max_per_day=None))
        if self.had_a_cap:  # what was over it folds into the next edition, when there is one
            self.an_article_comes_out(set(SLUGS))
        self.world.make_public()
        for _ in range(9):
            self.world.wait(days=1).plan()
        self.nobody_is_given_an_article_twice()
        given = {
            (mail.reader, newsletter, title)
            for mail in self.mails()
            if mail.state not in NOT_GIVEN
            for newsletter in {mail.newsletter, "daily", "alerts"}
            for title in mail.articles
        }
        assert self.owed <= given
        self.everybody_is_told_what_was_wrong()

    def everybody_is_told_what_was_wrong(self) -> None:
        """Who got an article as it was before, in their next mail of the same newsletter."""
        self.all_goes_out()
        for each in NEWSLETTERS:
            self.an_article_comes_out(set(SLUGS))
            self.world.planner.plan_now(each.slug, self.world.now)
            self.all_goes_out()
        self.nobody_is_given_an_article_twice()
        self.what_was_wrong_is_told_once_and_to_nobody_else()
        mails = self.mails()
        told = {
            (mail.reader, mail.newsletter, note)
            for mail in mails
            if mail.state in ARRIVED
            for note in mail.corrections.values()
        }
        for who in self.choices:
            for title, notes in self.arrived(mails, *who).items():
                now = self.notes.get(title, "")
                assert notes == {now} or (*who, now) in told, (who, title, notes, now)

    @rule()
    def all_goes_out(self) -> None:
        for each in self.mails():
            self.end(each.id, "sent")


class PostgresOnce(Once):
    kind = "postgresql"


TestOnce = Once.TestCase
TestOnce.settings = settings(max_examples=15, stateful_step_count=20)
TestPostgresOnce = PostgresOnce.TestCase
TestPostgresOnce.settings = settings(max_examples=6, stateful_step_count=20)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8)
@given(
    moves=st.lists(
        st.tuples(
            st.sampled_from(sorted(available_timezones() - {"Factory", "localtime"})),
            st.sampled_from([Cadence.DAILY, Cadence.WEEKLY]),
            st.times().map(lambda each: each.replace(second=0, microsecond=0)),
            st.integers(1, 40),  # hours until the next
        ),
        min_size=1,
        max_size=12,
    )
)
def test_who_moves_from_zone_to_zone_gets_each_article_once(
    moves: list[tuple[str, Cadence, time, int]],
    kind: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with ExitStack() as things:
        world = World(new_database(kind, tmp_path_factory.mktemp("db"), things))
        world.subscribe("ada")
        published = []
        for zone, cadence, at, hours in moves:
            world.subscribe("ada", zone=zone, cadence=cadence, at=at)
            for _ in range(2):
                published.append(f"{len(published)}")
                world.publish(published[-1])
                world.wait(hours=hours / 2).plan()
        for _ in range(9):
            world.wait(days=1).plan()
        assert sorted(title for mail in world.mails("ada") for title in mail) == sorted(published)
