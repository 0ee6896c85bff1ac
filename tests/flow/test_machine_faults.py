"""The machine fails the daemon in mid-send: it says so, lies to nobody, and goes on by itself."""

import json
import os
import random
import resource
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.errors import TransientError
from publisher.store import schema
from publisher.store.engine import Database, touch
from tests.flow.disks import disk
from tests.flow.faketime import Clock
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import Site, catching, until
from tests.flow.smtp import SmtpServer
from tests.flow.test_missed_digest import titles
from tests.programs import needs

MAILS = 300
BATCH = 30
DELAY = 0.2  # seconds that the server takes for a mail: 80 mails a second, over 16 connections
SAYS_SO = "the database cannot be used"
GOES_ON = "the database can be used again"


@dataclass
class Send:
    """A site in the middle of sending to many readers."""

    room: Newsroom
    server: SmtpServer
    process: "subprocess.Popen[bytes]"
    arrived_before: int = -1
    quiet_since: float = 0

    @property
    def site(self) -> Site:
        return self.room.site

    @property
    def database(self) -> Path:
        return self.site.folder / "var" / "publisher.db"

    def wait_for_mails(self, count: int) -> None:
        """So many more."""
        enough = len(self.server.mails) + count
        until(lambda: len(self.server.mails) >= enough, f"{count} more mails")
        assert len(self.server.mails) < MAILS, "there must be some left when the fault comes"

    def readiness(self) -> tuple[int, str]:
        status, body = self.site.get("/readyz")
        return status, json.loads(body).get("reason", "")

    def stands_still(self, reason: str, seconds: float = 2) -> None:
        """It says why it is not ready, and for a while the feeds are served and no mail begins."""
        until(lambda: self.readiness()[0] == 503, "it not to be ready")
        until(self._is_quiet, "the mails in hand to end")
        arrived = len(self.server.arrived)
        over = time.monotonic() + seconds
        while time.monotonic() < over:
            status, said = self.readiness()
            assert status == 503
            assert reason in said
            assert self.site.get("/healthz")[0] == 200
            assert "One" in self.site.feed()
            self.process.poll()
            assert self.process.returncode is None, self.site.log()
        assert len(self.server.arrived) == arrived < MAILS

    def _is_quiet(self) -> bool:
        """Whether no mail has arrived for longer than the next of those in hand would take."""
        arrived = len(self.server.arrived)
        if arrived != self.arrived_before:
            self.arrived_before, self.quiet_since = arrived, time.monotonic()
        return not self.server.underway and time.monotonic() > self.quiet_since + 5 * DELAY

    def check_books(self) -> None:
        """They balance, and call nothing sent that the server did not get."""
        self.room.check_books()
        rows = self.room.rows()
        sent = {row["address"] for row in rows if row["state"] == "sent"}
        assert len(rows) == MAILS
        assert sent <= self.server.copies().keys()

    def finish(self) -> None:
        """Everybody gets their mail, once."""
        until(lambda: self.room.states() == {"sent": MAILS}, "everything to be sent", 60)
        until(lambda: self.readiness()[0] == 200, "it to be ready")
        self.check_books()
        copies = self.server.copies()
        assert len(copies) == MAILS
        assert set(copies.values()) == {1}
        assert "Traceback" not in self.site.log()

    def said(self, what: str) -> int:
        return self.site.log().count(what)

    def said_once(self, reason: str) -> None:
        lines = [line for line in self.site.log().splitlines() if "error" in line]
        assert len(lines) == 1, lines
        assert reason in lines[0]


@contextmanager
def crowd(folder: Path, *, more: str = "") -> Iterator[tuple[Newsroom, SmtpServer]]:
    """Many readers who are to get a mail."""
    with (
        SmtpServer(delay=DELAY).running() as server,
        newsroom(folder, server, mail=f"batch = {BATCH}", more=more) as room,
    ):
        room.now = datetime.now(UTC)
        room.crowd(MAILS)
        room.publish("One")
        assert room.plan() == MAILS
        yield room, server


@contextmanager
def sending(folder: Path, *, more: str = "", mails: int = 30) -> Iterator[Send]:
    """The daemon, when it has sent some of them and the feeds are out."""
    with crowd(folder, more=more) as (room, server), room.site.daemon() as process:
        send = Send(room, server, process)
        until(lambda: "One" in room.site.feed(), "the feeds")
        send.wait_for_mails(mails)
        yield send


def shorten_log(database: Path) -> None:
    """Move what is in SQLite's log into the file: to write more needs room on the disk."""
    with closing(sqlite3.connect(database, timeout=10)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


# a full disk


def test_a_full_disk_under_the_database(tmp_path: Path) -> None:
    with disk(tmp_path / "var") as var, sending(tmp_path) as send:
        shorten_log(send.database)
        with var.full():
            until(lambda: send.said(SAYS_SO), "it to be told")
            send.stands_still("database or disk is full: make room on that disk")
            send.check_books()
        until(lambda: send.said(GOES_ON), "it to go on by itself")
        send.finish()
        send.said_once("database or disk is full")


def test_a_full_disk_under_the_feeds(tmp_path: Path) -> None:
    with disk(tmp_path / "feeds", 4) as feeds, sending(tmp_path) as send:
        before = {path: path.read_bytes() for path in files_below(feeds.folder)}
        with feeds.full():
            send.site.write("two.md", "Two", "All of it. " * 2_000)
            until(lambda: send.said("cannot be written: No space left"), "it to be told")
            status, reason = send.readiness()
            assert status == 503
            assert "No space left on device" in reason
            assert set(send.site.feed()) == {"One"}
            after = {path: path.read_bytes() for path in files_below(feeds.folder)}
            del after[feeds.folder / "ballast"]
            assert after == before
            until(lambda: send.room.states() == {"sent": MAILS}, "the mails, which go on", 60)
        until(lambda: set(send.site.feed()) == {"Two", "One"}, "the feeds to be written")
        send.finish()
        send.said_once("No space left on device")


def test_deliver_waits_for_room_to_write_the_answers_down(tmp_path: Path) -> None:
    with disk(tmp_path / "var") as var, crowd(tmp_path) as (room, server):
        said = tmp_path / "said"
        with said.open("wb") as output:
            process = subprocess.Popen(
                room.site.command("deliver"),
                cwd=tmp_path,
                env=room.site.environment,
                stdout=output,
                stderr=output,
            )
        send = Send(room, server, process)
        send.wait_for_mails(30)
        shorten_log(send.database)
        with var.full():
            until(lambda: "sending waits" in said.read_text(), "it to be told")
            until(lambda: not server.underway, "the mails under way to end")
            send.check_books()
            assert process.poll() is None
        assert process.wait(60) == 0
        assert said.read_text().count("sending waits") == 1
        assert f"{MAILS} sent" in said.read_text()
        assert room.states() == {"sent": MAILS}
        assert server.copies().total() == len(server.copies()) == MAILS


def assert_sentence(said: str, words: str) -> None:
    assert said.count("\n") == 1, said
    assert words in said


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_commands_on_a_full_disk_say_so_and_leave_nothing_half_done(tmp_path: Path) -> None:
    with disk(tmp_path / "var") as var, crowd(tmp_path) as (room, server):
        site = room.site
        site.run("publish")
        site.write("two.md", "Two", "All of it. " * 10_000)
        shorten_log(tmp_path / "var" / "publisher.db")
        with var.full():
            said = site.run("ingest", "articles/two.md", status=1)
            assert_sentence(said, "database or disk is full: make room on that disk")
            said = site.run("deliver", status=1)
            assert_sentence(said, "No space left on device")
        assert room.states() == {"pending": MAILS}
        assert not server.arrived
        assert "1 new" in site.run("ingest", "articles/two.md")
    with disk(tmp_path / "feeds", 2) as feeds:
        site = Site(tmp_path / "another")
        site.more = f'[feeds]\ndirectory = "{feeds.folder}"'
        site.configure()
        site.write("one.md", "One", "All of it. " * 1_000)
        site.run("ingest", "articles")
        with feeds.full():
            assert_sentence(site.run("publish", status=1), "No space left on device")
            assert {each.name for each in files_below(feeds.folder)} == {"ballast", ".built.lock"}
        site.run("publish")
        assert "One" in (feeds.folder / "all" / "atom.xml").read_text()


# a disk, or a file, that may not be written to


def test_a_disk_of_feeds_that_turns_read_only(tmp_path: Path) -> None:
    with disk(tmp_path / "feeds", 4) as feeds, sending(tmp_path) as send:
        with feeds.read_only():
            send.site.write("two.md", "Two")
            until(lambda: send.said("Read-only file system"), "it to be told")
            status, reason = send.readiness()
            assert status == 503
            assert "Read-only file system" in reason
            assert set(send.site.feed()) == {"One"}
            until(lambda: send.room.states() == {"sent": MAILS}, "the mails, which go on", 60)
        until(lambda: set(send.site.feed()) == {"Two", "One"}, "the feeds to be written")
        send.finish()
        send.said_once("Read-only file system")


def test_a_database_that_may_not_be_written_to_is_refused_at_the_start(tmp_path: Path) -> None:
    with disk(tmp_path / "var") as var:
        site = Site(tmp_path)
        site.write("one.md", "One")
        site.run("ingest", "articles")
        with var.read_only():
            assert_sentence(site.run("run", status=1), str(tmp_path / "var"))
            assert_sentence(site.run("ingest", "articles", status=1), str(tmp_path / "var"))
        with site.daemon():
            until(lambda: "One" in site.feed(), "the feeds")


def test_rights_that_are_missing_are_said_at_the_start(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    # Not below `tmp_path`, which nobody else may look into.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        site = Site(folder)
        site.run("status")
        site.prefix = (needs("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups")
        database = folder / "var" / "publisher.db"
        assert_sentence(site.run("run", status=1), "may not be written to")
        os.chown(database.parent, 65534, 65534)
        words = f"database.url: the file {database} may not be written to"
        assert_sentence(site.run("run", status=1), words)
        os.chown(database, 65534, 65534)
        (folder / "feeds").mkdir()
        os.chown(folder / "feeds", 65534, 65534)
        (folder / "daemon.log").touch()
        with site.daemon():
            assert site.get("/readyz")[0] == 200


def test_a_database_opened_while_its_disk_was_read_only_can_be_written_afterwards(
    tmp_path: Path,
) -> None:
    with disk(tmp_path / "var") as var:
        url = f"sqlite:///{var.folder}/publisher.db"
        with closing(Database(url)) as db:
            schema.prepare(db)
        with closing(sqlite3.connect(var.folder / "publisher.db")) as conn:
            conn.execute("PRAGMA journal_mode = DELETE")  # a log could not be read at all
        with closing(Database(url)) as db:
            with var.read_only(), pytest.raises(TransientError, match="may not be written to"):
                write(db)
            write(db)


def write(db: Database) -> None:
    with db.write() as conn:
        touch(conn)


# a locked database


@pytest.mark.parametrize("busy", [0.5, pytest.param(None, marks=pytest.mark.slow)])
def test_a_database_that_another_program_keeps_to_itself(
    tmp_path: Path, busy: float | None
) -> None:
    """For longer than a writer is waited for: ten seconds, and for this test less."""
    more = f'[database]\nurl = "sqlite:///var/publisher.db?timeout={busy}"\n' if busy else ""
    with sending(tmp_path, more=more) as send:
        with closing(sqlite3.connect(send.database, timeout=10)) as other:
            other.isolation_level = None
            other.execute("BEGIN EXCLUSIVE")
            until(lambda: send.said(SAYS_SO), "it to be told")
            send.stands_still("database is locked: another program keeps it to itself")
            send.check_books()
        until(lambda: send.said(GOES_ON), "it to go on by itself")
        send.finish()
        send.said_once("database is locked")


# a damaged database


def test_a_database_that_is_damaged_in_mid_send(tmp_path: Path) -> None:
    with sending(tmp_path) as send:
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(send.database, timeout=10)) as conn:
            conn.execute("VACUUM INTO ?", [str(backup)])
        shorten_log(send.database)
        damage(send.database)
        until(lambda: send.said(SAYS_SO), "it to be told")
        send.stands_still("malformed: the file is damaged; stop the program, put back a backup")
        assert cpu_of(send.process, over=2) < 0.5
        send.process.terminate()
        assert send.process.wait(15) == 0
        send.said_once("malformed")
        site = send.site
        for command in ("status", "deliver"):
            assert_sentence(site.run(command, status=1), "the file is damaged")
        with site.daemon() as process:
            until(lambda: site.get("/readyz")[0] == 503, "it not to be ready")
            assert "One" in site.feed()
            assert process.poll() is None
            process.kill()
        assert "Traceback" not in site.log()
        for each in send.database.parent.glob("publisher.db*"):
            each.unlink()
        sent_twice = len(send.server.mails) - sent_in(backup)
        shutil.copy(backup, send.database)
        send.room.app.db.engine.dispose()
        with site.daemon():
            until(lambda: send.room.states() == {"sent": MAILS}, "everything to be sent", 60)
        copies = send.server.copies()
        assert len(copies) == MAILS
        assert copies.total() <= MAILS + sent_twice


def damage(database: Path) -> None:
    """Noise in the place of the pages by which all deliveries are found."""
    noise = random.Random(7)
    with closing(sqlite3.connect(database)) as conn:
        roots = conn.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = 'delivery'")
        places = [4096 * (page - 1) for (page,) in roots]
    with database.open("r+b") as file:
        for place in places:
            file.seek(place)
            file.write(noise.randbytes(4096))


def sent_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as conn:
        [[count]] = conn.execute("SELECT count(*) FROM delivery WHERE state = 'sent'")
    return int(count)


def cpu_of(process: "subprocess.Popen[bytes]", *, over: float) -> float:
    """How much of one processor it takes, in the mean of so many seconds."""
    before, begun = cpu_seconds(process.pid), time.monotonic()
    until(lambda: time.monotonic() > begun + over, "the time to pass")
    return (cpu_seconds(process.pid) - before) / (time.monotonic() - begun)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("command", ["run", "status", "deliver"])
def test_a_file_that_is_no_database_is_refused_in_one_sentence(
    tmp_path: Path, command: str
) -> None:
    site = Site(tmp_path)
    site.call("status")
    with (tmp_path / "var" / "publisher.db").open("r+b") as file:
        file.write(random.Random(7).randbytes(4096))
    assert_sentence(site.run(command, status=1), "the file is damaged; stop the program")


# too many open files


def test_no_file_handle_left_for_new_connections(tmp_path: Path) -> None:
    with sending(tmp_path) as send:
        process, port = send.process, send.site.port
        _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, most))
        send.server.refuse()  # all its connections to the relay are lost
        send.server.listen()
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            visitor.sendall(b"GET /healthz HTTP/1.1\r\nHost: news.example\r\n\r\n")
            until(lambda: send.said("connections cannot be taken"), "it to be told")
            until(lambda: send.said("a connection cannot be opened"), "that to be told, too")
            assert cpu_of(process, over=3) < 0.5
            assert process.poll() is None
            send.check_books()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
            visitor.settimeout(10)
            assert visitor.recv(100).startswith(b"HTTP/1.1 200")
        send.room.app.hasten(datetime.now(UTC))  # what was cut off would wait for a minute
        until(lambda: send.room.states() == {"sent": MAILS}, "everything to be sent", 60)
        assert send.server.copies().keys() == {row["address"] for row in send.room.rows()}
        assert "Traceback" not in send.site.log()
        assert send.said("connections cannot be taken") == 1
        assert "Too many open files" in send.site.log()


def test_few_file_handles_from_the_start(tmp_path: Path) -> None:
    """Not enough for all that there might be at once."""
    with crowd(tmp_path) as (room, server):
        room.site.prefix = (needs("prlimit"), "--nofile=32:32")
        with room.site.daemon() as process:
            send = Send(room, server, process)
            until(lambda: "One" in send.site.feed(), "the feeds")
            send.finish()


# a clock that is set


def test_a_clock_that_is_set_forward_and_back_in_mid_send(tmp_path: Path) -> None:
    with crowd(tmp_path) as (room, server):
        site = room.site
        clock = Clock(site)
        with site.daemon() as process:
            send = Send(room, server, process)
            for hours in (24, 23, -1, 0):
                send.wait_for_mails(30)
                clock.set(timedelta(hours=hours))
            send.finish()
            clock.set(timedelta(hours=-1))
            soon = clock.now.replace(microsecond=0) + timedelta(seconds=4)
            site.write("two.md", "Two", date=soon.isoformat())
            until(lambda: clock.now > soon or "Two" in site.feed(), "its time to come")
            until(lambda: "Two" in site.feed(), "what is looked for every second")


def test_a_clock_that_is_set_around_the_hour_of_a_digest(tmp_path: Path) -> None:
    every = ("The weir is open", "The mill is sold", "The miller stays", "The wheel turns")
    hour = datetime(2026, 11, 23, 6, tzinfo=UTC)  # 07:00 in Berlin
    day, shortly = timedelta(days=1), timedelta(seconds=2)
    with catching() as catcher:
        site = Site(tmp_path, smtp_port=catcher.port)
        clock = Clock(site)

        def appears(title: str) -> None:
            site.write(f"{every.index(title)}.md", title, date="2026-11-22T12:00:00Z")
            until(lambda: title in site.feed(), "the article")

        def brings(*numbers: int) -> None:
            count = catcher.count + 1
            until(lambda: catcher.count >= count, "the digest")
            until(lambda: site.json("status")["deliveries"] == {"sent": count}, "the books")
            assert catcher.count == count
            assert titles(catcher.messages[-1], every) == [every[number] for number in numbers]

        clock.set_to(hour - day / 2)
        site.run("subscribers", "add", "ada@reader.example", "--newsletter", "daily")
        with site.daemon():
            appears(every[0])
            clock.set_to(hour - shortly)
            brings(0)
            clock.set_to(hour - timedelta(minutes=59))  # the digest's hour comes again
            appears(every[1])
            clock.set_to(hour - shortly)
            until(lambda: clock.now > hour + shortly, "the hour to pass")
            appears(every[2])
            assert catcher.count == 1
            clock.set_to(hour + day + day / 24)  # forward over the next digest's hour
            brings(1, 2)
            clock.set_to(hour + day - day / 24)
            appears(every[3])
            clock.set_to(hour + 2 * day - shortly)
            brings(3)
    assert "Traceback" not in site.log()
