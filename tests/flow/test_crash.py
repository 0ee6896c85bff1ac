"""The daemon is killed, again and again, while mails go out: nobody is missing, copies are few.

`make acceptance` kills it 300 times in 100,000 mails; CRASH_SEED repeats the dice of a run.
"""

import os
import random
import secrets
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.core.model import DeliveryState
from publisher.store.tables import delivery, edition, subscriber
from tests.flow.counting import CountingServer, counting
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until

DELAY = 0.02  # seconds that the server takes for a mail
EARLY = 0.1  # of the kills hit a daemon that may still be starting


@dataclass
class Toll:
    """What the kills came to."""

    kills: int = 0
    in_flight: int = 0
    """Kills that hit a daemon with mails in flight."""
    ambiguous: Counter[str] = field(default_factory=Counter)
    """By address: how often a kill left a mail of which nobody knows."""
    claims: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class Storm:
    """Readers who all get a mail, from a daemon that is killed all along."""

    room: Newsroom
    server: CountingServer
    mails: int
    kills: int
    batch: int
    dice: random.Random
    toll: Toll = field(default_factory=Toll)

    def rage(self) -> None:
        """Plan, and kill the daemon as often as the storm has kills, all over the send."""
        self.room.now = datetime.now(UTC)
        self.room.crowd(self.mails)
        self.room.publish("One")
        assert self.room.plan() == self.mails
        early = set(self.dice.sample(range(self.kills), round(self.kills * EARLY)))
        for number in range(self.kills):
            if number in early:
                self._run_and_kill(mails=0, seconds=self.dice.uniform(0, 1.5))
            else:
                share = self._left() / (self.kills - number + 2)  # the last kill must hit some too
                mails = round(share * self.dice.uniform(0.1, 1.5)) or 1
                self._run_and_kill(mails, seconds=self.dice.uniform(0, DELAY))
            self.check_books()

    def settle(self) -> None:
        """Let a daemon do the rest, unattended."""
        with self.room.site.daemon() as process:
            until(lambda: not self._left(), "everything to be sent", 600)
            process.terminate()
            assert process.wait(15) == 0
        self._look_back()

    def deliver(self) -> None:
        """What `publisher deliver` does."""
        self.room.now = datetime.now(UTC)
        self.room.deliver()
        self._look_back()

    def _look_back(self) -> None:
        until(lambda: self.server.is_left, "the server to be left")
        self.check_books()
        self.room.app.finish_editions()  # if the daemon did not come to it
        with self.room.app.db.read() as conn:
            assert list(conn.execute(select(edition.c.state)).scalars()) == ["finished"]

    def check_books(self) -> None:
        """They balance, and call nothing sent that the server did not get."""
        self.room.check_books()
        assert self.room.states().total() == self.mails
        assert self.addresses(DeliveryState.SENT) <= self.server.copies.keys()

    def addresses(self, state: DeliveryState) -> set[str]:
        return {address for address, _ in self._rows(state)}

    @property
    def extra(self) -> int:
        """Mails that somebody got once more."""
        return self.server.copies.total() - len(self.server.copies)

    def _rows(self, state: DeliveryState) -> list[tuple[str, str]]:
        """Address and claim."""
        with self.room.app.db.read() as conn:
            statement = (
                select(subscriber.c.address, delivery.c.claim)
                .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
                .where(delivery.c.state == state)
            )
            return [(row.address, row.claim) for row in conn.execute(statement)]

    def _left(self) -> int:
        states = self.room.states()
        return states["pending"] + states["sending"] + states["deferred"]

    def _run_and_kill(self, mails: int, seconds: float) -> None:
        """Start the daemon and kill it so long after it sent so many mails."""
        site, before = self.room.site, self.server.arrived
        with (site.folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                site.command("run"), cwd=site.folder, env=site.environment, stdout=log, stderr=log
            )
        try:
            until(
                lambda: self.server.arrived >= before + mails or process.poll() is not None,
                f"{mails} mails",
                seconds=300,
            )
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            assert process.poll() is None, site.log()
        finally:
            process.kill()
            process.wait()
        until(lambda: self.server.is_left, "the server to notice")
        self._count_the_dead()

    def _count_the_dead(self) -> None:
        claims = set(self._rows(DeliveryState.SENDING))
        assert len(claims) <= self.batch
        hit = claims - self.toll.claims  # the others an earlier kill left; not yet taken back
        self.toll.claims |= hit
        self.toll.kills += 1
        self.toll.in_flight += bool(hit)
        self.toll.ambiguous.update(address for address, _ in hit)


SIZES = pytest.mark.parametrize(
    ("mails", "kills", "batch"),
    [(400, 3, 20), pytest.param(100_000, 300, 50, marks=pytest.mark.slow)],
    ids=["short", "full"],
)


@contextmanager
def storm(
    folder: Path, after_crash: str, mails: int, kills: int, batch: int
) -> Iterator[tuple[Newsroom, CountingServer, Storm]]:
    """One that has raged; what it came to is printed."""
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
    mail = f'batch = {batch}\nafter_crash = "{after_crash}"'
    began = time.monotonic()
    with (
        counting(folder, delay=DELAY) as server,
        newsroom(folder, None, mail=mail, smtp_port=server.port) as room,
    ):
        storm = Storm(room, server, mails, kills, batch, random.Random(seed))
        toll = storm.toll
        try:
            storm.rage()
            storm.settle()
        finally:
            print(
                f"\n{after_crash}: {mails} mails, {toll.kills} kills ({toll.in_flight} with mails "
                f"in flight), {toll.ambiguous.total()} ambiguous, {storm.extra} copies, "
                f"{dict(room.states())}; CRASH_SEED={seed}, {time.monotonic() - began:.0f} s"
            )
        assert toll.in_flight >= kills * (1 - EARLY)
        assert toll.ambiguous.total() <= kills * batch
        yield room, server, storm
        assert not server.differing


@SIZES
def test_resending_after_each_kill_misses_nobody(
    tmp_path: Path, mails: int, kills: int, batch: int
) -> None:
    with storm(tmp_path, "resend", mails, kills, batch) as (room, server, its):
        assert room.states() == {"sent": mails}
        assert server.copies.keys() == its.addresses(DeliveryState.SENT)
        assert its.extra <= its.toll.ambiguous.total()
        for address, count in server.copies.items():
            assert count - 1 <= its.toll.ambiguous[address]


@SIZES
def test_holding_after_each_kill_sends_no_copy_and_names_who_may_lack_theirs(
    tmp_path: Path, mails: int, kills: int, batch: int
) -> None:
    with storm(tmp_path, "hold", mails, kills, batch) as (room, server, its):
        held = {each["address"] for each in room.site.json("newsletters", "uncertain")}
        assert held == set(its.toll.ambiguous)
        assert held == its.addresses(DeliveryState.UNCERTAIN)
        assert its.toll.ambiguous.total() == len(held)
        assert room.states() == {"sent": mails - len(held), "uncertain": len(held)}
        assert its.extra == 0
        everybody = held | its.addresses(DeliveryState.SENT)
        assert everybody - server.copies.keys() <= held

        before = server.copies.copy()
        one, other, *rest = sorted(held)
        room.site.call("newsletters", "drop", "daily", "--address", one)
        room.site.call("newsletters", "release", "daily", "--address", other)
        its.deliver()
        assert server.copies - before == {other: 1}
        room.site.call("newsletters", "release", "daily")
        its.deliver()
        assert server.copies - before == dict.fromkeys([other, *rest], 1)
        assert room.states() == {"sent": mails - 1, "uncertain": 1}
        assert its.addresses(DeliveryState.UNCERTAIN) == {one}
        assert room.site.json("newsletters", "uncertain") == []
