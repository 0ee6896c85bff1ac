"""Notices in the books: one a day whatever is asked, before everything else, and then forgotten."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select

from publisher.core.delivery import Job
from publisher.core.model import Cadence, DeliveryState
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.outcome import Outcome
from publisher.store import bounces, claims, control, ledger, notices, status, story, uncertain
from publisher.store.engine import Database
from publisher.store.tables import (
    delivery,
    notice,
    rendering,
    subscriber,
    subscription,
    suppression,
    variant,
)
from tests.store.test_at_once import at_once, other  # noqa: F401 — a fixture
from tests.store.test_ledger import GIVEN_BACK, SENT, Desk
from tests.store.world import ALERTS, World

DAY = timedelta(hours=24)
FAILED = Outcome(
    state=DeliveryState.FAILED,
    smtp_status=550,
    reply="5.1.1 no",
    enhanced_status="5.1.1",
    hard=True,
)


@dataclass
class NoticeDesk(Desk):
    def notify(
        self,
        name: str,
        kind: NoticeKind = NoticeKind.CONFIRM,
        *,
        within: timedelta = DAY,
        of_reader: bool = False,
        of_subscription: bool = False,
    ) -> bool:
        with self.world.db.write() as conn:
            reader = conn.execute(
                select(subscriber.c.id, subscription.c.id.label("subscription_id"))
                .outerjoin(subscription, subscription.c.subscriber_id == subscriber.c.id)
                .where(subscriber.c.name == name)
            ).first()
            return notices.enqueue(
                conn,
                kind,
                f"{name}@reader.example",
                f"hash of {name}",
                "",
                NoticeContent(newsletters=("daily",), links={"confirm": [7, 99]}),
                self.world.now,
                within=within,
                subscriber_id=reader.id if reader and (of_reader or of_subscription) else None,
                subscription_id=reader.subscription_id if reader and of_subscription else None,
            )

    def have_rendered(self) -> None:
        """All that waits for it, so that the next claim finds everything ready."""
        while variants := self.look().to_render:
            for each in variants:
                self.renderer.make(each, self.world.now)
        self.reclaim()

    def suppress(self, name: str) -> None:
        with self.world.db.write() as conn:
            conn.execute(
                insert(suppression).values(
                    address_hash=f"hash of {name}", reason="asked", since=self.world.now
                )
            )

    def notice_states(self) -> dict[str, int]:
        with self.world.db.read() as conn:
            return dict(notices.counts(conn))

    def notice_row(self, name: str) -> Any:
        with self.world.db.read() as conn:
            statement = select(delivery).join(notice, notice.c.id == delivery.c.notice_id)
            return conn.execute(statement.where(notice.c.address == f"{name}@reader.example")).one()

    def clear(self, chunk: int = 200) -> bool:
        with self.world.db.write() as conn:
            return notices.clear(conn, self.world.now, chunk)

    def kept(self) -> dict[str, int]:
        """Rows of the tables that notices stand in."""
        with self.world.db.read() as conn:
            return {
                table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (notice, variant, rendering, delivery)
            }


@pytest.fixture
def desk(world: World, tmp_path: Path) -> NoticeDesk:
    (tmp_path / "templates").mkdir()
    return NoticeDesk(world, tmp_path / "templates")


# enqueuing


def test_an_address_gets_one_of_a_kind_in_24_hours(desk: NoticeDesk) -> None:
    assert desk.notify("ada")
    assert not desk.notify("ada")
    desk.world.wait(hours=23, minutes=59)
    assert not desk.notify("ada")
    assert desk.notify("bo")
    assert desk.notify("ada", NoticeKind.WELCOME)
    desk.world.wait(minutes=1)
    assert desk.notify("ada")
    assert not desk.notify("ada")
    assert desk.notice_states() == {"pending": 4}


def test_the_day_rolls_on_from_the_last_mail_and_not_from_midnight(desk: NoticeDesk) -> None:
    desk.world.wait(hours=14, minutes=59)  # just before midnight
    assert desk.notify("ada")
    desk.world.wait(minutes=5)
    assert not desk.notify("ada")


def test_one_that_failed_counts_too(desk: NoticeDesk) -> None:
    desk.notify("ada")
    desk.answer(desk.claim(), FAILED)
    assert not desk.notify("ada")


def test_a_kind_without_a_day_comes_each_time(desk: NoticeDesk) -> None:
    for _ in range(3):
        assert desk.notify("ada", NoticeKind.WELCOME, within=timedelta(0))
        assert not desk.notify("ada", NoticeKind.WELCOME, within=timedelta(0))  # the same moment
        desk.world.wait(seconds=1)


def test_asked_for_by_several_nodes_at_once_it_comes_once(
    desk: NoticeDesk,
    other: Database,  # noqa: F811
) -> None:
    world = World(other, now=desk.world.now)
    twin = NoticeDesk(world, desk.templates)
    world.now += timedelta(microseconds=5)
    for number in range(5):
        at_once(lambda n=number: desk.notify(f"ada{n}"), lambda n=number: twin.notify(f"ada{n}"))
    assert desk.notice_states() == {"pending": 5}


def test_for_a_suppressed_address_the_same_is_done_and_nothing_sent(desk: NoticeDesk) -> None:
    """From outside nobody can tell, be it by how long it takes."""
    desk.world.subscribe("bo")
    desk.set_reader("bo", "suppressed")
    desk.suppress("ada")
    said: dict[str, list[str]] = {}
    for name in ("new", "ada", "bo", "new"):
        statements: list[str] = []

        def note(
            _conn: Any, _cursor: Any, text: str, *_: Any, said: list[str] = statements
        ) -> None:
            said.append(text)

        event.listen(desk.world.db.engine, "before_cursor_execute", note)
        sent = desk.notify(name, of_reader=True)
        event.remove(desk.world.db.engine, "before_cursor_execute", note)
        assert sent == (name not in ("ada", "bo") and not said)
        said[name] = statements
    assert said["ada"] == said["bo"] == said["new"]
    assert desk.notice_states() == {"pending": 1, "suppressed": 2}
    assert [job.address for job in desk.claim()] == ["new@reader.example"]


# claiming


def test_a_notice_goes_before_alerts_and_digests(desk: NoticeDesk) -> None:
    desk.world.subscribe("ada")
    desk.world.subscribe("bo", cadence=Cadence.IMMEDIATE)
    desk.world.subscribe("cy", ALERTS)
    desk.world.publish("One")
    desk.world.wait(days=1).plan()
    desk.notify("zoe")
    desk.have_rendered()
    order = [job.address.partition("@")[0] for _ in range(4) for job in desk.claim(1)]
    assert order[0] == "zoe"
    assert sorted(order[1:]) == ["ada", "bo", "cy"]


def test_what_was_deferred_comes_first_also_of_notices(desk: NoticeDesk) -> None:
    desk.notify("ada")
    desk.defer(desk.claim())
    desk.notify("bo")
    desk.have_rendered()
    desk.world.wait(minutes=2)
    assert [job.address for job in desk.claim()] == ["ada@reader.example", "bo@reader.example"]
    assert desk.notice_row("ada").attempt == 2


def test_a_job_of_a_notice_names_no_reader(desk: NoticeDesk) -> None:
    """Whoever posts an address can post any name with it."""
    desk.world.subscribe("ada")
    desk.notify("ada", of_reader=True)
    [job] = desk.claim()
    assert (job.address, job.name, job.newsletter) == ("ada@reader.example", "", "")
    assert (job.edition_id, job.planned_at) == (None, desk.world.now)
    assert job.domain == "reader.example"
    assert "The Daily" in desk.rendering(job).subject


def test_a_notice_goes_out_though_everything_else_is_held(desk: NoticeDesk) -> None:
    desk.digest_for("ada")
    with desk.world.db.write() as conn:
        control.pause(conn, "daily", desk.world.now)
        control.set_rate(conn, "alerts", 1)
    desk.notify("bo")
    desk.notify("cy")
    desk.defer(desk.claim(1))
    desk.world.wait(minutes=5)
    assert [job.address for job in desk.claim()] == ["bo@reader.example", "cy@reader.example"]


def test_digests_that_wait_for_their_renderings_hold_up_no_notice(
    desk: NoticeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "MOST_UNRENDERED", 2)
    for name in ("bo", "cy", "di"):
        desk.world.subscribe(name, categories=[name])
        desk.world.publish(name, name)
    desk.digest_for()
    waiting = desk.look().to_render
    assert len(waiting) == 3 or len(waiting) == 2
    desk.notify("ada")
    found = desk.look(without=waiting)
    assert len(found.urgent) == 1
    assert set(found.urgent) <= set(found.to_render)
    [variant_id] = found.urgent
    desk.renderer.make(variant_id, desk.world.now)
    assert [job.address for job in desk.look(without=waiting).jobs] == ["ada@reader.example"]


def test_a_notice_is_the_same_at_every_attempt_whatever_changed(desk: NoticeDesk) -> None:
    desk.notify("ada")
    desk.answer([*desk.claim()], GIVEN_BACK)
    _write(desk, "notice-confirm.txt", "Changed. {{ links.confirm }}\n")
    [first] = desk.claim()
    assert b"Changed." in desk.rendering(first).body
    desk.defer([first])
    _write(desk, "notice-confirm.txt", "Changed again.\n")
    desk.world.wait(minutes=2)
    [again] = desk.claim()
    assert again.rendering_id == first.rendering_id


def test_a_template_that_fails_holds_up_only_its_notice(desk: NoticeDesk) -> None:
    _write(desk, "notice-confirm.html", "{{ no_such.thing }}")
    desk.notify("ada")
    desk.notify("bo", NoticeKind.WELCOME)
    desk.digest_for("cy")
    assert {job.address for job in desk.claim()} == {"bo@reader.example", "cy@reader.example"}
    row = desk.notice_row("ada")
    assert (row.state, row.attempt) == ("deferred", 0)
    assert "notice-confirm.html, line 1" in row.reply
    _write(desk, "notice-confirm.html", "<p>Mended.</p>")
    [job] = desk.claim()
    assert b"Mended." in desk.rendering(job).body


def _write(desk: NoticeDesk, name: str, text: str) -> None:
    (desk.templates / name).write_text(text)
    desk.renderer.refresh(desk.world.now)


# the last look


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda desk: None, None),
        (lambda desk: desk.suppress("ada"), "suppressed"),
        (lambda desk: desk.set_reader("ada", "suppressed"), "suppressed"),
        (lambda desk: desk.set_reader("ada", "erased"), "suppressed"),
        (lambda desk: desk.set_reader("ada", "bouncing"), None),
        (lambda desk: desk.unsubscribe("ada"), "cancelled"),
        (lambda desk: desk.reclaim(), "cancelled"),
    ],
    ids=["nothing", "suppressed", "reader suppressed", "erased", "bouncing", "left", "taken over"],
)
def test_what_changed_after_the_claim(
    desk: NoticeDesk, change: Callable[[NoticeDesk], object], state: str | None
) -> None:
    desk.digest_for("bo")
    desk.world.subscribe("ada")
    desk.notify("ada", NoticeKind.WELCOME, of_subscription=True)
    jobs = {job.address.partition("@")[0]: job for job in desk.claim()}
    change(desk)
    assert desk.still_wanted(jobs["ada"]) == state
    all_taken_over = desk.states()["pending"] == 2
    assert desk.still_wanted(jobs["bo"]) == ("cancelled" if all_taken_over else None)


def test_who_left_a_newsletter_is_still_asked_to_confirm_another(desk: NoticeDesk) -> None:
    desk.world.subscribe("ada")
    desk.notify("ada", of_reader=True)
    [job] = desk.claim()
    desk.unsubscribe("ada")
    assert desk.still_wanted(job) is None


# answers and crashes


def test_the_books_tell_of_notices(desk: NoticeDesk) -> None:
    desk.world.subscribe("ada")
    desk.world.subscribe("bo")
    desk.notify("ada", of_reader=True)
    desk.notify("bo", of_reader=True)
    with desk.world.db.read() as conn:
        assert status.read(conn).backlog == 2
    ada, bo = desk.claim()
    desk.answer([ada])
    desk.answer([bo], Outcome(state=DeliveryState.FAILED, reply="5.7.1 no"))
    with desk.world.db.read() as conn:
        now = status.read(conn)
        assert (dict(now.notices), now.backlog) == ({"sent": 1, "failed": 1}, 0)
        assert now.deliveries == {}
        reader = conn.execute(select(subscriber.c.id).where(subscriber.c.name == "ada")).scalar()
        assert reader is not None
        [told] = story.notices(conn, reader)
    assert (told.kind, told.state, told.smtp_status) == ("confirm", "sent", 250)


def test_an_address_that_does_not_exist_is_noted_of_readers_only(desk: NoticeDesk) -> None:
    """Anybody may have given it: three such mails suppress nobody."""
    desk.world.subscribe("ada")
    for _ in range(4):
        desk.notify("ada", of_reader=True)
        desk.notify("stranger")
        desk.answer(desk.claim(), FAILED)
        desk.world.wait(days=2)
    with desk.world.db.read() as conn:
        assert bounces.count(conn) == 4
        assert conn.execute(select(subscriber.c.state)).scalars().all() == ["active"]
    assert desk.notice_states() == {"failed": 8}


@pytest.mark.parametrize("resend", [True, False])
def test_after_a_crash(desk: NoticeDesk, resend: bool) -> None:
    desk.notify("ada")
    [before] = desk.claim()
    assert desk.reclaim(resend=resend) == 1
    with desk.world.db.read() as conn:
        assert uncertain.listing(conn) == []  # nobody is asked about a notice
        assert uncertain.count(conn) == 0
    if resend:
        [again] = desk.claim()
        assert again.rendering_id == before.rendering_id
    else:
        assert desk.notice_states() == {"uncertain": 1}
        assert desk.claim() == []


def test_a_late_answer_changes_nothing(desk: NoticeDesk) -> None:
    desk.notify("ada")
    late = desk.claim()
    desk.reclaim()
    assert desk.answer(late, FAILED) == 0
    assert desk.answer(desk.claim()) == 1
    assert desk.notice_states() == {"sent": 1}


def test_what_is_deferred_can_be_hastened(desk: NoticeDesk) -> None:
    desk.notify("ada")
    desk.defer(desk.claim(), minutes=60)
    with desk.world.db.write() as conn:
        assert ledger.hasten(conn, desk.world.now) == 1
    assert len(desk.claim()) == 1


# forgetting


def test_two_days_after_its_end_nothing_is_left_of_a_notice(desk: NoticeDesk) -> None:
    desk.digest_for("eve")
    desk.answer([job for job in desk.claim() if job.edition_id])
    mails = desk.kept()
    for name in ("ada", "bo", "cy"):
        desk.notify(name)
    desk.suppress("di")
    desk.notify("di")
    desk.answer(desk.claim(1))
    jobs = desk.claim()
    desk.world.wait(hours=30)
    desk.answer(jobs[:1])
    assert not desk.clear()
    desk.world.wait(hours=18)
    assert desk.clear(chunk=1)
    assert desk.clear()
    assert not desk.clear()
    assert desk.notice_states() == {"sent": 1, "sending": 1}
    desk.world.wait(hours=30)
    assert desk.clear()
    assert desk.notice_states() == {"sending": 1}
    desk.answer(jobs[1:])
    desk.world.wait(days=2)
    assert desk.clear()
    assert desk.kept() == mails
    assert desk.notify("ada")


def test_a_day_is_known_as_long_as_it_lasts(desk: NoticeDesk) -> None:
    assert desk.notify("ada")
    desk.answer(desk.claim())
    desk.world.wait(hours=23)
    while desk.clear():
        pass
    assert not desk.notify("ada")


def test_jobs_are_told_apart(desk: NoticeDesk) -> None:
    desk.digest_for("ada")
    desk.notify("ada", of_reader=True)
    jobs: list[Job] = desk.claim()
    assert sorted((job.edition_id is None) for job in jobs) == [False, True]
    assert desk.answer(jobs, SENT) == 2
    assert desk.finish() == 1
    desk.check_books()
