"""Notices on their way to a real server: rendered by whoever sends, once, and never lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from publisher.core.notice import NoticeContent, NoticeKind
from publisher.store import notices
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import until
from tests.flow.smtp import Deed, Mail, SmtpServer
from tests.processes import rendering

ADA = "ada@reader.example"
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Reply-To", "Auto-Submitted",
    "Content-Language", "MIME-Version", "Content-Type",
]  # fmt: skip


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server) as open_room:
        open_room.now = datetime.now(UTC)
        yield open_room


def notify(
    room: Newsroom, address: str = ADA, kind: NoticeKind = NoticeKind.CONFIRM, known: str = ""
) -> None:
    content = NoticeContent(newsletters=("daily",), links={"confirm": [1, 2]})
    if known:
        content = NoticeContent(known=(known,))
    with room.app.db.write() as conn:
        assert notices.enqueue(conn, kind, address, address, "", content, room.now)


def states(room: Newsroom) -> dict[str, int]:
    with room.app.db.read() as conn:
        return dict(notices.counts(conn))


def read(mail: Mail) -> tuple[EmailMessage, str, str]:
    """The message, its text and its HTML."""
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return message, text.get_content(), html.get_content()


def test_a_confirmation_is_a_mail_of_the_site_without_a_list(
    room: Newsroom, server: SmtpServer
) -> None:
    notify(room)
    assert room.deliver().sent == 1
    message, text, html = read(server.mails[0])
    assert message.keys() == HEADERS
    assert message["From"] == "Example News <news@news.example>"
    assert message["To"] == ADA
    assert message["Reply-To"] == "editor@news.example"
    assert message["Subject"] == "Please confirm: The Daily"
    assert message["Date"].datetime == room.now.replace(microsecond=0)
    assert message["Message-ID"].startswith("<notice.1.0.")
    assert server.mails[0].sender == "news@news.example"
    link = f"http://127.0.0.1:{room.site.port}/confirm/"
    for part in (text, html):
        assert link in part
        assert "The Daily" in part
        assert ADA in part
    assert max(map(len, text.splitlines())) <= max(72, len(link) + 100)


def test_who_gets_it_already_is_told_so_without_a_link(room: Newsroom, server: SmtpServer) -> None:
    notify(room, known="daily")
    notify(room, "bo@reader.example", NoticeKind.WELCOME)
    assert room.deliver().sent == 2
    [known] = server.to(ADA)
    message, text, html = read(known)
    assert message["Subject"] == "You already receive The Daily"
    assert "/confirm/" not in text + html
    [welcome] = server.to("bo@reader.example")
    message, text, html = read(welcome)
    assert message["Subject"] == "Welcome to The Daily"
    assert "The Daily" in text
    assert "The Daily" in html


@pytest.mark.parametrize("reply", ["450 4.2.0 later", Deed.CLOSE], ids=["4xx", "close"])
def test_tried_again_it_is_the_same_to_the_byte(
    tmp_path: Path, server: SmtpServer, reply: str | Deed
) -> None:
    """By another process, with another template, and with a new signing key."""
    with newsroom(tmp_path, server) as room:
        notify(room)
        server.will("DOT", reply)
        room.deliver()
        assert states(room) == {"deferred": 1}
    (tmp_path / "templates" / "email").mkdir(parents=True)
    (tmp_path / "templates" / "email" / "notice-confirm.txt").write_text("Another template.\n")
    with (tmp_path / "var" / "secret.key").open("a") as keys:
        keys.write(f"new {'ab' * 32}\n")
    with newsroom(tmp_path, server, port=room.site.port) as room:
        room.wait(days=1)
        notify(room, "bo@reader.example")
        assert room.deliver().sent == 2
    assert len({each.data for each in server.arrived if each.recipient == ADA}) == 1
    [new] = server.to("bo@reader.example")
    assert "Another template" in read(new)[1]


def test_an_address_that_does_not_exist_ends_it(room: Newsroom, server: SmtpServer) -> None:
    notify(room)
    notify(room, "bo@reader.example")
    server.always("RCPT", "550 5.1.1 no such user", of=ADA)
    totals = room.deliver()
    assert (totals.sent, totals.failed) == (1, 1)
    assert states(room) == {"sent": 1, "failed": 1}
    assert "notices        1 failed, 1 sent" in room.site.call("status")


def test_without_a_relay_deliver_says_that_it_waits(tmp_path: Path) -> None:
    with newsroom(tmp_path, None) as room:
        notify(room)
        said = room.site.run("deliver", status=1)
        assert "1 mail is pending but no relay" in said
        assert "1 to go" in room.site.call("status")


def test_the_daemon_sends_it_within_two_seconds(room: Newsroom, server: SmtpServer) -> None:
    with room.site.daemon():
        notify(room)
        until(lambda: server.to(ADA), "the first notice")  # with it the press has begun
        room.wait(seconds=1)
        notify(room, "bo@reader.example")
        until(lambda: server.to("bo@reader.example"), "the second notice", seconds=2)
        until(lambda: states(room) == {"sent": 2}, "the books to say so")


def test_a_killed_daemon_loses_none(room: Newsroom, server: SmtpServer) -> None:
    for number in range(5):
        notify(room, f"reader{number}@reader.example")
    server.always("DOT", Deed.HANG, of="reader0@reader.example")
    with room.site.daemon() as process:
        until(lambda: server.underway == 1 and states(room).get("sent") == 4, "one mail to hang")
        process.kill()
        process.wait()
    assert states(room) == {"sent": 4, "sending": 1}
    server.forget_orders()
    with room.site.daemon():
        until(lambda: states(room) == {"sent": 5}, "the last one to be sent")
    assert len(server.mails) == 5
    assert len({each.data for each in server.arrived}) == 5  # what went twice went as it was


def test_killed_before_it_was_rendered_it_is_rendered_then(
    room: Newsroom, server: SmtpServer
) -> None:
    folder = room.site.folder / "templates" / "email"
    folder.mkdir(parents=True)
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (folder / "notice-confirm.txt").write_text(endless)
    notify(room)
    with room.site.daemon() as process:
        until(lambda: rendering(process.pid), "it to be rendered")
        process.kill()
        process.wait()
    (folder / "notice-confirm.txt").unlink()
    with room.site.daemon():
        until(lambda: states(room) == {"sent": 1}, "the notice")


def test_after_two_days_no_address_is_left(room: Newsroom, server: SmtpServer) -> None:
    notify(room)
    room.deliver()
    room.wait(days=1)
    room.deliver()
    assert states(room) == {"sent": 1}
    room.now += timedelta(days=1)
    room.deliver()
    assert states(room) == {}
    assert len(server.mails) == 1
