"""The daemon is killed, again and again, while mails go out: nobody is missing, copies are few."""

import random
import secrets
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.smtp import SmtpServer

BATCH = 50
DELAY = 0.05  # seconds that the server takes for a mail
RATE = 16 / DELAY  # mails a second, at most: the worker has so many connections
OUT_OF_FLIGHT = 5  # of twenty kills, so many may hit the daemon between mails


@dataclass
class Toll:
    """What the kills came to."""

    kills: int = 0
    in_flight: int = 0
    """Kills that hit a daemon with mails in flight."""
    ambiguous: Counter[str] = field(default_factory=Counter)
    """By address: how often a kill left a mail of which nobody knows."""
    claims: set[tuple[str, str]] = field(default_factory=set)


@pytest.mark.parametrize(
    ("mails", "kills"),
    [(300, 5), pytest.param(2000, 20, marks=pytest.mark.slow)],
    ids=["short", "full"],
)
def test_killed_at_random_moments_it_misses_nobody(tmp_path: Path, mails: int, kills: int) -> None:
    seed = secrets.randbelow(10**6)
    dice = random.Random(seed)
    began = time.monotonic()
    toll = Toll()
    with (
        SmtpServer(delay=DELAY).running() as server,
        newsroom(tmp_path, server, mail=f"batch = {BATCH}") as room,
    ):
        room.now = datetime.now(UTC)
        room.crowd(mails)
        room.publish("One")
        assert room.plan() == mails
        early = set(dice.sample(range(kills), kills // 10))
        for number in range(kills):
            # Half of the mails are left when the kills are over, or there is nothing to hit.
            moment = dice.uniform(0, 1 if number in early else mails / kills / RATE)
            _run_and_kill(room, server, toll, moment, while_starting=number in early)
            room.check_books()
        with room.site.daemon() as process:
            until(lambda: room.states() == {"sent": mails}, "everything to be sent", 60)
            process.terminate()
            assert process.wait(15) == 0
        room.check_books()
        assert room.app.finish_editions() == 1

        copies = server.copies()
        extra = copies.total() - len(copies)
        claimed = sum(row["attempt"] for row in room.rows())
        print(
            f"\nkills {toll.kills} ({toll.in_flight} with mails in flight), claimed {claimed}, "
            f"ambiguous {toll.ambiguous.total()}, copies {extra}, of {mails} mails; "
            f"seed {seed}, {time.monotonic() - began:.0f} s"
        )
        assert toll.in_flight * 20 >= kills * (20 - OUT_OF_FLIGHT)
        assert copies.keys() == {row["address"] for row in room.rows()}
        assert extra <= toll.ambiguous.total() <= kills * BATCH
        assert claimed == mails + toll.ambiguous.total()
        for address, count in copies.items():
            assert count - 1 <= toll.ambiguous[address]
        distinct = {(each.recipient, each.digest) for each in server.arrived}
        assert len(distinct) == len(copies)


def _run_and_kill(
    room: Newsroom, server: SmtpServer, toll: Toll, moment: float, *, while_starting: bool
) -> None:
    """Start the daemon and kill it `moment` seconds later, or so long after its first mail."""
    site, before = room.site, len(server.arrived)
    with (site.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            site.command("run"), cwd=site.folder, env=site.environment, stdout=log, stderr=log
        )
    try:
        if not while_starting:
            until(lambda: len(server.arrived) > before or process.poll() is not None, "a mail")
        with suppress(subprocess.TimeoutExpired):
            process.wait(moment)
        assert process.poll() is None, site.log()
    finally:
        process.kill()
        process.wait()
    until(lambda: not server.underway, "the server to notice")
    claims = {(row["address"], row["claim"]) for row in room.rows() if row["claim"]}
    assert len(claims) <= BATCH
    hit = claims - toll.claims  # the others were left by an earlier kill, and not taken back yet
    toll.claims |= hit
    toll.kills += 1
    toll.in_flight += bool(hit)
    toll.ambiguous.update(address for address, _ in hit)
