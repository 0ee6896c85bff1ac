"""The disk fails under the daemon in mid-send: it says so, sends no copy, and goes on by itself.

One fault of each kind runs always, the sweep over errors and positions by `make acceptance`.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.store.tables import delivery, subscriber
from tests.flow.counting import CountingServer, counting
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.strace import SYNCS, WRITES, Fault, failed, failing
from tests.programs import needs

BATCH = 20
DELAY = 0.2  # seconds that the server takes for a mail: 80 mails a second, over 16 connections
SAYS_SO = "the database cannot be used; what needs it waits"
GOES_ON = "the database can be used again"

KINDS = [Fault(calls, error) for calls in (WRITES, SYNCS) for error in ("ENOSPC", "EIO")]
POSITIONS = (1, 2, 3, 5, 8, 13, 21)


@dataclass
class Press:
    """A site in the middle of sending to many readers."""

    room: Newsroom
    server: CountingServer
    mails: int

    @property
    def files(self) -> tuple[Path, Path]:
        database = self.room.site.folder / "var" / "publisher.db"
        return database, database.with_name("publisher.db-wal")

    def says(self, what: str) -> int:
        return self.room.site.log().count(what)

    def check_books(self) -> None:
        """They balance, and call nothing sent that the server did not get."""
        self.server.look()
        self.room.check_books()
        assert self.room.states().total() == self.mails
        assert self.sent() <= self.server.copies.keys()

    def sent(self) -> set[str]:
        with self.room.app.db.read() as conn:
            statement = (
                select(subscriber.c.address)
                .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
                .where(delivery.c.state == "sent")
            )
            return set(conn.execute(statement).scalars())

    def wait_for_mails(self, count: int) -> None:
        """So many more."""
        enough = self.server.arrived + count
        until(lambda: self.server.arrived >= enough, f"{count} more mails", 120)
        assert self.server.arrived < self.mails, "there must be mails to send when the fault comes"

    def finish(self) -> None:
        until(lambda: self.room.states() == {"sent": self.mails}, "everything to be sent", 300)
        self.check_books()
        assert len(self.server.copies) == self.mails
        assert not self.server.differing

    @property
    def extra(self) -> int:
        return self.server.copies.total() - len(self.server.copies)


@contextmanager
def press(folder: Path, mails: int) -> Iterator[Press]:
    needs("strace")
    with (
        counting(folder, delay=DELAY) as server,
        newsroom(folder, None, mail=f"batch = {BATCH}", smtp_port=server.port) as room,
    ):
        room.now = datetime.now(UTC)
        room.crowd(mails)
        room.publish("One")
        assert room.plan() == mails
        yield Press(room, server, mails)


def ride_out(its: Press, process: "subprocess.Popen[bytes]", fault: Fault) -> None:
    """See a fault begin that lasts, what the daemon does meanwhile, and let it end."""
    site = its.room.site
    until(lambda: site.get("/readyz")[0] == 200, "it to be ready")
    told, over = its.says(SAYS_SO), its.says(GOES_ON)
    with failing(process, fault, *its.files) as report:
        until(lambda: its.says(SAYS_SO) > told, f"it to be told ({fault})")
        assert failed(report)
        until(lambda: site.get("/readyz")[0] == 503, "it not to be ready")
        its.check_books()
        assert its.room.states()["sending"] <= BATCH
        failures = failed(report)
        until(lambda: failed(report) > failures, "it to try again")
        assert "One" in site.feed()
        assert site.get("/healthz")[0] == 200
        assert site.get("/readyz")[0] == 503
        assert process.poll() is None
    assert its.says(SAYS_SO) == told + 1, "the same trouble is told once"
    until(lambda: its.says(GOES_ON) > over, "it to go on by itself")
    until(lambda: site.get("/readyz")[0] == 200, "it to be ready")


def kill_in_trouble(its: Press, fault: Fault) -> None:
    """Start a daemon, and kill it when it has noticed the fault."""
    with its.room.site.daemon() as process:
        told = its.says(SAYS_SO)
        its.wait_for_mails(10)
        with failing(process, fault, *its.files):
            until(lambda: its.says(SAYS_SO) > told, f"it to be told ({fault})")
            process.kill()
            process.wait()


def test_a_disk_that_is_full_or_broken_in_mid_send_costs_no_copy(tmp_path: Path) -> None:
    with press(tmp_path, 500) as its, its.room.site.daemon() as process:
        for fault in KINDS[::3]:
            its.wait_for_mails(10)
            ride_out(its, process, fault)
        its.finish()
        assert its.extra == 0
    log = its.room.site.log()
    assert "database or disk is full" in log
    assert "disk I/O error" in log
    assert "Traceback" not in log


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_wherever_it_fails_nothing_is_lost_or_sent_twice(tmp_path: Path, kind: Fault) -> None:
    with press(tmp_path, 6000) as its, its.room.site.daemon() as process:
        for first in POSITIONS:
            passing = replace(kind, when=f"{first}..{first + 2}")
            its.wait_for_mails(first)
            with failing(process, passing, *its.files) as report:
                until(lambda: failed(report), f"the disk to fail ({passing})")
                its.wait_for_mails(3 * BATCH)
            its.wait_for_mails(first)
            ride_out(its, process, kind)
        its.finish()
        assert its.extra == 0
    assert "Traceback" not in its.room.site.log()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_killed_while_the_disk_fails_it_repeats_one_batch_at_most(
    tmp_path: Path, kind: Fault
) -> None:
    with press(tmp_path, 1000) as its:
        for kills, first in enumerate(POSITIONS, 1):
            kill_in_trouble(its, replace(kind, when=f"{first}+"))
            until(lambda: its.server.is_left, "the server to be left")
            its.check_books()
            assert its.extra <= kills * BATCH
        with its.room.site.daemon():
            its.finish()
        assert its.extra <= len(POSITIONS) * BATCH
        print(f"{kind}: {len(POSITIONS)} kills, {its.extra} copies")


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
def test_a_log_that_cannot_be_moved_into_the_database_holds_up_nothing(
    tmp_path: Path, error: str
) -> None:
    with press(tmp_path, 1500) as its, its.room.site.daemon() as process:
        its.wait_for_mails(10)
        database, log = its.files
        with failing(process, Fault(f"{WRITES},{SYNCS},ftruncate", error), database) as report:
            until(lambda: failed(report), "the checkpoint to fail", 60)
            its.wait_for_mails(BATCH)
        its.finish()
        assert its.extra == 0
        assert log.stat().st_size > 0
    assert its.says(SAYS_SO) == 0
