"""PostgreSQL's own: how it is reached, how its writers take turns, what its errors mean."""

import re
from collections.abc import Iterable

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from publisher.errors import ConfigurationError

_REACHING = {
    "connect_timeout": 10,  # seconds; else minutes where a machine is gone without a word
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms
    "application_name": "publisher",
}
# Whoever waits for a lock gives up as with SQLite. Whoever stops in the middle of a transaction (a
# machine asleep) must not keep all others waiting: then the server ends it.
_LIMITS = (
    "set_config('lock_timeout', '10s', true), "
    "set_config('idle_in_transaction_session_timeout', '20s', true)"
)
# By READ COMMITTED a row that was looked for in vain may be there a moment later. One writer at a
# time, as with SQLite, spares every function of the store from thinking of that.
_TURN = "pg_advisory_xact_lock(7810926)"  # a number of our own, the same in every process
_BEGIN_ALONE = text(f"SELECT {_LIMITS}, {_TURN}")
_BEGIN_WITH_OTHERS = text(f"SELECT {_LIMITS}")

_FAILED = re.compile(r".* failed: (?:FATAL: +)?(.+)")  # of libpq's words on a connection in vain
_NO_LOCK = "55P03"
_AWAY = ("08", "57P", "53300")  # connection lost, shutting down or starting, too many connections


def engine(url: URL) -> Engine:
    """Raises ConfigurationError when the driver is not installed."""
    given = {**_REACHING, **url.query}
    arguments = {name: given[name] for name in _REACHING}
    try:
        made = create_engine(url, pool_pre_ping=True, connect_args=arguments)
        made.dialect.create_connect_args(url)
    except ArgumentError as error:
        raise ConfigurationError(f"database.url: {error}") from error
    except ImportError as error:
        raise ConfigurationError(
            "database.url: for PostgreSQL its driver must be installed: "
            "pip install publisher[postgres]"
        ) from error

    @event.listens_for(made, "connect")
    def _connect(dbapi: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        # A date of the year 9999 has no Python value in a zone east of Greenwich.
        cursor = dbapi.cursor()
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.close()
        dbapi.commit()

    return made


def name(url: URL) -> str:
    """How it is called in messages: where it is, without user and password."""
    host = url.host or url.query.get("host") or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"


def begin_writing(conn: Connection, *, alone: bool) -> None:
    """Set the limits of a writing transaction; `alone`, wait for its turn."""
    conn.execute(_BEGIN_ALONE if alone else _BEGIN_WITH_OTHERS)


def vacuum(conn: Connection, tables: Iterable[str]) -> None:
    """Let former versions of rows go that nobody sees any more."""
    conn.execution_options(isolation_level="AUTOCOMMIT").execute(
        text(f"VACUUM {', '.join(sorted(tables))}")
    )


def is_away(error: DBAPIError) -> bool:
    """Whether the server cannot be reached now, rather than refused what was asked of it."""
    if state := _state(error):
        return state.startswith(_AWAY)
    return error.connection_invalidated or isinstance(error, OperationalError)


def reason(error: DBAPIError) -> str:
    """In one sentence."""
    if _state(error) == _NO_LOCK:
        return "another writer keeps it locked"
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis and diagnosis.message_primary:
        return str(diagnosis.message_primary)
    # One for each address that the host has, most often the same.
    reasons = _FAILED.findall(str(error.orig)) or str(error.orig).splitlines()[:1]
    return "; ".join(dict.fromkeys(reasons))


def _state(error: DBAPIError) -> str:
    """The five letters of SQLSTATE; "" where no server answered."""
    return getattr(error.orig, "sqlstate", None) or ""
