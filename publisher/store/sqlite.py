"""SQLite's own: how its file must be opened for a ledger, and what its errors mean."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import cast

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from publisher.errors import ConfigurationError

_BUSY = 10.0  # seconds that a writer of another process is waited for
_BUSY_LOG = 100  # ms that a reader is waited for at a time, when the log is to be emptied

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_UNUSABLE = (
    *_DAMAGED,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
)
_ADVICE = {
    sqlite3.SQLITE_BUSY: "another program keeps it to itself",
    sqlite3.SQLITE_FULL: "make room on that disk",
    sqlite3.SQLITE_READONLY: "its disk or its file may not be written to",
    **dict.fromkeys(
        _DAMAGED, "the file is damaged; stop the program, put back a backup of it, and start again"
    ),
}


def engine(url: URL) -> Engine:
    """Raises ConfigurationError when the file's folder cannot be made."""
    _make_folder(Path(str(url.database)).parent)
    given = {} if "timeout" in url.query else {"timeout": _BUSY}
    made = create_engine(url, connect_args=given)

    @event.listens_for(made, "connect")
    def _connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # Python's driver opens transactions by its own rules; we open them by ours (below).
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        for pragma in (
            "synchronous = FULL",  # an answer written down must outlive a power cut
            "foreign_keys = ON",
            "secure_delete = ON",  # an erased reader must not stay in free pages
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(made, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql(conn.get_execution_options().get("sqlite_begin", "BEGIN"))

    @event.listens_for(made, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        # What was opened while the file could only be read stays so for good.
        if _code(context.original_exception) == sqlite3.SQLITE_READONLY:
            context.is_disconnect = True
            if context.connection:  # else it would keep its locks when closed
                context.connection.connection.rollback()

    return made


def empty_log(conn: Connection) -> bool:
    """Write what the log holds into the file, and leave nothing of older pages in it; False while
    somebody reads or writes."""
    driver = _driver(conn)
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout = {_BUSY_LOG}")  # all writers would wait with us
    try:
        is_busy, _, _ = _done(driver, "PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except DBAPIError as error:
        if _code(error.orig) != sqlite3.SQLITE_BUSY:
            raise
        is_busy = 1
    finally:
        driver.execute(f"PRAGMA busy_timeout = {patience}")
    return not is_busy


def make_anew(conn: Connection) -> None:
    """Write the file anew from what it holds."""
    _done(_driver(conn), "VACUUM")


def is_unusable(error: DBAPIError) -> bool:
    """Whether the machine keeps us from the file, rather than the file from what was asked."""
    return _code(error.orig) in _UNUSABLE


def is_damaged(error: DBAPIError) -> bool:
    """Whether the file holds what no database holds."""
    return _code(error.orig) in _DAMAGED


def reason(error: DBAPIError, path: str) -> str:
    """In one sentence; `path` is the file's."""
    code = _code(error.orig)
    advice = _why_not_opened(path) if code == sqlite3.SQLITE_CANTOPEN else _ADVICE.get(code, "")
    return f"{error.orig}: {advice}" if advice else str(error.orig)


def refuse_unwritable(path: str) -> None:
    """Raises ConfigurationError where rights, or how the disk is mounted, allow no writing."""
    for place, what in ((Path(path), "file"), (Path(path).parent, "folder")):
        if not os.access(place, os.W_OK):
            raise ConfigurationError(f"database.url: the {what} {place} may not be written to")


def _driver(conn: Connection) -> sqlite3.Connection:
    """Beside SQLAlchemy, which would begin a transaction."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _done(driver: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
    try:
        return driver.execute(statement)
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code; 0 for what the driver itself raised."""
    return cast(int, getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _why_not_opened(path: str) -> str:
    """Found out without opening it: see `store.look_through`."""
    try:
        Path(path).stat()
        with Path(os.devnull).open("rb"):
            return "" if os.access(path, os.R_OK) else os.strerror(errno.EACCES)
    except OSError as error:
        return error.strerror or ""


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"database.url: the folder {folder} cannot be made: {error.strerror}"
        ) from error
