"""The daemon as a process of its own: what it does by itself, and how it ends."""

import json
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from publisher.demo.catcher import Catcher
from tests.flow.site import Site, catching, until
from tests.flow.smtp import Deed, SmtpServer

PAGE = """\
Category Archive : Harbour

Ferry timetable gains a late boat

The last ferry of the day will leave at half past eleven from the first of next month.

The company said that the boat had been asked for by the people who work at the theatre.
"""
STORY = """\
Crane of the old dock is to stay

The town council decided on Tuesday evening that the last steam crane is to be kept.

It will be painted in the spring, and children will be allowed to climb up to the cabin.

"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def catcher() -> Iterator[Catcher]:
    with catching() as caught:
        yield caught


@contextmanager
def timed(what: str, within: float = 20) -> Iterator[None]:
    """Prints how long it took: what is promised in seconds is looked at, not asserted tightly."""
    begun = time.monotonic()
    yield
    seconds = time.monotonic() - begun
    print(f"{what}: {seconds:.2f} s")
    assert seconds < within


def end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> int:
    process.send_signal(number)
    return process.wait(15)


def due_now(site: Site) -> None:
    """Let the time of every slot have come."""
    with closing(sqlite3.connect(site.folder / "var" / "publisher.db", timeout=10)) as conn:
        moment = datetime.now(UTC) - timedelta(seconds=1)
        conn.execute(
            "UPDATE slot SET next_due_at = ? WHERE next_due_at IS NOT NULL",
            [moment.strftime("%Y-%m-%d %H:%M:%S.%f")],
        )
        conn.commit()


def titles(mail: bytes) -> str:
    body = message_from_bytes(mail, policy=default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# its beginning and its end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to(site: Site, number: signal.Signals) -> None:
    with site.daemon() as process, timed(f"{number.name} to the end", within=10):
        assert end(process, number) == 0
    assert "publisher has stopped" in site.log()
    assert "Traceback" not in site.log()


@pytest.mark.parametrize("stage", ["CONNECT", "RCPT", "DOT"])
def test_it_ends_although_the_mail_server_does_not_answer(tmp_path: Path, stage: str) -> None:
    with SmtpServer().running() as server:
        server.always(stage, Deed.HANG)
        site = Site(tmp_path, smtp_port=server.port)
        site.add_reader("ada@reader.example")
        site.write("one.md", "One")
        site.call("ingest", str(tmp_path / "articles"))
        site.call("publish")
        site.call("newsletters", "send", "daily", "--now")
        with site.daemon() as process:
            until(lambda: server.connections, "the daemon to connect")
            if stage != "CONNECT":
                until(lambda: server.underway, "a mail to be under way")
            with timed(f"SIGTERM while {stage} has no answer", within=10):
                assert end(process) == 0
        assert "Traceback" not in site.log()
        server.forget_orders()
        assert site.json("deliver")["sent"] == 1
        assert server.copies() == {"ada@reader.example": 1}


def test_a_second_one_on_the_same_data_is_refused(site: Site) -> None:
    with site.daemon() as process:
        said = site.run("run", status=1)
        assert "another publisher already runs on these data" in said
        assert f"process {process.pid}" in said
        assert said.count("\n") == 1
        assert site.answers()


def test_a_killed_one_does_not_keep_the_next_from_running(site: Site) -> None:
    with site.daemon() as process:
        process.kill()
        process.wait()
    with site.daemon() as process:
        assert end(process) == 0


def test_a_taken_port_is_named(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.port)):
        said = site.run("run", status=1)
    assert said == (
        f"publisher: port {site.port} on 127.0.0.1 is taken (web.port): "
        "stop what uses it or choose another\n"
    )


def test_it_says_that_it_is_alive_and_ready(site: Site) -> None:
    with site.daemon():
        assert json.loads(site.get("/healthz")[1]) == {"status": "ok"}
        assert json.loads(site.get("/readyz")[1]) == {"status": "ok"}


def test_it_says_why_it_is_not_ready(site: Site) -> None:
    with site.daemon():
        with closing(sqlite3.connect(site.folder / "var" / "publisher.db")) as conn:
            conn.execute("ALTER TABLE counter RENAME TO mislaid")
        status, body = site.get("/readyz")
        assert (status, json.loads(body)["status"]) == (503, "not ready")
        assert site.get("/healthz")[0] == 200


# what it takes in


def test_a_file_is_in_the_feed_at_once_and_stays_the_same_article(site: Site) -> None:
    with site.daemon():
        file = site.write("pier.md", "The pier reopens", categories="Harbour")
        with timed("a dropped file to its feed"):
            until(lambda: "The pier reopens" in site.feed("harbour"), "the article")
        known = site.feed("harbour")["The pier reopens"]
        site.write("pier.md", "The pier has reopened", categories="Harbour")
        with timed("a changed file to its feed"):
            until(lambda: site.feed("harbour") == {"The pier has reopened": known}, "its revision")
        file.rename(file.with_name("renamed.md"))
        until(lambda: '"moved": 1' in site.log(), "the new name to be seen")
        assert site.feed("harbour") == {"The pier has reopened": known}
        site.write("renamed.md", "The pier has reopened, again", categories="Harbour")
        until(lambda: site.feed("harbour") == {"The pier has reopened, again": known}, "the edit")
    assert site.json("status")["articles"] == 1


@pytest.mark.parametrize("way", ["deleted", "draft"])
def test_what_is_taken_away_leaves_feed_and_page(site: Site, way: str) -> None:
    site.write("stays.md", "It stays")
    file = site.write("goes.md", "It goes", slug="it-goes")
    with site.daemon():
        until(lambda: set(site.feed()) == {"It stays", "It goes"}, "both articles")
        assert site.get("/feeds/articles/it-goes/")[0] == 200
        if way == "deleted":
            file.unlink()
        else:
            site.write("goes.md", "It goes", slug="it-goes", draft="true")
        with timed(f"a {way} file to its withdrawal"):
            until(lambda: set(site.feed()) == {"It stays"}, "it to be withdrawn")
        until(lambda: site.get("/feeds/articles/it-goes/")[0] in (404, 410), "its page to go")


def test_an_embargoed_article_appears_at_its_time(site: Site) -> None:
    with site.daemon():
        moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
        site.write("prize.md", "The prize goes to the choir", date=moment.isoformat())
        site.write("now.md", "Rehearsals have begun")
        until(lambda: site.feed(), "the other article")
        assert "The prize goes to the choir" not in site.feed()
        until(lambda: "The prize goes to the choir" in site.feed(), "the embargo to end")
        late = (datetime.now(UTC) - moment).total_seconds()
        print(f"an embargo's end to the feed: {late:.2f} s")
        assert 0 <= late < 10


def test_a_folder_that_is_missing_yet_or_replaced_is_watched(site: Site) -> None:
    articles = site.folder / "articles"
    articles.rmdir()
    with site.daemon():
        site.write("one.md", "One")
        until(lambda: "One" in site.feed(), "the first article", seconds=10)
        articles.rename(site.folder / "before")
        site.write("one.md", "One")
        site.write("two.md", "Two")
        with timed("a file in a folder put in another's place", within=10):
            until(lambda: set(site.feed()) == {"One", "Two"}, "the second article")


def test_an_archive_page_is_read_again_when_it_changes(tmp_path: Path) -> None:
    more = '[[sources]]\nkind = "archive-page"\npath = "harbour.txt"\n'
    site = Site(tmp_path, more=more)
    page = tmp_path / "harbour.txt"
    page.write_text(PAGE)
    heading, rest = PAGE.split("\n\n", 1)
    first, second = "Ferry timetable gains a late boat", "Crane of the old dock is to stay"
    with site.daemon():
        until(lambda: list(site.feed("harbour")) == [first], "the page's article")
        known = site.feed("harbour")[first]
        page.write_text(f"{heading}\n\n{STORY}{rest}")
        with timed("a changed page to the feed"):
            until(lambda: set(site.feed("harbour")) == {first, second}, "the second article")
        other = tmp_path / "new.txt"  # as most programs save: a new file in the place of the old
        for word in ("later", "latest"):
            other.write_text(f"{heading}\n\n{STORY}{rest.replace('late boat', f'{word} boat')}")
            other.replace(page)
            title = f"Ferry timetable gains a {word} boat"
            with timed("a replaced page to the feed"):
                until(lambda title=title: site.feed("harbour").get(title) == known, "its revision")
        assert len(site.feed("harbour")) == 2


# what it sends


def test_mails_come_by_themselves(tmp_path: Path, catcher: Catcher) -> None:
    site = Site(tmp_path, smtp_port=catcher.port)
    for cadence in ("daily", "weekly", "immediate"):
        site.add_reader(f"{cadence}@reader.example", cadence=cadence)
    with site.daemon():
        site.write("one.md", "The lighthouse is lit again")
        with timed("a dropped file to an immediate mail"):
            until(lambda: catcher.count, "the immediate mail")
        assert catcher.messages[0].recipients == ("immediate@reader.example",)
        due_now(site)
        with timed("a slot's time to its mails"):
            until(lambda: catcher.count == 3, "the daily and the weekly mail")
        assert {each.recipients[0] for each in catcher.messages} == {
            "daily@reader.example",
            "weekly@reader.example",
            "immediate@reader.example",
        }
        assert all("The lighthouse is lit again" in titles(each.data) for each in catcher.messages)
        due_now(site)
        site.write("two.md", "The keeper tells how")
        until(lambda: catcher.count > 3, "the next immediate mail")
        assert "The lighthouse is lit again" not in titles(catcher.messages[3].data)
        until(lambda: not site.json("status")["backlog"], "all to be sent")
    assert "Traceback" not in site.log()


def test_commands_run_beside_it(tmp_path: Path, catcher: Catcher) -> None:
    site = Site(tmp_path, smtp_port=catcher.port)
    elsewhere = tmp_path / "elsewhere.md"
    elsewhere.write_text("---\ntitle: From elsewhere\n---\n\nIt was taken in by hand.\n")
    with site.daemon():
        site.run("subscribers", "add", "ada@reader.example", "--newsletter", "daily")
        assert "1 new" in site.run("ingest", str(elsewhere))
        site.run("publish")
        until(lambda: "From elsewhere" in site.feed(), "the article")
        assert site.run("newsletters", "send", "daily", "--now") == "1 mail planned\n"
        until(lambda: catcher.count == 1, "the mail")
        assert site.run("newsletters", "send", "daily", "--now") == "0 mails planned\n"
        assert "0 sent" in site.run("deliver"), "which is left to the daemon"
        assert site.json("status")["subscriptions"] == {"daily": 1}
        assert [each["title"] for each in site.json("articles", "list")] == ["From elsewhere"]
        site.run("check")
        until(lambda: site.json("status")["backlog"] == 0, "the books to be closed")
    assert catcher.count == 1
    assert "Traceback" not in site.log()


# what it says


def test_its_log_holds_no_address_no_secret_and_no_token(tmp_path: Path) -> None:
    with SmtpServer().running() as server:
        server.always(
            "RCPT", "550 5.1.1 <gone@reader.example> is not here", of="gone@reader.example"
        )
        server.always(
            "RCPT", "450 4.2.2 <full@reader.example> is over quota", of="full@reader.example"
        )
        site = Site(tmp_path, smtp_port=server.port, environ={"PUBLISHER_SECRET": "ab" * 32})
        for name in ("ada", "gone", "full"):
            site.add_reader(f"{name}@reader.example", name=name.title())
        site.write("one.md", "One")
        with site.daemon():
            until(lambda: "One" in site.feed(), "the article")
            site.call("newsletters", "send", "daily", "--now")
            until(lambda: site.log().count("mail not delivered") == 2, "the refusals")
            until(lambda: server.copies() == {"ada@reader.example": 1}, "the mail")
            header = message_from_bytes(server.mails[0].data)["List-Unsubscribe"]
            found = re.search(r"/unsubscribe/([^>]+)>", header)
            assert found
            path, token = found[0][:-1], found[1]
            assert site.get(path)[0] == 200
            assert site.get(path, b"List-Unsubscribe=One-Click")[0] == 200
            assert site.get(f"{path}x", b"List-Unsubscribe=One-Click")[0] == 400
            until(lambda: '"unsubscribed"' in site.log(), "the line about it")
        log = site.log()
    for secret in ("reader.example", "Ada", "ab" * 32, token, token[:12], "list-unsubscribe"):
        assert secret not in log
    assert "is over quota" in log
    assert json.loads(log.splitlines()[0])["event"]


def test_its_log_holds_no_password(tmp_path: Path) -> None:
    with SmtpServer().running() as server:
        url = f"smtp://postman:hush-hush@127.0.0.1:{server.port}"
        site = Site(tmp_path, more=f'[[mail.relays]]\nurl = "{url}"\n')
        site.add_reader("ada@reader.example")
        site.write("one.md", "One")
        with site.daemon():
            until(lambda: "One" in site.feed(), "the article")
            site.call("newsletters", "send", "daily", "--now")
            until(lambda: "relay cannot be used" in site.log(), "the relay to refuse us")
    assert "hush-hush" not in site.log()
    assert "aHVzaC1odXNo" not in site.log()  # in base64, as it goes over the wire


# what it survives


def test_a_broken_article_stops_nothing_else(site: Site) -> None:
    with site.daemon():
        (site.folder / "articles" / "a.md").write_text("---\ntitle: [never closed\n---\nText.\n")
        site.write("b.md", "A sound one")
        until(lambda: set(site.feed()) == {"A sound one"}, "the sound article")
        status = site.json("status")
        assert [each["document"] for each in status["quarantine"]] == ["articles/a.md"]
        site.write("a.md", "It is mended")
        until(lambda: set(site.feed()) == {"A sound one", "It is mended"}, "the mended article")
        assert site.json("status")["quarantined"] == 0


def test_a_broken_page_template_holds_up_feeds_until_it_is_mended(site: Site) -> None:
    own = site.folder / "templates" / "web"
    own.mkdir(parents=True)
    with site.daemon():
        (own / "category.html").write_text("{% if %}")
        site.write("one.md", "One")
        until(lambda: "category.html" in site.log(), "the template to be named")
        assert site.get("/healthz")[0] == 200
        (own / "category.html").unlink()
        until(lambda: "One" in site.feed(), "the feeds to be built")
        until(lambda: "step works again" in site.log(), "it to be told")
    assert site.log().count("step failed") == 1, "the same trouble is told once"
    assert "Traceback" not in site.log()


def test_a_broken_mail_template_holds_up_mails_until_it_is_mended(
    tmp_path: Path, catcher: Catcher
) -> None:
    site = Site(tmp_path, smtp_port=catcher.port)
    own = tmp_path / "templates" / "email"
    own.mkdir(parents=True)
    (own / "digest.html").write_text("{{ nothing.of.the.kind }}")
    site.add_reader("ada@reader.example")
    with site.daemon():
        site.write("one.md", "One")
        until(lambda: "One" in site.feed(), "the article")
        site.call("newsletters", "send", "daily", "--now")
        until(lambda: "mail cannot be rendered" in site.log(), "the template to fail")
        assert site.json("status")["backlog"] == 1
    (own / "digest.html").unlink()
    assert catcher.count == 0
    assert site.json("deliver")["sent"] == 1
    assert catcher.count == 1
    assert "Traceback" not in site.log()


def test_a_feeds_folder_that_cannot_be_written_is_tried_again(site: Site) -> None:
    feeds = site.folder / "feeds"
    with site.daemon():
        until(lambda: site.feed() == {} and (feeds / "index.html").exists(), "the first feeds")
        (feeds / "news").write_text("This file stands where a folder must be.")
        site.write("one.md", "One")
        until(lambda: "cannot be written" in site.log(), "the trouble to be told")
        assert site.get("/healthz")[0] == 200
        (feeds / "news").unlink()
        until(lambda: "One" in site.feed("news"), "the feed to be written")
    assert "Traceback" not in site.log()
