"""What a request takes and what it has already: encodings and validators (RFC 9110)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

Fields = Mapping[bytes, bytes]
"""A request's header fields by their names in small letters."""

_ENTITY_TAG = re.compile(rb'[ \t,]*(W/)?("[^"]*")[ \t]*(?:,[ \t,]*|$)')


def fields(headers: Iterable[tuple[bytes, bytes]]) -> Fields:
    """What came in several lines is one list (RFC 9110, 5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def prefers_gzip(asked: Fields) -> bool:
    """Whether the request takes gzip, and not rather the plain bytes (RFC 9110, 12.5.3)."""
    given = weights(asked.get(b"accept-encoding", b""))
    others = given.get("*", 0.0)
    gzipped = given.get("gzip", given.get("x-gzip", others))
    return gzipped > 0 and gzipped >= given.get("identity", others)


def weights(listed: bytes) -> Mapping[str, float]:
    """The items of a list, in small letters, with their `q` (RFC 9110, 12.4.2): 0 is "not that"."""
    found: dict[str, float] = {}
    for part in listed.decode("latin-1").lower().split(","):
        item, *parameters = (piece.strip() for piece in part.split(";"))
        if item:
            found[item] = min(map(_weight, parameters), default=1.0)
    return found


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0


def status_for(asked: Fields, etag: bytes, modified: int | None) -> int:
    """What the request's conditions make of a GET: 200, 304 or 412 (RFC 9110, 13.2.2).

    `modified`: the second in which the version came to be, where that tells it from all others.
    """
    if (tags := asked.get(b"if-match")) is not None:
        if not _names(tags, etag, weakly=False):
            return 412
    elif modified is not None and modified > _moment(asked, b"if-unmodified-since", modified):
        return 412
    if (tags := asked.get(b"if-none-match")) is not None:
        return 304 if _names(tags, etag, weakly=True) else 200
    if modified is not None and modified <= _moment(asked, b"if-modified-since", modified - 1):
        return 304
    return 200


def entity_tags(listed: bytes) -> tuple[tuple[bool, bytes], ...]:
    """The tags of a list, each with whether it is weak; none of a list that is malformed."""
    tags, position = [], 0
    while position < len(listed):
        found = _ENTITY_TAG.match(listed, position)
        if found is None:
            return ()
        tags.append((found[1] is not None, found[2]))
        position = found.end()
    return tuple(tags)


def _names(listed: bytes, etag: bytes, *, weakly: bool) -> bool:
    if listed in (etag, b"*"):
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in entity_tags(listed))


def _moment(asked: Fields, name: bytes, otherwise: int) -> float:
    """A date of the request in seconds since the epoch; `otherwise` where it has none to go by."""
    if (written := asked.get(name)) is None:
        return otherwise
    try:
        moment = parsedate_to_datetime(written.decode("latin-1"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):  # a year of eleven digits overflows
        return otherwise
