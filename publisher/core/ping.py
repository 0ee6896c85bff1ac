"""Telling WebSub hubs what is new: what a hub's answer means, and when it is asked again."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
ATTEMPTS = 17
"""Within two days; what is not taken by then is given up."""

_MOVED = (301, 308)
_LATER = (408, 429)
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A feed as it stands in the feeds folder."""

    mark: str
    """A hash of its bytes."""
    change: int
    """What it was built from: of two versions that with the higher one is the newer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """What a hub is to be told: that a feed has a new version."""

    hub: str
    topic: str
    """The feed's address."""
    version: str
    attempts: int
    """So far, one under way included."""
    next_attempt_at: datetime
    """While one is under way: when it counts as lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of asking a hub."""

    status: int | None
    """None: no answer."""
    said: str
    """In words for the operator."""
    retry_after: str = ""
    """That header's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    taken: bool = False
    next_attempt_at: datetime | None = None
    """None: never again for this version."""
    rest_until: datetime | None = None
    """Until then the hub is asked for no other feed either."""


def judge(heard: Heard, attempts: int, now: datetime) -> Verdict:
    """What an answer to the attempt of that number means.

    The standard leaves open what hubs answer to publishers: any 2xx is a yes. What a 4xx refuses it
    would refuse again, so only a newer version is worth another word.
    """
    status = heard.status
    if status is not None and 200 <= status < 300:
        return Verdict(taken=True)
    if status in _MOVED or (status is not None and 400 <= status < 500 and status not in _LATER):
        return Verdict()
    wished = _wait_wished(heard.retry_after, now) if status in _BUSY else timedelta()
    # A hub that is overrun or away is so for every feed.
    rest_until = now + max(wished, FIRST_WAIT) if status is None or status in _BUSY else None
    if attempts >= ATTEMPTS:
        return Verdict(rest_until=rest_until)
    wait = min(FIRST_WAIT * 2 ** max(attempts - 1, 0), LONGEST_WAIT)
    return Verdict(next_attempt_at=now + max(wait, wished), rest_until=rest_until)


def _wait_wished(retry_after: str, now: datetime) -> timedelta:
    """Seconds or a date (RFC 9110, 10.2.3), as far as we go along with it."""
    try:
        if retry_after.strip().isdecimal():
            wished = timedelta(seconds=int(retry_after[:9]))
        else:
            moment = parsedate_to_datetime(retry_after)
            wished = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, OverflowError):
        return timedelta()
    return min(max(wished, timedelta()), LONGEST_WAIT)
