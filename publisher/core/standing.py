"""Whether a newsletter's mail does harm: the share of bounces and complaints that stops it."""

from dataclasses import dataclass
from datetime import timedelta

WATCHED = timedelta(hours=24)
LEAST_MAILS = 1_000
"""Below this, shares say little."""
MOST_HARD = 0.04
"""Mail services take a sender of more for one who bought the addresses."""
MOST_COMPLAINTS = 0.001
"""What Gmail and Yahoo demand of bulk senders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What became of a newsletter's mails in the last 24 hours."""

    mails: int
    """Handed over or refused for good."""
    hard: int
    """Addresses that do not exist."""
    complaints: int

    @property
    def may_matter(self) -> bool:
        """Whether it must stop at some number of mails: then they are worth counting."""
        return self.hard >= LEAST_MAILS * MOST_HARD or self.complaints >= 1


def pause_reason(day: Day) -> str | None:
    """Why the newsletter must pause, in a sentence, or None."""
    if day.mails < LEAST_MAILS:
        return None
    if day.hard >= day.mails * MOST_HARD:
        return (
            f"{day.hard} of {day.mails} mails of the last 24 hours went to addresses that do not "
            f"exist ({day.hard / day.mails:.1%}; {MOST_HARD:.0%} is the most)"
        )
    if day.complaints >= day.mails * MOST_COMPLAINTS:
        return (
            f"readers complained about {day.complaints} of {day.mails} mails of the last 24 hours "
            f"({day.complaints / day.mails:.2%}; {MOST_COMPLAINTS:.1%} is the most)"
        )
    return None
