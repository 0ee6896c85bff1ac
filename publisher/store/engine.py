"""Opens the database: SQLite as it must be set for a ledger, or PostgreSQL; and its transactions.

Reading and writing happen in short synchronous transactions. Writers take turns, first come, first
served: what one has read stays true until it has written, and a sign-up never waits behind more
than one chunk of planning.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress

import structlog
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from publisher.errors import AwayError, TransientError
from publisher.store import look_through, postgres, sqlite
from publisher.store.tables import counter, metadata

_LOG_BUSY = 10.0  # seconds that readers are waited for when SQLite's log is to be emptied
_QUIET = 5.0  # seconds without a failure, after which a trouble of a file is over

log = structlog.get_logger()


class Database:
    """The one way to the tables: `with db.read() as conn` or `with db.write() as conn`."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError when the folder of an SQLite file cannot be used, or the driver
        of PostgreSQL is not installed."""
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.name = str(parsed.database) if self.is_sqlite else postgres.name(parsed)
        self.engine = sqlite.engine(parsed) if self.is_sqlite else postgres.engine(parsed)
        self.is_waited_for = False
        """Whether whoever fails tries again: then trouble is told here, once for all of them."""
        self._trouble = _Trouble(_QUIET if self.is_sqlite else 0.0)
        self._turns = _Turns()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot of the data; nothing read in it changes while it is open.

        Raises TransientError when the database cannot be used now.
        """
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._said_clearly(), self.engine.connect() as conn:
            conn = conn.execution_options(**options)
            with conn.begin():
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
            self._said_clearly() as began,
            self.engine.connect() as conn,
        ):
            if self.is_sqlite:
                # A transaction that begins by reading and then writes would fail at once, not wait,
                # where another process wrote in between; IMMEDIATE takes the write lock up front.
                conn = conn.execution_options(sqlite_begin="BEGIN IMMEDIATE")
            with conn.begin():
                if not self.is_sqlite:
                    postgres.begin_writing(conn, alone=alone)
                if self.trouble and self.is_sqlite:  # a disk shows its state only when written to
                    touch(conn)
                yield conn
            self._trouble.note_written(began)

    def keep_wal(self) -> None:
        """Let no reader wait for the writer (WAL); it is noted in the file, so only in our own."""
        if not self.is_sqlite:
            return
        # "Locked" means that another process is about to do the same.
        with suppress(TransientError), self._said_clearly(), self.engine.connect() as conn:
            # In place of BEGIN: it can't be done within a transaction.
            conn.execution_options(sqlite_begin="PRAGMA journal_mode = WAL").begin()

    def scrub(self, texts: Sequence[str] = ()) -> bool:
        """Let no byte of texts that were deleted stay in an SQLite database's files; False where
        somebody reads in it for too long. Without `texts`: whatever was deleted.

        What is deleted is overwritten (`secure_delete`), but older pages stay in the log until it
        is emptied; and where a page was split, its former half may still hold what went to the
        other. So the file is looked through, and made anew if need be. What then is found, somebody
        else has, as `ada@mail.example` is found in `canada@mail.example`.

        On PostgreSQL the tables are vacuumed: nobody can read deleted rows any more, but their
        bytes stay until they are written over. Raises TransientError when it cannot be done now.
        """
        if not self.is_sqlite:
            with self._said_clearly(), self.engine.connect() as conn:
                postgres.vacuum(conn, metadata.tables)
            return True
        if not self._empty_log():
            return False
        if texts and not look_through.may_hold(self.name, texts):
            return True
        with self._turns.taken(), self._said_clearly(), self.engine.connect() as conn:
            sqlite.make_anew(conn)
        return self._empty_log()

    def _empty_log(self) -> bool:
        over = time.monotonic() + _LOG_BUSY
        while True:
            with self._turns.taken(), self._said_clearly(), self.engine.connect() as conn:
                if sqlite.empty_log(conn):
                    return True
            if time.monotonic() > over:
                return False
            time.sleep(0.05)  # others write meanwhile

    @property
    def trouble(self) -> str:
        """Why it cannot be used now, as far as it is waited for."""
        return self._trouble.reason

    def wait_for_it(self) -> None:
        """From now on trouble passes, and is told here once.

        Raises ConfigurationError where it will not pass: no writing is allowed.
        """
        if self.is_sqlite:
            sqlite.refuse_unwritable(self.name)
        self.is_waited_for = True

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _said_clearly(self) -> Iterator[float]:
        """Gives the time at which it begins."""
        if self._trouble.for_good:  # what is written into a damaged file damages it more
            raise AwayError(self.trouble)
        began = time.monotonic()
        try:
            yield began
        except DBAPIError as error:
            if isinstance(error, IntegrityError):
                raise  # a broken unique key is an answer to the caller, no fault of the machine
            if self.is_sqlite:
                unusable = sqlite.is_unusable(error)
                sentence = f"database {self.name}: {sqlite.reason(error, self.name)}"
            else:
                unusable = postgres.is_away(error)
                sentence = f"database {self.name}: {postgres.reason(error)}"
            if not unusable or not self.is_waited_for:
                raise TransientError(sentence) from error
            damaged = self.is_sqlite and sqlite.is_damaged(error)
            self._trouble.note(sentence, began, for_good=damaged)
            raise AwayError(sentence) from error
        except PoolTimeoutError as error:
            raise TransientError(f"database {self.name}: too much waits for it") from error


class _Trouble:
    """Why the database cannot be used now. It is said once, whoever finds out first.

    It is over when a transaction has written that began after the last failure, by `quiet` seconds:
    on a full disk some work and others do not. What began before that and fails after it is old
    news. `began` is a time of `time.monotonic`.
    """

    def __init__(self, quiet: float) -> None:
        self._quiet = quiet
        self.reason = ""
        self.for_good = False
        self._mutex = threading.Lock()
        self._failed_at = 0.0
        self._over_at = 0.0

    def note(self, reason: str, began: float, *, for_good: bool) -> None:
        with self._mutex:
            if self.for_good or (began < self._over_at and not for_good):
                return
            self._failed_at = time.monotonic()
            is_news = for_good or not self.reason
            if is_news:
                self.reason, self.for_good = reason, for_good
        if is_news:
            log.error("the database cannot be used; what needs it waits", reason=reason)

    def note_written(self, began: float) -> None:
        if not self.reason:
            return
        with self._mutex:
            if not self.reason or self.for_good or began < self._failed_at + self._quiet:
                return
            self.reason, self._over_at = "", time.monotonic()
        log.info("the database can be used again")


def touch(conn: Connection) -> None:
    """Write, and change nothing: raises at commit what a full or broken disk raises."""
    conn.execute(counter.update().values(n=counter.c.n))


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
