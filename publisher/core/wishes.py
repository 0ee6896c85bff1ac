"""What a reader wishes of a newsletter, and the slot that follows from it."""

from dataclasses import dataclass, replace
from datetime import time

from publisher.core.model import Cadence, Newsletter, SlotTime
from publisher.errors import PermanentError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """A reader's choices; None = as the newsletter has it."""

    categories: tuple[str, ...] | None = None
    cadence: Cadence | None = None
    at: time | None = None
    weekday: int | None = None
    """0 is Monday."""
    zone: str | None = None

    def over(self, former: "Wishes") -> "Wishes":
        """These wishes, and the former ones where nothing is wished."""
        return Wishes(
            categories=former.categories if self.categories is None else self.categories,
            cadence=self.cadence or former.cadence,
            at=former.at if self.at is None else self.at,
            weekday=former.weekday if self.weekday is None else self.weekday,
            zone=self.zone or former.zone,
        )

    def within(self, newsletter: Newsletter) -> "Wishes":
        """These wishes, without a cadence in which the newsletter comes no more."""
        return self if self.cadence in (None, *newsletter.cadences) else replace(self, cadence=None)


def slot_for(newsletter: Newsletter, wishes: Wishes) -> SlotTime:
    """The slot of a reader with these wishes.

    Raises PermanentError when the newsletter does not come in the cadence wished for.
    """
    cadence = wishes.cadence or newsletter.cadences[0]
    if cadence not in newsletter.cadences:
        raise PermanentError(
            f"{newsletter.slug} comes {' or '.join(newsletter.cadences)}, not {cadence}"
        )
    if cadence is Cadence.IMMEDIATE:
        return SlotTime(newsletter=newsletter.slug, cadence=cadence, zone=newsletter.zone)
    return SlotTime(
        newsletter=newsletter.slug,
        cadence=cadence,
        at=wishes.at or newsletter.at,
        weekday=newsletter.weekday if wishes.weekday is None else wishes.weekday,
        zone=wishes.zone or newsletter.zone,
    )
