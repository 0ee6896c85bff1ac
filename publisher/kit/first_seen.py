"""Remembers on which line each key stood first: millions of them, in little memory."""

import hashlib
import sqlite3
from types import TracebackType

from publisher.errors import TransientError


class FirstSeen:
    """To be entered; leaving raises TransientError when the disk had no room."""

    def __init__(self) -> None:
        # Without a name SQLite keeps a few pages in memory and the rest in a file of no name.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def line_of(self, key: str) -> int | None:
        rows = self._db.execute("SELECT line FROM seen WHERE key = ?", (_short(key),))
        row = rows.fetchone()
        return row[0] if row else None

    def note(self, key: str, line: int) -> None:
        """The first line noted stays."""
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (_short(key), line))

    def __enter__(self) -> "FirstSeen":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._db.close()
        if isinstance(error, sqlite3.Error):
            raise TransientError(f"no room to remember the rows of the file: {error}") from error


def _short(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
