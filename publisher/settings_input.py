"""Reads what the operator wrote, in file and environment, and says in a sentence what is wrong."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource

from publisher.core import checks
from publisher.errors import ConfigurationError

PREFIX = "PUBLISHER_"
CONFIG, SECRET = "PUBLISHER_CONFIG", "PUBLISHER_SECRET"

Tables = dict[str, object]

_PLACE = re.compile(r"(?P<what>.*) \(at (?P<place>.*)\)")
_SCALARS = {
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
_CONTAINERS = {"tuple_type": "a list", "model_type": "a table", "model_attributes_type": "a table"}


def from_file(file: Path) -> Tables:
    """Raises ConfigurationError with file, line and reason."""
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigurationError(f"{file}: there is no such configuration file") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{file}, line {line}: not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        found = _PLACE.fullmatch(str(error))
        place, what = (found["place"], found["what"]) if found else ("", str(error))
        raise ConfigurationError(f"{file}, {place}: not TOML: {what}") from None


def from_environment(settings: type[BaseSettings], environ: Mapping[str, str]) -> Tables:
    """Raises ConfigurationError for a PUBLISHER_… variable that means no key, or holds no JSON."""
    known = [CONFIG, SECRET, *_variables(settings)]
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            hint = checks.did_you_mean(name, known)
            raise ConfigurationError(f"{name}: there is no such variable{hint}")
    return _Environment(settings, environ)()


def sentence(
    settings: type[BaseSettings], error: ValidationError, file: str, environ: Mapping[str, str]
) -> str:
    """The first thing that is wrong: where it stands, its key, its value, and what is allowed."""
    # A misspelt key often leaves another one missing; the slip itself is what helps.
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    return f"{_origin(first['loc'], file, environ)}: {_complaint(settings, first)}"


class _Environment(EnvSettingsSource):
    """The variables of a given environment rather than of this process."""

    def __init__(self, settings: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.env_vars = {name.lower(): value for name, value in environ.items()}
        self._names = [name for name in environ if name.startswith(PREFIX)]

    def decode_complex_value(
        self,
        field_name: str,
        field: FieldInfo,
        value: Any,  # Any: as in the library
    ) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except json.JSONDecodeError as error:
            name = next(name for name in self._names if name.endswith(field_name.upper()))
            raise ConfigurationError(
                f"{name}: not JSON: {error.msg} (character {error.pos + 1})"
            ) from None


def _variables(settings: type[BaseSettings]) -> Iterator[str]:
    for table, field in settings.model_fields.items():
        name = f"{PREFIX}{table.upper()}"
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}__{key.upper()}" for key in field.annotation.model_fields)


def _origin(loc: tuple[int | str, ...], file: str, environ: Mapping[str, str]) -> str:
    names = [str(part).upper() for part in loc[:2]]
    variables = (PREFIX + "__".join(names), PREFIX + names[0])
    return next((variable for variable in variables if variable in environ), file)


def _complaint(settings: type[BaseSettings], error: ErrorDetails) -> str:
    loc, kind, value = error["loc"], error["type"], error["input"]
    key = _written(loc)
    if kind == "missing":
        return f"{key} is missing"
    if kind == "extra_forbidden":
        known = tuple(_table_at(settings, loc[:-1]).model_fields)
        hint = checks.did_you_mean(str(loc[-1]), known) or f"; known are {', '.join(known)}"
        return f"{key}: there is no such key{hint}"
    if kind == "value_error":
        return f"{key}: {error['ctx']['error']}"
    if kind == "literal_error":
        return f"{key}: {checks.shown(value)} is not {error['ctx']['expected']}"
    if kind in _SCALARS:
        return f"{key}: {checks.shown(value)} is not {_SCALARS[kind]}"
    if kind in _CONTAINERS:
        # Not the value: text in place of a relay's table may be its address with the password.
        return f"{key} must be {_CONTAINERS[kind]}"
    return f"{key}: {error['msg']}"


def _written(loc: Iterable[int | str]) -> str:
    """`newsletters[0].zone`"""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return "".join(parts).removeprefix(".")


def _table_at(settings: type[BaseModel], loc: Iterable[int | str]) -> type[BaseModel]:
    table = settings
    for name in loc:
        if isinstance(name, str):
            annotation = table.model_fields[name].annotation
            table = (get_args(annotation) or (annotation,))[0]  # Newsletter of tuple[Newsletter, …]
    return table
