"""A receiving domain that refuses our mail through a relay: for how long it is left in peace."""

from dataclasses import dataclass
from datetime import datetime, timedelta

FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    relay: str
    domain: str
    """Empty: the relay itself takes no mail from us."""
    reason: str
    since: datetime
    """Of the first refusal in a row."""
    until: datetime
    """When it is tried again."""


def next_try(since: datetime, now: datetime) -> datetime:
    """The longer it has gone on, the longer the wait: about doubled each time."""
    return now + min(max(now - since, FIRST_WAIT), LONGEST_WAIT)
