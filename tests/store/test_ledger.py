"""The books of delivery: what is claimed by whom, what came of it, and that it always balances."""

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from jinja2 import Environment
from sqlalchemy import Connection, func, select, update

from publisher.core.delivery import Claimed, Job, Verdict
from publisher.core.intake import Offered, Version
from publisher.core.model import OPEN_STATES, DeliveryState, EditionState, Rendering, Site
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.outcome import Answer, Kind, Outcome, Stage, judge
from publisher.core.room import Room
from publisher.errors import OverrunError, TransientError
from publisher.kit import resources
from publisher.kit.jinja import environment
from publisher.newsletters.notices import MailContent, render
from publisher.newsletters.render import EditionContent
from publisher.newsletters.renderings import RETRY, Renderer
from publisher.store import (
    articles,
    claims,
    control,
    editions,
    last_look,
    ledger,
    notices,
    renderings,
    subscribers,
    subscriptions,
    uncertain,
)
from publisher.store.tables import delivery, edition, rendering, subscriber, subscription
from tests.store.conftest import new_database
from tests.store.world import ALERTS, DAILY, World

LEASE = timedelta(minutes=15)
SENT = Outcome(state=DeliveryState.SENT, smtp_status=250, reply="2.0.0 Ok", enhanced_status="2.0.0")
GIVEN_BACK = Outcome(state=DeliveryState.PENDING)


@dataclass
class PressHere:
    """Renders in this process what `newsletters.press` renders in another."""

    templates: Environment

    def render(self, content: MailContent) -> Rendering:
        return render(content, self.templates)

    def renew(self) -> None:
        assert self.templates.cache is not None
        self.templates.cache.clear()

    def close(self) -> None:
        pass


@dataclass
class Desk:
    """Where mails are claimed, and what came of them is written down."""

    world: World
    templates: Path

    def __post_init__(self) -> None:
        sender = "Example News <news@news.example>"
        self.world.newsletters = (replace(DAILY, sender=sender), replace(ALERTS, sender=sender))
        self.world.settle()
        self.renderer = Renderer(
            db=self.world.db,
            book=renderings,
            ledger=ledger,
            newsletters={each.slug: each for each in self.world.newsletters},
            site=Site(title="Example News", url="https://news.example"),
            press=PressHere(environment([self.templates, resources.folder("templates/email")])),
            key_id="k1",
            notice_sender=sender,
            link=lambda purpose, payload, key: f"https://news.example/{purpose}/{payload}/{key}",
        )

    def digest_for(self, *names: str, title: str = "One") -> None:
        for name in names:
            self.world.subscribe(name)
        self.world.publish(title)
        self.world.wait(days=1).plan()

    def claim(self, limit: int = 100, *, due_by: datetime | None = None) -> list[Job]:
        """As a worker does it: what needs a rendering gets one, then the rows are taken."""
        for _ in range(5):
            got = self.look(limit, due_by=due_by)
            for variant_id in got.to_render:
                self.renderer.make(variant_id, self.world.now)
            if got.jobs or not got.to_render:
                return list(got.jobs)
        raise AssertionError("renderings are asked for again and again")

    def look(
        self, limit: int = 100, *, due_by: datetime | None = None, without: Sequence[int] = ()
    ) -> Claimed:
        """What a single look takes, and which renderings it misses."""
        with self.world.db.write(alone=False) as conn:
            return claims.claim(
                conn,
                now=self.world.now,
                due_by=due_by or self.world.now,
                room=Room(limit),
                lease=LEASE,
                fingerprints=self.renderer.fingerprints,
                without=without,
            )

    def answer(self, jobs: Sequence[Job], outcome: Outcome = SENT) -> int:
        verdicts = [
            Verdict(delivery_id=job.delivery_id, claim=job.claim, outcome=outcome, relay="smtp://r")
            for job in jobs
        ]
        with self.world.db.write(alone=False) as conn:
            return ledger.record(conn, verdicts, self.world.now)

    def defer(self, jobs: Sequence[Job], minutes: int = 1) -> None:
        at = self.world.now + timedelta(minutes=minutes)
        reply = "4.2.0 later"
        self.answer(jobs, Outcome(state=DeliveryState.DEFERRED, next_attempt_at=at, reply=reply))

    def still_wanted(self, job: Job) -> DeliveryState | None:
        with self.world.db.read() as conn:
            return last_look.unwanted(conn, [job], self.world.now).get(job.delivery_id)

    def reclaim(self, *, all_workers: bool = True, resend: bool = True) -> int:
        with self.world.db.write() as conn:
            return claims.reclaim(conn, self.world.now, all_workers=all_workers, resend=resend)

    def finish(self) -> int:
        with self.world.db.write() as conn:
            return editions.finish(conn, self.world.now)

    def rendering(self, job: Job) -> Rendering:
        return self.renderer.find(job.rendering_id)

    def edit(self, title: str, new: str) -> None:
        """The article is revised."""
        with self.world.db.write() as conn:
            id_ = self.world.ids[title]
            version = Version(
                offered=Offered(title=new, summary="", body_html=f"<p>{new}</p>", content_hash=new),
                published_at=articles.find_by_id(conn, [id_])[id_].published_at,
                updated_at=self.world.now,
                too_old=False,
            )
            articles.revise(conn, {id_: version}, self.world.now)

    def withdraw(self, title: str) -> None:
        with self.world.db.write() as conn:
            articles.withdraw(conn, [self.world.ids[title]], by="operator", now=self.world.now)

    def unsubscribe(self, name: str) -> None:
        with self.world.db.write() as conn:
            which = conn.execute(
                select(subscription.c.id)
                .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
                .where(subscriber.c.name == name)
            ).scalar_one()
            subscriptions.unsubscribe(conn, which, by="page", now=self.world.now)

    def pause(self, name: str, days: int) -> None:
        with self.world.db.write() as conn:
            reader = subscribers.find(conn, f"{name}@reader.example")
            assert reader is not None
            [known] = subscriptions.of_reader(conn, reader.id)
            until = self.world.now + timedelta(days=days)
            subscriptions.pause(conn, known, DAILY, until, self.world.now)

    def set_reader(self, name: str, state: str) -> None:
        with self.world.db.write() as conn:
            conn.execute(update(subscriber).where(subscriber.c.name == name).values(state=state))

    def rows(self) -> list[Mapping[str, Any]]:
        with self.world.db.read() as conn:
            found = conn.execute(
                select(delivery, subscriber.c.name)
                .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
                .order_by(delivery.c.id)
            )
            return [dict(row) for row in found.mappings()]

    def row(self, name: str) -> Mapping[str, Any]:
        return next(each for each in self.rows() if each["name"] == name)

    def states(self) -> Counter[str]:
        return Counter(each["state"] for each in self.rows())

    def edition_states(self) -> list[str]:
        with self.world.db.read() as conn:
            return list(conn.execute(select(edition.c.state).order_by(edition.c.id)).scalars())

    def check_books(self) -> None:
        """The states of every edition's mails add up to what was enqueued."""
        with self.world.db.read() as conn:
            for row in conn.execute(select(edition)):
                counted = ledger.counts(conn, row.id)
                assert set(counted) <= set(DeliveryState)
                assert sum(counted.values()) == row.enqueued
                if row.state == EditionState.FINISHED:
                    assert not set(counted) & set(OPEN_STATES)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    (tmp_path / "templates").mkdir()
    return Desk(world, tmp_path / "templates")


# claiming


def test_a_claim_takes_no_more_than_asked_for_and_the_rest_stays(desk: Desk) -> None:
    desk.digest_for("ada", "bo", "cy", "di", "ed")
    assert len(desk.claim(2)) == 2
    assert desk.states() == {"sending": 2, "pending": 3}
    assert len(desk.claim(0)) == 0
    assert len(desk.claim(100)) == 3


def test_two_claimers_never_share_a_row(desk: Desk) -> None:
    desk.digest_for(*(f"reader{number}" for number in range(30)))
    batches = [desk.claim(7) for _ in range(6)]
    ids = [job.delivery_id for batch in batches for job in batch]
    assert len(ids) == len(set(ids)) == 30
    tokens = [{job.claim for job in batch} for batch in batches if batch]
    assert all(len(each) == 1 for each in tokens)
    assert len(set.union(*tokens)) == len(tokens)


def test_a_job_tells_all_that_a_mail_needs(desk: Desk) -> None:
    desk.digest_for("ada")
    [job] = desk.claim()
    assert (job.address, job.name, job.newsletter) == ("ada@reader.example", "ada", "daily")
    assert (job.attempt, job.first_attempt_at) == (1, desk.world.now)
    assert job.lease_until == desk.world.now + LEASE
    assert "One" in desk.rendering(job).subject


def test_what_was_deferred_goes_before_what_was_never_tried(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [first] = desk.claim(1)
    desk.defer([first])
    desk.world.wait(minutes=1)
    assert [job.name for job in desk.claim()] == ["ada", "bo"]


def test_what_is_not_due_yet_is_left_alone(desk: Desk) -> None:
    desk.digest_for("ada")
    desk.defer(desk.claim(), minutes=5)
    assert desk.claim() == []
    desk.world.wait(minutes=4, seconds=59)
    assert desk.claim() == []
    desk.world.wait(seconds=1)
    assert [job.attempt for job in desk.claim()] == [2]


def test_a_run_that_tries_once_leaves_what_became_due_meanwhile(desk: Desk) -> None:
    desk.digest_for("ada")
    began = desk.world.now
    desk.defer(desk.claim(), minutes=1)
    desk.world.wait(hours=1)
    assert desk.claim(due_by=began) == []


def test_what_is_deferred_can_be_hastened(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    ada, bo = desk.claim()
    desk.defer([ada], minutes=60)
    desk.answer([bo])
    with desk.world.db.write() as conn:
        assert ledger.hasten(conn, desk.world.now) == 1
    assert [job.name for job in desk.claim()] == ["ada"]


def test_of_paused_editions_nothing_is_claimed_until_they_go_on(desk: Desk) -> None:
    desk.digest_for("ada")
    with desk.world.db.write() as conn:
        assert control.pause(conn, "daily", desk.world.now) == 1
    assert desk.claim() == []
    with desk.world.db.read() as conn:
        assert ledger.open_count(conn) == 0
    with desk.world.db.write() as conn:
        assert control.resume(conn, "daily", desk.world.now) == 1
    assert len(desk.claim()) == 1


# answers


def test_an_answer_is_written_with_all_its_words(desk: Desk) -> None:
    desk.digest_for("ada")
    assert desk.answer(desk.claim()) == 1
    row = desk.row("ada")
    said = {"state": "sent", "smtp_status": 250, "enhanced_status": "2.0.0", "reply": "2.0.0 Ok"}
    assert {key: row[key] for key in said} == said
    assert (row["relay"], row["answered_at"]) == ("smtp://r", desk.world.now)
    assert (row["claim"], row["lease_until"]) == (None, None)


def test_a_worker_that_woke_up_late_changes_nothing(desk: Desk) -> None:
    desk.digest_for("ada")
    late = desk.claim()
    desk.world.wait(hours=1)
    assert desk.reclaim(all_workers=False) == 1
    again = desk.claim()
    before = desk.rows()
    failed = Outcome(state=DeliveryState.FAILED, reply="5.0.0 no")
    assert desk.answer(late, failed) == 0
    assert desk.answer(late, GIVEN_BACK) == 0
    assert desk.still_wanted(late[0]) is not None
    assert desk.rows() == before
    assert desk.answer(again) == 1
    assert desk.answer(again, failed) == 0
    assert desk.states() == {"sent": 1}


def test_a_row_that_was_given_back_is_as_if_never_claimed(desk: Desk) -> None:
    desk.digest_for("ada")
    before = desk.rows()
    desk.answer(desk.claim(), GIVEN_BACK)
    assert desk.rows() == before


def test_a_row_given_back_at_its_second_attempt_keeps_the_first(desk: Desk) -> None:
    desk.digest_for("ada")
    desk.defer(desk.claim(), minutes=0)
    before = desk.row("ada")
    desk.world.wait(minutes=1)
    desk.answer(desk.claim(), GIVEN_BACK)
    assert desk.row("ada") == before | {"state": "pending"}


def test_waiting_for_a_relay_does_not_use_up_the_days_of_a_mail(desk: Desk) -> None:
    """The relay is away for four days; then it asks for patience, and gets it."""
    desk.digest_for("ada")
    desk.answer(desk.claim(), GIVEN_BACK)
    desk.world.wait(days=4)
    [job] = desk.claim()
    greylisted = judge(
        Answer(kind=Kind.ANSWERED, stage=Stage.RCPT, code=450, text="4.7.1 later"),
        attempt=job.attempt,
        first_attempt_at=job.first_attempt_at,
        now=desk.world.now,
        resend=True,
        domain_takes_mail=False,
    )
    assert greylisted.state is DeliveryState.DEFERRED


# crashes


def test_after_a_crash_the_only_sender_takes_back_what_was_in_flight(desk: Desk) -> None:
    desk.digest_for("ada", "bo", "cy")
    [ada, _] = desk.claim(2)
    desk.answer([ada])
    assert desk.reclaim() == 1
    assert desk.states() == {"sent": 1, "pending": 2}
    assert sorted(job.attempt for job in desk.claim()) == [1, 2]


def test_of_other_workers_only_expired_leases_are_taken_back(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    desk.claim(1)
    desk.world.wait(minutes=10)
    desk.claim(1)
    desk.world.wait(minutes=6)
    assert desk.reclaim(all_workers=False) == 1
    assert [job.name for job in desk.claim()] == ["ada"]


def test_what_a_crash_left_is_the_same_mail_to_the_byte(desk: Desk) -> None:
    desk.digest_for("ada")
    [before] = desk.claim()
    desk.edit("One", "One, mended")
    desk.reclaim()
    [after] = desk.claim()
    assert after.rendering_id == before.rendering_id
    assert after.first_attempt_at == before.first_attempt_at


# the last look before MAIL


def test_a_mail_is_wanted_while_nothing_has_changed(desk: Desk) -> None:
    desk.digest_for("ada")
    [job] = desk.claim()
    assert desk.still_wanted(job) is None


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda desk: desk.unsubscribe("ada"), "cancelled"),
        (lambda desk: desk.pause("ada", days=1), "cancelled"),
        (lambda desk: desk.pause("ada", days=0), None),
        (lambda desk: desk.set_reader("ada", "suppressed"), "suppressed"),
        (lambda desk: desk.set_reader("ada", "erased"), "suppressed"),
        (lambda desk: desk.set_reader("ada", "bouncing"), None),
    ],
    ids=["unsubscribed", "paused", "paused till now", "suppressed", "erased", "bouncing"],
)
def test_a_reader_who_changed_after_the_claim(desk: Desk, change: Any, state: str | None) -> None:
    desk.digest_for("ada", "bo")
    jobs = {job.name: job for job in desk.claim()}
    change(desk)
    assert desk.still_wanted(jobs["ada"]) == state
    assert desk.still_wanted(jobs["bo"]) is None


def test_an_edition_paused_after_the_claim_is_held(desk: Desk) -> None:
    desk.digest_for("ada")
    [job] = desk.claim()
    with desk.world.db.write() as conn:
        control.pause(conn, "daily", desk.world.now)
    assert desk.still_wanted(job) is DeliveryState.PENDING


def test_an_edition_cancelled_after_the_claim_is_given_up(desk: Desk) -> None:
    desk.digest_for("ada")
    [job] = desk.claim()
    with desk.world.db.write() as conn:
        control.cancel(conn, "daily", desk.world.now)
    assert desk.still_wanted(job) is DeliveryState.CANCELLED


def test_unsubscribing_cancels_what_waits_and_leaves_what_is_claimed_to_its_worker(
    desk: Desk,
) -> None:
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.unsubscribe("ada")
    desk.unsubscribe("bo")
    assert desk.states() == {"sending": 1, "cancelled": 1}
    desk.defer([ada])
    desk.world.wait(minutes=1)
    [again] = desk.claim()
    assert desk.still_wanted(again) is DeliveryState.CANCELLED


def test_a_cancelled_edition_leaves_nothing_open(desk: Desk) -> None:
    """Three mails were in hand: one is deferred then, one given back, one lost in a crash."""
    desk.digest_for("ada", "bo", "cy", "di")
    ada, bo, _cy = desk.claim(3)
    with desk.world.db.write() as conn:
        control.cancel(conn, "daily", desk.world.now)
    desk.defer([ada])
    desk.answer([bo], GIVEN_BACK)
    assert desk.reclaim() == 1
    assert desk.states() == {"cancelled": 3, "uncertain": 1}
    assert desk.row("cy")["state"] == "uncertain"
    desk.check_books()


# renderings


def test_readers_with_the_same_content_share_a_rendering(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    assert len({job.rendering_id for job in desk.claim()}) == 1


def test_an_edit_reaches_those_not_yet_tried_and_nobody_else(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.defer([ada], minutes=0)
    desk.edit("One", "One, mended")
    desk.world.wait(minutes=1)
    jobs = {job.name: job for job in desk.claim(1) + desk.claim(1)}
    assert jobs["ada"].rendering_id == ada.rendering_id
    assert jobs["bo"].rendering_id != ada.rendering_id
    assert b"mended" not in desk.rendering(jobs["ada"]).body
    assert b"mended" in desk.rendering(jobs["bo"]).body


def test_what_was_withdrawn_is_not_in_mails_not_yet_tried(desk: Desk) -> None:
    desk.world.publish("before")
    for name in ("ada", "bo"):
        desk.world.subscribe(name)
    desk.world.publish("stays")
    desk.digest_for(title="goes")
    [ada] = desk.claim(1)
    assert b"goes" in desk.rendering(ada).body
    desk.withdraw("goes")
    [bo] = desk.claim(1)
    assert b"goes" not in desk.rendering(bo).body
    assert b"stays" in desk.rendering(bo).body


def test_a_given_back_mail_takes_the_current_rendering(desk: Desk) -> None:
    desk.digest_for("ada")
    desk.answer(desk.claim(), GIVEN_BACK)
    desk.edit("One", "One, mended")
    [job] = desk.claim()
    assert b"mended" in desk.rendering(job).body


def test_a_changed_template_reaches_those_not_yet_tried(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    (desk.templates / "digest.txt").write_text("Changed. {{ reader.unsubscribe_url }}\n")
    desk.renderer.refresh(desk.world.now)
    [bo] = desk.claim(1)
    assert b"Changed." not in desk.rendering(ada).body
    assert b"Changed." in desk.rendering(bo).body


def test_a_new_signing_key_makes_new_renderings(desk: Desk) -> None:
    """So that no mail waits for a key that was taken away."""
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.renderer.key_id = "k2"
    desk.renderer.refresh(desk.world.now)
    [bo] = desk.claim(1)
    assert [desk.rendering(job).key_id for job in (ada, bo)] == ["k1", "k2"]


def test_an_edit_of_another_article_makes_no_new_rendering(desk: Desk) -> None:
    desk.world.publish("old")
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.edit("old", "old, mended")
    [bo] = desk.claim(1)
    assert ada.rendering_id == bo.rendering_id


def test_where_every_article_was_withdrawn_no_mail_goes_out(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.defer([ada])
    desk.withdraw("One")
    assert desk.claim() == []
    assert desk.row("bo")["state"] == "cancelled"
    assert "withdrawn" in desk.row("bo")["reply"]
    assert desk.row("ada")["state"] == "deferred"  # it may be there already: the same once more
    desk.check_books()


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (b"{{ no_such.thing }}", "line 1"),
        (b"{% if %}", "line 1"),
        (b"{{ 1 / 0 }}", "zero"),
        (b"\xff\xfe not UTF-8", "utf-8"),
        (b'{% include "gone.html" %}', "gone.html"),
    ],
    ids=["unknown name", "syntax", "fault", "encoding", "missing"],
)
def test_a_template_that_fails_holds_up_nobody_else(
    desk: Desk, template: bytes, reason: str
) -> None:
    desk.world.subscribe("ada")
    desk.world.subscribe("bo", ALERTS)
    desk.renderer.newsletters = {
        each.slug: replace(each, template="own") if each.slug == "daily" else each
        for each in desk.world.newsletters
    }
    (desk.templates / "own.html").write_bytes(template)
    (desk.templates / "own.txt").write_text("Text.\n")
    desk.renderer.refresh(desk.world.now)
    desk.digest_for()
    assert [job.name for job in desk.claim()] == ["bo"]
    row = desk.row("ada")
    assert row["state"] == "deferred"
    assert row["attempt"] == 0
    assert reason in row["reply"]
    assert "own.html" in row["reply"] or "gone.html" in row["reply"]
    desk.check_books()

    (desk.templates / "own.html").write_text("<p>Mended: {{ lead.title }}</p>")
    assert desk.claim() == []
    desk.renderer.refresh(desk.world.now)
    [job] = desk.claim()
    assert b"Mended: One" in desk.rendering(job).body


def test_a_template_that_stays_broken_is_tried_again_after_a_while(desk: Desk) -> None:
    (desk.templates / "digest.html").write_text("{{ no_such.thing }}")
    desk.renderer.refresh(desk.world.now)
    desk.digest_for("ada")
    assert desk.claim() == []
    assert desk.row("ada")["next_attempt_at"] == desk.world.now + RETRY
    desk.renderer.refresh(desk.world.now)
    assert desk.row("ada")["next_attempt_at"] == desk.world.now + RETRY
    desk.world.now += RETRY
    assert desk.claim() == []
    assert desk.row("ada")["next_attempt_at"] == desk.world.now + RETRY


def test_a_mended_template_hastens_nothing_that_a_server_deferred(desk: Desk) -> None:
    desk.digest_for("ada")
    desk.defer(desk.claim(), minutes=30)
    (desk.templates / "digest.txt").write_text("Changed.\n")
    desk.renderer.refresh(desk.world.now)
    assert desk.claim() == []


def test_rows_behind_those_that_wait_for_a_rendering_are_found(desk: Desk) -> None:
    desk.world.subscribe("ada")
    desk.world.publish("One")
    desk.world.wait(days=1).plan()
    desk.world.subscribe("bo", ALERTS)
    desk.digest_for(title="Two")
    waiting, other = desk.row("ada")["variant_id"], desk.row("bo")["variant_id"]
    first, *behind = desk.look(1).to_render
    assert first == waiting
    assert other in behind
    assert other in desk.look(1, without=[waiting]).to_render
    desk.renderer.make(other, desk.world.now)
    assert [job.name for job in desk.look(1, without=[waiting]).jobs] == ["bo"]


def test_what_was_tried_before_is_not_passed_over(desk: Desk) -> None:
    desk.digest_for("ada", "bo")
    [ada] = desk.claim(1)
    desk.defer([ada])
    desk.world.wait(minutes=2)
    jobs = desk.look(without=[desk.row("ada")["variant_id"]]).jobs
    assert [job.name for job in jobs] == ["ada"]


class Overrunning(PressHere):
    """Takes too long for contents that hold the article `Endless`."""

    def __init__(self, templates: Environment) -> None:
        super().__init__(templates)
        self.begun = 0

    def render(self, content: EditionContent) -> Rendering:
        self.begun += 1
        if any(each.title == "Endless" for each in content.articles):
            raise OverrunError("it took too long")
        return super().render(content)


def test_a_rendering_that_was_cut_off_does_not_stand_before_those_that_can_be_made(
    desk: Desk,
) -> None:
    """They are set aside with it, as they may loop too; then one of them is tried, not it."""
    press = Overrunning(desk.renderer.press.templates)
    desk.renderer.press = press
    desk.world.subscribe("ada", categories=["odd", "news"])
    for name in ("bo", "cy"):
        desk.world.subscribe(name, categories=["news", name])
    desk.world.publish("Endless", "odd")
    for category in ("bo", "cy"):
        desk.world.publish(category, category)
    desk.digest_for()
    assert desk.claim() == []
    assert press.begun == 1
    assert {desk.row(name)["reply"] for name in ("ada", "bo", "cy")} == {"it took too long"}
    desk.world.now += RETRY
    assert {job.name for job in desk.claim()} == {"bo", "cy"}
    desk.world.wait(seconds=1)
    assert desk.claim() == []
    assert press.begun == 4
    desk.check_books()


def test_a_template_that_is_mended_while_it_loops_is_tried_again_at_once(desk: Desk) -> None:
    templates = desk.renderer.press.templates

    class Mended(PressHere):
        def render(self, content: EditionContent) -> Rendering:
            desk.renderer.press = PressHere(templates)
            (desk.templates / "digest.txt").write_text("Mended.\n")
            desk.renderer.refresh(desk.world.now)  # the daemon does, in another thread
            raise OverrunError("it took too long")

    desk.renderer.press = Mended(templates)
    desk.digest_for("ada")
    [job] = desk.claim()
    assert b"Mended." in desk.rendering(job).body


def test_a_rendering_that_is_given_up_is_not_held_against_its_mails(desk: Desk) -> None:
    class Closing(PressHere):
        def render(self, content: EditionContent) -> Rendering:
            raise TransientError("the program ends")

    desk.digest_for("ada")
    before = desk.row("ada")
    desk.renderer.press = Closing(desk.renderer.press.templates)
    with pytest.raises(TransientError):
        desk.claim()
    assert desk.row("ada") == before


def test_a_fault_of_our_own_in_a_rendering_holds_up_nobody_else(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.digest_for("ada")

    def fail(*_: object) -> Rendering:
        raise LookupError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr(desk.renderer.press, "render", fail)
        assert desk.claim() == []
    assert "unforeseen" in desk.row("ada")["reply"]


def test_a_rendering_comes_back_as_it_was_made(desk: Desk) -> None:
    desk.digest_for("ada")
    [job] = desk.claim()
    with desk.world.db.read() as conn:
        row = conn.execute(select(rendering)).one()
        content = renderings.content(conn, row.variant_id)
        assert content is not None
    newsletter = desk.renderer.newsletters["daily"]
    assert desk.renderer.mail(newsletter, content) == desk.rendering(job)
    assert row.number == 1


# the end


def test_an_edition_is_finished_when_nothing_is_open_any_more(desk: Desk) -> None:
    desk.digest_for("ada", "bo", "cy")
    assert desk.finish() == 0
    ada, bo, cy = desk.claim()
    desk.answer([ada])
    assert desk.finish() == 0
    desk.defer([bo])
    desk.answer([cy], Outcome(state=DeliveryState.FAILED, reply="5.1.1 no"))
    assert desk.finish() == 0
    desk.world.wait(minutes=1)
    desk.answer(desk.claim(), Outcome(state=DeliveryState.UNCERTAIN, reply="lost"))
    assert desk.finish() == 1
    assert desk.finish() == 0
    assert desk.edition_states() == ["finished"]
    desk.check_books()


def test_an_edition_still_being_planned_is_not_finished(desk: Desk) -> None:
    desk.digest_for("ada")
    with desk.world.db.write() as conn:
        conn.execute(update(edition).values(state=EditionState.PLANNING, planned=False))
    desk.answer(desk.claim())
    assert desk.finish() == 0
    desk.world.planner.continue_planning()
    assert desk.finish() == 1


class Books(RuleBasedStateMachine):
    """Whatever readers, operators, servers and crashes do, in any order: the books balance."""

    kind = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.things = ExitStack()
        path = Path(self.things.enter_context(tempfile.TemporaryDirectory()))
        self.db = new_database(self.kind, path, self.things)
        (path / "templates").mkdir()
        self.desk = Desk(World(self.db), path / "templates")
        self.in_hand: list[Job] = []
        self.number = 0
        for name in ("ada", "bo", "cy"):
            self.desk.world.subscribe(name)

    def teardown(self) -> None:
        self.things.close()

    @rule()
    def an_edition_is_planned(self) -> None:
        self.number += 1
        self.desk.world.publish(f"article {self.number}")
        self.desk.world.wait(days=1).plan()

    @rule()
    def somebody_signs_up(self) -> None:
        with self.db.write() as conn:
            content = NoticeContent(newsletters=("daily",))
            address = f"zoe{self.number}@reader.example"
            now = self.desk.world.now
            notices.enqueue(conn, NoticeKind.CONFIRM, address, address, "", content, now)

    @rule(limit=st.integers(1, 5))
    def a_worker_claims(self, limit: int) -> None:
        before = {row["id"]: row for row in self.desk.rows()}
        got = self.desk.claim(limit)
        assert len(got) <= limit
        assert all(before[job.delivery_id]["state"] in ("pending", "deferred") for job in got)
        self.in_hand += got

    @precondition(lambda self: self.in_hand)
    @rule(
        data=st.data(),
        kind=st.sampled_from([each for each in Kind if each is not Kind.NOT_WANTED]),
        code=st.sampled_from([250, 450, 550]),
    )
    def an_answer_comes(self, data: st.DataObject, kind: Kind, code: int) -> None:
        job = data.draw(st.sampled_from(self.in_hand))
        self.in_hand.remove(job)
        answer = Answer(kind=kind, stage=Stage.DOT, code=code if kind is Kind.ANSWERED else None)
        outcome = judge(
            answer,
            attempt=job.attempt,
            first_attempt_at=job.first_attempt_at,
            now=self.desk.world.now,
            resend=True,
            domain_takes_mail=False,
        )
        if (state := self.desk.still_wanted(job)) is not None:
            outcome = Outcome(state=state)
        self.desk.answer([job], outcome)

    @rule(resend=st.booleans())
    def the_worker_is_killed(self, resend: bool) -> None:
        self.desk.reclaim(
            resend=resend
        )  # its jobs stay in hand: a worker that only slept may still answer

    @rule(minutes=st.integers(1, 300))
    def time_passes(self, minutes: int) -> None:
        self.desk.world.wait(minutes=minutes)

    @rule(act=st.sampled_from([control.pause, control.resume, control.cancel, uncertain.drop]))
    def the_operator_acts(self, act: Callable[[Connection, str, datetime], object]) -> None:
        with self.db.write() as conn:
            act(conn, "daily", self.desk.world.now)

    @rule()
    def the_operator_sends_to_the_missing(self) -> None:
        sent = {row["id"] for row in self.desk.rows() if row["state"] == "sent"}
        with self.db.write() as conn:
            control.resend(conn, "daily", None)
        assert sent == {row["id"] for row in self.desk.rows() if row["state"] == "sent"}

    @rule()
    def the_operator_releases_what_is_uncertain(self) -> None:
        with self.db.write() as conn:
            uncertain.release(conn, "daily")

    @rule(name=st.sampled_from(["ada", "bo"]))
    def a_reader_leaves(self, name: str) -> None:
        self.desk.unsubscribe(name)

    @rule()
    def editions_are_finished(self) -> None:
        self.desk.finish()

    @precondition(lambda self: self.number)
    @rule()
    def an_article_is_withdrawn(self) -> None:
        self.desk.withdraw(f"article {self.number}")

    @invariant()
    def the_books_balance(self) -> None:
        self.desk.check_books()

    @invariant()
    def what_may_have_arrived_is_never_called_unsent(self) -> None:
        assert not [
            row for row in self.desk.rows() if row["in_doubt"] and row["state"] == "cancelled"
        ]

    @invariant()
    def only_claimed_rows_are_in_flight(self) -> None:
        for row in self.desk.rows():
            assert (row["state"] == "sending") == (row["claim"] is not None)
            assert (row["state"] == "sending") == (row["lease_until"] is not None)
            assert (row["attempt"] > 0) == (row["first_attempt_at"] is not None)
            assert (row["attempt"] > 0) == (row["rendering_id"] is not None)

    @invariant()
    def nothing_lies_open_in_an_edition_that_has_ended(self) -> None:
        with self.db.read() as conn:
            lying = conn.execute(
                select(func.count())
                .select_from(delivery.join(edition, edition.c.id == delivery.c.edition_id))
                .where(
                    edition.c.state.in_([EditionState.CANCELLED, EditionState.FINISHED]),
                    delivery.c.state.in_([DeliveryState.PENDING, DeliveryState.DEFERRED]),
                )
            ).scalar_one()
        assert lying == 0


class PostgresBooks(Books):
    kind = "postgresql"


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=10, stateful_step_count=30)
TestPostgresBooks = PostgresBooks.TestCase
TestPostgresBooks.settings = TestBooks.settings
