"""What hubs are to be told: once for each version of a feed, whoever builds and whoever tells."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from publisher.core.ping import Ping, Verdict, Version
from publisher.store import pings
from publisher.store.engine import Database
from publisher.store.pings import Unannounced
from publisher.store.tables import ping
from tests.store.test_at_once import ROUNDS, at_once

NOW = datetime(2026, 11, 2, 9, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HUB, OTHER_HUB = "https://hub.example/", "https://other.example/hub"
NEWS = "https://news.example/feeds/news/"
RSS, ATOM = f"{NEWS}rss.xml", f"{NEWS}atom.xml"
TAKEN = Verdict(taken=True)


class Desk:
    """A process that builds feeds and tells hubs of them."""

    def __init__(self, db: Database, *hubs: str) -> None:
        self.db = db
        self.hubs = hubs or (HUB,)
        self.now = NOW

    def build(self, change: int, **marks: str) -> bool:
        """Feeds with these marks; whether anything was written."""
        feeds = {
            f"{NEWS}{name}.xml": Version(mark=mark, change=change) for name, mark in marks.items()
        }
        with self.db.read() as conn:
            if pings.is_noted(conn, self.hubs, feeds):
                return False
        with self.db.write() as conn:
            pings.note(conn, self.hubs, feeds, self.now)
        return True

    def due(self, hub: str = HUB) -> Ping | None:
        with self.db.read() as conn:
            return pings.next_due(conn, hub, self.now)

    def claim(self, hub: str = HUB) -> Ping | None:
        seen = self.due(hub)
        return seen and self.take(seen)

    def take(self, seen: Ping) -> Ping | None:
        with self.db.write() as conn:
            return pings.claim(conn, seen, self.now + MINUTE)

    def answer(self, claimed: Ping | None, verdict: Verdict = TAKEN, said: str = "") -> None:
        assert claimed
        with self.db.write() as conn:
            pings.answer(conn, claimed, verdict, said, self.now)

    def tell(self, hub: str = HUB) -> list[tuple[str, str]]:
        """The feeds and versions that the hub takes when it takes all."""
        told = []
        while claimed := self.claim(hub):
            self.answer(claimed)
            told.append((claimed.topic, claimed.version))
        return told

    def unannounced(self) -> list[Unannounced]:
        with self.db.read() as conn:
            return list(pings.unannounced(conn))


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


@pytest.fixture
def other(db: Database) -> Iterator[Desk]:
    """Another process at the same database."""
    url = db.engine.url.render_as_string(hide_password=False)
    with closing(Database(url)) as database:
        yield Desk(database)


def test_each_version_is_told_once(desk: Desk) -> None:
    assert desk.build(1, rss="a", atom="b")
    assert desk.tell() == [(ATOM, "b"), (RSS, "a")]
    assert desk.tell() == []
    assert not desk.build(1, rss="a", atom="b")
    assert not desk.build(2, rss="a", atom="b")
    assert desk.build(3, rss="A", atom="b")
    assert desk.tell() == [(RSS, "A")]
    assert desk.unannounced() == []


def test_each_hub_is_told(desk: Desk) -> None:
    desk.hubs = (HUB, OTHER_HUB)
    desk.build(1, rss="a")
    assert desk.tell(HUB) == desk.tell(OTHER_HUB) == [(RSS, "a")]
    desk.hubs = (HUB, OTHER_HUB, "https://third.example/")
    desk.build(1, rss="a")
    assert desk.tell(HUB) == desk.tell(OTHER_HUB) == []
    assert desk.tell("https://third.example/") == [(RSS, "a")]


def test_of_versions_that_follow_each_other_only_the_last_is_told(desk: Desk) -> None:
    desk.build(1, rss="a")
    desk.build(2, rss="b")
    assert desk.tell() == [(RSS, "b")]
    desk.build(3, rss="c")
    desk.build(4, rss="b")  # an article came and went
    assert desk.tell() == []


def test_a_machine_that_is_behind_changes_nothing(desk: Desk, other: Desk) -> None:
    desk.build(6, rss="new")
    assert not other.build(5, rss="old")
    assert desk.tell() == [(RSS, "new")]
    assert not other.build(5, rss="old")
    assert not other.build(6, rss="new")
    assert other.build(6, rss="other template")
    assert desk.tell() == [(RSS, "other template")]


def test_what_is_put_off_comes_again(desk: Desk) -> None:
    desk.build(1, rss="a", atom="b")
    later = desk.now + 2 * MINUTE
    desk.answer(desk.claim(), Verdict(next_attempt_at=later), "500 Sorry")
    assert desk.tell() == [(RSS, "a")]
    assert desk.unannounced() == [
        Unannounced(hub=HUB, waiting=1, next_attempt_at=later, given_up=0, reply="500 Sorry")
    ]
    desk.now = later
    again = desk.claim()
    assert again
    assert (again.topic, again.attempts) == (ATOM, 2)
    desk.answer(again)
    assert desk.unannounced() == []


def test_what_is_given_up_waits_for_the_next_version(desk: Desk) -> None:
    desk.build(1, rss="a")
    desk.answer(desk.claim(), Verdict(), "410 Gone")
    given_up = Unannounced(hub=HUB, waiting=0, next_attempt_at=None, given_up=1, reply="410 Gone")
    assert desk.unannounced() == [given_up]
    desk.now += timedelta(days=30)
    assert not desk.build(1, rss="a")
    assert desk.tell() == []
    desk.build(2, rss="b")
    [waiting] = desk.unannounced()
    assert (waiting.waiting, waiting.given_up, waiting.reply) == (1, 0, "")
    fresh = desk.claim()
    assert fresh
    assert fresh.attempts == 1


def test_a_newer_version_does_not_wait_for_the_older_ones_turn(desk: Desk) -> None:
    desk.build(1, rss="a")
    desk.answer(desk.claim(), Verdict(next_attempt_at=desk.now + timedelta(hours=6)), "500")
    assert desk.claim() is None
    desk.build(2, rss="b")
    assert desk.tell() == [(RSS, "b")]


def test_a_hub_that_rests_is_told_of_nothing_else(desk: Desk) -> None:
    desk.hubs = (HUB, OTHER_HUB)
    desk.build(1, rss="a", atom="b")
    rest = desk.now + 2 * MINUTE
    desk.answer(desk.claim(), Verdict(next_attempt_at=rest, rest_until=rest), "503")
    assert desk.claim() is None
    assert len(desk.tell(OTHER_HUB)) == 2
    desk.now = rest
    assert desk.tell() == [(RSS, "a"), (ATOM, "b")], "first what was not tried yet"


def test_a_hub_that_rests_keeps_what_is_under_way(desk: Desk, other: Desk) -> None:
    desk.build(1, rss="a", atom="b")
    first, second = desk.claim(), other.claim()
    rest = desk.now + 2 * MINUTE
    desk.answer(first, Verdict(next_attempt_at=rest, rest_until=rest), "503")
    other.answer(second)
    [waiting] = desk.unannounced()
    assert (waiting.waiting, waiting.given_up) == (1, 0)


def test_what_was_claimed_by_who_died_is_due_again(desk: Desk, other: Desk) -> None:
    desk.build(1, rss="a")
    lost = desk.claim()
    assert other.claim() is None
    other.now += MINUTE
    assert other.tell() == [(RSS, "a")]
    desk.answer(lost, Verdict(next_attempt_at=desk.now), "too late")
    assert other.unannounced() == []
    assert other.claim() is None


@pytest.mark.parametrize("verdict", [TAKEN, Verdict(), Verdict(next_attempt_at=NOW + MINUTE)])
def test_a_version_that_comes_while_the_hub_is_told_is_told_too(
    desk: Desk, verdict: Verdict
) -> None:
    desk.build(1, rss="a")
    under_way = desk.claim()
    desk.build(2, rss="b")
    desk.answer(under_way, verdict, "500")
    assert desk.tell() == [(RSS, "b")]


def test_what_was_seen_before_a_newer_version_came_is_not_claimed(desk: Desk) -> None:
    desk.build(1, rss="a")
    seen = desk.due()
    assert seen
    desk.build(2, rss="b")
    assert desk.take(seen) is None
    assert desk.tell() == [(RSS, "b")]


def test_what_the_hub_may_have_seen_is_overwritten(desk: Desk) -> None:
    """It fetched the version in between, and must hear that the former one is back."""
    desk.build(1, rss="a")
    desk.tell()
    desk.build(2, rss="b")
    assert desk.claim()
    desk.build(3, rss="c")
    desk.build(4, rss="a")
    assert desk.tell() == [(RSS, "a")]


def test_two_processes_claim_each_version_once(desk: Desk, other: Desk) -> None:
    claims: list[Ping] = []

    def work(of: Desk) -> None:
        while seen := of.due():
            if claimed := of.take(seen):
                claims.append(claimed)
                of.answer(claimed)

    names = [f"feed{number}" for number in range(5)]
    for number in range(1, ROUNDS):
        desk.build(number, **dict.fromkeys(names, f"{number}"))
        at_once(partial(work, desk), partial(work, other))
    told = [(each.topic, each.version) for each in claims]
    assert len(told) == len(set(told)) == len(names) * (ROUNDS - 1)


def test_two_processes_build_the_same(desk: Desk, other: Desk) -> None:
    for number in range(1, ROUNDS):
        marks = {"rss": f"{number}", f"new{number}": "a"}
        at_once(partial(desk.build, number, **marks), partial(other.build, number, **marks))
        assert len(desk.tell()) == 2


def test_rows_go_with_their_hub_and_their_feed(desk: Desk) -> None:
    desk.hubs = (HUB, OTHER_HUB)
    desk.build(1, rss="a", atom="b")
    with desk.db.read() as conn:
        assert pings.strangers(conn, desk.hubs, [NEWS]) == []
        gone = pings.strangers(conn, [HUB], [NEWS])
        assert sorted(gone) == [(OTHER_HUB, ATOM), (OTHER_HUB, RSS)]
        assert len(pings.strangers(conn, desk.hubs, [NEWS.replace("news/", "new/")])) == 4
        assert len(pings.strangers(conn, [], [NEWS])) == 4
    with desk.db.write() as conn:
        pings.forget(conn, gone)
    with desk.db.read() as conn:
        rows = conn.execute(select(ping.c.hub, ping.c.topic)).all()
    assert sorted(map(tuple, rows)) == [(HUB, ATOM), (HUB, RSS)]
