"""Servers that refuse, stall, lie and break off: what the books say then, of this mail and others.

Limits are tested as they are: where a case takes minutes, the loop's clock runs faster.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from publisher.core.outcome import Answer, Kind, Stage
from publisher.core.relay import Relay
from publisher.delivery.connection import Connection, Envelope
from publisher.delivery.wire import PATIENT, Limits
from publisher.delivery.worker import Totals
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.rogue import HASTE, HastyLoop, certificate, drip, late, starttls, then
from tests.flow.site import free_port, until
from tests.flow.smtp import Deed, Deeds, SmtpServer

ADA, BO, CY = "ada@reader.example", "bo@town.example", "cy@village.example"
OK = b"250 2.0.0 Ok\r\n"
HELLO = b"250-relay.example\r\n250 SMTPUTF8\r\n"


@pytest.fixture
def other() -> Iterator[SmtpServer]:
    with SmtpServer().running() as running:
        yield running


def three_digests(room: Newsroom, more: int = 0) -> None:
    for address in (ADA, BO, CY):
        room.join(address.partition("@")[0], address=address)
    room.publish("One")
    assert room.plan() == 3 + more


def deliver(room: Newsroom, *, fast: bool = False, relays: tuple[Relay, ...] = ()) -> Totals:
    """A run of the worker, over relays of the test's own if given, with time flying if `fast`."""
    worker = room.worker()
    worker.relays = relays or worker.relays
    with asyncio.Runner(loop_factory=HastyLoop if fast else None) as runner:
        return runner.run(asyncio.wait_for(worker.run(due_by=room.now), 10_000 if fast else 20))


# one mail: the others go out, and so does this one when the server has come to its senses


@dataclass(frozen=True)
class Case:
    what: str
    stage: str
    reply: Deeds
    state: str
    """Of the mail, after one run."""
    says: str = ""
    """Part of the reply in the books."""
    later: str = "sent"
    """Its state after another run, when the server does as it should."""
    arrived: int = 0
    """How often the whole message had come by the first run."""
    minutes: bool = False
    """Takes some: time flies."""


CASES = [
    # what a server may well say
    Case("greylisted", "RCPT", "450 4.2.0 Greylisted", "deferred", "Greylisted"),
    Case("busy", "DATA", "451 4.3.0 Busy", "deferred", "Busy"),
    Case("busy after all", "DOT", "451 4.7.1 Busy", "deferred", "Busy", arrived=1),
    Case("unknown", "RCPT", "550 5.1.1 No such user", "failed", "No such user", "failed"),
    Case("unknown, in words", "RCPT", "550 User unknown", "failed", "unknown", "failed"),
    Case("unknown, late", "DOT", "550 5.1.1 Nobody", "failed", "Nobody", "failed", arrived=1),
    Case("no mail there", "RCPT", "556 5.1.10 Null MX", "failed", "Null MX", "failed"),
    Case("mailbox full", "RCPT", "552 5.2.2 Mailbox full", "failed", "full", "failed"),
    Case("disabled", "RCPT", "550 5.2.1 Disabled", "failed", "Disabled", "failed"),
    Case("policy", "RCPT", "550 5.7.1 Not you", "deferred", "Not you"),
    Case("policy, in words", "RCPT", "554 Blocked for spam", "deferred", "spam"),
    Case("policy, on reading it", "DOT", "554 5.7.1 Spam", "deferred", "Spam", arrived=1),
    Case("421", "RCPT", "421 4.3.2 Going down", "deferred", "Going down"),
    Case("421 at the dot", "DOT", "421 4.4.2 Too slow", "deferred", "Too slow", arrived=1),
    Case("too many", "RCPT", "452 4.5.3 Too many recipients", "deferred", "Too many"),
    Case("too many, long ago", "RCPT", "552 Too many recipients", "deferred", "Too many"),
    Case("too big after all", "DOT", "552 5.3.4 Too big", "failed", "Too big", "failed", arrived=1),
    Case("lines", "RCPT", "450-4.2.0 Not\r\n450-4.2.0 just\r\n450 4.2.0 now", "deferred",
         "4.2.0 Not just now"),
    Case("lines of a yes", "DOT", "250-2.0.0 Taken\r\n250 2.0.0 with thanks", "sent",
         "2.0.0 Taken with thanks", arrived=1),
    Case("a code alone", "DOT", "250", "sent", arrived=1),
    Case("LF alone", "DOT", b"250 2.0.0 Ok\n", "sent", "2.0.0 Ok", arrived=1),
    Case("a refusal, and the end", "RCPT", then(b"550 5.1.1 Nobody\r\n", pause=0), "failed",
         "Nobody", "failed"),
    # what is no reply
    Case("binary", "RCPT", b"\x00\xff\xfe\x1b[31m\r\n", "deferred", "no reply"),
    Case("binary at the dot", "DOT", b"\x00\xff\xfe\r\n", "deferred", "no reply", arrived=1),
    Case("binary words", "RCPT", b"450 \xff\x00\x1b[31mred\r\n", "deferred", "[31mred"),
    Case("a line of 64 KB", "RCPT", b"250 " + b"a" * 65_536 + b"\r\n", "deferred", "a line of"),
    Case("64 KB at the dot", "DOT", b"250 " + b"a" * 65_536 + b"\r\n", "deferred", "a line of",
         arrived=1),
    Case("lines without end", "RCPT", b"250-more\r\n" * 20_000, "deferred", "a reply of more"),
    Case("two codes", "RCPT", b"250-yes\r\n550 5.1.1 no\r\n", "deferred", "both 250 and 550"),
    Case("two codes at the dot", "DOT", b"550-no\r\n250 yes\r\n", "deferred", "both", arrived=1),
    Case("no such code", "DOT", "650 Hm", "deferred", "no reply", arrived=1),
    Case("354 at RCPT", "RCPT", "354 Go on", "deferred", "unexpected 354"),
    Case("250 at DATA", "DATA", "250 2.0.0 Ok", "deferred", "unexpected 250"),
    Case("354 at the dot", "DOT", "354 Go on", "deferred", "unexpected 354", arrived=1),
    # replies to what was not said yet
    Case("all at once", "RCPT", OK + b"354 Go on\r\n" + OK, "deferred", "more than it was asked"),
    Case("yes before the dot", "DATA", b"354 Go on\r\n" + OK, "deferred",
         "more than it was asked"),
    Case("a refusal and a yes", "RCPT", b"550 5.1.1 no\r\n" + OK, "deferred", "more than it was"),
    Case("half a reply more", "RCPT", OK + b"35", "deferred", "more than it was asked"),
    Case("yes, and more", "DOT", OK + OK, "sent", "2.0.0 Ok", arrived=1),
    # the end of the connection
    Case("reset", "RCPT", Deed.CLOSE, "deferred", "connection"),
    Case("reset at DATA", "DATA", Deed.CLOSE, "deferred", "connection"),
    Case("reset after the dot", "DOT", Deed.CLOSE, "deferred", "connection", arrived=1),
    Case("FIN", "RCPT", then(b"", pause=0), "deferred", "closed the connection"),
    Case("FIN after the dot", "DOT", then(b"", pause=0), "deferred", "closed the connection",
         arrived=1),
    Case("FIN in the reply", "DOT", then(b"250 2.0.0", pause=0), "deferred",
         "closed the connection", arrived=1),
    # time
    Case("nothing", "RCPT", Deed.HANG, "deferred", "no answer within 300 s", minutes=True),
    Case("nothing at DATA", "DATA", Deed.HANG, "deferred", "no answer within 300 s", minutes=True),
    Case("nothing after the dot", "DOT", Deed.HANG, "deferred", "no answer within 600 s",
         arrived=1, minutes=True),
    Case("an octet each 10 s", "RCPT", drip(b"250 2.1.5 yes, and yes, and"), "deferred",
         "no answer within 300 s", minutes=True),
    Case("that, and done in time", "DOT", drip(b"250 2.0.0 Ok: queued\r\n"), "sent", "queued",
         arrived=1, minutes=True),
    Case("that without end", "DOT", drip(b"250-2.0.0 yes"), "deferred", "no answer within 600 s",
         arrived=1, minutes=True),
    Case("nine minutes", "DOT", late(OK, 540), "sent", "2.0.0 Ok", arrived=1, minutes=True),
    Case("eleven minutes", "DOT", late(OK, 660), "deferred", "no answer within 600 s", arrived=1,
         minutes=True),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[each.what for each in CASES])
def test_what_goes_wrong_with_one_mail(room: Newsroom, server: SmtpServer, case: Case) -> None:
    three_digests(room)
    server.always(case.stage, case.reply, of=ADA)
    deliver(room, fast=case.minutes)
    row = room.row("ada")
    assert (row["state"], row["attempt"]) == (case.state, 1)
    assert case.says in row["reply"]
    assert row["reply"].isprintable()
    assert [row["state"] for row in room.rows()[1:]] == ["sent", "sent"]
    came = [each for each in server.arrived if each.recipient == ADA]
    assert len(came) == case.arrived

    server.forget_orders()
    room.wait(hours=1)
    deliver(room)
    row = room.row("ada")
    again = case.state == "deferred"
    assert (row["state"], row["attempt"]) == (case.later, 2 if again else 1)
    came = [each for each in server.arrived if each.recipient == ADA]
    assert len(came) == case.arrived + again
    assert len({each.data for each in came}) <= 1
    assert server.copies()[BO] == server.copies()[CY] == 1
    room.check_books()


# the relay as a whole: no mail is to blame, and another relay takes them all

ROGUE = "the relay that misbehaves"


RELAYS = {
    "554": ("CONNECT", "554 5.7.1 Not you", "554 5.7.1 Not you"),
    "421": ("CONNECT", "421 4.7.0 Too many connections", "Too many connections"),
    "reset": ("CONNECT", Deed.CLOSE, "connecti"),
    "FIN": ("CONNECT", then(b"", pause=0), "EOF"),
    "text": ("CONNECT", b"hello\r\n", "hello"),
    "64 KB": ("CONNECT", b"220 " + b"a" * 65_536 + b"\r\n", "too long"),
    "no EHLO": ("EHLO", "502 5.5.1 What?", "502 5.5.1 What?"),
    "more than EHLO's": ("EHLO", HELLO + OK, "more than it was asked"),
    "busy": ("MAIL", "451 4.3.0 Not now", "4.3.0 Not now"),
    "policy": ("MAIL", "550 5.7.1 Not from you", "5.7.1 Not from you"),
    "no log-in": ("MAIL", "530 5.7.0 Log in first", "5.7.0 Log in first"),
    "no such sender": ("MAIL", "553 5.1.8 No such domain", "5.1.8 No such domain"),
}


@pytest.mark.parametrize(("stage", "reply", "says"), RELAYS.values(), ids=RELAYS)
def test_what_goes_wrong_with_a_relay(
    room: Newsroom, server: SmtpServer, other: SmtpServer, stage: str, reply: Deeds, says: str
) -> None:
    three_digests(room)
    before = room.rows()
    server.always(stage, reply)
    totals = deliver(room)
    assert totals.unreachable.startswith(f"relay smtp://127.0.0.1:{server.port}")
    assert says in totals.unreachable
    assert totals.unreachable.isprintable()
    assert len(totals.unreachable) < 1000
    assert room.rows() == before
    assert server.arrived == []

    healthy = Relay(host="127.0.0.1", port=other.port, tls="none")
    deliver(room, relays=(*room.app.settings.relays, healthy))
    assert [(row["state"], row["attempt"]) for row in room.rows()] == [("sent", 1)] * 3
    assert other.copies() == {ADA: 1, BO: 1, CY: 1}
    assert server.arrived == []


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO"])
def test_a_relay_that_says_nothing_for_a_minute_is_away(
    room: Newsroom, server: SmtpServer, stage: str
) -> None:
    three_digests(room)
    before = room.rows()
    server.always(stage, Deed.HANG)
    assert "imed out" in deliver(room, fast=True).unreachable
    assert room.rows() == before


@pytest.mark.parametrize(
    ("host", "says"),
    [("nowhere.invalid", "nowhere.invalid"), ("127.0.0.1", "refused|Connect call")],
)
def test_a_relay_that_is_not_there(room: Newsroom, other: SmtpServer, host: str, says: str) -> None:
    three_digests(room)
    before = room.rows()
    gone = Relay(host=host, port=free_port(), tls="none")
    said = deliver(room, relays=(gone,)).unreachable
    assert said.startswith(f"relay smtp://{host}:{gone.port}: Error connecting to {host}")
    assert room.rows() == before
    deliver(room, relays=(gone, Relay(host="127.0.0.1", port=other.port, tls="none")))
    assert room.states() == {"sent": 3}


def test_a_full_relay_is_left_alone_for_a_while(room: Newsroom, server: SmtpServer) -> None:
    three_digests(room)
    server.always("RCPT", "452 4.3.1 Disk full", of=ADA)
    deliver(room)
    assert room.row("ada")["state"] == "deferred"
    server.forget_orders()
    room.wait(hours=1)
    deliver(room)
    assert room.states() == {"sent": 3}
    assert server.copies() == {ADA: 1, BO: 1, CY: 1}


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("535 5.7.8 Wrong password", "535 5.7.8 Wrong password"),
        ("535 5.7.8 Cannot decode AHVzZXIAaHVudGVyMg==", "Cannot decode …"),
        ("535 5.7.8 user and hunter2 do not match", "user and … do not match"),
    ],
    ids=["plain", "repeats the line", "repeats the password"],
)
def test_a_refused_log_in_stops_the_relay_and_shows_no_password(
    room: Newsroom, server: SmtpServer, capfd: Any, reply: str, says: str
) -> None:
    three_digests(room)
    before = room.rows()
    server.always("EHLO", "250-relay.example\r\n250 AUTH PLAIN")
    server.always("AUTH", reply)
    relay = Relay(
        host="127.0.0.1", port=server.port, username="user", password="hunter2", tls="none"
    )
    said = deliver(room, relays=(relay,)).unreachable
    assert says in said
    assert "mail.relays" in said
    assert room.rows() == before
    shown = said + "".join(capfd.readouterr())
    assert "hunter2" not in shown
    assert "AHVzZXIAaHVudGVyMg" not in shown
    assert not [line for line in server.lines if line.startswith("MAIL")]

    server.forget_orders()
    server.always("EHLO", "250-relay.example\r\n250 AUTH PLAIN")
    server.always("AUTH", "235 2.7.0 Welcome")
    deliver(room, relays=(relay,))
    assert room.states() == {"sent": 3}


def test_a_relay_without_log_in_gets_no_password(room: Newsroom, server: SmtpServer) -> None:
    three_digests(room)
    relay = Relay(host="127.0.0.1", port=server.port, username="u", password="p", tls="none")
    assert "AUTH" in deliver(room, relays=(relay,)).unreachable
    assert room.states() == {"pending": 3}


# TLS


def encrypted(server: SmtpServer, tls: Any) -> Relay:
    return Relay(host="127.0.0.1", port=server.port, tls=tls)


def over_starttls(server: SmtpServer, act: Deeds) -> Relay:
    """The server offers STARTTLS and then does `act`; without more extensions behind it."""
    server.will("EHLO", "250-relay.example\r\n250 STARTTLS", times=1)
    server.always("EHLO", "250 relay.example")
    server.always("STARTTLS", act)
    return encrypted(server, "starttls")


@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize(
    ("names", "trusted", "says"),
    [
        ("IP:127.0.0.1", True, ""),
        ("IP:127.0.0.1", False, "self-signed certificate"),
        ("DNS:other.example", True, "IP address mismatch"),
    ],
    ids=["good", "self-signed", "of another host"],
)
def test_a_certificate_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: str, names: str, trusted: bool, says: str
) -> None:
    cert, context = certificate(tmp_path / "tls", names)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    implicit = context if tls == "implicit" else None
    with (
        SmtpServer(tls=implicit).running() as server,
        newsroom(tmp_path, server, mail="batch = 1") as room,
    ):
        three_digests(room)
        if tls == "starttls":
            over_starttls(server, starttls(context))
        totals = deliver(room, relays=(encrypted(server, tls),))
        if not says:
            assert room.states() == {"sent": 3}
            assert server.copies() == {ADA: 1, BO: 1, CY: 1}
        else:
            assert "its certificate cannot be trusted" in totals.unreachable
            assert says in totals.unreachable
            assert room.states() == {"pending": 3}
            assert not [line for line in server.lines if line.startswith("MAIL")]


@pytest.mark.parametrize(
    "reply",
    ["454 4.7.0 TLS not available", "501 5.5.4 No", b"220 Go ahead\r\nhm?\r\n", Deed.CLOSE],
    ids=["454", "501", "no TLS", "close"],
)
def test_nothing_is_sent_in_clear_where_tls_does_not_come_about(
    tmp_path: Path, server: SmtpServer, reply: Deeds
) -> None:
    with newsroom(tmp_path, server, mail="batch = 1") as room:
        three_digests(room)
        relay = over_starttls(server, reply)
        relay = replace(relay, username="user", password="hunter2")
        assert "smtp://127.0.0.1" in deliver(room, fast=True, relays=(relay,)).unreachable
        assert room.states() == {"pending": 3}
        assert not [line for line in server.lines if line[:4] in ("MAIL", "AUTH")]


def test_a_relay_without_starttls_gets_nothing(room: Newsroom, server: SmtpServer) -> None:
    three_digests(room)
    server.always("EHLO", "250-relay.example\r\n250 AUTH PLAIN")
    relay = replace(encrypted(server, "starttls"), username="user", password="hunter2")
    assert "STARTTLS" in deliver(room, relays=(relay,)).unreachable
    assert room.states() == {"pending": 3}
    assert not [line for line in server.lines if line[:4] in ("MAIL", "AUTH")]


@pytest.mark.parametrize("pause", [0, 0.05], ids=["at once", "a moment later"])
def test_what_is_slipped_in_before_tls_is_no_answer_under_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: SmtpServer, pause: float
) -> None:
    """The family of CVE-2011-0411: somebody between us offers what the server does not."""
    cert, context = certificate(tmp_path / "tls", "IP:127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with newsroom(tmp_path, server, mail="batch = 1") as room:
        room.join("dörte", address="dörte@reader.example")
        room.publish("One")
        room.plan()
        relay = over_starttls(server, starttls(context, HELLO + OK + OK, pause=pause))
        totals = deliver(room, relays=(relay,))
        if totals.unreachable:
            assert room.states() == {"pending": 1}
        else:
            assert room.states() == {"failed": 1}
            assert room.row("dörte")["enhanced_status"] == "5.6.7"
        assert not [line for line in server.lines if line.startswith("MAIL")]


# a connection by itself


ENVELOPE = Envelope(sender="news@news.example", recipient=ADA, message=b"Subject: a\r\n\r\nb\r\n")


async def yes() -> bool:
    return True


def plain(server: SmtpServer, limits: Limits = PATIENT) -> Connection:
    relay = Relay(host="127.0.0.1", port=server.port, tls="none")
    return Connection(relay, hostname="news.example", limits=limits)


async def until_(happened: Any, what: str) -> None:
    await asyncio.to_thread(until, happened, what, 10)


async def test_what_is_not_wanted_any_more_ends_before_data(server: SmtpServer) -> None:
    connection = plain(server)
    asked_after = []

    async def no() -> bool:
        await until_(lambda: server.lines[-1].startswith("RCPT"), "RCPT to be the last word")
        asked_after.append(server.lines[-1])
        return False

    answer = await connection.send(ENVELOPE, no)
    assert answer == Answer(kind=Kind.NOT_WANTED, stage=Stage.RCPT)
    assert asked_after == [f"RCPT TO:<{ADA}>"]
    assert connection.is_open
    answer = await connection.send(ENVELOPE, yes)
    assert (answer.kind, answer.stage, answer.code) == (Kind.ANSWERED, Stage.DOT, 250)
    await connection.close()
    said = [line.partition(" ")[0] for line in server.lines]
    assert said == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "QUIT"]
    assert server.connections == 1


async def test_nobody_is_asked_about_a_mail_that_is_refused(server: SmtpServer) -> None:
    server.always("RCPT", "550 5.1.1 no")

    async def never() -> bool:
        raise AssertionError

    connection = plain(server)
    answer = await connection.send(ENVELOPE, never)
    assert (answer.stage, answer.code, answer.text) == (Stage.RCPT, 550, "5.1.1 no")
    assert connection.is_open
    await connection.close()


async def test_a_fault_in_the_last_question_ends_the_connection(server: SmtpServer) -> None:
    async def broken() -> bool:
        raise LookupError("unforeseen")

    connection = plain(server)
    with pytest.raises(LookupError):
        await connection.send(ENVELOPE, broken)
    assert not connection.is_open
    assert (await connection.send(ENVELOPE, yes)).code == 250
    assert server.connections == 2
    assert len(server.arrived) == 1
    await connection.close()


async def test_nothing_goes_between_the_last_question_and_data(server: SmtpServer) -> None:
    """No other task of the loop gets a turn, in which a reader might leave."""
    connection = plain(server)
    await connection.open()
    assert connection._wire is not None
    transport: Any = connection._wire._transport
    turns: list[str] = []
    write = transport.write

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(transport, name)

        def write(self, data: bytes) -> None:
            if data == b"DATA\r\n":
                turns.append("DATA")
            write(data)

    async def asked() -> bool:
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(turns.append, "another")
        turns.append("yes")
        return True

    connection._wire._transport = Watched()  # type: ignore[assignment]
    assert (await connection.send(ENVELOPE, asked)).code == 250
    assert turns == ["yes", "DATA", "another"]
    await connection.close()


@pytest.mark.parametrize(
    "more",
    [b"", b"421 4.4.2 idle\r\n", OK, b"x"],
    ids=["closed", "421", "a reply", "half a reply"],
)
async def test_what_comes_between_mails_costs_the_next_one_nothing(
    server: SmtpServer, more: bytes
) -> None:
    connection = plain(server)
    server.will("DOT", then(OK, more))
    assert (await connection.send(ENVELOPE, yes)).code == 250
    async with asyncio.timeout(10):
        while connection.is_open:
            await asyncio.sleep(0.01)
    answer = await connection.send(ENVELOPE, yes)
    assert (answer.code, answer.text) == (250, "2.0.0 Ok: queued")
    assert len(server.arrived) == server.connections == 2
    await connection.close()


def test_a_kept_connection_is_left_after_half_a_minute(server: SmtpServer) -> None:
    async def two_mails(pause: float) -> None:
        connection = plain(server)
        for _ in range(2):
            assert (await connection.send(ENVELOPE, yes)).code == 250
            await asyncio.sleep(pause)
        await connection.close()

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        runner.run(two_mails(31))
    assert server.connections == 2
    assert server.lines.count("QUIT") == 2


BIG = replace(ENVELOPE, message=b"Subject: a\r\n\r\n" + b"b" * 40_000_000 + b"\r\n")
"""More than the sockets of both sides hold."""


@pytest.mark.parametrize("dot", [OK, b"552 5.3.4 Too big\r\n"], ids=["yes", "no"])
async def test_an_answer_before_the_dot_is_none(server: SmtpServer, dot: bytes) -> None:
    """The dot has not been sent: whatever it says, the mail has not arrived."""

    async def early(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"354 Go on\r\n")
        writer.transport.pause_reading()
        await asyncio.sleep(0.3)
        writer.write(dot)
        await writer.drain()
        await asyncio.Event().wait()
        return b""

    server.always("DATA", early)
    connection = plain(server)
    answer = await asyncio.wait_for(connection.send(BIG, yes), 10)
    assert (answer.kind, answer.stage, answer.code) == (Kind.LOST, Stage.DOT, None)
    assert "spoke without being asked" in answer.text or "heard us out" in answer.text
    assert not connection.is_open


@pytest.mark.parametrize(
    ("each_minute", "says"),
    [
        (0, "nothing of the message was taken within 180 seconds"),
        (1_500_000, "the message was not taken within 600 seconds"),
    ],
    ids=["nothing", "a little each minute"],
)
def test_a_server_that_does_not_take_the_message_is_left(
    server: SmtpServer, each_minute: int, says: str
) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"354 Go on\r\n")
        writer.transport.pause_reading()
        while True:
            await asyncio.sleep(60 / HASTE)
            os.read(writer.transport.get_extra_info("socket").fileno(), each_minute)

    server.always("DATA", slow)

    async def send() -> tuple[Answer, float]:
        connection = plain(server)
        began = asyncio.get_running_loop().time()
        answer = await connection.send(BIG, yes)
        return answer, asyncio.get_running_loop().time() - began

    with asyncio.Runner(loop_factory=HastyLoop) as runner:
        answer, seconds = runner.run(send())
    assert (answer.kind, answer.stage) == (Kind.LOST, Stage.DOT)
    assert answer.text == says
    assert 180 <= seconds < PATIENT.after_data


@pytest.mark.parametrize(
    ("offered", "limit"),
    [("SIZE 10", 10), ("SIZE 0", 0), ("SIZE", 0), ("SIZE much", 0), ("X", None)],
)
async def test_the_size_that_a_server_takes(
    server: SmtpServer, offered: str, limit: int | None
) -> None:
    server.always("EHLO", f"250-relay.example\r\n250 {offered}")
    connection = plain(server)
    answer = await connection.send(ENVELOPE, yes)
    mails = [line for line in server.lines if line.startswith("MAIL")]
    size = len(ENVELOPE.message)
    if limit:
        assert answer.kind is Kind.REFUSED_HERE
        assert answer.text == f"5.3.4 the mail has {size} bytes, the relay takes at most {limit}"
        assert mails == []
    else:
        assert answer.code == 250
        declared = "" if limit is None else f" SIZE={size}"
        assert mails == [f"MAIL FROM:<news@news.example>{declared}"]
    assert connection.is_open
    await connection.close()


def test_a_mail_larger_than_the_relay_takes_fails_by_itself(
    room: Newsroom, server: SmtpServer
) -> None:
    three_digests(room)
    server.always("EHLO", "250-relay.example\r\n250 SIZE 2000")
    deliver(room)
    assert room.states() == {"failed": 3}
    assert re.fullmatch(
        r"5\.3\.4 the mail has \d+ bytes, the relay takes at most 2000", room.row("ada")["reply"]
    )
    assert not [line for line in server.lines if line.startswith("MAIL")]


def test_without_smtputf8_only_those_addresses_fail(room: Newsroom, server: SmtpServer) -> None:
    room.join("dörte", address="dörte@bücher.example")
    three_digests(room, more=1)
    server.always("EHLO", "250 relay.example")
    deliver(room)
    assert room.states() == {"sent": 3, "failed": 1}
    assert room.row("dörte")["enhanced_status"] == "5.6.7"
