"""A real mail server in front: the books agree with its Maildirs to the last mail."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.core.relay import Relay
from publisher.delivery.connection import Connection, RelayError
from publisher.store import refusals
from publisher.store.tables import bounce, subscriber
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.postfix import Postfix, postfix

OURS = re.compile(r"<edition\.(\d+)\.(\d+)\.\w+@news\.example>")
"""A Message-ID of ours: edition and reader."""


@dataclass(frozen=True)
class Group:
    """Readers whom the server treats alike."""

    name: str
    domain: str
    count: int
    first: str = ""
    """What it answers at RCPT in the first round; empty: it takes the mail."""
    later: str = ""
    at_the_dot: str = ""
    known: bool = True
    """Whether they have a mailbox."""
    states: tuple[str, str] = ("sent", "sent")
    """After the first round, and in the end."""
    answer: tuple[int, str] = (250, "2.0.0")
    """In the end."""

    @property
    def addresses(self) -> list[str]:
        return [f"{self.name}{number}@{self.domain}" for number in range(self.count)]


GROUPS = [
    Group("reader", "reader.example", 150),
    Group("guest", "other.example", 40),
    Group(
        "busy",
        "reader.example",
        25,
        first="450 4.2.0 Mailbox is busy",
        states=("deferred", "sent"),
    ),
    Group(
        "grey",
        "other.example",
        15,
        first="451 4.7.1 Greylisted, come again",
        states=("deferred", "sent"),
    ),
    Group(
        "gone",
        "reader.example",
        25,
        first="550 5.1.1 Nobody of that name",
        later="550 5.1.1 Nobody of that name",
        states=("failed", "failed"),
        answer=(550, "5.1.1"),
    ),
    Group(
        "never",
        "other.example",
        10,
        known=False,
        states=("failed", "failed"),
        answer=(550, "5.1.1"),
    ),
    Group(
        "full",
        "other.example",
        10,
        first="552 5.2.2 Mailbox is full",
        states=("failed", "failed"),
        answer=(552, "5.2.2"),
    ),
    Group(
        "odd",
        "reader.example",
        10,
        at_the_dot="554 5.6.0 Not in this form",
        states=("failed", "failed"),
        answer=(554, "5.6.0"),
    ),
    Group(
        "wary",
        "wary.example",
        30,
        first="550 5.7.1 No bulk mail here",
        states=("waiting", "sent"),
    ),
    Group(
        "strict",  # goes on refusing, while its domain takes the mails of others
        "wary.example",
        1,
        first="550 5.7.1 No bulk mail here",
        later="550 5.7.1 No bulk mail for this one",
        states=("waiting", "failed"),
        answer=(550, "5.7.1"),
    ),
    Group("stranger", "elsewhere.example", 10, known=False, states=("waiting", "waiting")),
]
HARD = {
    address for group in GROUPS if group.name in ("gone", "never") for address in group.addresses
}


def test_the_books_agree_with_the_maildirs_to_the_last_mail(tmp_path: Path) -> None:
    mailboxes = [each for group in GROUPS if group.known for each in group.addresses]
    with (
        postfix(mailboxes) as server,
        newsroom(tmp_path, None, smtp_port=server.port) as room,
    ):
        for group in GROUPS:
            for address in group.addresses:
                room.join(address, address=address)
        room.publish("One")
        room.plan()
        at_the_dot = {each: group.at_the_dot for group in GROUPS for each in group.addresses}
        at_the_dot = {key: reply for key, reply in at_the_dot.items() if reply}

        server.refuses(
            {each: group.first for group in GROUPS for each in group.addresses if group.first},
            at_the_dot,
        )
        asyncio.run(room.worker().run(due_by=room.now))
        agree(room, server)
        for group in GROUPS:
            assert states(room, group) == {group.states[0]: group.count}, group.name
        with room.app.db.read() as conn:
            refusing = {each.domain for each in refusals.listing(conn)}
        assert refusing == {"wary.example", "elsewhere.example"}

        server.refuses(
            {each: group.later for group in GROUPS for each in group.addresses if group.later},
            at_the_dot,
        )
        for _ in range(4):
            room.wait(hours=5)
            asyncio.run(room.worker().run(due_by=room.now))
            agree(room, server)
        room.deliver()  # as an operator would, in a hurry
        room.deliver()
        agree(room, server)
        for group in GROUPS:
            assert states(room, group) == {group.states[1]: group.count}, group.name
            if group.states[1] != "waiting":
                assert answers(room, group) == {group.answer}, group.name
        assert set(bounced(room)) == HARD
        assert max(bounced(room).values()) == 1
        assert troubled(room) <= HARD, "nobody else is the worse for it"


def test_readers_are_not_to_blame_when_it_ends_sessions_for_too_many_errors(
    tmp_path: Path,
) -> None:
    known = [f"reader{number}@reader.example" for number in range(40)]
    gone = [f"gone{number}@reader.example" for number in range(80)]
    with (
        postfix(known, most_errors=3) as server,
        newsroom(tmp_path, None, smtp_port=server.port) as room,
    ):
        for pair in zip(gone, [*known, *known], strict=True):
            for address in pair:
                room.join(address, address=address)
        room.publish("One")
        room.plan()
        for _ in range(6):
            asyncio.run(room.worker().run(due_by=room.now))
            room.wait(hours=1)
        assert "too many errors" in server.log()
        assert room.states() == {"sent": 40, "failed": 80}
        agree(room, server)
        assert set(bounced(room)) == set(gone)


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        postfix(["ada@reader.example"]) as server,
        newsroom(
            tmp_path, None, more=f"[[mail.relays]]\nurl = 'smtps://127.0.0.1:{server.tls_port}'"
        ) as room,
    ):
        room.join("ada")
        room.publish("One")
        room.plan()
        said = room.site.run("deliver", status=1)
        sentence = (
            f"relay smtps://127.0.0.1:{server.tls_port}: "
            "its certificate cannot be trusted: self-signed certificate"
        )
        assert said.count(sentence) >= 1
        assert room.states() == {"pending": 1}

        starttls = Relay(host="127.0.0.1", port=server.port, tls="starttls")
        with pytest.raises(RelayError, match="its certificate cannot be trusted: self-signed"):
            asyncio.run(Connection(starttls, hostname="news.example").open())
        assert server.mails() == []
        assert server.log().count("SSL_accept error") >= 2

        room.site.environ["SSL_CERT_FILE"] = str(server.certificate)
        room.site.run("deliver")
        agree(room, server)
        assert room.states() == {"sent": 1}


def agree(room: Newsroom, server: Postfix) -> None:
    """Each mail that is `sent` lies in the Maildir of its reader, once, and no other mail does."""
    booked = Counter(
        (row["address"], row["edition_id"], row["subscriber_id"])
        for row in room.rows()
        if row["state"] == "sent"
    )
    delivered: Counter[tuple[str, int, int]] = Counter()
    for box, mail in server.mails():
        ours = OURS.fullmatch(mail["Message-ID"])
        assert ours, mail["Message-ID"]
        delivered[box, int(ours[1]), int(ours[2])] += 1
    assert delivered == booked
    room.check_books()


def states(room: Newsroom, group: Group) -> Counter[str]:
    """Of a group; while its domain refuses us it does not matter whom it has told so."""
    found = Counter(each["state"] for each in rows(room, group))
    if group.states[0] == "waiting" and found["deferred"] + found["pending"] == found.total():
        return Counter(waiting=found.total())
    return found


def answers(room: Newsroom, group: Group) -> set[tuple[int, str]]:
    return {(each["smtp_status"], each["enhanced_status"]) for each in rows(room, group)}


def rows(room: Newsroom, group: Group) -> list:
    return [each for each in room.rows() if each["address"] in set(group.addresses)]


def bounced(room: Newsroom) -> Counter[str]:
    with room.app.db.read() as conn:
        statement = select(subscriber.c.address).join(
            bounce, bounce.c.subscriber_id == subscriber.c.id
        )
        return Counter(conn.execute(statement).scalars())


def troubled(room: Newsroom) -> set[str]:
    """Readers who are not just active any more."""
    with room.app.db.read() as conn:
        statement = select(subscriber.c.address).where(subscriber.c.state != "active")
        return set(conn.execute(statement).scalars())
