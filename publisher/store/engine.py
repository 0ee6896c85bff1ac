"""Opens the database: SQLite as it must be set for a ledger, or PostgreSQL; and its transactions.

Reading and writing happen in short synchronous transactions. Writers take turns, first come, first
served: what one has read stays true until it has written, and a sign-up never waits behind more
than one chunk of planning.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from publisher.errors import AwayError, ConfigurationError, TransientError
from publisher.store import postgres

_BUSY_MS = 10_000  # how long a writer of another process is waited for

log = structlog.get_logger()


class Database:
    """The one way to the tables: `with db.read() as conn` or `with db.write() as conn`."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError when the folder of an SQLite file cannot be used, or the driver
        of PostgreSQL is not installed."""
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._turns = _Turns()
        self._presence = _Presence()
        if self.is_sqlite:
            self.name = str(parsed.database)
            _make_folder(Path(self.name).parent)
            self.engine = create_engine(url)
            _prepare_sqlite(self.engine)
        else:
            self.name = postgres.name(parsed)
            self.engine = postgres.engine(parsed)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot of the data; nothing read in it changes while it is open."""
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._said_clearly() as since, self.engine.connect() as conn:
            conn = conn.execution_options(**options)
            with conn.begin():
                self._presence.reached(since)
                yield conn

    @contextmanager
    def write(self, *, alone: bool = True) -> Iterator[Connection]:
        """One transaction, committed at the end of the block and rolled back on any error.

        Keep it under 50 ms. Writers take turns, those of other processes too. Where not `alone`,
        others write meanwhile on PostgreSQL: whoever does so locks the rows that it changes.

        Raises TransientError when the database is locked, full, or away.
        """
        with (
            self._turns.taken() if alone or self.is_sqlite else nullcontext(),
            self._said_clearly() as since,
            self.engine.connect() as conn,
        ):
            if self.is_sqlite:
                # A transaction that begins by reading and then writes would fail at once, not wait,
                # where another process wrote in between; IMMEDIATE takes the write lock up front.
                conn = conn.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with conn.begin():
                if not self.is_sqlite:
                    postgres.begin_writing(conn, alone=alone)
                self._presence.reached(since)
                yield conn

    def keep_wal(self) -> None:
        """Let no reader wait for the writer (WAL); it is noted in the file, so only in our own."""
        if not self.is_sqlite:
            return
        # "Locked" means that another process is about to do the same.
        with suppress(TransientError), self._said_clearly(), self.engine.connect() as conn:
            # In place of BEGIN: it can't be done within a transaction.
            conn.execution_options(sqlite_begin="PRAGMA journal_mode = WAL").begin()

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _said_clearly(self) -> Iterator[int]:
        since = self._presence.changes
        try:
            yield since
        except DBAPIError as error:
            if isinstance(error, IntegrityError):
                raise  # a broken unique key is an answer to the caller, no fault of the machine
            if self.is_sqlite:
                raise TransientError(f"database {self.name}: {error.orig}") from error
            sentence = f"database {self.name}: {postgres.reason(error)}"
            if not postgres.is_away(error):
                raise TransientError(sentence) from error
            self._presence.lost(since, sentence)
            raise AwayError(sentence) from error
        except PoolTimeoutError as error:
            raise TransientError(f"database {self.name}: too much waits for it") from error


class _Presence:
    """Whether the database is there; a change is said once, whoever finds out first.

    What began before the last change and ends after it is old news: `since` is what `changes` was
    when it began.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._there = False
        self.changes = 0

    def reached(self, since: int) -> None:
        if self._change(since, there=True) and since:
            log.info("the database is back")

    def lost(self, since: int, sentence: str) -> None:
        """Where it has not been reached yet nothing is said: the caller stops and says so."""
        if self._change(since, there=False):
            log.error("the database is away; what needs it waits", reason=sentence)

    def _change(self, since: int, *, there: bool) -> bool:
        if there == self._there:
            return False
        with self._mutex:
            if there == self._there or since != self.changes:
                return False
            self._there = there
            self.changes += 1
            return True


class _Turns:
    """A lock that is handed on in the order in which it was asked for."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._busy = False
        self._holder: int | None = None

    @contextmanager
    def taken(self) -> Iterator[None]:
        turn = threading.Event()
        if self._holder == threading.get_ident():
            raise RuntimeError("a writing transaction within another would wait for itself")
        with self._mutex:
            if self._busy:
                self._waiting.append(turn)
            else:
                self._busy = True
                turn.set()
        turn.wait()
        self._holder = threading.get_ident()
        try:
            yield
        finally:
            self._holder = None
            with self._mutex:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._busy = False


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"database.url: the folder {folder} cannot be made: {error.strerror}"
        ) from error


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's driver opens transactions by its own rules; we open them by ours (below).
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "synchronous = FULL",  # an answer written down must outlive a power cut
            "foreign_keys = ON",
            "secure_delete = ON",  # an erased reader must not stay in free pages
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(conn.get_execution_options().get("sqlite_begin", "BEGIN"))
