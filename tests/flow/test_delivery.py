"""Mails on their way: servers that take, refuse, stall and lie, and what the books say then."""

import asyncio
import json
import re
import sqlite3
import threading
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from publisher.core.relay import Relay, parse_relay
from publisher.delivery import worker as worker_module
from publisher.delivery.carriers import Carriers
from publisher.delivery.connection import Connection, Envelope, RelayError
from publisher.store import control, sqlite, subscribers, subscriptions
from publisher.store.tables import subscriber, subscription
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.smtp import Deed, SmtpServer

ADA, BO = "ada@reader.example", "bo@reader.example"
NASTY: dict[str, str] = json.loads(
    (Path(__file__).parents[1] / "data" / "mail" / "nasty.json").read_text(encoding="utf-8")
)
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
    "List-Unsubscribe-Post", "Auto-Submitted", "Content-Language", "MIME-Version", "Content-Type",
]  # fmt: skip


async def until_(happened: Any, what: str, seconds: float = 20) -> None:
    await asyncio.to_thread(until, happened, what, seconds)


# what a server may say, and what becomes of the mail


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize(
    ("reply", "state", "status"),
    [
        ("450 4.2.0 Greylisted", "deferred", 450),
        ("421 4.3.2 Going down", "deferred", 421),
        ("550 5.1.1 <ada@reader.example>: no such user", "failed", 550),
        ("554-5.7.1 Not\r\n554 5.7.1 today", "deferred", 554),
        (Deed.CLOSE, "deferred", None),
        ("354 Go ahead", None, None),
        ("100 Hm", "deferred", None),
        (b"\x00\xff\xfe\x1b[31m\r\n", "deferred", None),
        (b"250 " + b"a" * 65_536 + b"\r\n", "deferred", None),
        (b"250-" + b"a" * 70 + b"\r\n" + b"250-b\r\n" * 20_000, "deferred", None),
    ],
    ids=["4xx", "421", "5xx", "lines", "close", "354", "1xx", "binary", "64 KB", "endless"],
)
def test_what_a_server_says_decides(
    room: Newsroom,
    server: SmtpServer,
    stage: str,
    reply: str | bytes | Deed,
    state: str | None,
    status: int | None,
) -> None:
    room.digest_for("ada")
    server.will(stage, reply)
    room.deliver()
    row = room.row("ada")
    if state is None:  # the right reply at DATA, no reply that may stand elsewhere
        state, status = ("sent", 250) if stage == "DATA" else ("deferred", None)
    if stage == "MAIL" and status not in (None, 421):
        state, status = "pending", None  # the relay refuses us: of no reader does it say anything
    assert (row["state"], row["smtp_status"]) == (state, status)
    assert row["reply"].isprintable()
    assert row["reply"] or state == "pending"
    assert "ada@" not in row["reply"]
    assert len(server.arrived) == (stage == "DOT" or state == "sent")

    room.wait(hours=1)
    room.deliver()
    assert room.row("ada")["state"] == ("failed" if state == "failed" else "sent")
    assert bool(server.mails) == (state != "failed")
    assert len({each.data for each in server.arrived}) <= 1
    room.check_books()


@pytest.mark.parametrize(
    ("stage", "reply"),
    [
        ("MAIL", "252 2.0.0 Perhaps"),
        ("RCPT", "252 2.0.0 Perhaps"),
        ("DATA", "252 2.0.0 Perhaps"),
        ("DATA", "250 2.0.0 Ok"),
    ],
)
def test_a_yes_in_the_wrong_place_is_not_taken_for_a_delivery(
    room: Newsroom, server: SmtpServer, stage: str, reply: str
) -> None:
    room.digest_for("ada")
    server.will(stage, reply)
    room.deliver()
    assert room.states() == {"deferred": 1}
    assert server.mails == []


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO"])
@pytest.mark.parametrize(
    "reply",
    [
        Deed.CLOSE,
        "421 4.7.0 Too many connections",
        "554 5.7.1 Not you",
        b"hello\r\n",
        b"\x16\x03\x01\x00\xee\r\n",
        b"220 " + b"a" * 65_536 + b"\r\n",
    ],
    ids=["close", "421", "554", "text", "binary", "64 KB"],
)
def test_a_relay_that_refuses_us_as_a_whole_costs_no_mail_an_attempt(
    room: Newsroom, server: SmtpServer, stage: str, reply: str | bytes | Deed
) -> None:
    room.digest_for("ada", "bo")
    before = room.rows()
    server.always(stage, reply)
    totals = room.deliver()
    assert (totals.sent, totals.deferred, totals.failed) == (0, 0, 0)
    assert "relay smtp://127.0.0.1" in totals.unreachable
    assert totals.unreachable.isprintable()
    assert room.rows() == before

    server.forget_orders()
    room.deliver()
    assert room.states() == {"sent": 2}


def test_text_before_the_greeting_is_no_greeting(room: Newsroom, server: SmtpServer) -> None:
    room.digest_for("ada")
    server.will("CONNECT", b"Welcome!\r\n220 relay.example ESMTP\r\n", times=2)
    room.deliver()
    room.deliver()
    room.deliver()
    assert server.copies() == {ADA: 1}


def test_one_refused_mail_holds_up_no_other(tmp_path: Path, server: SmtpServer) -> None:
    with newsroom(tmp_path, server, mail="batch = 1") as room:
        room.digest_for("ada", "bo", "cy")
        server.always("RCPT", "550 5.1.1 no", of=ADA)
        server.always("DOT", "450 4.2.0 later", of=BO)
        totals = room.deliver()
        assert (totals.sent, totals.deferred, totals.failed) == (1, 1, 1)
        assert server.copies() == {"cy@reader.example": 1}
        assert server.connections == 1
        assert "RSET" in server.lines


def test_the_books_keep_what_the_server_said(room: Newsroom, server: SmtpServer) -> None:
    room.digest_for("ada")
    server.will("RCPT", "450 4.2.2 <ada@reader.example>: mailbox full")
    room.deliver()
    row = room.row("ada")
    assert (row["smtp_status"], row["enhanced_status"]) == (450, "4.2.2")
    assert row["reply"] == "4.2.2 <recipient>: mailbox full"
    assert row["relay"] == f"smtp://127.0.0.1:{server.port}"


# again, and the same


@pytest.mark.parametrize("reply", ["450 4.2.0 later", Deed.CLOSE], ids=["4xx", "close"])
def test_a_mail_that_is_tried_again_is_the_same_to_the_byte(
    tmp_path: Path, server: SmtpServer, reply: str | Deed
) -> None:
    """By another process, after an edit, with another template, and with a new signing key."""
    with newsroom(tmp_path, server) as room:
        room.digest_for("ada")
        server.will("DOT", reply)
        room.deliver()
    article = tmp_path / "articles" / "1.md"
    article.write_text(article.read_text().replace("One", "One, mended"))
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "templates" / "email" / "digest.txt").write_text("Another template.\n")
    with (tmp_path / "var" / "secret.key").open("a") as keys:
        keys.write(f"new {'ab' * 32}\n")
    with newsroom(tmp_path, server, port=room.site.port) as room:
        for source in room.app.sources():
            assert room.app.take_in(source).revised == 1
        room.wait(days=1)
        room.join("bo")
        room.publish("Two")
        room.plan()
        room.deliver()
    old, again, new = sorted(
        (each.data for each in server.arrived if each.recipient == ADA),
        key=lambda data: b"Another template" in data,
    )
    assert old == again
    assert b"Another template" in new
    assert b"Another template" in server.to(BO)[0].data


async def test_what_was_deferred_comes_back_when_its_time_has_come(
    room: Newsroom, server: SmtpServer
) -> None:
    room.digest_for("ada")
    server.will("RCPT", "450 4.2.0 later")
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: room.states() == {"deferred": 1}, "the mail to be deferred")
    assert room.row("ada")["next_attempt_at"] > room.now
    room.wait(minutes=1)
    worker.wake()
    await until_(lambda: room.states() == {"sent": 1}, "the mail to be sent")
    worker.stop()
    assert (await running).sent == 1
    assert room.row("ada")["attempt"] == 2


def test_deliver_does_not_wait_for_the_back_off(room: Newsroom, server: SmtpServer) -> None:
    room.digest_for("ada")
    server.will("RCPT", "450 4.2.0 later")
    assert room.deliver().deferred == 1
    assert room.deliver().sent == 1
    assert room.deliver() == type(room.deliver())()
    assert len(server.mails) == 1


# connections


def test_connections_are_kept(room: Newsroom, server: SmtpServer) -> None:
    room.crowd(80)
    room.publish("One")
    room.plan()
    assert room.deliver().sent == 80
    assert len(server.copies()) == 80
    assert server.connections <= 16
    assert [line for line in server.lines if line == "QUIT"] == ["QUIT"] * server.connections


async def test_a_kept_connection_that_the_server_closed_costs_nothing(
    room: Newsroom, server: SmtpServer
) -> None:
    room.digest_for("ada")
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: room.states() == {"sent": 1}, "the first mail")
    await asyncio.to_thread(server.refuse)
    await asyncio.to_thread(server.listen)
    await asyncio.to_thread(room.publish, "Two")
    await asyncio.to_thread(room.plan)
    worker.wake()
    await until_(lambda: room.states() == {"sent": 2}, "the second mail")
    worker.stop()
    await running
    assert [row["attempt"] for row in room.rows()] == [1, 1]


def test_a_relay_that_takes_few_connections_gets_few(room: Newsroom, server: SmtpServer) -> None:
    server.most = 2
    server.delay = 0.005
    room.crowd(60)
    room.publish("One")
    room.plan()
    assert room.deliver().sent == 60
    assert len(server.copies()) == 60


def test_where_one_relay_is_away_the_other_takes_it_all(tmp_path: Path, server: SmtpServer) -> None:
    with SmtpServer().running() as gone:
        gone.refuse()
        more = f'[[mail.relays]]\nurl = "smtp://127.0.0.1:{gone.port}"'
        with newsroom(tmp_path, server, more=more) as room:
            room.digest_for("ada", "bo", "cy", "di")
            totals = room.deliver()
            assert (totals.sent, totals.unreachable) == (4, "")
            assert {row["relay"] for row in room.rows()} == {f"smtp://127.0.0.1:{server.port}"}


async def test_a_relay_that_comes_back_gets_everything(room: Newsroom, server: SmtpServer) -> None:
    await asyncio.to_thread(server.refuse)
    await asyncio.to_thread(room.digest_for, "ada", "bo", "cy")
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(
        lambda: getattr(worker, "_carriers", None) and worker._carriers.away,
        "the relay to be missed",
    )
    await asyncio.to_thread(server.listen)
    await until_(lambda: room.states() == {"sent": 3}, "all mails to be sent")
    worker.stop()
    await running
    assert [row["attempt"] for row in room.rows()] == [1, 1, 1]


def test_one_connection_finds_out_for_all_that_a_relay_is_away(
    room: Newsroom, server: SmtpServer
) -> None:
    room.digest_for("ada")
    server.always("CONNECT", "421 4.3.2 Not now")
    assert "Not now" in room.deliver().unreachable
    assert server.connections == 1


async def test_a_worker_whose_relay_is_away_can_be_stopped(
    room: Newsroom, server: SmtpServer
) -> None:
    room.crowd(60)
    room.publish("One")
    room.plan()
    server.refuse()
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(
        lambda: getattr(worker, "_carriers", None) and worker._carriers.away,
        "the relay to be missed",
    )
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert room.states() == {"pending": 60}


ELSEWHERE = "smtp://mail.example"


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        (ELSEWHERE, "starttls"),
        ("smtp://192.0.2.1:587", "starttls"),
        ("smtps://mail.example", "implicit"),
        ("smtp://mail.example?starttls=never", "none"),
        ("smtp://localhost:2525", "none"),
        ("smtp://127.0.0.1:2525", "none"),
        ("smtp://[::1]:2525", "none"),
    ],
)
def test_starttls_is_demanded_of_every_other_machine(url: str, tls: str) -> None:
    assert parse_relay(url).tls == tls


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_without_the_tls_that_is_demanded_nothing_is_said(
    server: SmtpServer, tls: Any
) -> None:
    asked = replace(parse_relay(ELSEWHERE), host="127.0.0.1", port=server.port, tls=tls)
    relay = replace(asked, username="user", password="password")
    server.always("EHLO", "250-relay.example\r\n250 AUTH PLAIN LOGIN")
    connection = Connection(relay, hostname="news.example")
    with pytest.raises(RelayError):
        await asyncio.wait_for(connection.open(), 10)
    envelope = Envelope(sender="news@news.example", recipient=ADA, message=b"A: b\r\n\r\n")
    answer = await connection.send(envelope, _wanted)
    assert answer.kind == "lost"
    assert not [line for line in server.lines if line[:4] in ("MAIL", "AUTH")]


async def _wanted() -> bool:
    return True


async def test_a_name_no_host_can_have_is_a_relay_that_is_away() -> None:
    connection = Connection(Relay(host="a" * 300, port=25), hostname="news.example")
    with pytest.raises(RelayError, match="smtp://aaa"):
        await connection.open()


# nobody's words become commands or headers


def test_no_name_or_title_adds_or_alters_a_header(tmp_path: Path, server: SmtpServer) -> None:
    sender = '"News; =?utf-8?q?a=0aBcc:_x?=, \\"Inc.\\" é" <news@news.example>'
    more = f"sender = {json.dumps(sender)}\nreply_to = {json.dumps(sender)}"
    with newsroom(tmp_path, server, more=more) as room:
        room.join("first")
        names = [each for each in NASTY.values() if _storable(each)]
        _add_readers(room, names)
        for title in filter(str.strip, NASTY.values()):
            room.publish(title)
        room.plan()
        room.deliver()
        assert room.states() == {"sent": len(names) + 1}
        _check_on_the_wire(server, [row["address"] for row in room.rows()])


def test_no_title_gets_out_of_the_subject(room: Newsroom, server: SmtpServer) -> None:
    room.join("ada")
    titles = [each for each in NASTY.values() if re.search(r"[\r\n\0\x1b]|=\?|:", each.strip())]
    assert len(titles) > 10
    for title in titles:
        server.mails.clear()
        server.lines.clear()
        room.publish(title)
        room.plan()
        room.deliver()
        _check_on_the_wire(server, [ADA])


def _storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _add_readers(room: Newsroom, names: list[str]) -> None:
    """Straight into the tables: whatever may once have let such a name in."""
    with room.app.db.write() as conn:
        model = conn.execute(select(subscription)).mappings().one()
        for number, name in enumerate(names):
            address = f"nasty{number}@reader.example"
            row = conn.execute(
                insert(subscriber)
                .values(
                    address=address,
                    address_key=address,
                    name=name,
                    state="active",
                    created_at=room.now,
                )
                .returning(subscriber.c.id)
            )
            same = {key: value for key, value in model.items() if key != "id"}
            conn.execute(insert(subscription).values(same | {"subscriber_id": row.scalar_one()}))


def _check_on_the_wire(server: SmtpServer, addresses: list[str]) -> None:
    """One message for each, to its address alone, with exactly our header."""
    assert sorted(each.recipient for each in server.mails) == sorted(addresses)
    said = [line for line in server.lines if line[:4] in ("MAIL", "RCPT", "DATA")]
    expected = [f"RCPT TO:<{address}>" for address in addresses]
    expected += ["MAIL FROM:<news@news.example>", "DATA"] * len(addresses)
    assert sorted(said) == sorted(expected)
    assert {line[:4].strip() for line in server.lines} <= {
        "EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT",
    }  # fmt: skip
    for mail in server.mails:
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)|[^\t\r\n -~]", mail.data)
        message = message_from_bytes(mail.data, policy=policy.default)
        names = [name for name in message.keys() if name != "Reply-To"]  # noqa: SIM118
        assert names == HEADERS
        assert not message.defects
        to, author = message["To"].addresses, message["From"].addresses
        assert [each.addr_spec for each in to] == [mail.recipient]
        assert [each.addr_spec for each in author] == ["news@news.example"]


@pytest.mark.parametrize("offered", [True, False], ids=["SMTPUTF8", "no SMTPUTF8"])
def test_an_international_address(room: Newsroom, server: SmtpServer, offered: bool) -> None:
    room.join("dörte", address="dörte@bücher.example")
    room.digest_for("ada")
    if not offered:
        server.always("EHLO", "250 relay.example")
    room.deliver()
    if offered:
        assert room.states() == {"sent": 2}
        assert "RCPT TO:<dörte@xn--bcher-kva.example>" in server.lines
        assert [line for line in server.lines if line.endswith("> SMTPUTF8")] == [
            "MAIL FROM:<news@news.example> SMTPUTF8"
        ]
    else:
        assert room.row("ada")["state"] == "sent"
        row = room.row("dörte")
        assert (row["state"], row["enhanced_status"]) == ("failed", "5.6.7")


# readers and operators who change their mind


def _leave(room: Newsroom) -> None:
    with room.app.db.write() as conn:
        reader = subscribers.find(conn, ADA)
        assert reader is not None
        [joined] = subscriptions.of_reader(conn, reader.id)
        subscriptions.unsubscribe(conn, joined.id, by="page", now=room.now)


def _suppress(room: Newsroom) -> None:
    with room.app.db.write() as conn:
        conn.execute(
            update(subscriber).where(subscriber.c.address == ADA).values(state="suppressed")
        )


def _pause(room: Newsroom) -> None:
    with room.app.db.write() as conn:
        control.pause(conn, "daily", room.now)


def _cancel(room: Newsroom) -> None:
    with room.app.db.write() as conn:
        control.cancel(conn, "daily", room.now)


@pytest.mark.parametrize(
    ("change", "states"),
    [
        (_leave, {"cancelled": 1, "sent": 1}),
        (_suppress, {"suppressed": 1, "sent": 1}),
        (_pause, {"pending": 2}),
        (_cancel, {"cancelled": 2}),
    ],
)
async def test_what_is_called_off_between_claim_and_mail_does_not_go_out(
    room: Newsroom, server: SmtpServer, change: Any, states: dict[str, int]
) -> None:
    await asyncio.to_thread(room.digest_for, "ada", "bo")
    server.always("CONNECT", Deed.WAIT)
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: room.states() == {"sending": 2}, "both mails to be claimed")
    await asyncio.to_thread(change, room)
    server.go_on()
    await until_(lambda: room.states() == states, f"the states {states}")
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert server.copies() == ({BO: 1} if "sent" in states else {})
    assert len([line for line in server.lines if line.startswith("DATA")]) == len(server.mails)
    room.check_books()


def test_the_link_in_the_header_ends_the_subscription_by_post_and_not_by_get(
    tmp_path: Path, server: SmtpServer
) -> None:
    with newsroom(tmp_path, server) as room:
        room.now = datetime.now(UTC)
        room.digest_for("ada", "bo")
        room.deliver()
        link = message_from_bytes(server.to(ADA)[0].data, policy=policy.default)["List-Unsubscribe"]
        path = re.fullmatch(rf"<http://127\.0\.0\.1:{room.site.port}(/unsubscribe/[^>]+)>", link)
        assert path
        readers = {"ada": "confirmed", "bo": "confirmed"}
        with room.site.daemon():
            assert room.site.get(path[1])[0] == 200
            assert room.site.get(path[1])[0] == 200
            assert _subscriptions(room) == readers
            assert room.site.get(path[1] + "x", b"List-Unsubscribe=One-Click")[0] == 400
            assert room.site.get(path[1], b"")[0] == 400
            assert _subscriptions(room) == readers
            assert room.site.get(path[1], b"List-Unsubscribe=One-Click")[0] == 200
            assert _subscriptions(room) == readers | {"ada": "unsubscribed"}
            assert room.site.get(path[1], b"List-Unsubscribe=One-Click")[0] == 200
        room.publish("Two")
        room.plan()
        room.deliver()
        assert server.copies() == {ADA: 2, BO: 2}
    assert b"Goodbye" in server.to(ADA)[1].data


def _subscriptions(room: Newsroom) -> dict[str, str]:
    with room.app.db.read() as conn:
        rows = conn.execute(
            select(subscriber.c.name, subscription.c.state).join(
                subscription, subscription.c.subscriber_id == subscriber.c.id
            )
        )
        return {row.name: row.state for row in rows}


# `publisher deliver`


@pytest.fixture
def now_room(room: Newsroom) -> Newsroom:
    """At the present hour, as commands in processes of their own see it."""
    room.now = datetime.now(UTC)
    return room


def test_deliver_says_what_it_did_and_whether_all_is_well(
    now_room: Newsroom, server: SmtpServer
) -> None:
    room, run = now_room, now_room.site.run
    assert "0 sent" in run("deliver")
    room.digest_for("ada", "bo", "cy")
    server.will("RCPT", "450 4.2.0 later", of=ADA)
    server.will("RCPT", "550 5.1.1 no", of=BO)
    assert "1 sent, 1 deferred, 1 failed" in run("deliver", status=1)
    assert room.site.json("deliver") == {
        "sent": 1, "deferred": 0, "failed": 0, "unreachable": "",
    }  # fmt: skip
    assert "0 sent, 0 deferred, 0 failed" in run("deliver")
    assert server.copies() == {ADA: 1, "cy@reader.example": 1}


def test_deliver_without_its_relay_loses_nothing(now_room: Newsroom, server: SmtpServer) -> None:
    now_room.digest_for("ada", "bo")
    before = now_room.rows()
    server.refuse()
    said = now_room.site.run("deliver", status=1)
    assert f"smtp://127.0.0.1:{server.port}" in said
    assert "0 sent" in said
    assert now_room.rows() == before
    server.listen()
    assert "2 sent" in now_room.site.run("deliver")
    assert server.copies() == {ADA: 1, BO: 1}


def test_deliver_without_any_relay_says_that_mail_waits(tmp_path: Path) -> None:
    with newsroom(tmp_path, None) as room:
        assert "0 sent" in room.site.run("deliver")
        room.digest_for("ada")
        said = room.site.run("deliver", status=1)
        assert "no relay" in said
        assert "1 mail" in said
        assert room.states() == {"pending": 1}


# faults of our own, and of the machine


@pytest.mark.parametrize("fault", [LookupError, RuntimeError, UnicodeError, ValueError])
def test_a_fault_in_one_mail_stops_no_other(
    room: Newsroom, server: SmtpServer, fault: type[Exception]
) -> None:
    room.digest_for("ada", "bo", "cy")
    worker = room.worker()
    link = worker.post.unsubscribe_url

    def faulty(subscription_id: int, key_id: str) -> str:
        if subscription_id == 1:
            raise fault("unforeseen")
        return link(subscription_id, key_id)

    worker.post = replace(worker.post, unsubscribe_url=faulty)
    totals = asyncio.run(asyncio.wait_for(worker.run(due_by=room.now), 10))
    assert (totals.sent, totals.deferred) == (2, 1)
    assert "unforeseen" in room.row("ada")["reply"]


def test_a_mail_whose_signing_key_is_gone_waits_and_new_ones_go_out(
    tmp_path: Path, server: SmtpServer
) -> None:
    with newsroom(tmp_path, server) as room:
        room.digest_for("ada", "bo")
        server.will("RCPT", "450 4.2.0 later", of=ADA)
        server.refuse()
        server.listen()
        room.deliver()
        assert room.states() == {"deferred": 1, "sent": 1}
    key = tmp_path / "var" / "secret.key"
    former = key.read_text()
    key.unlink()
    with newsroom(tmp_path, server) as room:
        totals = asyncio.run(asyncio.wait_for(room.app.deliver(), 10))
        assert (totals.sent, totals.deferred) == (0, 1)
        assert "key" in room.row("ada")["reply"]
        room.publish("Two")
        room.plan()
        assert room.deliver().sent == 2
    key.write_text(former)
    with newsroom(tmp_path, server) as room:
        assert room.deliver().sent == 1


def test_a_worker_whose_carrier_dies_says_so_and_does_not_hang(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.digest_for("ada")

    async def die(*_: object) -> None:
        raise LookupError("unforeseen")

    monkeypatch.setattr(Carriers, "_attempt", die)
    with pytest.raises(LookupError, match="unforeseen"):
        asyncio.run(asyncio.wait_for(room.app.deliver(), 10))
    monkeypatch.undo()
    assert room.deliver().sent == 1


async def test_answers_wait_while_the_database_is_locked(
    tmp_path: Path, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY", 0.02)
    with newsroom(tmp_path, server) as room:
        await asyncio.to_thread(room.digest_for, "ada", "bo", "cy")
        server.always("DOT", Deed.WAIT)
        worker = room.worker()
        running = asyncio.create_task(worker.run())
        await until_(lambda: server.underway == 3, "three mails to be under way")
        with closing(sqlite3.connect(tmp_path / "var" / "publisher.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            server.go_on()
            await until_(lambda: len(worker._verdicts) == 3, "the answers")
            assert room.states() == {"sending": 3}
            other.rollback()
        await until_(lambda: room.states() == {"sent": 3}, "the answers to be written")
        worker.stop()
        await asyncio.wait_for(running, 10)
        assert server.copies() == {ADA: 1, BO: 1, "cy@reader.example": 1}


# waking and ending


async def test_an_idle_worker_is_woken_from_another_thread(
    room: Newsroom, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_IDLE", 3600.0)
    worker = room.worker()
    running = asyncio.create_task(worker.run())

    def plan_and_wake() -> None:
        room.digest_for("ada")
        worker.wake()

    waking = threading.Thread(target=plan_and_wake)
    waking.start()
    await until_(lambda: server.copies() == {ADA: 1}, "the mail")
    await asyncio.to_thread(waking.join)
    worker.stop()
    await asyncio.wait_for(running, 10)
    assert room.states() == {"sent": 1}


async def test_a_worker_that_is_stopped_ends_when_its_mails_have_their_answer(
    tmp_path: Path, server: SmtpServer
) -> None:
    with newsroom(tmp_path, server, mail="batch = 2") as room:
        room.join("eve", address="eve@elsewhere.example")
        await asyncio.to_thread(room.digest_for, "ada", "bo", "cy")
        server.always("DOT", Deed.WAIT)
        worker = room.worker()
        running = asyncio.create_task(worker.run())
        await until_(lambda: server.underway == 2, "two mails to be under way")
        worker.stop()
        assert room.states() == {"sending": 2, "pending": 2}
        server.go_on()
        totals = await asyncio.wait_for(running, 10)
        assert totals.sent == 2
        assert room.states() == {"sent": 2, "pending": 2}


async def test_a_worker_that_is_cancelled_writes_down_what_it_knows(
    room: Newsroom, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is unanswered then is treated as after a crash."""
    await asyncio.to_thread(room.digest_for, "ada", "bo", "cy")
    monkeypatch.setattr(worker_module, "_TICK", 3600.0)
    monkeypatch.setattr(worker_module, "_IDLE", 3600.0)
    server.always("DOT", Deed.HANG, of=ADA)
    worker = room.worker()
    running = asyncio.create_task(worker.run())
    await until_(lambda: len(worker._verdicts) == 2 and server.underway == 1, "two answers")
    running.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(running, 10)
    assert room.states() == {"sent": 2, "sending": 1}
    server.forget_orders()
    totals = await asyncio.wait_for(room.app.deliver(), 10)
    assert totals.sent == 1
    assert len({each.data for each in server.arrived if each.recipient == ADA}) == 1


def test_the_daemon_ends_in_time_though_a_server_never_answers(
    now_room: Newsroom, server: SmtpServer
) -> None:
    now_room.digest_for("ada", "bo")
    server.always("DOT", Deed.HANG, of=ADA)
    with now_room.site.daemon() as process:
        until(lambda: now_room.states() == {"sent": 1, "sending": 1}, "one mail to hang")
        process.terminate()
        assert process.wait(10) == 0
    assert now_room.states() == {"sent": 1, "sending": 1}
    server.forget_orders()
    assert now_room.deliver().sent == 1
    assert len({each.data for each in server.arrived if each.recipient == ADA}) == 1
