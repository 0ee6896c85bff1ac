"""Several processes at one database: what they do at the same moment comes out as if in turn."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import time, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from publisher.core.delivery import Job, Verdict
from publisher.core.model import ConfiguredCategory, DeliveryState
from publisher.core.outcome import Outcome
from publisher.core.room import Room
from publisher.sources.folder import FolderSource
from publisher.sources.intake import Intake
from publisher.sources.port import Document
from publisher.store import category_settings, claims, control, ledger, newsletters
from publisher.store.engine import Database
from publisher.store.tables import (
    article,
    category,
    counter,
    edition,
    slot,
    subscriber,
    subscription,
)
from tests.flow.site import until
from tests.store.conftest import new_database
from tests.store.test_intake import BOOKS, SITE, START
from tests.store.test_ledger import GIVEN_BACK, SENT, Desk
from tests.store.world import ALERTS, DAILY, World

ROUNDS = 8


@pytest.fixture
def other(db: Database) -> Iterator[Database]:
    """Another process's way to the same database."""
    url = db.engine.url.render_as_string(hide_password=False)
    with closing(Database(url)) as database:
        yield database


def at_once(*calls: Callable[[], object]) -> None:
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> None:
        barrier.wait(10)
        call()

    with ThreadPoolExecutor(len(calls)) as threads:
        for each in [threads.submit(run, call) for call in calls]:
            each.result(60)


def twin(world: World, db: Database) -> World:
    """The same newsroom on another machine."""
    return World(db, now=world.now, newsletters=world.newsletters, chunk=world.chunk)


def test_two_nodes_plan_the_same_slot(world: World, other: Database) -> None:
    world.chunk = 3
    names = [f"reader{number}" for number in range(10)]
    for name in names:
        world.subscribe(name)
    for number in range(ROUNDS):
        world.publish(f"{number}")
        world.wait(days=1)
        at_once(world.plan, twin(world, other).plan)
    every = [[f"{number}"] for number in range(ROUNDS)]
    assert {name: world.mails(name) for name in names} == dict.fromkeys(names, every)
    with world.db.read() as conn:
        assert conn.execute(select(edition.c.enqueued)).scalars().all() == [10] * ROUNDS


def test_two_nodes_plan_by_hand(world: World, other: Database) -> None:
    world.subscribe("ada")
    for number in range(ROUNDS):
        world.publish(f"{number}")
        nodes = (world, twin(world, other))
        at_once(*(partial(node.planner.plan_now, "daily", node.now) for node in nodes))
    assert world.mails("ada") == [[f"{number}"] for number in range(ROUNDS)]


def test_who_has_seen_a_number_has_seen_all_below(world: World, other: Database) -> None:
    nodes = [world, twin(world, other)]
    done = threading.Event()
    seen: list[tuple[int, int]] = []

    def publish(node: World) -> None:
        for number in range(ROUNDS * 2):
            node.publish(f"{id(node)} {number}")

    def publish_all() -> None:
        try:
            at_once(*(partial(publish, node) for node in nodes))
        finally:
            done.set()

    def watch() -> None:
        with closing(Database(other.engine.url.render_as_string(hide_password=False))) as db:
            while not done.is_set():
                with db.read() as conn:
                    head = conn.execute(select(counter.c.n)).scalar_one()
                    count = conn.execute(select(func.count(article.c.seq))).scalar_one()
                seen.append((head, count))

    nodes[1].count = 1000  # keys of its own
    at_once(publish_all, watch)
    assert all(head == count for head, count in seen)
    with world.db.read() as conn:
        places = conn.execute(select(article.c.seq).order_by(article.c.seq)).scalars().all()
    assert places == list(range(1, ROUNDS * 4 + 1))


def test_two_nodes_make_the_same_articles_public(world: World, other: Database) -> None:
    for number in range(ROUNDS):
        for each in range(5):
            world.take_in(f"{number}.{each}", f"section {number}")
        at_once(world.make_public, twin(world, other).make_public)
    with world.db.read() as conn:
        rows = conn.execute(select(article.c.title, article.c.seq).order_by(article.c.seq)).all()
        stamps = conn.execute(select(category.c.change)).scalars().all()
    assert [row.seq for row in rows] == list(range(1, ROUNDS * 5 + 1))
    assert sorted(stamps) == [5 * (number + 1) for number in range(ROUNDS)]


def test_the_same_reader_joins_twice(world: World, other: Database) -> None:
    node = twin(world, other)
    for number in range(ROUNDS):
        at = time(number, 30)  # a slot that nobody shares yet
        at_once(*(partial(each.subscribe, f"ada{number}", at=at) for each in (world, node)))
    with world.db.read() as conn:
        for table in (subscriber, subscription):
            assert conn.execute(select(func.count()).select_from(table)).scalar_one() == ROUNDS
        assert conn.execute(select(func.count()).select_from(slot)).scalar_one() == ROUNDS


def test_the_same_articles_are_taken_in_twice(
    db: Database, other: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    nodes = [
        (
            Intake(db=each, books=BOOKS, site=SITE),
            FolderSource(folder, tmp_path, "UTC", "https://n"),
        )
        for each in (db, other)
    ]
    for number in range(ROUNDS):
        (folder / f"{number}.md").write_text(
            f"---\ntitle: T{number}\ncategories: [Topic {number}]\n---\n\nText."
        )
        at_once(*(partial(intake.take, source, START) for intake, source in nodes))
    with db.read() as conn:
        titles = conn.execute(select(article.c.title).order_by(article.c.title)).scalars().all()
        topics = conn.execute(select(func.count()).select_from(category)).scalar_one()
    assert titles == [f"T{number}" for number in range(ROUNDS)]
    assert topics == ROUNDS


def test_what_another_took_in_after_our_listing_stays(
    db: Database, other: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    (folder / "first.md").write_text("---\ntitle: First\n---\n\nText.")
    quick = FolderSource(folder, tmp_path, "UTC", "https://n")

    class Slow(FolderSource):
        def changed(self) -> Iterator[Document]:
            yield from super().changed()
            (folder / "late.md").write_text("---\ntitle: Late\n---\n\nText.")
            Intake(db=other, books=BOOKS, site=SITE).take(quick, START)

    slow = Slow(folder, tmp_path, "UTC", "https://n")
    assert Intake(db=db, books=BOOKS, site=SITE).take(slow, START).withdrawn == 0
    with db.read() as conn:
        assert set(conn.execute(select(article.c.withdrawn_at)).scalars()) == {None}


def test_two_nodes_start_with_a_new_configuration(world: World, other: Database) -> None:
    for number in range(ROUNDS):
        sections = [
            ConfiguredCategory(slug=f"s{number}", title=f"S{number}", formerly=(f"old{number}",))
        ]
        letters = [DAILY, ALERTS, replace(DAILY, slug=f"n{number}")]

        def settle(db: Database, letters=letters, sections=sections) -> None:
            with db.write() as conn:
                newsletters.settle(conn, letters, world.now)
                category_settings.settle(conn, sections)

        at_once(*(partial(settle, each) for each in (world.db, other)))
        with world.db.read() as conn:
            assert newsletters.is_settled(conn, letters)
            assert category_settings.is_settled(conn, sections)


# The ledger: workers claim and record beside all other writers. On SQLite one waits for the other
# from the first word; here each stands in the middle of its transaction.


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[tuple[Desk, Desk]]:
    """The same desk in two processes, on PostgreSQL."""
    (tmp_path / "templates").mkdir()
    with ExitStack() as things:
        db = new_database("postgresql", tmp_path, things)
        again = things.enter_context(
            closing(Database(db.engine.url.render_as_string(hide_password=False)))
        )
        one = Desk(World(db), tmp_path / "templates")
        yield one, Desk(twin(one.world, again), tmp_path / "templates")


def verdict(job: Job, outcome: Outcome) -> Verdict:
    return Verdict(delivery_id=job.delivery_id, claim=job.claim, outcome=outcome)


@contextmanager
def meanwhile(call: Callable[[], object], db: Database) -> Iterator["Future[object]"]:
    """`call` runs until it waits for a lock; the block is what it waits for."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    def waits() -> bool:
        with db.read() as conn:
            found = conn.exec_driver_sql(waiting).scalar_one()
        return bool(found) or result.done()

    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(call)
        until(waits, "the other to wait")
        assert not result.done(), "it was to wait"
        yield result


def test_two_workers_claim_at_once(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.digest_for(*(f"reader{number}" for number in range(10)))
    two.world.now = one.world.now
    first = one.claim(1)
    with one.world.db.write(alone=False) as conn:
        mine = claims.claim(
            conn,
            now=one.world.now,
            due_by=one.world.now,
            room=Room(4),
            lease=timedelta(minutes=1),
            fingerprints=one.renderer.fingerprints,
        ).jobs
        theirs = two.claim(100)  # passes over what is locked, and does not wait
    taken = [job.delivery_id for job in (*first, *mine, *theirs)]
    assert len(mine) == 4
    assert len(taken) == len(set(taken)) == 10
    assert one.answer(mine) + one.answer(first) + two.answer(theirs) == 10
    assert one.states() == {"sent": 10}


def test_many_workers_claim_and_answer_at_once(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.digest_for(*(f"reader{number}" for number in range(120)))
    two.world.now = one.world.now
    taken: list[int] = []

    def work(desk: Desk) -> None:
        while jobs := desk.claim(7):
            taken.extend(job.delivery_id for job in jobs)
            desk.answer(jobs)

    at_once(*(partial(work, desk) for desk in (one, two, one, two)))
    # Those that another had locked at the last look are left.
    work(one)
    assert len(taken) == len(set(taken)) == 120
    assert one.states() == {"sent": 120}
    one.check_books()


def test_cancelling_waits_for_what_is_just_given_back(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.digest_for("ada", "bo")
    jobs = one.claim()
    again = Outcome(state=DeliveryState.DEFERRED, next_attempt_at=one.world.now)

    def cancel() -> None:
        with two.world.db.write() as conn:
            control.cancel(conn, "daily", one.world.now)

    with ExitStack() as after:
        with one.world.db.write(alone=False) as conn:
            ledger.record(conn, [verdict(job, again) for job in jobs], one.world.now)
            cancelling = after.enter_context(meanwhile(cancel, two.world.db))
        cancelling.result(10)
    assert one.states() == {"cancelled": 2}


def test_what_is_given_back_to_an_edition_just_cancelled_is_cancelled(
    desks: tuple[Desk, Desk],
) -> None:
    one, two = desks
    one.digest_for("ada", "bo")
    jobs = one.claim()
    again = Outcome(state=DeliveryState.DEFERRED, next_attempt_at=one.world.now)
    with ExitStack() as after:
        with two.world.db.write() as conn:
            control.cancel(conn, "daily", one.world.now)
            answering = after.enter_context(
                meanwhile(lambda: one.answer(jobs, again), two.world.db)
            )
        assert answering.result(10) == 2
    assert one.states() == {"cancelled": 2}


def test_a_row_whose_answer_is_being_written_is_not_taken_back(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.digest_for("ada", "bo")
    first, second = one.claim()
    two.world.now = one.world.now + timedelta(hours=1)  # its lease has run out long ago
    with one.world.db.write(alone=False) as conn:
        assert ledger.record(conn, [verdict(first, SENT)], one.world.now) == 1
        assert two.reclaim(all_workers=False) == 1
    assert one.states() == {"sent": 1, "pending": 1}
    assert one.answer([second]) == 0
    assert one.states() == {"sent": 1, "pending": 1}


def test_an_answer_that_comes_while_its_row_is_taken_back_changes_nothing(
    desks: tuple[Desk, Desk],
) -> None:
    one, two = desks
    one.digest_for("ada")
    jobs = one.claim()
    later = one.world.now + timedelta(hours=1)
    with ExitStack() as after:
        with two.world.db.write() as conn:
            assert claims.reclaim(conn, later, all_workers=False, resend=True) == 1
            answering = after.enter_context(meanwhile(lambda: one.answer(jobs), two.world.db))
        assert answering.result(10) == 0
    assert one.states() == {"pending": 1}


def test_who_leaves_while_their_mail_is_claimed_is_not_mailed(desks: tuple[Desk, Desk]) -> None:
    one, two = desks
    one.digest_for("ada", "bo")
    one.answer(one.claim(), GIVEN_BACK)  # now there is a rendering
    with ExitStack() as after:
        with one.world.db.write(alone=False) as conn:
            jobs = claims.claim(
                conn,
                now=one.world.now,
                due_by=one.world.now,
                room=Room(10),
                lease=timedelta(minutes=1),
                fingerprints=one.renderer.fingerprints,
            ).jobs
            leaving = after.enter_context(meanwhile(lambda: two.unsubscribe("ada"), two.world.db))
        leaving.result(10)
    wanted = {job.name: one.still_wanted(job) for job in jobs}
    assert wanted == {"ada": DeliveryState.CANCELLED, "bo": None}


def test_a_writer_that_stands_still_gives_way(desks: tuple[Desk, Desk]) -> None:
    """The server ends a transaction in which nothing happens, so that the others can go on."""
    one, two = desks
    with one.world.db.write() as conn:
        limits = [
            conn.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("idle_in_transaction_session_timeout", "lock_timeout")
        ]
    assert limits == ["20s", "10s"]
    with two.world.db.read() as conn:
        assert conn.exec_driver_sql("SHOW lock_timeout").scalar_one() == "0"
