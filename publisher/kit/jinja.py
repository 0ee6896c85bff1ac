"""The one Jinja environment for mails and pages: sandboxed, escaping, strict about names."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal
from jinja2 import FileSystemLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment


def environment(folders: Sequence[Path]) -> ImmutableSandboxedEnvironment:
    """Templates of `folders`, the operator's before ours; `.html` escapes, `.txt` does not."""
    env = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["date"] = _date
    env.filters["datetime"] = _datetime
    env.filters["time"] = _time
    env.filters["number"] = _number
    return env


def _date(value: datetime, zone: str, locale: str, style: str = "long") -> str:
    return format_date(value.astimezone(ZoneInfo(zone)).date(), style, locale=_babel(locale))


def _datetime(value: datetime, zone: str, locale: str, style: str = "medium") -> str:
    return format_datetime(value, style, tzinfo=ZoneInfo(zone), locale=_babel(locale))


def _time(value: datetime, zone: str, locale: str) -> str:
    return format_time(value, "short", tzinfo=ZoneInfo(zone), locale=_babel(locale))


def _number(value: int, locale: str) -> str:
    return format_decimal(value, locale=_babel(locale))


def _babel(locale: str) -> str:
    """Babel writes `pt_BR` where the web writes `pt-BR`."""
    return locale.replace("-", "_") or "en"
