"""Reads CSV files as programs and people leave them: any usual encoding, `,` `;` or tab, any fault.

Row by row, in little memory whatever the file holds. A row that is endless, or whose quotation mark
is never closed, costs itself alone: reading goes on with the line after its first.
"""

import csv
import io
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, getincrementaldecoder
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from publisher.errors import UnreadableError

_LONGEST_ROW = 100_000  # characters; less than the limit of the csv module for one cell
_SHOWN = 500  # characters of the first line of a row that cannot be read
_CHUNK = 1 << 20
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    line: int
    """The number of its first line."""
    cells: Sequence[str]
    fault: str = ""
    """Why it cannot be read; its cells are then what its first line begins with."""


class CsvFile:
    def __init__(self, path: Path) -> None:
        """Raises UnreadableError when it cannot be read or has no first line."""
        self.path = path
        if not path.is_file():
            raise UnreadableError(f"{path} is no file")
        self.size = path.stat().st_size
        self.encoding = _encoding(path)
        self.delimiter = ","
        with self._opened() as (text, _):
            lines = iter(lambda: text.readline(_LONGEST_ROW), "")
            first = next(filter(str.strip, lines), "")
        self.delimiter = max(_DELIMITERS, key=lambda each: len(_cells(first, each)))
        self.header: Sequence[str] = next((row.cells for row, _ in self._all_rows()), ())
        if not self.header:
            raise UnreadableError(f"{path} is empty")

    def rows(self) -> Iterator[tuple[Row, int]]:
        """The rows below the header, without empty ones; each with the bytes read so far."""
        rows = self._all_rows()
        next(rows, None)
        return rows

    def _all_rows(self) -> Iterator[tuple[Row, int]]:
        with self._opened() as (text, raw):
            lines = _Lines(text)
            while True:
                reader = csv.reader(lines, delimiter=self.delimiter)
                lines.begin_row()
                try:
                    for row in reader:
                        if any(map(str.strip, row)):
                            yield Row(line=lines.row_begins, cells=row), raw.tell()
                        lines.begin_row()
                    return
                except csv.Error as error:
                    first = lines.give_back()
                    cells = _cells(first, self.delimiter)
                    yield Row(line=lines.row_begins, cells=cells, fault=str(error)), raw.tell()

    @contextmanager
    def _opened(self) -> Iterator[tuple[TextIO, BinaryIO]]:
        try:
            with self.path.open("rb") as raw:
                # newline="": the csv module tells line breaks in cells from those between rows.
                yield io.TextIOWrapper(raw, self.encoding, "replace", newline=""), raw
        except OSError as error:
            raise UnreadableError(f"{self.path} cannot be read: {error.strerror}") from error


class _Lines:
    """The lines of a file, which the csv module asks for as long as a row goes on."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._waiting: deque[str] = deque()
        self._row: list[str] = []
        self._length = 0
        self.row_begins = 1

    def begin_row(self) -> None:
        self.row_begins += len(self._row)
        self._row, self._length = [], 0

    def give_back(self) -> str:
        """Have the lines of a row read again, but the first; it is returned."""
        first, *others = self._row
        self._waiting.extendleft(reversed(others))
        self._row = [first]
        return first[:_SHOWN]

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._text.readline(_LONGEST_ROW)
        if not line:
            if self._row:
                raise csv.Error("a quotation mark is never closed")
            raise StopIteration
        if len(line) >= _LONGEST_ROW:
            line = self._cut(line)
        self._row.append(line)
        self._length += len(line)
        if self._length >= _LONGEST_ROW:
            raise csv.Error(
                "a quotation mark is never closed"
                if len(self._row) > 1
                else f"the line is longer than {_LONGEST_ROW:,} characters"
            )
        return line

    def _cut(self, line: str) -> str:
        """An endless line without what follows in it."""
        rest = line
        while rest and not rest.endswith(("\n", "\r")):
            rest = self._text.readline(_LONGEST_ROW)
        return line if line.endswith("\n") else line + "\n"


def _cells(line: str, delimiter: str) -> Sequence[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _encoding(path: Path) -> str:
    """As the file's first bytes say; else UTF-8, or cp1252 where it is not that."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            first = file.read(_CHUNK)
            if first.startswith(BOM_UTF8):
                return "utf-8-sig"
            if first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
                return "utf-16"
            chunk = first
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=True)
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
