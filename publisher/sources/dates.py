"""Reads dates as people write them in front matter, where there are no two ways to read them."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

FORMS = "2026-11-20 or 2026-11-20 07:30"
"""What works, to be told to whoever wrote something else."""

# Of the first and the last day of all some hours are none in some zones.
_FIRST = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september",
    "october", "november", "december",
)  # fmt: skip
_NAMES = "|".join(f"{name[:3]}(?:{name[3:]})?" for name in _MONTHS) + "|sept"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_BETWEEN = r"(?:\s*[-/.]\s*|\s+)"
_WEEKDAY = r"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?"
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?(\s*[ap]\.?m\.?)?"
_TIME = rf"(?:(?:\s*T\s*|,?\s+(?:at\s+)?){_CLOCK})?"
# The names are those of mail (RFC 5322 section 4.3); others mean several zones.
_ZONES = {
    "": "", "Z": "+00:00", "UT": "+00:00", "UTC": "+00:00", "GMT": "+00:00", "EST": "-05:00",
    "EDT": "-04:00", "CST": "-06:00", "CDT": "-05:00", "MST": "-07:00", "MDT": "-06:00",
    "PST": "-08:00", "PDT": "-07:00",
}  # fmt: skip
_ZONE = rf"\s*({'|'.join(filter(None, _ZONES))}|[+-]\d{{2}}:?\d{{2}}|[+-]\d{{2}})?(?:\s*\(\w+\))?"
_REST = re.compile(_TIME + _ZONE, re.IGNORECASE | re.ASCII)
_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST = (
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        rf"(\d{{4}}){_BETWEEN}(\d{{1,2}}){_BETWEEN}(\d{{1,2}})(?!\d)",
        rf"{_WEEKDAY}{_DAY}[\s-]+(?:of\s+)?({_NAMES})\.?,?[\s-]+(\d{{4}})(?!\d)",
        rf"{_WEEKDAY}({_NAMES})\.?\s+{_DAY},?\s+(\d{{4}})(?!\d)",
    )
)


def moment(value: str | date, zone: tzinfo) -> datetime | None:
    """A date, as a parser of front matter gives it, in UTC; None if it is none, or ambiguous.

    Texts are read as ISO 8601 has them, or with the month's English name. Without a zone of its own
    it is read in `zone`, without an hour as the day's beginning.
    """
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, date):
            found = datetime.combine(value, time())
        else:
            found = _read(" ".join(value.split()))
        there = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        return there if _FIRST < there < _LAST else None
    except (ValueError, OverflowError):
        return None


def _read(text: str) -> datetime:
    """Raises ValueError when it cannot be read."""
    if match := _YEAR_FIRST.match(text):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.match(text):
        day, month, year = match.groups()
    elif match := _MONTH_FIRST.match(text):
        month, day, year = match.groups()
    rest = _REST.fullmatch(text, match.end()) if match else None
    if rest is None:
        return datetime.fromisoformat(text)
    hour, minute, second, half, zone = rest.groups("")
    if half:
        if not 1 <= int(hour) <= 12:
            raise ValueError(f"no hour: {hour}{half}")
        hour = str(int(hour) % 12 + 12 * ("p" in half.casefold()))
    return datetime.fromisoformat(
        f"{year}-{_number(month):02}-{day:0>2}"
        f"T{hour or '00':0>2}:{minute or '00'}:{second or '00'}{_ZONES.get(zone.upper(), zone)}"
    )


def _number(month: str) -> int:
    if month.isdecimal():
        return int(month)
    return next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(month[:3].casefold()))
