"""What our pages call cadences and days, and what one who confirms agrees to."""

from collections.abc import Mapping, Sequence
from datetime import date

from babel.dates import format_date, get_day_names
from babel.lists import format_list

from publisher.core.model import Cadence, Newsletter
from publisher.core.schedule import WEEKDAYS
from publisher.core.wishes import Wishes
from publisher.kit import translations
from publisher.kit.locale import babel, isolated
from publisher.kit.translations import gettext_noop

CADENCES = {
    Cadence.DAILY: gettext_noop("Every day"),
    Cadence.WEEKLY: gettext_noop("Once a week"),
    Cadence.IMMEDIATE: gettext_noop("At once, whenever something comes out"),
}
"""To be translated where they are shown."""

_WHEN = {
    Cadence.DAILY: gettext_noop("every day at %(time)s (%(zone)s)"),
    Cadence.WEEKLY: gettext_noop("every %(day)s at %(time)s (%(zone)s)"),
    Cadence.IMMEDIATE: gettext_noop("at once whenever something comes out"),
}


HOW_RETURNED = "came back by the link in a mail"
HOW_JOINED = "chosen on the reader's own page"
"""For the record of consent."""


def days(locale: str) -> Sequence[tuple[str, str]]:
    """Each as forms send it, and its name."""
    names = get_day_names("wide", locale=babel(locale))
    return [(each, names[number]) for number, each in enumerate(WEEKDAYS)]


def day(date: date, locale: str) -> str:
    """A date as people write it."""
    return format_date(date, "long", locale=babel(locale))


def agreement(
    newsletter: Newsletter, wishes: Wishes, titles: Mapping[str, str], locale: str
) -> str:
    """What one who confirms agrees to, as the page says it and the record keeps it.

    `titles` of categories by slug.
    """
    cadence = wishes.cadence or newsletter.cadences[0]
    weekday = newsletter.weekday if wishes.weekday is None else wishes.weekday
    words = translations.of(locale)
    when = words.gettext(_WHEN[cadence]) % {
        "day": days(locale)[weekday][1],
        "time": f"{wishes.at or newsletter.at:%H:%M}",
        "zone": wishes.zone or newsletter.zone,
    }
    said = {"newsletter": isolated(newsletter.title, locale), "when": when}
    if not wishes.categories:
        return words.gettext("%(newsletter)s, %(when)s") % said
    about = [isolated(titles.get(each, each), locale) for each in wishes.categories]
    said["categories"] = format_list(about, locale=babel(locale))
    return words.gettext("%(newsletter)s, %(when)s: %(categories)s") % said
