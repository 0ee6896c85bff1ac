"""Brings readers in from a CSV file, in short transactions: the daemon goes on meanwhile.

What was killed is begun again: who was brought in before is there already.
"""

import gc
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from publisher.app import App
from publisher.core.csv_import import Columns, Refused, Wanted, columns_of, left_by, read_row
from publisher.core.headers import one_line
from publisher.core.model import Newsletter
from publisher.kit.csv_file import CsvFile
from publisher.kit.first_seen import FirstSeen
from publisher.store import imports, shelf

_LONGEST = 0.05  # seconds of a transaction: others wait for it
_LARGEST_BATCH = 250
_FIRST_BATCH = 100


@dataclass(slots=True, kw_only=True)
class Import:
    """What came, or would come, of a file."""

    encoding: str
    ignored: tuple[str, ...]
    """Headers of the columns that mean nothing here."""
    new: int = 0
    there_already: int = 0
    refused: int = 0


def import_file(
    app: App,
    path: Path,
    to: Newsletter,
    chosen: Mapping[str, str],
    *,
    refuse: Callable[[Refused], None],
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    dry_run: bool = False,
) -> Import:
    """Have everybody in the file get the newsletter, but those who are told to `refuse`.

    `chosen`: see `core.csv_import.columns_of`. `progress` is told bytes read, and how many there
    are. A dry run writes nothing.

    Raises UnreadableError and PermanentError for a file that cannot be read or is no list of
    readers.
    """
    # Else a search for garbage goes through all modules now and then: 0.1 s within a transaction.
    gc.freeze()
    file = CsvFile(path)
    columns = columns_of(file.header, chosen)
    with app.db.read() as conn:
        categories = {each.slug for each in shelf.categories(conn)}
    result = Import(encoding=file.encoding, ignored=columns.ignored)

    def refused(row: Refused) -> None:
        result.refused += 1
        refuse(row)

    with FirstSeen() as left, FirstSeen() as seen:
        reading = _Reading(file, columns, to, progress)
        reading.note_who_left(left)
        with closing(reading.wanted(categories, left, seen, refused)) as wanted:
            size = _FIRST_BATCH
            while batch := list(islice(wanted, size)):
                found, seconds = _look(app, batch, to) if dry_run else _take(app, batch, to, path)
                size = _next_size(size, seconds)
                result.new += len(found.new)
                result.there_already += found.there_already
                for each in found.refused:
                    refused(each)
    progress(1, 1)
    return result


@dataclass(slots=True)
class _Reading:
    """The rows of a file on their way to being subscriptions."""

    file: CsvFile
    columns: Columns
    to: Newsletter
    progress: Callable[[int, int], None]
    _before: int = field(default=0, init=False)

    @property
    def _tells_who_left(self) -> bool:
        return any(each in self.columns.places for each in ("status", "disabled", "left_at"))

    @property
    def _all(self) -> int:
        return self.file.size * (2 if self._tells_who_left else 1)

    def note_who_left(self, left: FirstSeen) -> None:
        """Who stands there as having left may stand there once more, before that line or after."""
        if not self._tells_who_left:
            return
        for row, read in self.file.rows():
            if not row.fault and (key := left_by(self.columns, row.cells, self.to)):
                left.note(key, row.line)
            if row.line % 1_000 == 0:
                self.progress(read, self._all)
        self._before = self.file.size

    def wanted(
        self,
        categories: set[str],
        left: FirstSeen,
        seen: FirstSeen,
        refuse: Callable[[Refused], None],
    ) -> Generator[Wanted, None, None]:
        """What the rows ask for, no address twice; the others are refused."""
        for row, read in self.file.rows():
            if row.line % 100 == 0:
                self.progress(self._before + read, self._all)
            found = read_row(self.columns, row.line, row.cells, self.to, categories)
            if row.fault:
                address = one_line(found.address, 320)
                refuse(Refused(line=row.line, address=address, reason=row.fault))
            elif isinstance(found, Refused):
                refuse(found)
            elif at := left.line_of(found.key):
                reason = f"line {at} says that they have left, or may not be mailed"
                refuse(Refused(line=row.line, address=found.address, reason=reason))
            elif at := seen.line_of(found.key):
                reason = f"stands on line {at} already"
                refuse(Refused(line=row.line, address=found.address, reason=reason))
            else:
                seen.note(found.key, row.line)
                yield found


def _look(app: App, batch: list[Wanted], to: Newsletter) -> tuple[imports.Found, float]:
    with app.db.read() as conn:
        return imports.look(conn, batch, to.slug, app.suppression_key), 0.0


def _take(app: App, batch: list[Wanted], to: Newsletter, path: Path) -> tuple[imports.Found, float]:
    """Also how many seconds others had to wait for it."""
    key, now = app.suppression_key, app.clock()
    with app.db.write() as conn:
        began = time.monotonic()
        found = imports.look(conn, batch, to.slug, key)
        imports.keep(conn, found.new, to, source=one_line(path.name, 200), now=now)
        taken = time.monotonic() - began
    return found, taken


def _next_size(size: int, seconds: float) -> int:
    """As many rows as fit into a transaction on this machine, now."""
    if seconds > _LONGEST:
        return max(20, size // 2)
    return min(_LARGEST_BATCH, size * 5 // 4) if seconds < _LONGEST / 2 else size
