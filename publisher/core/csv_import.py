"""A list of readers in a CSV file of anybody's making: what its columns mean, and what a row wants.

Headers are guessed from those that well-known newsletter programs write; the operator may say
otherwise. A row becomes a wanted subscription, or is refused with its reason.
"""

import re
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from publisher.core import checks
from publisher.core.addresses import normalise
from publisher.core.headers import one_line
from publisher.core.homographs import is_homograph
from publisher.core.model import EVERYTHING, Newsletter
from publisher.core.spreadsheet import as_written
from publisher.core.text import clean_line, without_controls
from publisher.core.wishes import Wishes, slot_for
from publisher.errors import PermanentError

T = TypeVar("T")

EXPORTED = (
    "address",
    "name",
    "newsletter",
    "state",
    "categories",
    "cadence",
    "at",
    "weekday",
    "zone",
    "locale",
    "since",
    "consent",
)
"""The columns of our own export."""

# Of each field the headers it is guessed from, the likeliest first; without case, spaces and marks.
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "address": ("email", "emailaddress", "emailadresse", "mailadresse", "mail", "address"),
    "name": ("name", "fullname", "displayname"),
    "first_name": ("firstname", "fname", "givenname", "vorname"),
    "last_name": ("lastname", "lname", "surname", "familyname", "nachname"),
    "locale": ("locale", "language", "lang"),
    "zone": ("zone", "timezone", "tz"),
    "cadence": ("cadence",),
    "at": ("at",),
    "weekday": ("weekday",),
    "categories": ("categories",),
    "status": ("status", "subscriptionstatus", "subscribedtoemails", "subscribed"),
    "disabled": ("emaildisabled", "unsubscribed", "blocked", "bounced"),
    "left_at": ("unsubtime", "cleantime", "unsubscribedat", "deletedat", "bouncedat", "leftat"),
    "subscribed_at": (
        "confirmtime",
        "optintime",
        "doubleoptinat",
        "confirmedat",
        "subscribedat",
        "createdat",
    ),
    "consent": ("consent",),
}
_OWN = {"state": "status", "since": "subscribed_at"}
"""Columns of our own export that are fields of another name."""
FIELDS = (*_HEADERS, "newsletter")

_ALL_COUNT = ("status", "disabled", "left_at")
"""Fields of which every column is looked at: one that speaks against a reader is enough."""
_ONE_COUNTS = ("address",)
"""A postal address may stand in another column."""

_SUBSCRIBED = frozenset({"", "subscribed", "active", "confirmed", "enabled", "true", "yes", "1"})
_NEVER_CONFIRMED = frozenset({"pending", "unconfirmed", "notconfirmed"})
_LEFT = frozenset(
    {
        *("unsubscribed", "nonsubscribed", "cleaned", "archived", "deleted", "removed", "erased"),
        *("suppressed", "blocked", "blocklisted", "blacklisted", "disabled", "inactive"),
        *("bounced", "unreachable", "complained", "spam", "false", "no", "0"),
    }
)
_NO = frozenset({"", "false", "no", "0"})

_NOT_IN_WORDS = re.compile(r"[\W_]+")
_BETWEEN_SLUGS = re.compile(r"[,;|]")
_LONGEST_NAME = 200
_LONGEST_CONSENT = 4_000
_SHOWN = 80
_REASON = 300
_HEADERS_SHOWN = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What the columns of a file mean."""

    places: Mapping[str, tuple[int, ...]]
    """Of each field the columns that it is read from, the first with something in it counts."""
    count: int
    ignored: tuple[str, ...]
    """Headers that mean nothing here."""
    is_own: bool
    """It is an export of this program: cells may be marked against spreadsheets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription that a row asks for."""

    line: int
    address: str
    key: str
    """`core.addresses.normalise` of it."""
    name: str
    locale: str
    wishes: Wishes
    subscribed_at: str
    """When its reader subscribed there: ISO 8601 where it can be read, else as it was written."""
    consent: str
    """What the file tells of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    line: int
    address: str
    """As it was written, on one line; empty where there was none."""
    reason: str


def columns_of(header: Sequence[str], chosen: Mapping[str, str]) -> Columns:
    """What the columns mean; `chosen` are headers and their fields (empty: ignore it).

    Raises PermanentError, naming the headers, when none holds addresses or a chosen one is missing.
    """
    titles = [clean_line(each) for each in header]
    is_own = set(EXPORTED) <= set(titles)
    places: dict[str, list[int]] = {}
    for title, field in chosen.items():
        if field and field not in FIELDS:
            near = checks.did_you_mean(field, FIELDS)
            fields = ", ".join(FIELDS)
            raise PermanentError(f"'{field}' is none of the fields ({fields}){near}")
        found = [at for at, each in enumerate(titles) if _word(each) == _word(title)]
        if not found:
            raise PermanentError(f"there is no column '{title}' (there is: {_shown(titles)})")
        places.setdefault(field, []).extend(found)
    taken = {at for each in places.values() for at in each}
    for field in FIELDS:
        if field in places and field not in _ALL_COUNT:
            continue
        guessed = [at for at in _guessed(field, titles, is_own=is_own) if at not in taken]
        if guessed:
            wanted = guessed[:1] if field in _ONE_COUNTS else guessed
            places.setdefault(field, []).extend(wanted)
            taken.update(wanted)
    if "address" not in places:
        hint = (
            "; the first line must name the columns" if any("@" in each for each in titles) else ""
        )
        raise PermanentError(
            f"no column is known to hold mail addresses (there is: {_shown(titles)}){hint}; "
            "--map HEADER=address names it"
        )
    places.pop("", None)
    ignored = tuple(each for at, each in enumerate(titles) if each and at not in taken)
    kept = {field: tuple(each) for field, each in places.items()}
    return Columns(places=kept, count=len(titles), ignored=ignored, is_own=is_own)


def read_row(
    columns: Columns,
    line: int,
    cells: Sequence[str],
    to: Newsletter,
    categories: Collection[str],
) -> Wanted | Refused:
    """What a row of the file asks for; `categories` are those that may be chosen."""
    row = _Row(columns, cells)
    try:
        if len(cells) < columns.count or any(cells[columns.count :]):
            raise PermanentError(f"has {len(cells)} cells where the header has {columns.count}")
        key = normalise(row.value("address"))
        if is_homograph(key.rpartition("@")[2]):
            raise PermanentError("the domain is written to be taken for another")
        if (other := row.value("newsletter")) and other != to.slug:
            raise PermanentError(f"is of the newsletter '{one_line(other, _SHOWN)}'")
        if reason := _against(row):
            raise PermanentError(reason)
        wishes = _wishes(row, None if columns.is_own else categories)
        slot_for(to, wishes)
        return Wanted(
            line=line,
            address=row.value("address"),
            key=key,
            name=_name(row),
            locale=row.checked("locale", _language) or "",
            wishes=wishes,
            subscribed_at=_moment(row.value("subscribed_at")),
            consent=without_controls(row.value("consent"))[:_LONGEST_CONSENT],
        )
    except (PermanentError, ValueError) as error:
        return Refused(
            line=line,
            address=one_line(row.value("address"), 320),
            reason=one_line(str(error), _REASON),
        )


def left_by(columns: Columns, cells: Sequence[str], to: Newsletter) -> str | None:
    """The key of the reader of whom this row says that they left; None for every other row."""
    row = _Row(columns, cells)
    if not _against(row) or row.value("newsletter") not in ("", to.slug):
        return None
    try:
        return normalise(row.value("address"))
    except PermanentError:
        return None


class _Row:
    def __init__(self, columns: Columns, cells: Sequence[str]) -> None:
        self._columns = columns
        self._cells = cells

    def values(self, field: str) -> list[str]:
        """What stands in the columns of a field."""
        found = [self._cells[at : at + 1] for at in self._columns.places.get(field, ())]
        own = self._columns.is_own
        return [(as_written(cell) if own else cell).strip() for each in found for cell in each]

    def value(self, field: str) -> str:
        return next(filter(None, self.values(field)), "")

    def checked(self, field: str, check: Callable[[str], T]) -> T | None:
        value = self.value(field)
        return check(value) if value else None


def _guessed(field: str, titles: Sequence[str], *, is_own: bool) -> list[int]:
    if is_own:
        return [at for at, each in enumerate(titles) if _OWN.get(each, each) == field]
    words = list(map(_word, titles))
    return [at for word in _HEADERS.get(field, ()) for at, each in enumerate(words) if each == word]


def _against(row: _Row) -> str:
    """What the file itself says against mailing a reader; empty when nothing."""
    for value in row.values("status"):
        word = _word(value)
        if word in _NEVER_CONFIRMED:
            return f"was not confirmed there ({one_line(value, _SHOWN)})"
        if word in _LEFT:
            return f"has left, or may not be mailed, says the file ({one_line(value, _SHOWN)})"
        if word not in _SUBSCRIBED:
            return f"nothing is known of the status '{one_line(value, _SHOWN)}'"
    if any(_word(value) not in _NO for value in row.values("disabled")):
        return "has left, or may not be mailed, says the file"
    if left_at := row.value("left_at"):
        return f"has left, or may not be mailed, says the file (since {one_line(left_at, _SHOWN)})"
    return ""


def _wishes(row: _Row, categories: Collection[str] | None) -> Wishes:
    named = map(str.strip, _BETWEEN_SLUGS.split(row.value("categories")))
    chosen = tuple(dict.fromkeys(each.casefold() for each in named if each))
    for each in chosen:
        if categories is not None and each != EVERYTHING and each not in categories:
            raise PermanentError(f"there is no category '{one_line(each, _SHOWN)}'")
    return Wishes(
        categories=chosen or None,
        cadence=row.checked("cadence", lambda value: checks.cadence(value.casefold())),
        at=row.checked("at", checks.time_of_day),
        weekday=row.checked("weekday", lambda value: checks.weekday(value.casefold())),
        zone=row.checked("zone", checks.zone),
    )


def _name(row: _Row) -> str:
    parts = (row.value("first_name"), row.value("last_name"))
    return clean_line(row.value("name") or " ".join(parts))[:_LONGEST_NAME].strip()


def _language(value: str) -> str:
    return checks.language(value.replace("_", "-"))


def _moment(value: str) -> str:
    """A date without a zone is of UTC."""
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()
    except ValueError:
        return one_line(value, _SHOWN)


def _word(text: str) -> str:
    return _NOT_IN_WORDS.sub("", unicodedata.normalize("NFKC", text).casefold())


def _shown(titles: Sequence[str]) -> str:
    return one_line(", ".join(titles), _HEADERS_SHOWN)
