"""The one Jinja environment for mails and pages: sandboxed, escaping, strict about names."""

import os
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from publisher.errors import ConfigurationError, OverrunError, PermanentError, TransientError
from publisher.kit import translations
from publisher.kit.locale import FALLBACK, babel
from publisher.kit.shortage import is_shortage


def environment(folders: Sequence[Path]) -> ImmutableSandboxedEnvironment:
    """Templates of `folders`, the operator's before ours; `.html` escapes, `.txt` does not.

    `_("…")`, `ngettext`, `pgettext` and `npgettext` speak the language of the template's `locale`.
    """
    env = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=lambda name: name is None or not name.endswith(".txt"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_callables(  # type: ignore[attr-defined]  # given to it by the extension
        _gettext, _ngettext, newstyle=True, pgettext=_pgettext, npgettext=_npgettext
    )
    env.filters["date"] = _date
    env.filters["datetime"] = _datetime
    env.filters["time"] = _time
    env.filters["number"] = _number
    return env


def sources(templates: Environment) -> Iterator[tuple[str, str]]:
    """Name and text of every template, or why it cannot be read; of two of a name the first.

    Raises TransientError when the machine has no handle left for reading them.
    """
    loader = cast(FileSystemLoader, templates.loader)
    for name in sorted({each for folder in loader.searchpath for each in _below(folder)}):
        try:
            yield name, loader.get_source(templates, name)[0]
        except OSError as error:
            _raise_shortage(error)
            yield name, str(error)
        except (TemplateNotFound, ValueError) as error:
            yield name, str(error)


def _below(folder: str) -> Iterator[str]:
    for path, _, names in os.walk(folder, onerror=_raise_shortage):
        for name in names:
            if name.endswith((".html", ".txt")):
                yield Path(path, name).relative_to(folder).as_posix()


def _raise_shortage(error: OSError) -> None:
    if is_shortage(error):
        raise TransientError(f"templates cannot be read: {error.strerror}") from error


def rendered(
    templates: Environment, name: str, facts: Mapping[str, object], most: int | None = None
) -> str:
    """What the template makes of the facts; cut off when it gets longer than `most` characters.

    Raises, naming template and line, ConfigurationError where the template itself cannot be used,
    PermanentError where it fails on these facts, and OverrunError where it never gets done.
    """
    try:
        stream = templates.get_template(name).generate(facts)
        return "".join(stream if most is None else _within(most, stream))
    except TemplateNotFound as error:
        raise ConfigurationError(f"template {error.name} is missing") from error
    except TemplateSyntaxError as error:
        where = f"{error.name or name}, line {error.lineno}"
        raise ConfigurationError(f"template {where}: {error.message}") from error
    except TemplateError as error:
        raise ConfigurationError(f"template {place(error, name)}: {error}") from error
    except OverrunError as error:
        raise OverrunError(f"template {place(error, name)}: {error}") from error
    except MemoryError as error:
        raise OverrunError(f"template {place(error, name)}: it takes too much memory") from error
    except Exception as error:  # whatever an operator's expression can raise
        raise PermanentError(f"template {place(error, name)}: {error}") from error


def _within(most: int, stream: Iterator[str]) -> Iterator[str]:
    size = 0
    for part in stream:
        size += len(part)
        if size > most:
            # Thrown into it, so that it is raised in the line that wrote too much.
            cast(Generator[str], stream).throw(OverrunError(f"it writes over {most:,} characters"))
        yield part


def place(error: Exception, name: str) -> str:
    """File and line from the traceback, in which Jinja gives the template's own lines: the
    innermost of a file that ends like `name`, or `name` alone."""
    suffix = name.rpartition(".")[2]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.endswith(suffix):
            return f"{Path(frame.filename).name}, line {frame.lineno}"
    return name


@pass_context
def _gettext(context: Context, message: str) -> str:
    return translations.of(_spoken(context)).gettext(message)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, number: int) -> str:
    return translations.of(_spoken(context)).ngettext(singular, plural, number)


@pass_context
def _pgettext(context: Context, sense: str, message: str) -> str:
    return str(translations.of(_spoken(context)).pgettext(sense, message))


@pass_context
def _npgettext(context: Context, sense: str, singular: str, plural: str, number: int) -> str:
    return translations.of(_spoken(context)).npgettext(sense, singular, plural, number)


def _spoken(context: Context) -> str:
    return str(context.get("locale", FALLBACK))


def _date(value: datetime, zone: str, locale: str, style: str = "long") -> str:
    return format_date(value.astimezone(ZoneInfo(zone)).date(), style, locale=babel(locale))


def _datetime(value: datetime, zone: str, locale: str, style: str = "medium") -> str:
    return format_datetime(value, style, tzinfo=ZoneInfo(zone), locale=babel(locale))


def _time(value: datetime, zone: str, locale: str) -> str:
    return format_time(value, "short", tzinfo=ZoneInfo(zone), locale=babel(locale))


def _number(value: int, locale: str) -> str:
    return format_decimal(value, locale=babel(locale))
