"""How commands speak: lines for people, JSON for programs, complaints on the error stream."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

from publisher.core.text import clean_line

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]

T = TypeVar("T")


class Streamed(list[T]):
    """A list for `say_json` whose items are made one by one as they are written."""

    def __init__(self, items: Iterable[T]) -> None:
        self._rest = iter(items)
        super().__init__(islice(self._rest, 1))  # the encoder asks whether there is any

    def __iter__(self) -> Iterator[T]:
        yield from super().__iter__()
        yield from self._rest


def say(line: str = "") -> None:
    print(line)


def say_json(value: object) -> None:
    pieces = json.JSONEncoder(ensure_ascii=False, indent=2, default=_plain).iterencode(value)
    sys.stdout.writelines(pieces)
    print()


def complain(sentence: str) -> None:
    """One sentence on the error stream; a stranger's line breaks in it make no second line."""
    print(f"publisher: {clean_line(sentence)}", file=sys.stderr)


def counted(count: int, what: str) -> str:
    """`1 mail`, `2 mails`: for nouns that take an s."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _plain(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value)


@contextmanager
def shown_progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on the error stream for what takes long; nothing where nobody looks at it."""
    console = Console(stderr=True)
    with Progress(
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
