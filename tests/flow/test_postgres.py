"""PostgreSQL as the database: several machines at it, and what it may do to them."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, select

from publisher.core.model import Cadence
from publisher.errors import TransientError
from publisher.store.tables import delivery
from tests import postgres
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import Site, until
from tests.flow.smtp import Deed, SmtpServer

BATCH = 10
PASSWORD = "pa55-w0rd"  # in many a file


@dataclass
class Machine(Site):
    """A site that runs as one of several on the same database."""

    lease: float = 0
    """Seconds; 0 for the usual one."""

    def command(self, *arguments: str) -> list[str]:
        if self.lease and arguments == ("run",):
            return [sys.executable, str(Path(__file__).with_name("machine.py")), f"{self.lease}"]
        return super().command(*arguments)

    def log_lines(self, level: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log().splitlines()]
        return [each for each in lines if each["level"] == level]


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.server().fresh(migrated=False) as fresh:
        yield fresh


def database(url: str) -> str:
    """The configuration's table."""
    return f'[database]\nurl = "{url}"\n'


def machine(
    folder: Path, room: Newsroom, url: str, server: SmtpServer | None, *, lease: float = 0
) -> Machine:
    """One that shares database, secret, address and articles with the newsroom."""
    folder.mkdir()
    (folder / "articles").symlink_to(room.site.folder / "articles")
    return Machine(
        folder,
        smtp_port=server.port if server else None,
        mail=f"batch = {BATCH}",
        more=database(url),
        lease=lease,
        environ={
            "PUBLISHER_SITE__URL": f"http://127.0.0.1:{room.site.port}",
            "PUBLISHER_SECRET": "the same on every machine",
        },
    )


def _all_show(machines: Sequence[Machine], title: str) -> bool:
    return all(title in each.feed("harbour") for each in machines)


def files(machine: Machine) -> dict[str, bytes]:
    """The feeds folder as the world sees it."""
    root = machine.folder / "feeds"
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


def test_two_daemons_at_one_database_are_one_newspaper(tmp_path: Path, url: str) -> None:
    with (
        SmtpServer().running() as server,
        newsroom(tmp_path / "room", server, more=database(url)) as room,
        ExitStack() as running,
    ):
        room.now = datetime.now(UTC)
        alerted = ["ann", "ben", "cleo"]
        room.join(*alerted, cadence=Cadence.IMMEDIATE)
        hours = range(5)
        for hour in hours:
            room.join(*(f"reader{hour}{number}" for number in range(8)), at=time(hour))
        machines = [machine(tmp_path / name, room, url, server) for name in ("one", "two")]
        processes = [running.enter_context(each.daemon()) for each in machines]
        for number in range(3):
            title = f"Story {number}"
            room.site.write(f"{number}.md", title, categories="[Harbour]")
            until(partial(_all_show, machines, title), "both feeds")
            alerts = len(alerted) * (number + 1)
            until(lambda n=alerts: len(server.mails) == n, "the alerts")
        due_now(url)
        until(lambda: len(server.mails) >= alerts + 40, "the digests")
        until(lambda: room.states() == {"sent": alerts + 40}, "the books")
        until(lambda: files(machines[0]) == files(machines[1]), "the same bytes")
        for each in processes:
            each.terminate()
            assert each.wait(15) == 0
        assert len(files(machines[0])) > 20
        copies = server.copies()
        assert copies == {row["address"]: 3 if row["name"] in alerted else 1 for row in room.rows()}
        assert len({(each.recipient, each.digest) for each in server.arrived}) == alerts + 40
        room.check_books()
        rows = postgres.server().execute(
            "SELECT cadence, count(*), sum(enqueued) FROM edition JOIN slot ON slot.id = slot_id "
            "GROUP BY cadence ORDER BY cadence",
            name_of(url),
        )
        assert rows == [("daily", len(hours), 40), ("immediate", 3, alerts)]
        assert [line for each in machines for line in each.log_lines("error")] == []


def test_a_stopped_sender_finds_its_lease_gone(tmp_path: Path, url: str) -> None:
    count = 3 * BATCH
    with (
        SmtpServer().running() as server,
        newsroom(tmp_path / "room", server, more=database(url)) as room,
        ExitStack() as running,
    ):
        in_dialogue = BATCH // 2  # of one domain, no more than half of the connections
        server.will("DOT", Deed.WAIT, times=in_dialogue)
        room.now = datetime.now(UTC)
        room.crowd(count)
        room.publish("One")
        assert room.plan() == count
        stopped = machine(tmp_path / "stopped", room, url, server, lease=4)
        other = machine(tmp_path / "other", room, url, server, lease=60)

        sleeper = running.enter_context(stopped.daemon())
        until(lambda: len(server.arrived) == in_dialogue, "mails in mid-dialogue")
        running.callback(sleeper.send_signal, signal.SIGCONT)  # or it could not be ended
        sleeper.send_signal(signal.SIGSTOP)
        begun = {each.recipient for each in server.arrived}
        claimed = [row for row in room.rows() if row["state"] == "sending"]
        taken, leases = ({row[name] for row in claimed} for name in ("address", "lease_until"))
        assert begun < taken
        assert len(taken) == BATCH

        running.enter_context(other.daemon())
        until(lambda: room.states() == {"sent": count}, "all, those of the stopped one too")
        assert {row["attempt"] for row in room.rows() if row["address"] in taken} == {2}
        before = room.rows()

        server.go_on()
        sleeper.send_signal(signal.SIGCONT)
        sleeper.terminate()  # it writes its answers before it ends
        assert sleeper.wait(15) == 0
        assert room.rows() == before
        room.check_books()
        copies = server.copies()
        assert copies == {row["address"]: 1 + (row["address"] in begun) for row in before}
        assert len({(each.recipient, each.digest) for each in server.arrived}) == count
        told = [each for each in other.log_lines("warning") if "mid-flight" in each["event"]]
        assert [each["mails"] for each in told] == [BATCH]
        assert datetime.fromisoformat(told[0]["timestamp"]) > max(leases)


@pytest.mark.parametrize(("room_left", "begun"), [(True, True), (False, False)])
async def test_a_message_is_begun_only_while_its_lease_has_room(
    tmp_path: Path, url: str, room_left: bool, begun: bool
) -> None:
    with SmtpServer().running() as server, newsroom(tmp_path, server, more=database(url)) as room:
        await asyncio.to_thread(room.digest_for, "ada")
        worker = room.worker()
        worker.longest = worker.lease + timedelta(seconds=-1 if room_left else 1)
        running = asyncio.create_task(worker.run())
        await asyncio.to_thread(
            until, lambda: server.mails or "RSET" in server.lines, "the mail to be tried"
        )
        worker.stop()
        await asyncio.wait_for(running, 10)
        assert bool(server.begun) is begun
        assert room.states() == ({"sent": 1} if begun else {"pending": 1})


def test_a_claim_of_which_nobody_knows_whether_it_was_written_is_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SmtpServer().running() as server, newsroom(tmp_path, server) as room:
        room.digest_for("ada", "bo")
        write, failed = room.app.db.write, list[bool]()

        @contextmanager
        def written_but_failed(*, alone: bool = True) -> Iterator[Connection]:
            with write(alone=alone) as conn:
                yield conn
                claimed = conn.execute(select(delivery.c.claim)).scalars().all()
            if not alone and any(claimed) and not failed:
                failed.append(True)
                raise TransientError("the server went away before it said that it had written")

        monkeypatch.setattr(room.app.db, "write", written_but_failed)
        assert room.deliver().sent == 2
        assert failed
        assert room.states() == {"sent": 2}
        assert {row["attempt"] for row in room.rows()} == {1}
        assert server.copies().total() == 2


def test_the_database_goes_away_in_mid_send_and_comes_back(tmp_path: Path) -> None:
    count = 30 * BATCH
    own = postgres.Postgres()
    with (
        stopping(own),
        own.fresh(migrated=False) as url,
        SmtpServer(delay=0.05).running() as server,
        newsroom(tmp_path / "room", server, more=database(url)) as room,
    ):
        room.now = datetime.now(UTC)
        room.crowd(count)
        room.publish("One")
        assert room.plan() == count
        site = machine(tmp_path / "one", room, url, server)
        with site.daemon() as process:
            until(lambda: len(server.arrived) > BATCH and site.feed(), "mails and feeds")
            for _ in range(2):
                before = len(server.arrived)
                own.kill()
                until(lambda: site.get("/readyz")[0] == 503, "it to be not ready")
                until(lambda: not server.underway, "sending to stop")
                assert len(server.arrived) <= before + 2 * BATCH
                assert len(server.arrived) < count
                assert "One" in site.feed()
                own.start()
                until(lambda: site.get("/readyz")[0] == 200, "it to be ready")
                until(lambda b=before: len(server.arrived) > b + 2 * BATCH, "sending to go on")
            until(lambda: room.states() == {"sent": count}, "everything to be sent")
            process.terminate()
            assert process.wait(15) == 0
        room.check_books()
        copies = server.copies()
        assert copies.keys() == {row["address"] for row in room.rows()}
        assert copies.total() - count <= 2 * BATCH
        events = [each["event"] for each in site.log_lines("error") + site.log_lines("warning")]
        assert events == ["the database cannot be used; what needs it waits"] * 2
        infos = [each["event"] for each in site.log_lines("info")]
        assert infos.count("the database can be used again") == 2


@pytest.fixture
def locked(url: str) -> str:
    """A URL like `url`, of a user who may look but not make tables."""
    server = postgres.server()
    server.execute(f"DROP ROLE IF EXISTS {postgres.LOCKED}")
    server.execute(f"CREATE ROLE {postgres.LOCKED} LOGIN PASSWORD '{PASSWORD}'")
    return server.url(name_of(url), postgres.LOCKED, PASSWORD)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda _: f"postgresql://u:{PASSWORD}@127.0.0.1:1/news", "127.0.0.1:1/news: Connection"),
        (lambda _: f"postgresql://u:{PASSWORD}@h.invalid/news", "failed to resolve host"),
        (lambda url: url.replace(PASSWORD, "wr0ng"), "password authentication failed for user"),
        (lambda url: url.replace("/test_", "/no_test_"), 'database "no_test_'),
        (lambda url: url, "permission denied for schema public"),
        (lambda _: f"postgresql://u:{PASSWORD}@x@h/news", "an @ in user or password written as"),
        (lambda _: f"postgresql://h/news?password={PASSWORD}&port=x", "non-integer port"),
        (lambda url: f"{url}&colour=red", 'invalid connection option "colour"'),
    ],
    ids=["away", "no host", "wrong password", "no database", "no rights", "an @", "port", "option"],
)
def test_what_hinders_is_one_sentence(
    tmp_path: Path, locked: str, change: Callable[[str], str], sentence: str
) -> None:
    site = Site(tmp_path, more=database(change(locked)))
    for command in (("status",), ("db", "upgrade"), ("run",)):
        said = site.run(*command, status=1)
        assert said.startswith("publisher: ")
        assert said.count("\n") == 1
        assert "database" in said
        assert sentence in said
        assert PASSWORD not in said
        assert "wr0ng" not in said


def test_a_missing_driver_is_one_sentence(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    (hidden / "psycopg").mkdir(parents=True)
    (hidden / "psycopg" / "__init__.py").write_text("raise ImportError('no such driver')")
    site = Site(tmp_path / "site", more=database("postgresql://u@127.0.0.1:1/news"))
    site.environ["PYTHONPATH"] = f"{hidden}:{site.environment['PYTHONPATH']}"
    said = site.run("status", status=1)
    assert said == (
        "publisher: database.url: for PostgreSQL its driver must be installed: "
        "pip install publisher[postgres]\n"
    )


def test_commands_name_the_database_without_its_password(tmp_path: Path, locked: str) -> None:
    postgres.server().execute(
        f"GRANT CREATE ON SCHEMA public TO {postgres.LOCKED}", name_of(locked)
    )
    site = Site(tmp_path, more=database(locked))
    said = site.run("check", status=1)  # for want of a relay
    assert f"ok    database: postgresql://{postgres.server().folder}/{name_of(locked)}" in said
    assert PASSWORD not in said
    assert site.run("db", "upgrade") == "nothing to do\n"


@contextmanager
def stopping(server: postgres.Postgres) -> Iterator[None]:
    try:
        yield
    finally:
        server.stop()


def test_a_newspaper_moves_from_sqlite(tmp_path: Path, url: str) -> None:
    site = Site(tmp_path)
    site.write("ferry.md", "The ferry is back")
    site.add_reader("ada@reader.example", at="06:30")
    for command in (("ingest", str(site.folder / "articles")), ("publish",)):
        site.call(*command)
    asked = (("articles", "list"), ("subscribers", "export"), ("status",))
    before = [site.json(*each) for each in asked]
    site.more = database(url)
    site.configure()
    assert "rows copied" in site.run("db", "copy", "var/publisher.db")
    assert [site.json(*each) for each in asked] == before
    assert json.loads(site.run("publish", "--json"))["built"]["written"] == 0
    assert "is not empty" in site.run("db", "copy", "var/publisher.db", status=1)


def due_now(url: str) -> None:
    """Let the time of every slot have come."""
    postgres.server().execute(
        "UPDATE slot SET next_due_at = now() - interval '1 second' WHERE next_due_at IS NOT NULL",
        name_of(url),
    )


def name_of(url: str) -> str:
    return str(make_url(url).database)
