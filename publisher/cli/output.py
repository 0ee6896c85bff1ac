"""How commands speak: lines for people, JSON for programs, complaints on the error stream."""

import json
import sys
from datetime import date, datetime, time
from typing import Annotated

import typer

from publisher.core.text import clean_line

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def say(line: str = "") -> None:
    print(line)


def say_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


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
