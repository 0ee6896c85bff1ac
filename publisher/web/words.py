"""What our pages call cadences and days, and what one who confirms agrees to."""

from collections.abc import Mapping

from publisher.core.model import Cadence, Newsletter
from publisher.core.schedule import WEEKDAYS
from publisher.core.wishes import Wishes

CADENCES = {
    Cadence.DAILY: "Every day",
    Cadence.WEEKLY: "Once a week",
    Cadence.IMMEDIATE: "At once, whenever something comes out",
}
_DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAYS = tuple(zip(WEEKDAYS, _DAY_NAMES, strict=True))
"""Each as forms send it, and its name."""


HOW_RETURNED = "came back by the link in a mail"
HOW_JOINED = "chosen on the reader's own page"
"""For the record of consent."""


def agreement(newsletter: Newsletter, wishes: Wishes, titles: Mapping[str, str]) -> str:
    """What one who confirms agrees to, as the page says it and the record keeps it.

    `titles` of categories by slug.
    """
    cadence = wishes.cadence or newsletter.cadences[0]
    at, zone = wishes.at or newsletter.at, wishes.zone or newsletter.zone
    weekday = newsletter.weekday if wishes.weekday is None else wishes.weekday
    when = {
        Cadence.DAILY: f"every day at {at:%H:%M} ({zone})",
        Cadence.WEEKLY: f"every {_DAY_NAMES[weekday]} at {at:%H:%M} ({zone})",
        Cadence.IMMEDIATE: "at once whenever something comes out",
    }[cadence]
    if not wishes.categories:
        return f"{newsletter.title}, {when}"
    about = ", ".join(titles.get(each, each) for each in wishes.categories)
    return f"{newsletter.title}, {when}: {about}"
