"""A template that fails, loops or overflows holds up its own mails alone, and says why."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from publisher.core.wishes import Wishes
from publisher.kit import resources
from publisher.newsletters.press import Press
from publisher.newsletters.renderings import RETRY
from publisher.store import subscribers, subscriptions
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import Site, catching, until
from tests.flow.smtp import SmtpServer
from tests.processes import presses, rendering

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
MENDED = "<p>Mended: {{ lead.title }}</p>"
MINE = """
[[newsletters]]
slug = "mine"
title = "Mine"
cadences = ["daily"]
template = "mine"
"""


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    """Ada reads a newsletter with a template of its own, Bo the one with ours."""
    with newsroom(tmp_path, server, more=MINE) as room:
        limit_to(room, seconds=1)
        room.join("ada", newsletter="mine")
        room.join("bo")
        room.publish("One")
        yield room


def limit_to(room: Newsroom, *, seconds: float) -> None:
    folders = [own(room), resources.folder("templates/email")]
    room.app.press = Press(folders, seconds=seconds, memory=64 * 2**20)


def own(room: Newsroom) -> Path:
    folder = room.site.folder / "templates" / "email"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write(room: Newsroom, html: str) -> None:
    (own(room) / "mine.html").write_text(html)
    (own(room) / "mine.txt").write_text("Text.\n")


@contextmanager
def sending(room: Newsroom) -> Iterator[None]:
    """The worker, as the daemon runs it."""
    worker = room.worker()
    thread = threading.Thread(target=lambda: asyncio.run(worker.run()))
    thread.start()
    until(lambda: worker._loop or not thread.is_alive(), "the worker to begin")
    try:
        yield
        assert thread.is_alive()
    finally:
        worker.stop()
        thread.join(10)
    assert not thread.is_alive()


def told(logs: list[EventDict]) -> list[str]:
    """The reasons in the log."""
    return [each["reason"] for each in logs if each["event"] == "mail cannot be rendered"]


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("\n{{ nobody }}", "template mine.html, line 2: 'nobody' is undefined"),
        ("{% include 'gone.html' %}", "template gone.html is missing"),
        (f"\n{ENDLESS}", "template mine.html, line 2: rendering took longer than 1 s"),
        ("\n{{ 'x' * 300000000 }}", "template mine.html, line 2: it takes too much memory"),
        (
            "\n{% for a in range(99999) %}{{ 'x' * 3000 }}{% endfor %}",
            "template mine.html, line 2: it writes over 2,000,000 characters",
        ),
        (
            "{{ (lead.title * 9999999)|upper|list|batch(2)|map('join')|list|length }}",
            "template mine.html, line 1: it takes too much memory",
        ),
    ],
    ids=["error", "missing", "endless", "300 MB", "300 MB in a loop", "filters"],
)
def test_its_own_mails_wait_with_the_reason_and_go_out_once_it_is_mended(
    room: Newsroom, server: SmtpServer, html: str, reason: str
) -> None:
    write(room, html)
    room.plan("mine")
    room.plan()
    with capture_logs() as logs, sending(room):
        until(lambda: room.row("bo")["state"] == "sent", "the other newsletter's mail")
        until(lambda: room.row("ada")["state"] == "deferred", "the quarantine")
        row = room.row("ada")
        assert (row["reply"], row["attempt"], row["rendering_id"]) == (reason, 0, None)
        assert room.now < row["next_attempt_at"] <= room.now + 2 * RETRY
        assert told(logs) == [reason]

        write(room, MENDED)
        room.app.renderer.refresh(room.now)  # as the daemon does every two seconds
        until(lambda: room.row("ada")["state"] == "sent", "the mended mail")
    assert b"Mended: One" in [each.data for each in server.mails][-1]
    assert len(server.mails) == 2
    room.check_books()


def test_a_killed_process_costs_its_mail_a_wait_and_no_more(
    room: Newsroom, server: SmtpServer
) -> None:
    limit_to(room, seconds=60)
    write(room, ENDLESS)
    room.plan("mine")
    with capture_logs() as logs, sending(room):
        os.kill(until(rendering, "the rendering"), signal.SIGKILL)
        until(lambda: room.row("ada")["state"] == "deferred", "the quarantine")
        assert "ended (SIGKILL)" in room.row("ada")["reply"]
        assert told(logs) == [room.row("ada")["reply"]]
        room.plan()
        until(lambda: room.row("bo")["state"] == "sent", "the other newsletter's mail")

        write(room, MENDED)  # it is not looked at yet: time passes and it is tried again
        room.wait(seconds=2 * RETRY.total_seconds())
        until(lambda: room.row("ada")["state"] == "sent", "the mail")


def test_what_is_rendered_goes_out_while_another_template_loops(
    room: Newsroom, server: SmtpServer
) -> None:
    limit_to(room, seconds=60)
    write(room, ENDLESS)
    room.plan("mine")
    room.plan()
    room.app.renderer.make(room.row("bo")["variant_id"], room.now)
    begun = time.monotonic()
    with sending(room):
        until(lambda: room.row("bo")["state"] == "sent", "the other newsletter's mail")
        until(rendering, "the rendering")
        before = room.row("ada")
    # And the program's end need not wait for it, nor is it held against the mail.
    assert time.monotonic() < begun + 10
    assert presses() == []
    assert room.row("ada") == before
    assert before["state"] == "pending"


def test_the_other_variants_are_not_tried_as_well(room: Newsroom) -> None:
    """Each would take as long as the first."""
    write(room, ENDLESS)
    with room.app.db.write() as conn:
        for number in range(250):  # more than wait at a time
            reader = subscribers.ensure(
                conn, f"r{number}@reader.example", name="", zone="", locale=f"x{number}",
                now=room.now,
            )  # fmt: skip
            newsletter = room.app.newsletter("mine")
            subscriptions.subscribe(
                conn, reader.id, newsletter, Wishes(), consent={}, now=room.now, since=room.now
            )
    room.publish("Two")
    assert room.plan("mine") > 200
    room.plan()
    variants = {each["variant_id"] for each in room.rows()}
    assert len(variants) > 200
    with capture_logs() as logs, sending(room):
        until(lambda: room.row("bo")["state"] == "sent", "the other newsletter's mail")
        until(lambda: "pending" not in room.states(), "the others to be set aside")
        assert len(told(logs)) == 1
        mine = [each for each in room.rows() if each["state"] == "deferred"]
        assert {each["reply"] for each in mine} == set(told(logs))

        write(room, MENDED)
        room.app.renderer.refresh(room.now)
        until(lambda: set(room.states()) == {"sent"}, "all mails")


def test_the_daemon_goes_on(tmp_path: Path) -> None:
    with catching() as catcher:
        site = Site(tmp_path, smtp_port=catcher.port, more=MINE)
        templates = tmp_path / "templates" / "email"
        templates.mkdir(parents=True)
        (templates / "mine.html").write_text("\n{{ 'x' * 300000000 }}")
        (templates / "mine.txt").write_text("Text.\n")
        reason = "template mine.html, line 2: it takes too much memory"
        site.call("subscribers", "add", "ada@reader.example", "--newsletter", "mine")
        site.add_reader("bo@reader.example")
        with site.daemon() as daemon:
            site.write("one.md", "One")
            until(lambda: "One" in site.feed(), "the article")
            site.call("newsletters", "send", "mine", "--now")
            site.call("newsletters", "send", "daily", "--now")
            until(lambda: catcher.count == 1, "the other newsletter's mail")
            until(lambda: reason in site.log(), "the reason to be told")
            assert site.get("/readyz")[0] == 200

            [process] = until(lambda: presses(daemon.pid), "the process that renders")
            os.kill(process, signal.SIGKILL)
            (templates / "mine.html").write_text(MENDED)
            until(lambda: catcher.count == 2, "the mended mail")
            assert site.log().count("mail cannot be rendered") == 1
            [process] = presses(daemon.pid)
        until(lambda: not Path(f"/proc/{process}").exists(), "its end")
        assert site.json("status")["backlog"] == 0


@pytest.mark.parametrize("command", ["preview", "test"])
def test_a_command_says_why_and_does_not_hang(tmp_path: Path, command: str) -> None:
    site = Site(tmp_path, more=MINE, smtp_port=9)
    templates = tmp_path / "templates" / "email"
    templates.mkdir(parents=True)
    (templates / "mine.html").write_text("{{ 'x' * 300000000 }}")
    (templates / "mine.txt").write_text("Text.\n")
    site.write("one.md", "One")
    site.call("ingest", str(tmp_path / "articles"))
    site.call("publish")
    address = ["ada@reader.example"] if command == "test" else []
    said = site.run("newsletters", command, "mine", *address, status=1)
    assert said == "publisher: template mine.html, line 1: it takes too much memory\n"
