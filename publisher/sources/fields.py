"""Splits a file into front matter and body, and finds what the front matter says under any key."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time

import yaml

from publisher.core.text import clean_line
from publisher.errors import UnreadableError

_LIMIT = 100_000
_FENCE = re.compile(r"\s*^(---|\+\+\+)[ \t]*(?:\n|\Z)", re.MULTILINE)
_END = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE),
}
_JSON = re.compile(r'\s*(?=\{\s*["}])')
_GROUPS = ("extra", "params", "taxonomies")


class _Words(yaml.BaseLoader):  # type: ignore[misc]  # PyYAML ships no types
    """YAML whose scalars stay as written: `007` and `no` are titles, and dates are read by us.

    Not libyaml's loader: deep nesting crashes the process there.
    """

    def construct_scalar(self, node: yaml.ScalarNode) -> str:
        # What writes YAML as JSON escapes an emoji in two halves (RFC 8259, 7).
        written: str = super().construct_scalar(node)
        return written.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


_Words.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]
)
_Words.add_constructor("tag:yaml.org,2002:null", lambda _loader, _node: None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    key: str
    """As written."""
    value: object
    line: int | None = None
    """Of the file, counted from 1; None where it could not be told."""

    def problem(self, what: str) -> UnreadableError:
        """The error that this field's value is not `what`."""
        where = f" (line {self.line})" if self.line else ""
        shown = clean_line(words(self.value) or "this structure")[:80]
        return UnreadableError(f'{self.key}: "{shown}" {what}{where}')


class Fields:
    """Keys and values, found however they are spelt: `publishDate` is `publish_date`.

    What stands under `taxonomies`, `params` or `extra` counts as if it stood at the top.
    """

    def __init__(
        self, values: Mapping[str, object], source: str = "", line: int = 1, *, yaml: bool = False
    ) -> None:
        self.yaml = yaml
        self._source = source
        self._line = line
        groups = [values.get(group) for group in _GROUPS]
        self._found: dict[str, tuple[str, object]] = {}
        for group in (*filter(_is_mapping, groups), values):
            for key, value in mapping(group).items():
                if value is not None and value not in ("", [], {}):
                    self._found[_spelling(key)] = (key, value)

    def all(self, *keys: str) -> list[Field]:
        """The fields there are under these keys, in the order of `keys`; empty ones are not."""
        found = (self._found.get(_spelling(key)) for key in keys)
        return [
            Field(key=key, value=value, line=self._line_of(key))
            for key, value in filter(None, found)
        ]

    def text(self, *keys: str) -> str:
        """The first value under these keys that is a word or more, as written."""
        return next((text for field in self.all(*keys) if (text := words(field.value))), "")

    def names(self, *keys: str) -> list[str]:
        """Everything named under these keys: texts, lists of texts, `{name: …}`."""
        return [name for field in self.all(*keys) for name in _names(field.value)]

    def _line_of(self, key: str) -> int | None:
        where = re.search(rf"^[\s{{,]*[\"']?{re.escape(key)}[\"']?\s*[:=]", self._source, re.M)
        return self._line + self._source.count("\n", 0, where.end()) if where else None


def split(text: str) -> tuple[Fields, str]:
    """The front matter of a file (YAML `---`, TOML `+++` or JSON, or none) and what follows it.

    Raises UnreadableError with the line where the front matter is broken.
    """
    if start := _JSON.match(text):
        values, end = _load_json(text, start.end())
        return Fields(values, text[:end]), text[end:]
    opening = _FENCE.match(text)
    if not opening:
        return Fields({}), text
    fence = opening[1]
    closing = _END[fence].search(text, opening.end())
    if not closing:
        raise UnreadableError(f"its front matter has no end: a second line {fence} is missing")
    source = text[opening.end() : closing.start()]
    _measure(source)
    line = text.count("\n", 0, opening.end()) + 1
    load = _load_yaml if fence == "---" else _load_toml
    return Fields(load(source, line), source, line, yaml=fence == "---"), text[closing.end() :]


def words(value: object) -> str:
    """A scalar as it was written; "" for what is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (date, time)):
        return value.isoformat()
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is keys and values, else nothing."""
    if not isinstance(value, Mapping):
        return {}
    return {key: each for key, each in value.items() if isinstance(key, str)}


def _load_json(text: str, start: int) -> tuple[Mapping[str, object], int]:
    # Numbers stay as written.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
    try:
        values, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _broken("JSON", error.msg, error.lineno) from None
    except RecursionError:
        raise _broken("JSON", "it is nested too deeply") from None
    _measure(text[start:end])
    return mapping(values), end


def _load_yaml(source: str, line: int) -> Mapping[str, object]:
    try:
        values: object = yaml.load(source, Loader=_Words)  # noqa: S506 - it makes texts only
    except yaml.MarkedYAMLError as error:
        at = line + error.problem_mark.line if error.problem_mark else None
        raise _broken("YAML", error.problem or "", at) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _broken("YAML", str(error)) from None
    except RecursionError:
        raise _broken("YAML", "it is nested too deeply") from None
    if values is not None and not isinstance(values, Mapping):
        raise _broken("YAML", "keys with values are expected", line)
    return mapping(values)


def _load_toml(source: str, line: int) -> Mapping[str, object]:
    try:
        return tomllib.loads(source, parse_float=str)
    except ValueError as error:
        reason, _, place = str(error).partition(" (at line ")
        row = re.match(r"\d+", place)
        raise _broken("TOML", reason, line + int(row[0]) - 1 if row else None) from None
    except RecursionError:
        raise _broken("TOML", "it is nested too deeply") from None


def _measure(source: str) -> None:
    if len(source) > _LIMIT:
        raise UnreadableError(f"its front matter is larger than {_LIMIT // 1000} KB")


def _broken(kind: str, reason: str, line: int | None = None) -> UnreadableError:
    where = f", line {line}" if line else ""
    return UnreadableError(f"its front matter is not valid {kind}{where}: {clean_line(reason)}")


def _names(value: object) -> list[str]:
    if isinstance(value, list):
        return [name for each in value if not isinstance(each, list) for name in _names(each)]
    named = mapping(value)
    name = next((words(named[key]) for key in ("name", "title") if key in named), words(value))
    return [name] if name else []


def _spelling(key: str) -> str:
    return re.sub(r"[\W_]", "", key.casefold())


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)
