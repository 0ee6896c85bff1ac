"""Control during a send: slow and refusing domains, pauses, rates, resending, leaving in time."""

import asyncio
import random
import re
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.core.delivery import CHECK_HOLDS
from publisher.readerstore import ReaderStore
from publisher.store import bounces, control, refusals
from publisher.store.tables import subscription
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.smtp import Deed, SmtpServer

POLICY = "550 5.7.1 Our users do not want mail from you"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer().running() as server:
        yield server


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server) as room:
        yield room


def readers(room: Newsroom, domain: str, count: int) -> list[str]:
    """So many, at this domain; their addresses."""
    addresses = [f"r{number}@{domain}" for number in range(count)]
    for address in addresses:
        room.join(address, address=address)
    return addresses


def states(room: Newsroom, domain: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in room.rows():
        if row["address"].endswith(f"@{domain}"):
            found[row["state"]] = found.get(row["state"], 0) + 1
    return found


async def until_(happened, what: str, seconds: float = 20) -> None:
    await asyncio.to_thread(until, happened, what, seconds)


# one slow domain


@pytest.mark.parametrize("slow_at", ["RCPT", "DOT"])
async def test_a_slow_domain_does_not_hold_up_the_others(
    room: Newsroom, server: SmtpServer, slow_at: str
) -> None:
    slow = await asyncio.to_thread(readers, room, "slow.example", 80)
    await asyncio.to_thread(readers, room, "quick.example", 80)
    for address in slow:
        server.always(slow_at, Deed.WAIT, of=address)
    await asyncio.to_thread(room.publish, "One")
    await asyncio.to_thread(room.plan)
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: states(room, "quick.example") == {"sent": 80}, "the others to be sent")
    assert states(room, "slow.example").get("sent", 0) == 0
    assert states(room, "slow.example")["sending"] <= 8
    server.go_on()
    await until_(lambda: room.states() == {"sent": 160}, "all to be sent")
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert set(server.copies().values()) == {1}


# a domain that refuses


def test_a_domain_that_refuses_for_policy_is_left_in_peace_and_nobody_is_removed(
    room: Newsroom, server: SmtpServer
) -> None:
    wary = readers(room, "wary.example", 40)
    readers(room, "kind.example", 5)
    for address in wary:
        server.always("RCPT", POLICY, of=address)
    room.publish("One")
    room.plan()
    assert asyncio.run(room.worker().run(due_by=room.now)).failed == 0
    assert states(room, "kind.example") == {"sent": 5}
    asked = len({each for each in server.lines if "wary" in each})
    assert 1 <= asked <= 16  # those under way when the first was refused
    held = states(room, "wary.example")
    assert held == {"deferred": asked, "pending": 40 - asked}
    with room.app.db.read() as conn:
        [refusal] = refusals.listing(conn)
        assert bounces.count(conn) == 0
    assert (refusal.domain, refusal.until - room.now) == ("wary.example", timedelta(minutes=15))
    assert "5.7.1" in refusal.reason

    room.wait(minutes=10)
    asyncio.run(room.worker().run(due_by=room.now))
    assert len({each for each in server.lines if "wary" in each}) == asked

    room.wait(minutes=6)
    server.forget_orders()
    asyncio.run(room.worker().run(due_by=room.now))
    room.wait(minutes=10)
    asyncio.run(room.worker().run(due_by=room.now))
    assert states(room, "wary.example") == {"sent": 40}
    with room.app.db.read() as conn:
        assert refusals.listing(conn) == []


def test_who_tries_it_all_at_once_turns_no_refusal_against_the_readers(
    room: Newsroom, server: SmtpServer
) -> None:
    for address in readers(room, "wary.example", 5):
        server.always("RCPT", POLICY, of=address)
    room.publish("One")
    room.plan()
    for _ in range(3):
        assert room.deliver().failed == 0
    assert states(room, "wary.example").keys() <= {"pending", "deferred"}
    server.forget_orders()
    room.deliver()
    assert states(room, "wary.example") == {"sent": 5}


def test_the_longer_a_domain_refuses_the_longer_it_is_left_in_peace(
    room: Newsroom, server: SmtpServer
) -> None:
    [address] = readers(room, "wary.example", 1)
    server.always("RCPT", POLICY, of=address)
    room.publish("One")
    room.plan()
    waits = []
    for _ in range(6):
        asyncio.run(room.worker().run(due_by=room.now))
        with room.app.db.read() as conn:
            [refusal] = refusals.listing(conn)
        waits.append((refusal.until - room.now) / timedelta(minutes=1))
        room.now = max(refusal.until, room.rows()[0]["next_attempt_at"])
    assert waits == sorted(waits)
    assert waits[0] == 15
    assert waits[-1] <= 240
    assert states(room, "wary.example") == {"deferred": 1}


def test_one_whom_alone_the_domain_refuses_does_not_keep_mail_from_the_others(
    room: Newsroom, server: SmtpServer
) -> None:
    shy, *others = readers(room, "mixed.example", 30)
    server.always("RCPT", POLICY, of=shy)
    room.publish("One")
    room.plan()
    for _ in range(4):
        asyncio.run(room.worker().run(due_by=room.now))
        room.wait(minutes=20)
    assert server.copies().keys() == set(others)
    assert room.row(shy)["state"] == "failed"
    with room.app.db.read() as conn:
        assert refusals.listing(conn) == []
        assert bounces.count(conn) == 0


def test_deliver_by_hand_tries_a_domain_again_at_once(room: Newsroom, server: SmtpServer) -> None:
    [address] = readers(room, "wary.example", 1)
    server.will("RCPT", POLICY, of=address)
    room.publish("One")
    room.plan()
    assert room.deliver().deferred == 1
    assert room.deliver().sent == 1


# what an operator does


def test_resending_reaches_the_missing_and_nobody_else(room: Newsroom, server: SmtpServer) -> None:
    room.join("ada", "bo", "cy", "di")
    server.will("RCPT", "554 Something is wrong here", of="bo@reader.example")
    server.will("RCPT", "550 5.1.1 No such user", of="cy@reader.example")
    room.publish("One")
    room.plan()
    room.deliver()
    assert room.states() == {"sent": 2, "failed": 2}
    with room.app.db.write() as conn:
        assert list(control.resend(conn, "daily", None).values()) == [1]
    room.deliver()
    assert room.states() == {"sent": 3, "failed": 1}
    assert server.copies() == {f"{name}@reader.example": 1 for name in ("ada", "bo", "di")}
    room.check_books()
    with room.app.db.write() as conn:
        assert control.resend(conn, "daily", None) == {}


async def test_a_rate_holds_from_one_moment_to_the_next(room: Newsroom, server: SmtpServer) -> None:
    await asyncio.to_thread(room.crowd, 60)
    await asyncio.to_thread(room.publish, "One")
    await asyncio.to_thread(room.plan)
    _set_rate(room, 120)
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: len(server.mails) >= 2, "the first mails")
    began, before = time.monotonic(), len(server.mails)
    await until_(lambda: len(server.mails) >= before + 4, "four more")
    took = time.monotonic() - began
    assert 4 / took < 120 / 60 * 2  # two a second, and what one burst may add
    _set_rate(room, None)
    await until_(lambda: len(server.mails) == 60, "the rest", 10)
    worker.stop()
    await asyncio.wait_for(running, 10)


def _set_rate(room: Newsroom, a_minute: int | None) -> None:
    with room.app.db.write() as conn:
        control.set_rate(conn, "daily", a_minute)


def test_nothing_is_planned_while_a_newsletter_is_paused_and_it_folds_into_one(
    room: Newsroom, server: SmtpServer
) -> None:
    room.join("ada")
    room.publish("One")
    with room.app.db.write() as conn:
        control.pause(conn, "daily", room.now)
    for _ in range(3):
        room.wait(days=1)
        assert room.app.planner.plan_due(room.now) == 0
        room.publish("Another")
    with room.app.db.write() as conn:
        control.resume(conn, "daily", room.now)
    assert room.app.planner.plan_due(room.now) == 1
    room.deliver()
    assert server.copies() == {"ada@reader.example": 1}


# harm


def test_a_newsletter_whose_addresses_do_not_exist_pauses_itself(
    room: Newsroom, server: SmtpServer
) -> None:
    room.crowd(1000)
    room.publish("One")
    room.plan()
    for number in range(39):
        server.will("RCPT", "550 5.1.1 No such user", of=f"reader{number}@reader.example")
    room.deliver()
    assert room.states() == {"sent": 961, "failed": 39}
    assert room.app.watch_standing() == []
    room.wait(hours=1)
    room.publish("Two")
    room.plan()
    for number in range(500, 542):
        server.will("RCPT", "550 5.1.1 No such user", of=f"reader{number}@reader.example")
    room.deliver()
    [(slug, reason)] = room.app.watch_standing()
    assert slug == "daily"
    assert "81 of 2000" in reason
    room.publish("Three")
    assert room.app.planner.plan_due(room.now + timedelta(days=1)) == 0
    with room.app.db.write() as conn:
        control.resume(conn, "daily", room.now)
    assert room.app.watch_standing() == []


# leaving


def test_no_message_begins_after_the_answer_to_an_unsubscription(
    tmp_path: Path, server: SmtpServer
) -> None:
    """Readers leave by one click while their mails are being handed over."""
    dice = random.Random(5)
    count = 150
    with newsroom(tmp_path, server, mail="batch = 150") as room:
        room.now = datetime.now(UTC)
        room.crowd(count)
        room.publish("One")
        room.plan()
        room.deliver()
        links = {each.recipient: _link(each.data) for each in server.mails}
        assert len(links) == count
        server.delay = 0.05
        room.now = datetime.now(UTC)
        room.publish("Two")
        answered: dict[str, float] = {}

        def leave(address: str) -> None:
            request = urllib.request.Request(
                links[address], data=b"List-Unsubscribe=One-Click", method="POST"
            )
            with urllib.request.urlopen(request, timeout=20) as response:
                assert response.status == 200
            answered[address] = time.monotonic()

        with room.site.daemon():
            room.plan()
            until(lambda: len(server.mails) > count, "the second edition")
            leaving = dice.sample(sorted(links), 100)
            with ThreadPoolExecutor(8) as threads:
                list(threads.map(leave, leaving))
            until(lambda: not {"pending", "sending"} & room.states().keys(), "everything to settle")
        # A goodbye, and nothing else, may come after the answer.
        goodbyes = {each.recipient for each in server.mails[count:] if b"Goodbye" in each.data}
        for address, answer in answered.items():
            late = [began for to, began in server.begun[count:] if to == address and began > answer]
            assert len(late) <= (address in goodbyes), address
        second = [each.recipient for each in server.mails[count:] if b"Goodbye" not in each.data]
        assert set(links) - set(leaving) <= set(second)
        assert len(set(leaving) - set(second)) > 0  # some did leave in time
        room.check_books()


async def test_who_leaves_while_their_mail_is_looked_up_is_waited_for(
    room: Newsroom, server: SmtpServer
) -> None:
    """The worker may have asked the books a moment before: its message may still begin."""
    await asyncio.to_thread(room.digest_for, "ada", "bo")
    server.always("RCPT", Deed.WAIT)
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: len([each for each in server.lines if each[:4] == "RCPT"]) == 2, "RCPT")
    store = ReaderStore(room.app.db, room.app.newsletters, room.app.suppression_key)
    [first, _] = [row["subscription_id"] for row in _subscriptions(room)]
    began = time.monotonic()
    assert await asyncio.to_thread(store.leave, first, by="page", at=room.now)
    assert CHECK_HOLDS <= time.monotonic() - began < CHECK_HOLDS + 2
    server.go_on()
    await until_(lambda: room.states() == {"cancelled": 1, "sent": 1}, "both to be settled")
    worker.stop()
    await asyncio.wait_for(running, 10)
    # Of what was planned; the goodbye may come.
    digests = [each.recipient for each in server.mails if b"Goodbye" not in each.data]
    assert digests == ["bo@reader.example"]
    began = time.monotonic()
    assert not await asyncio.to_thread(store.leave, first, by="page", at=room.now)
    assert time.monotonic() - began < CHECK_HOLDS / 2


def _subscriptions(room: Newsroom) -> list[dict[str, int]]:
    with room.app.db.read() as conn:
        rows = conn.execute(
            select(subscription.c.id.label("subscription_id")).order_by(subscription.c.id)
        )
        return [dict(row) for row in rows.mappings()]


def _link(data: bytes) -> str:
    header = message_from_bytes(data, policy=policy.default)["List-Unsubscribe"]
    found = re.fullmatch(r"<(http://[^>]+)>", header)
    assert found
    return found[1]
