"""A newsletter gets another slug while the site runs, mails are open and links are out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from publisher import settings
from publisher.app import App
from tests.flow.newsroom import Newsroom
from tests.flow.site import CONFIG, Site, until
from tests.flow.smtp import Mail, SmtpServer
from tests.flow.test_daemon import due_now

MORNING = CONFIG.replace('slug = "daily"', 'slug = "morning"').replace("The Daily", "The Morning")
RENAMED = CONFIG + 'formerly = ["morning"]\n'
DAILY = '[[newsletters]]\nslug = "daily"\ntitle = "The Daily"\n'


def reconfigure(site: Site, config: str, more: str = "") -> None:
    site.config, site.more = config, more
    site.configure()


def header(mail: Mail, name: str) -> str:
    return str(message_from_bytes(mail.data, policy=default)[name])


def titles(mail: Mail) -> list[str]:
    body = message_from_bytes(mail.data, policy=default).get_body(("plain",))
    assert body is not None
    text = body.get_content()
    return [each for each in ("The weir", "The mill", "The tram") if each in text]


def test_readers_of_the_former_slug_get_the_next_digest_and_can_leave(
    tmp_path: Path, server: SmtpServer
) -> None:
    site = Site(tmp_path, smtp_port=server.port, config=MORNING)
    site.call("subscribers", "add", "ada@reader.example", "--newsletter", "morning")
    with site.daemon():
        site.write("weir.md", "The weir")
        until(lambda: "The weir" in site.feed(), "the first article")
        site.call("newsletters", "send", "morning", "--now")
        until(lambda: server.mails, "the first digest")

    site.write("mill.md", "The mill")  # comes out under the new configuration
    reconfigure(site, RENAMED)
    with site.daemon():
        until(lambda: "The mill" in site.feed(), "the second article")
        due_now(site)
        until(lambda: len(server.mails) == 2, "the next digest")
        first, second = server.mails
        assert (titles(first), titles(second)) == (["The weir"], ["The mill"])
        links = header(first, "List-Unsubscribe")
        assert links == header(second, "List-Unsubscribe")
        link = re.search(r"/unsubscribe/[^>]+", links)
        assert link is not None
        status, page = site.get(link[0])
        assert (status, b"The Daily" in page) == (200, True)
        assert site.get(link[0], b"List-Unsubscribe=One-Click")[0] == 200
        [known] = site.json("subscribers", "show", "ada@reader.example")["subscriptions"]
        assert (known["newsletter"], known["state"]) == ("daily", "unsubscribed")
        site.write("tram.md", "The tram")
        until(lambda: "The tram" in site.feed(), "the third article")
        site.call("newsletters", "send", "daily", "--now")
    assert site.json("status")["deliveries"] == {"sent": 2}
    assert "Traceback" not in site.log()


@contextmanager
def opened(site: Site, **later: float) -> Iterator[Newsroom]:
    """The site under its present configuration, so much later."""
    app = App(settings.load(site.folder / "config" / "publisher.toml", {}))
    room = Newsroom(site, app)
    room.wait(**later)
    app.clock = room.clock
    try:
        yield room
    finally:
        app.close()


@pytest.mark.parametrize("reads_both", [False, True])
def test_a_mail_tried_before_is_the_same_to_the_byte(
    tmp_path: Path, server: SmtpServer, reads_both: bool
) -> None:
    site = Site(tmp_path, smtp_port=server.port, config=MORNING, more=DAILY)
    with opened(site) as room:
        room.join("ada", newsletter="morning")
        if reads_both:
            room.wait(hours=1)
            room.join("ada", newsletter="daily")
        room.publish("The weir")
        assert room.plan("morning") == 1
        server.will("DOT", "451 4.2.0 later")
        assert room.deliver().deferred == 1
    reconfigure(site, RENAMED)
    with opened(site, hours=2) as room:
        assert room.deliver().sent == 1
        first, again = server.arrived
        assert first.data == again.data
        room.check_books()
        with site.daemon():
            link = re.search(r"/unsubscribe/[^>]+", header(first, "List-Unsubscribe"))
            assert link is not None
            assert site.get(link[0], b"List-Unsubscribe=One-Click")[0] == 200
        room.publish("The mill")
        assert room.plan("daily") == 0


def test_a_mail_not_tried_yet_goes_out_under_the_new_name(
    tmp_path: Path, server: SmtpServer
) -> None:
    """And a sender that knows only the former one, like a daemon not restarted, leaves it alone."""
    site = Site(tmp_path, smtp_port=server.port, config=MORNING)
    with opened(site) as former:
        former.join("ada", newsletter="morning")
        former.publish("The weir")
        former.plan("morning")
        [row] = former.rows()
        reconfigure(site, RENAMED)
        with opened(site) as room:
            former.app.renderer.make(row["variant_id"], former.now)  # claimed just before
            assert former.deliver().sent == 0
            assert room.deliver().sent == 1
    [mail] = server.mails
    assert header(mail, "List-Id").startswith("The Daily <daily.")
