"""`subscribers import` and `subscribers export`: readers from and to CSV files."""

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from publisher import importing
from publisher.cli.opening import opened
from publisher.cli.output import Json, Streamed, complain, say, say_json, shown_progress
from publisher.core.csv_import import EXPORTED, FIELDS, Refused
from publisher.core.spreadsheet import harmless
from publisher.errors import ConfigurationError
from publisher.store import exports

_SHOWN = 20  # refused rows without a report


def import_(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, its first line names columns.")
    ],
    newsletter: Annotated[str, typer.Option(metavar="SLUG")],
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="HEADER=FIELD",
            help=f"What a column is, where its header does not tell: {', '.join(FIELDS)}; "
            "HEADER= ignores it.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing, say the same.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV of the refused rows, with reasons.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Add the readers in a file, who agreed elsewhere; nobody who left is brought back."""
    chosen = dict(map(_mapped, mapped or ()))
    with opened(ctx) as app, _Refusals.kept(report, file) as refusals, shown_progress() as progress:
        found = importing.import_file(
            app,
            file,
            app.newsletter(newsletter),
            chosen,
            refuse=refusals.add,
            progress=progress,
            dry_run=dry_run,
        )
    if as_json:
        first = [asdict(each) for each in refusals.first]
        say_json({**asdict(found), "dry_run": dry_run, "first_refused": first})
        return
    if found.ignored:
        complain(f"note: these columns are not used: {', '.join(found.ignored)}")
    if found.encoding == "cp1252":
        complain("note: the file is not UTF-8; it is read as cp1252 (Windows, Western Europe)")
    if report is None:
        for each in refusals.first:
            complain(f"line {each.line}: {_named(each)}{each.reason}")
        if found.refused > _SHOWN:
            complain(f"… and {found.refused - _SHOWN} more; --report FILE keeps them all")
    say(
        f"{'would be: ' if dry_run else ''}{found.new} new, {found.there_already} there already, "
        f"{found.refused} refused"
    )


def export(
    ctx: typer.Context,
    newsletter: Annotated[str | None, typer.Option(metavar="SLUG")] = None,
    state: Annotated[str | None, typer.Option(metavar="|".join(exports.STATES))] = None,
    as_json: Json = False,
) -> None:
    """All subscriptions but those of erased readers, as CSV or JSON."""
    if state not in (None, *exports.STATES):
        raise typer.BadParameter(
            f"'{state}' is none of {', '.join(exports.STATES)}", param_hint="--state"
        )
    with opened(ctx) as app, app.db.read() as conn:
        rows = Streamed(exports.everyone(conn, newsletter, state))
        if newsletter is not None and not rows:
            app.newsletter(newsletter)  # a name that nobody bears is a slip of the pen
        if as_json:
            say_json(Streamed(asdict(each) for each in rows))
            return
        writer = csv.writer(sys.stdout)
        writer.writerow(EXPORTED)
        for row in rows:
            writer.writerow(map(harmless, astuple(row)))


class _Refusals:
    """The refused rows: all in a file where one is wanted, the first in memory."""

    def __init__(self, file: TextIO | None) -> None:
        self.first: list[Refused] = []
        self._writer: Any = csv.writer(file) if file else None  # Any: it has no public type
        self._write("line", "address", "reason")

    @classmethod
    @contextmanager
    def kept(cls, path: Path | None, source: Path) -> Iterator["_Refusals"]:
        """Raises ConfigurationError when the report cannot be written."""
        if path is None:
            yield cls(None)
            return
        if path.resolve() == source.resolve():
            raise ConfigurationError(f"the report would replace the list {source}")
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield cls(file)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error

    def add(self, row: Refused) -> None:
        if len(self.first) < _SHOWN:
            self.first.append(row)
        self._write(str(row.line), harmless(row.address), harmless(row.reason))

    def _write(self, *cells: str) -> None:
        if self._writer:
            self._writer.writerow(cells)


def _mapped(given: str) -> tuple[str, str]:
    header, mark, field = given.rpartition("=")
    if not mark or not header.strip():
        raise typer.BadParameter(f"'{given}' is not like HEADER=FIELD", param_hint="--map")
    return header.strip(), field.strip()


def _named(row: Refused) -> str:
    return f"{row.address}: " if row.address else ""
