"""The commands, as people and scripts use them: what they say, in which form, and how they end."""

import csv
import io
import json
import logging
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from publisher.__main__ import main
from publisher.core.notice import NoticeKind
from publisher.demo.catcher import Catcher
from publisher.kit.lock import Lock
from publisher.store.engine import Database
from tests.flow.site import CONFIG, Site, catching, until

ADA = "ada@reader.example"

ALERTS = """
[[newsletters]]
slug = "alerts"
title = "Alerts"
categories = ["sport"]
cadences = ["immediate"]
"""


@dataclass
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class Shell:
    """A person in the site's folder, typing commands."""

    site: Site
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, status: int = 0) -> Answer:
        self.capsys.readouterr()
        ended = main(list(arguments))
        out, err = self.capsys.readouterr()
        assert ended == status, (arguments, out, err)
        assert "Traceback" not in err
        return Answer(ended, out, err)

    def refuses(self, *arguments: str, status: int = 1) -> str:
        """A command that fails with one sentence and no output; the sentence."""
        answer = self(*arguments, status=status)
        assert answer.out == ""
        [line] = answer.err.splitlines()
        return line.removeprefix("publisher: ")

    def published(self, *titles: str, **keys: str) -> list[str]:
        """Articles taken in and made public, one after the other; their ids."""
        for title in titles:
            self.site.write(f"{title}.md", title, **keys)
            self("ingest", "articles")
            self("publish")
        found = {each["title"]: each["id"] for each in self("articles", "list", "--json").json}
        return [found[title] for title in titles]


@pytest.fixture
def post() -> Iterator[Catcher]:
    with catching() as catcher:
        yield catcher


@pytest.fixture
def shell_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Shell]]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PUBLISHER_")]:
        monkeypatch.delenv(name)

    def shell(**settings: Any) -> Shell:
        config = CONFIG.replace("http://127.0.0.1:{port}", "https://news.example")
        return Shell(Site(tmp_path, port=1, config=config + ALERTS, **settings), capsys)

    yield shell
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def shell(shell_in: Callable[..., Shell]) -> Shell:
    """Without a relay."""
    return shell_in()


@pytest.fixture
def mailing(shell_in: Callable[..., Shell], post: Catcher) -> Shell:
    """With a relay that takes everything."""
    return shell_in(smtp_port=post.port)


# ingest, publish


def test_ingest_counts_and_complains(shell: Shell) -> None:
    shell.site.write("one.md", "One")
    shell.site.write("draft.md", "Draft", draft="true")
    (shell.site.folder / "articles" / "broken.md").write_text("---\ntitle: [\n---\n")
    answer = shell("ingest", "articles")
    assert answer.out == "1 new, 0 revised, 0 same, 1 quarantined, 1 skipped\n"
    [line] = answer.err.splitlines()
    assert line.startswith("publisher: quarantined: articles/broken.md: ")
    tally = shell("ingest", "articles", "--json").json
    assert (tally["same"], tally["quarantined"], tally["new"]) == (1, 1, 0)
    assert len(tally["reasons"]) == 1


def test_ingest_of_a_path_that_cannot_be_read_still_takes_the_others(shell: Shell) -> None:
    one = shell.site.write("one.md", "One")
    answer = shell("ingest", "nowhere", str(one), "nowhere.txt", status=1)
    assert answer.out == "1 new, 0 revised, 0 same, 0 quarantined, 0 skipped\n"
    assert [line.split(":")[1].split("/")[-1] for line in answer.err.splitlines()] == [
        "nowhere",
        "nowhere.txt",
    ]


def test_a_file_named_by_hand_is_the_article_of_its_folder(shell: Shell) -> None:
    one = shell.site.write("one.md", "One")
    for path in (str(one), "articles/one.md", "./articles/../articles/one.md", "articles"):
        shell("ingest", path)
    shell("publish")
    assert len(shell("articles", "list", "--json").json) == 1


def test_ingest_of_pages(shell: Shell) -> None:
    page = shell.site.folder / "page.txt"
    page.write_text("A title\n\nA paragraph of some length, with an end.\n")
    answer = shell("ingest", "page.txt")
    assert answer.out == "0 new, 0 revised, 0 same, 1 quarantined, 0 skipped\n"
    answer = shell("ingest", "page.txt", "--category", "Harbour")
    assert answer.out == "1 new, 0 revised, 0 same, 0 quarantined, 0 skipped\n"
    named = page.rename(page.with_suffix(".page"))
    answer = shell("ingest", str(named), "--kind", "archive-page", "--category", "Port")
    assert answer.out == "0 new, 0 revised, 1 same, 0 quarantined, 0 skipped, 1 moved\n"


def test_ingest_used_wrongly(shell: Shell) -> None:
    assert "feed" in shell.refuses("ingest", "articles", "--kind", "feed", status=2)
    shell("ingest", status=2)


def test_publish_says_what_it_did(shell: Shell) -> None:
    assert shell("publish").out.startswith("0 made public, ")
    shell.site.write("one.md", "One")
    shell("ingest", "articles")
    first = shell("publish").out
    assert first.startswith("1 made public, 2 feeds, ")
    assert shell("publish").out == "0 made public, 2 feeds, 0 files written\n"
    again = shell("publish", "--json").json
    assert (again["articles"], again["built"]["written"], again["built"]["feeds"]) == (0, 0, 2)


# articles


def test_articles_list(shell: Shell) -> None:
    assert shell("articles", "list").out == ""
    assert shell("articles", "list", "--json").json == []
    one, two = shell.published("One", "Two", categories="[Sport]")
    shell.published("Three")
    assert [each["title"] for each in shell("articles", "list", "--json").json] == [
        "Three",
        "Two",
        "One",
    ]
    listed = shell("articles", "list", "--category", "sport", "--json").json
    assert [each["id"] for each in listed] == [two, one]
    answer = shell("articles", "list", "--limit", "1")
    assert "Three" in answer.lines[0]
    assert answer.lines[1].endswith("[news]")
    assert len(answer.lines) == 2
    shell("articles", "list", "--limit", "0", status=2)


def test_articles_show(shell: Shell) -> None:
    [one] = shell.published("One", categories="[Sport]", author="A. Writer")
    shown = shell("articles", "show", one, "--json").json
    assert (shown["id"], shown["title"], shown["categories"]) == (one, "One", ["sport"])
    assert shown["published_at"].endswith("+00:00")
    assert "A. Writer" in shell("articles", "show", one).out
    assert shell.refuses("articles", "show", "tag:nothing") == "there is no article tag:nothing"


def test_articles_withdraw(shell: Shell) -> None:
    [one, two] = shell.published("One", "Two")
    assert shell("articles", "withdraw", one).out == f"withdrawn: {one}\n"
    shell("articles", "withdraw", one)
    shell("publish")
    assert [each["id"] for each in shell("articles", "list", "--json").json] == [two]
    feed = json.loads((shell.site.folder / "feeds" / "news" / "feed.json").read_text())
    assert [each["title"] for each in feed["items"]] == ["Two"]
    shell("ingest", "articles")
    assert [each["id"] for each in shell("articles", "list", "--json").json] == [two]
    assert shell("articles", "show", one, "--json").json["withdrawn_at"]
    assert shell.refuses("articles", "withdraw", "tag:x") == "there is no article tag:x"


def test_a_note_with_a_withdrawal_must_be_one_that_mails_can_show(shell: Shell) -> None:
    [one] = shell.published("One")
    for note, reason in (
        ("", "it says nothing"),
        (" \u200b\x07\n ", "it says nothing"),
        ("n" * 501, "it has 501 characters, and mails show 500"),
    ):
        answer = shell("articles", "withdraw", one, "--note", note, status=2)
        assert "--note" in answer.err
        assert reason in " ".join(answer.err.replace("│", " ").split())
    assert not shell("articles", "show", one, "--json").json["withdrawn_at"]
    shell(
        "articles", "withdraw", one, "--note", "\x1b[31m<b>None</b>\x00 of it\u202e\r\nwas  true."
    )
    shown = shell("articles", "show", one, "--json").json
    assert shown["correction"] == "[31m<b>None</b> of it\nwas true."
    shell("articles", "withdraw", one, "--note", "n" * 500)
    shell("articles", "withdraw", one)  # says nothing new
    assert shell("articles", "show", one, "--json").json["correction"] == "n" * 500


def test_retry_takes_what_was_mended_and_nothing_else(shell: Shell) -> None:
    articles = shell.site.folder / "articles"
    shell.site.write("fine.md", "Fine")
    for name in ("mended.md", "still.md", "gone.md"):
        (articles / name).write_text("---\ntitle: [\n---\n")
    shell("ingest", "articles")
    assert shell("status", "--json").json["quarantined"] == 3
    shell.site.write("mended.md", "Mended")
    (articles / "gone.md").unlink()
    answer = shell("articles", "retry")
    assert answer.out == "1 new, 0 revised, 0 same, 1 quarantined, 0 skipped\n"
    assert "still.md" in answer.err
    status = shell("status", "--json").json
    assert [each["document"] for each in status["quarantine"]] == ["articles/still.md"]
    assert shell("articles", "retry", "--json").json["quarantined"] == 1


def test_retry_reads_as_the_source_is_configured(shell_in: Callable[..., Shell]) -> None:
    """With its own address for relative links, so that a later scan finds no difference."""
    shell = shell_in(
        more='[[sources]]\nkind = "folder"\npath = "old"\nurl = "https://old.example/a/"\n'
        'category = "Old"\n'
    )
    old = shell.site.folder / "old"
    old.mkdir()
    (old / "one.md").write_text("---\ntitle: [\n---\n")
    shell("ingest", "old")
    (old / "one.md").write_text("# One\n\n[a link](b.html)\n")
    assert shell("articles", "retry").out.startswith("1 new")
    shell("publish")
    [one] = shell("articles", "list", "--json").json
    assert 'href="https://old.example/a/b.html"' in one["body_html"]
    assert one["categories"] == ["old"]


def test_retry_follows_no_link_that_was_refused(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret.md").write_text("# A secret\n\nNot for the public.\n")
    articles = shell.site.folder / "articles"
    (articles / "link").symlink_to(elsewhere)
    (articles / "link.md").symlink_to(elsewhere / "secret.md")
    assert shell("ingest", "articles", "--json").json["quarantined"] == 2
    answer = shell("articles", "retry").out
    assert answer == "0 new, 0 revised, 0 same, 2 quarantined, 0 skipped\n"


def test_retry_of_what_was_named_by_hand(shell: Shell) -> None:
    folder = shell.site.folder / "byhand"
    folder.mkdir()
    (folder / "one.md").write_text("---\n")
    (folder / "gone.md").write_text("---\n")
    page = folder / "page.dat"
    page.write_text("No heading here\n\nOnly a paragraph of some words.\n")
    shell("ingest", "byhand")
    shell("ingest", str(page), "--kind", "archive-page")
    assert shell("status", "--json").json["quarantined"] == 3
    (folder / "one.md").write_text("# One\n")
    (folder / "gone.md").unlink()
    page.write_text(f"Category Archive : Harbour\n\n{page.read_text()}")
    answer = shell("articles", "retry")
    assert answer.out == "2 new, 0 revised, 0 same, 0 quarantined, 0 skipped\n"
    assert shell("status", "--json").json["quarantined"] == 0


# subscribers


def test_a_reader_is_added_changed_shown_and_let_go(shell: Shell) -> None:
    add = ("subscribers", "add", ADA, "--newsletter", "daily")
    assert shell(*add).out == f"added: {ADA} gets daily/daily@07:00[Europe/Berlin]\n"
    # Only what is named changes.
    for option, slot in (
        (("--cadence", "weekly"), "daily/weekly@mon-07:00[Europe/Berlin]"),
        (("--at", "18:30"), "daily/weekly@mon-18:30[Europe/Berlin]"),
        (("--weekday", "sun"), "daily/weekly@sun-18:30[Europe/Berlin]"),
        (("--zone", "America/New_York"), "daily/weekly@sun-18:30[America/New_York]"),
        (("--name", "Ada"), "daily/weekly@sun-18:30[America/New_York]"),
        (("--cadence", "immediate"), "daily/immediate"),
        (("--cadence", "daily"), "daily/daily@18:30[America/New_York]"),
    ):
        assert shell(*add, *option).out == f"changed: {ADA} gets {slot}\n"
    shown = shell("subscribers", "show", "ADA@Reader.example", "--json").json
    assert (shown["name"], shown["state"], shown["zone"]) == ("Ada", "active", "America/New_York")
    [subscription] = shown["subscriptions"]
    assert (subscription["state"], subscription["cadence"]) == ("confirmed", "daily")
    assert shell("subscribers", "show", ADA).lines == [
        f"{ADA}  Ada  active",
        "  daily: confirmed, daily/daily@18:30[America/New_York], all of it",
    ]
    leave = ("subscribers", "unsubscribe", ADA, "--newsletter", "daily")
    assert shell(*leave).out == f"unsubscribed: {ADA} from daily\n"
    assert shell(*leave).out == f"had left before: {ADA} from daily\n"
    assert "unsubscribed" in shell("subscribers", "show", ADA).lines[1]
    assert shell(*add).out == f"added: {ADA} gets daily/daily@07:00[Europe/Berlin]\n"


@pytest.mark.parametrize(
    ("options", "said", "status"),
    [
        (("--newsletter", "weekly"), "there is no newsletter 'weekly' (there is: daily, ", 1),
        (("--newsletter", "alerts", "--cadence", "daily"), "alerts comes immediate, not daily", 1),
        (("--newsletter", "daily", "--cadence", "hourly"), "hourly", 2),
        (("--newsletter", "daily", "--at", "25:00"), "25:00", 2),
        (("--newsletter", "daily", "--weekday", "xyz"), "xyz", 2),
        (("--newsletter", "daily", "--zone", "Berlin"), "Berlin", 2),
        (("--newsletter", "daily", "--since", "yesterday"), "'yesterday' is not a number of d", 2),
        (("--newsletter", "daily", "--locale", "not a tag"), "not a tag", 2),
        ((), "--newsletter", 2),
    ],
)
def test_a_wish_that_cannot_be_adds_nobody(
    shell: Shell, options: tuple[str, ...], said: str, status: int
) -> None:
    assert said in shell.refuses("subscribers", "add", ADA, *options, status=status)
    assert shell.refuses("subscribers", "show", ADA) == f"there is no subscriber {ADA}"


def test_who_gets_no_mail_whatever_is_added_is_named(shell: Shell) -> None:
    add = ("subscribers", "add", ADA, "--newsletter", "daily")
    assert shell(*add).err == ""
    with closing(sqlite3.connect(shell.site.folder / "var" / "publisher.db")) as conn, conn:
        conn.execute("UPDATE subscriber SET state = 'suppressed'")
    assert f"{ADA} is suppressed and gets no mail; `publisher explain {ADA}`" in shell(*add).err


def test_an_address_that_is_none_is_refused(shell: Shell) -> None:
    for command in ("add", "unsubscribe"):
        said = shell.refuses("subscribers", command, "nobody", "--newsletter", "daily")
        assert said.startswith("'nobody' is not a mail address")
    assert "'nobody'" in shell.refuses("subscribers", "show", "nobody")
    said = shell.refuses("subscribers", "unsubscribe", ADA, "--newsletter", "daily")
    assert said == f"{ADA} does not get 'daily'"


def test_categories_that_are_not_there_yet_are_remarked(shell: Shell) -> None:
    shell.published("One", categories="[Sport]")
    answer = shell(
        "subscribers", "add", ADA, "--newsletter", "daily", "--categories", "sport, moon,*"
    )
    assert answer.err == "publisher: note: there is no category 'moon' yet\n"
    [subscription] = shell("subscribers", "show", ADA, "--json").json["subscriptions"]
    assert set(subscription["categories"]) == {"sport", "moon", "*"}


def test_since_gives_earlier_articles(mailing: Shell, post: Catcher) -> None:
    mailing.published("One", "Two")
    mailing("subscribers", "add", ADA, "--newsletter", "daily", "--since", "14d")
    mailing("subscribers", "add", "bo@reader.example", "--newsletter", "daily")
    assert mailing("newsletters", "send", "daily", "--now").out == "1 mail planned\n"
    mailing("deliver")
    assert [each.recipients for each in post.messages] == [(ADA,)]
    mailing("subscribers", "add", ADA, "--newsletter", "daily", "--since", "14d")
    assert mailing("newsletters", "send", "daily", "--now").out == "0 mails planned\n"


def test_export(shell: Shell) -> None:
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--categories", "sport,world")
    shell("subscribers", "add", ADA, "--newsletter", "alerts")
    shell("subscribers", "add", "bo@reader.example", "--newsletter", "daily", "--name", "Bo, Ü.")
    rows = list(csv.DictReader(io.StringIO(shell("subscribers", "export").out)))
    assert [(row["address"], row["newsletter"], row["state"]) for row in rows] == [
        (ADA, "alerts", "confirmed"),
        (ADA, "daily", "confirmed"),
        ("bo@reader.example", "daily", "confirmed"),
    ]
    assert rows[1]["categories"] == "sport,world"
    assert rows[2]["name"] == "Bo, Ü."
    only = shell("subscribers", "export", "--newsletter", "alerts", "--json").json
    assert [each["address"] for each in only] == [ADA]
    unknown = shell.refuses("subscribers", "export", "--newsletter", "nothing")
    assert "there is no newsletter 'nothing'" in unknown


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1", '=HYPERLINK("http://x","y")']
)
def test_no_cell_of_an_export_is_a_formula(shell: Shell, name: str) -> None:
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--name", name)
    shell("subscribers", "add", "=cmd@reader.example", "--newsletter", "daily")
    rows = list(csv.reader(io.StringIO(shell("subscribers", "export").out)))
    for cell in (cell for row in rows for cell in row):
        assert not cell.lstrip().startswith(("=", "+", "-", "@"))
    # A program gets the truth.
    exported = shell("subscribers", "export", "--json").json
    assert exported[0]["name"] == name.strip()
    assert exported[1]["address"] == "=cmd@reader.example"


def test_a_name_is_one_line(shell: Shell) -> None:
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--name", "A\r\nBcc: x\x1b[2J")
    assert shell("subscribers", "show", ADA, "--json").json["name"] == "A Bcc: x [2J"


# newsletters


def test_newsletters_list(shell: Shell) -> None:
    assert shell("newsletters", "list").lines == [
        "daily  «The Daily»  daily, weekly, immediate  0 readers",
        "alerts  «Alerts»  immediate  0 readers",
    ]
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--at", "06:00", "--zone", "UTC")
    shell("subscribers", "add", ADA, "--newsletter", "alerts")
    lines = shell("newsletters", "list").lines
    assert lines[0].endswith("  1 reader")
    assert lines[1].startswith("  daily/daily@06:00[UTC]  next due 20")
    assert lines[1].endswith(" 06:00 UTC")
    assert lines[3] == "  alerts/immediate  next due when an article comes out"
    daily, alerts = shell("newsletters", "list", "--json").json
    assert (daily["slug"], daily["readers"]) == ("daily", 1)
    assert [slot["cadence"] for slot in daily["slots"]] == ["daily"]
    assert alerts["slots"][0]["next_due_at"] is None


def test_newsletters_preview(shell: Shell) -> None:
    said = shell.refuses("newsletters", "preview", "daily")
    assert said == "nothing is public yet that daily could hold"
    shell.published("One & only")
    assert shell("newsletters", "preview", "daily").lines == ["daily.eml", "daily.html"]
    mail = message_from_bytes((shell.site.folder / "daily.eml").read_bytes(), policy=default)
    assert mail["Subject"] == "The Daily: One & only"
    assert "One &amp; only" in (shell.site.folder / "daily.html").read_text()
    (shell.site.folder / "out").mkdir()
    shell("newsletters", "preview", "daily", "--out", "out")
    assert (shell.site.folder / "out" / "daily.html").exists()
    assert "nowhere/daily.eml" in shell.refuses(
        "newsletters", "preview", "daily", "--out", "nowhere"
    )
    assert "nothing is public yet" in shell.refuses("newsletters", "preview", "alerts")
    assert "there is no newsletter 'x'" in shell.refuses("newsletters", "preview", "x")


def test_newsletters_test_mails_outside_of_the_books(mailing: Shell, post: Catcher) -> None:
    mailing.published("One")
    assert mailing("newsletters", "test", "daily", ADA).out.startswith("sent: 250 ")
    assert post.messages[0].recipients == (ADA,)
    assert mailing("status", "--json").json["deliveries"] == {}
    said = mailing.refuses("newsletters", "test", "daily", "a@b\r\nRCPT TO:<x@y.example>")
    assert "is not a mail address" in said
    assert post.count == 1


def test_newsletters_test_needs_a_relay(shell: Shell) -> None:
    shell.published("One")
    said = shell.refuses("newsletters", "test", "daily", ADA)
    assert said == "no relay is configured (mail.relays)"


def test_sending_is_planned_held_given_up_and_delivered(mailing: Shell, post: Catcher) -> None:
    for address in (ADA, "bo@reader.example"):
        mailing("subscribers", "add", address, "--newsletter", "daily", "--cadence", "weekly")
    mailing.published("One")
    assert mailing("newsletters", "send", "daily").out == "0 mails planned\n"
    assert mailing("newsletters", "send", "daily", "--now").out == "2 mails planned\n"
    assert mailing("newsletters", "pause", "daily").out.endswith("1 edition held\n")
    assert "0 editions held" in mailing("newsletters", "pause", "daily").out
    assert mailing("deliver").out == "0 sent, 0 deferred, 0 failed\n"
    assert mailing("newsletters", "resume", "daily").out == "daily goes on; 1 edition held before\n"
    assert mailing("deliver", "--json").json == {
        "sent": 2,
        "deferred": 0,
        "failed": 0,
        "unreachable": "",
    }
    mailing.published("Two")
    mailing("newsletters", "send", "daily", "--now")
    assert mailing("newsletters", "cancel", "daily").out == "1 edition cancelled\n"
    assert mailing("deliver").out == "0 sent, 0 deferred, 0 failed\n"
    assert post.count == 2
    status = mailing("status", "--json").json
    assert (status["deliveries"], status["backlog"]) == ({"cancelled": 2, "sent": 2}, 0)
    for command in ("send", "pause", "resume", "cancel"):
        assert "there is no newsletter 'x'" in mailing.refuses("newsletters", command, "x")


def test_deliver_without_a_relay(shell: Shell) -> None:
    assert shell("deliver").out == "0 sent, 0 deferred, 0 failed\n"
    assert shell("deliver", "--json").json["sent"] == 0
    shell("subscribers", "add", ADA, "--newsletter", "daily")
    shell.published("One")
    shell("newsletters", "send", "daily", "--now")
    said = "1 mail is pending but no relay is configured (mail.relays)"
    assert shell.refuses("deliver") == said
    assert shell.refuses("deliver", "--json") == said
    shell("subscribers", "add", "bo@reader.example", "--newsletter", "daily", "--since", "1d")
    shell("newsletters", "send", "daily", "--now")
    assert shell.refuses("deliver").startswith("2 mails are pending")


def test_deliver_leaves_it_to_another_that_sends(mailing: Shell, post: Catcher) -> None:
    mailing("subscribers", "add", ADA, "--newsletter", "daily")
    mailing.published("One")
    mailing("newsletters", "send", "daily", "--now")
    other = Lock(mailing.site.folder / "var" / "sender.lock")
    other.acquire()
    with other:
        answer = mailing("deliver", "--json")
        assert answer.json["sent"] == 0
        assert "another publisher is sending" in answer.err
    assert mailing("deliver").out == "1 sent, 0 deferred, 0 failed\n"
    assert post.count == 1


def test_deliver_to_a_relay_that_is_away(shell_in: Callable[..., Shell]) -> None:
    shell = shell_in(smtp_port=9)  # the discard port: nothing listens there
    shell("subscribers", "add", ADA, "--newsletter", "daily")
    shell.published("One")
    shell("newsletters", "send", "daily", "--now")
    answer = shell("deliver", status=1)
    assert "127.0.0.1" in answer.err
    assert shell("status", "--json").json["backlog"] == 1


# status, check, db, init


def test_status(shell: Shell) -> None:
    assert shell("status").lines == [
        "articles       0 public in 0 categories",
        "mails          none yet; 0 to go",
        "quarantine     nothing",
    ]
    shell.published("One")
    shell.site.write("later.md", "Later", date="2099-01-02T03:04:00Z")
    (shell.site.folder / "articles" / "bad.md").write_text("---\n")
    shell("ingest", "articles")
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--zone", "UTC")
    lines = shell("status").lines
    assert lines[0] == "articles       1 public in 1 category"
    assert lines[1] == "next to come   2099-01-02 03:04 UTC"
    assert lines[2] == "readers        1 of daily"
    assert lines[3].startswith("next due       daily 20")
    assert lines[-2] == "quarantine     1"
    assert lines[-1].startswith("  articles/bad.md: ")
    status = shell("status", "--json").json
    assert (status["articles"], status["feeds"], status["quarantined"]) == (1, 1, 1)
    assert status["subscriptions"] == {"daily": 1}
    assert status["embargo_ends"] == "2099-01-02T03:04:00+00:00"


def test_status_shows_no_slot_that_nobody_has(shell: Shell) -> None:
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--at", "05:00")
    shell("subscribers", "add", ADA, "--newsletter", "daily", "--at", "06:00")
    assert len(shell("status", "--json").json["next_due"]) == 1
    shell("subscribers", "unsubscribe", ADA, "--newsletter", "daily")
    assert shell("status", "--json").json["next_due"] == []


def test_check(mailing: Shell) -> None:
    mailing.published("One")
    lines = mailing("check").lines
    assert all(line.startswith("ok    ") for line in lines)
    assert {line.split(":")[0].removeprefix("ok    ") for line in lines} >= {
        "database",
        "feeds",
        "newsletter daily",
        *(f"notice {kind}" for kind in NoticeKind),
        "signing key",
        "source articles",
    }


def test_check_says_what_is_wrong_and_what_is_well(shell: Shell) -> None:
    (shell.site.folder / "articles").rmdir()
    answer = shell("check", status=1)
    assert any(line.startswith("ok    database") for line in answer.lines)
    complaints = answer.err.splitlines()
    assert any("articles cannot be read" in line for line in complaints)
    assert any("mail.relays" in line for line in complaints)


@pytest.mark.parametrize(
    ("template", "said", "wrong", "right"),
    [
        ("notice-welcome.html", "{{ newsletters|nonsense }}", "welcome", "goodbye"),
        (
            "notice-goodbye.txt",
            "{% if locale == 'ar' %}{{ 1 / 0 }}{% endif %}",
            "goodbye",
            "confirm",
        ),
        (
            "notice-confirm.txt",
            "{% if not newsletters %}{{ 1 / 0 }}{% endif %}",
            "confirm",
            "welcome",
        ),
    ],
)
def test_check_finds_a_broken_template_of_a_notice(
    mailing: Shell, template: str, said: str, wrong: str, right: str
) -> None:
    own = mailing.site.folder / "templates" / "email"
    own.mkdir(parents=True)
    (own / template).write_text(said)
    answer = mailing("check", status=1)
    [complaint] = answer.err.splitlines()
    assert f"notice {wrong}: " in complaint
    assert template in complaint
    assert ("in language ar: " in complaint) == ("1 / 0" in said)
    assert f"ok    notice {right}: can be made in 6 languages" in answer.lines


def test_check_misses_a_signing_key_that_mails_need(mailing: Shell) -> None:
    mailing.site.add_reader("ada@reader.example")
    mailing.published("One")
    mailing("newsletters", "send", "daily", "--now")
    mailing("deliver")
    assert mailing("check").err == ""
    (mailing.site.folder / "var" / "secret.key").unlink()
    assert "var/secret.key: keys" in mailing("check", status=1).err


def test_db_upgrade(shell: Shell) -> None:
    assert shell("db", "upgrade").out == "upgraded\n"
    assert shell("db", "upgrade").out == "nothing to do\n"
    database = Database(f"sqlite:///{shell.site.folder}/var/publisher.db")
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    database.close()
    assert "publisher.db" in shell.refuses("status")


def test_init_writes_a_configuration_that_works(
    shell_in: Callable[..., Shell], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shell_in()
    answer = shell("init", "fresh")
    assert answer.lines[0] == "wrote fresh/config/publisher.toml"
    monkeypatch.chdir(tmp_path / "fresh")
    assert shell.refuses("init").endswith("is there already; nothing was changed")
    (tmp_path / "fresh" / "articles" / "one.md").write_text("# One\n\nText.\n")
    assert shell("ingest", "articles").out.startswith("1 new")
    assert shell("publish").out.startswith("1 made public")
    assert shell("newsletters", "send", "daily", "--now").out == "0 mails planned\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("articles",),
        ("nothing",),
        ("articles", "nothing"),
        ("publish", "--nothing"),
        ("articles", "show"),
        ("subscribers", "add"),
    ],
)
def test_wrong_usage_ends_with_2(shell: Shell, arguments: tuple[str, ...]) -> None:
    shell(*arguments, status=2)


@pytest.mark.parametrize(
    "command",
    [
        ("init",),
        ("demo",),
        ("run",),
        ("ingest",),
        ("publish",),
        ("articles", "list"),
        ("articles", "show"),
        ("articles", "withdraw"),
        ("articles", "retry"),
        ("newsletters", "list"),
        ("newsletters", "preview"),
        ("newsletters", "test"),
        ("newsletters", "send"),
        ("newsletters", "pause"),
        ("newsletters", "resume"),
        ("newsletters", "cancel"),
        ("deliver",),
        ("subscribers", "add"),
        ("subscribers", "show"),
        ("subscribers", "unsubscribe"),
        ("subscribers", "import"),
        ("subscribers", "export"),
        ("explain",),
        ("status",),
        ("check",),
        ("db", "upgrade"),
    ],
)
def test_every_command_explains_itself(shell: Shell, command: tuple[str, ...]) -> None:
    assert "Usage:" in shell(*command, "--help").out


def test_ingest_of_a_wordpress_export(shell: Shell) -> None:
    export = Path(__file__).parents[1] / "data" / "wordpress" / "gazette.xml"
    first = shell.site.json("ingest", str(export))
    assert first["new"] > 0
    again = shell.site.json("ingest", str(export))
    assert (again["new"], again["revised"], again["same"]) == (0, 0, first["new"])


def test_ctrl_c_ends_with_a_sentence_and_what_was_taken_in_stays(tmp_path: Path) -> None:
    site = Site(tmp_path)
    posts = "".join(
        f"<item><title>Post {number}</title><wp:post_id>{number}</wp:post_id>"
        f"<wp:post_type>post</wp:post_type><wp:status>publish</wp:status>"
        f"<wp:post_date_gmt>2026-01-01 07:00:00</wp:post_date_gmt>"
        f"<content:encoded>{'Fog. ' * 200}</content:encoded></item>"
        for number in range(20_000)
    )
    (site.folder / "blog.xml").write_text(
        '<rss xmlns:wp="http://wordpress.org/export/1.2/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'
        "<wp:wxr_version>1.2</wp:wxr_version>"
        f"<wp:base_blog_url>https://blog.example</wp:base_blog_url>{posts}</channel></rss>"
    )
    process = subprocess.Popen(
        site.command("ingest", "blog.xml"),
        cwd=site.folder,
        env=site.environment,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what it runs in the background, perhaps these tests, deaf to Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )
    until(lambda: taken_in(site), "an article")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said == "publisher: stopped by Ctrl-C; what was done until then stays\n"
    assert 0 < taken_in(site) < 20_000


def taken_in(site: Site) -> int:
    """How many articles the books hold so far."""
    path = site.folder / "var" / "publisher.db"
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(path)) as books:
        return int(books.execute("SELECT count(*) FROM article").fetchone()[0])
    return 0
