"""When a newsletter's slot is due: local times on local days, right through every clock change.

A local day (for a weekly slot: a local week) has exactly one due moment. Where the clock jumps over
the time, it moves forward by as much (02:30 becomes 03:30); where the time comes twice, the first
counts; a day that a zone leaves out altogether has none, and a weekly slot on it moves forward too.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from publisher.core.model import Cadence, SlotTime

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


def parse_at(text: str) -> time:
    """A time of day written like `07:00`; raises ValueError with a sentence for anything else."""
    found = _CLOCK.fullmatch(text.strip())
    if not found:
        raise ValueError(f"a time of day is written like 07:00 or 18:30, not {text!r}")
    return time(int(found[1]), int(found[2]))


def slot_key(slot: SlotTime) -> str:
    """The text that a slot is known by: `daily/weekly@mon-07:00[Europe/Berlin]`."""
    match slot.cadence:
        case Cadence.IMMEDIATE:
            when = ""
        case Cadence.DAILY:
            when = f"@{slot.at:%H:%M}[{slot.zone}]"
        case Cadence.WEEKLY:
            when = f"@{WEEKDAYS[slot.weekday]}-{slot.at:%H:%M}[{slot.zone}]"
    return f"{slot.newsletter}/{slot.cadence}{when}"


def next_due(slot: SlotTime, after: datetime) -> datetime | None:
    """The first due moment strictly after `after`; None for an immediate slot, due by its articles.

    Raises zoneinfo.ZoneInfoNotFoundError when the zone is unknown.
    """
    return next((due for due in _around(slot, after) if due > after), None)


def latest_due(slot: SlotTime, now: datetime) -> datetime | None:
    """The last due moment that is not after `now`; None for an immediate slot.

    Raises zoneinfo.ZoneInfoNotFoundError when the zone is unknown.
    """
    return max((due for due in _around(slot, now) if due <= now), default=None)


def day_begins(moment: datetime, zone: str, after: int = 0) -> datetime:
    """When the day of `moment` began in a zone, or the day so many `after` it does; where its
    midnight comes twice, the first.

    Raises zoneinfo.ZoneInfoNotFoundError when the zone is unknown.
    """
    there = ZoneInfo(zone)
    day = moment.astimezone(there).date() + after * _DAY
    return datetime.combine(day, time(), tzinfo=there).astimezone(UTC)


def _around(slot: SlotTime, moment: datetime) -> Iterator[datetime]:
    """Due moments in order, from one before `moment` to one after it."""
    if slot.cadence is Cadence.IMMEDIATE:
        return
    zone = ZoneInfo(slot.zone)
    today = moment.astimezone(zone).date()
    # No clock has ever been moved by more than a day: a due moment of yesterday may come today, and
    # one of tomorrow may be over already, when a day is being repeated.
    if slot.cadence is Cadence.DAILY:
        days = (today + n * _DAY for n in range(-1, 4))
    else:
        this_week = today + (slot.weekday - today.weekday()) * _DAY
        days = (this_week + n * _WEEK for n in range(-1, 3))
    for day in days:
        # In a gap, fold=0 means the offset before it, which moves the time forward by the gap;
        # in a fold it means the first of the two (PEP 495).
        due = datetime.combine(day, slot.at, zone).astimezone(UTC)
        if slot.cadence is Cadence.WEEKLY or _has(zone, day, due):
            yield due


def _has(zone: ZoneInfo, day: date, due: datetime) -> bool:
    """Whether the zone has that day at all: Apia went from 29 to 31 December 2011."""
    if due.astimezone(zone).date() == day:
        return True
    edges = (datetime.combine(day, edge, zone).astimezone(UTC) for edge in (time.min, time.max))
    return any(moment.astimezone(zone).date() == day for moment in edges)
