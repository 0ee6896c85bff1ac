"""What somebody who signs up has written, checked field by field: by form or by the API."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from publisher.core import checks
from publisher.core.addresses import check
from publisher.core.headers import one_line
from publisher.core.model import EVERYTHING, Newsletter
from publisher.core.signup import SignUp
from publisher.core.wishes import Wishes, slot_for
from publisher.errors import PermanentError
from publisher.kit.translations import gettext_noop
from publisher.web.forms import Fields, first

T = TypeVar("T")

_LONGEST_NAME = 100
_LONGEST_VALUE = 80
_LONGEST_ADDRESS = 400  # characters that are worth looking at


_NO_ADDRESS = gettext_noop("Please give your mail address.")
_NOT_AN_ADDRESS = gettext_noop("“%(value)s” is not an address that mail can be sent to.")
_NO_NEWSLETTER = gettext_noop("Please choose a newsletter.")
_NOT_OFFERED = gettext_noop("“%(value)s” cannot be chosen here.")
_NOT_A_TIME = gettext_noop("“%(value)s” is not a time of day; one is like 07:30.")
_NOT_A_ZONE = gettext_noop("“%(value)s” is not a time zone; one is like Europe/Berlin.")


class WrongFieldError(Exception):
    """A field that cannot be taken as it is; `str()` tells programs exactly why, in English."""

    def __init__(self, name: str, why: object, sentence: str = "", **values: str) -> None:
        """`sentence` with its `values` tells it to readers, in the words of the catalogues; only
        programs meet an error without one."""
        super().__init__(str(why).rstrip("."))
        self.name = name
        self.sentence = sentence
        self.values = values


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What one can sign up for."""

    newsletters: Mapping[str, Newsletter]
    """By slug."""
    categories: Mapping[str, str]
    """Titles by slug, of all that there are."""

    def categories_of(self, newsletter: Newsletter) -> Mapping[str, str]:
        """Those that one can choose of a newsletter."""
        if EVERYTHING in newsletter.categories:
            return self.categories
        return {
            slug: self.categories[slug] for slug in newsletter.categories if slug in self.categories
        }


def address_of(fields: Fields, name: str = "email") -> str:
    """The address in a field. Raises WrongFieldError."""
    written = first(fields, name)[:_LONGEST_ADDRESS]
    try:
        return check(written)
    except PermanentError as error:
        sentence = _NOT_AN_ADDRESS if written.strip() else _NO_ADDRESS
        raise WrongFieldError(name, error, sentence, value=_shown(written)) from None


def read(fields: Fields, offer: Offer, consent: Mapping[str, str]) -> SignUp:
    """What is asked for. A field like `cadence:daily` is of the newsletter `daily` alone, one like
    `cadence` of every newsletter named.

    Raises WrongFieldError for the first field that cannot be taken.
    """
    return SignUp(
        address=address_of(fields),
        name=one_line(first(fields, "name"), _LONGEST_NAME),
        locale=checked(fields, "locale", checks.language, _NOT_OFFERED) or "",
        zone=checked(fields, "zone", checks.zone, _NOT_A_ZONE) or "",
        wishes={each.slug: wishes_of(fields, each, offer) for each in _newsletters(fields, offer)},
        consent=consent,
    )


def _newsletters(fields: Fields, offer: Offer) -> Sequence[Newsletter]:
    """Those named; where there is but one it need not be."""
    slugs = [slug for slug in dict.fromkeys(fields.get("newsletter", ())) if slug]
    if not slugs and len(offer.newsletters) == 1:
        slugs = list(offer.newsletters)
    if not slugs:
        raise WrongFieldError("newsletter", "no newsletter is chosen", _NO_NEWSLETTER)
    return [offered(offer, slug) for slug in slugs]


def offered(offer: Offer, slug: str) -> Newsletter:
    """Raises WrongFieldError."""
    if slug not in offer.newsletters:
        why = f"there is no newsletter '{_shown(slug)}'"
        raise WrongFieldError("newsletter", why, _NOT_OFFERED, value=_shown(slug))
    return offer.newsletters[slug]


def wishes_of(fields: Fields, to: Newsletter, offer: Offer) -> Wishes:
    """What is wished of one newsletter. Raises WrongFieldError."""

    def name_of(field: str) -> str:
        own = f"{field}:{to.slug}"
        return own if own in fields else field

    # What is as the newsletter has it is no wish: its reader goes along when that changes.
    wishes = Wishes(
        categories=_categories(fields, name_of("category"), offer.categories_of(to)),
        cadence=_unless(
            to.cadences[0], checked(fields, name_of("cadence"), checks.cadence, _NOT_OFFERED)
        ),
        at=_unless(to.at, checked(fields, name_of("at"), checks.time_of_day, _NOT_A_TIME)),
        weekday=_unless(
            to.weekday, checked(fields, name_of("weekday"), checks.weekday, _NOT_OFFERED)
        ),
        zone=_unless(to.zone, checked(fields, name_of("zone"), checks.zone, _NOT_A_ZONE)),
    )
    try:
        slot_for(to, wishes)
    except PermanentError as error:
        raise WrongFieldError("cadence", error, _NOT_OFFERED, value=wishes.cadence or "") from None
    return wishes


def _categories(fields: Fields, name: str, offered: Mapping[str, str]) -> tuple[str, ...] | None:
    chosen = tuple(slug for slug in dict.fromkeys(fields.get(name, ())) if slug)
    for slug in chosen:
        if slug not in offered and slug != EVERYTHING:
            why = f"there is no category '{_shown(slug)}'"
            raise WrongFieldError("category", why, _NOT_OFFERED, value=_shown(slug))
    return None if EVERYTHING in chosen or set(chosen) == set(offered) else chosen or None


def checked(
    fields: Fields, name: str, rule: Callable[[str], T], sentence: str, **values: str
) -> T | None:
    """The value of a field that may be left out or empty.

    Raises WrongFieldError with the `sentence` where the `rule` raises ValueError.
    """
    value = first(fields, name).strip()
    if not value:
        return None
    try:
        return rule(value[:_LONGEST_VALUE])
    except ValueError as error:
        values = {"value": _shown(value)} | values
        raise WrongFieldError(name.partition(":")[0], error, sentence, **values) from None


def _shown(value: str) -> str:
    """What was written, as a sentence repeats it."""
    return one_line(value, _LONGEST_VALUE)


def _unless(default: T, value: T | None) -> T | None:
    return None if value == default else value
