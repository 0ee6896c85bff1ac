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
from publisher.web.forms import Fields, first

T = TypeVar("T")

_LONGEST_NAME = 100
_LONGEST_VALUE = 80
_LONGEST_ADDRESS = 400  # characters that are worth looking at


class WrongFieldError(Exception):
    """A field that cannot be taken as it is; `str()` says why in a sentence."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence.rstrip("."))
        self.name = name


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


def address_of(fields: Fields) -> str:
    """Raises WrongFieldError."""
    try:
        return check(first(fields, "email")[:_LONGEST_ADDRESS])
    except PermanentError as error:
        raise WrongFieldError("email", str(error)) from None


def read(fields: Fields, offer: Offer, consent: Mapping[str, str]) -> SignUp:
    """What is asked for. A field like `cadence:daily` is of the newsletter `daily` alone, one like
    `cadence` of every newsletter named.

    Raises WrongFieldError for the first field that cannot be taken.
    """
    return SignUp(
        address=address_of(fields),
        name=one_line(first(fields, "name"), _LONGEST_NAME),
        locale=checked(fields, "locale", checks.language) or "",
        zone=checked(fields, "zone", checks.zone) or "",
        wishes={each.slug: wishes_of(fields, each, offer) for each in _newsletters(fields, offer)},
        consent=consent,
    )


def _newsletters(fields: Fields, offer: Offer) -> Sequence[Newsletter]:
    """Those named; where there is but one it need not be."""
    slugs = [slug for slug in dict.fromkeys(fields.get("newsletter", ())) if slug]
    if not slugs and len(offer.newsletters) == 1:
        slugs = list(offer.newsletters)
    for slug in slugs:
        if slug not in offer.newsletters:
            raise WrongFieldError("newsletter", f"there is no newsletter '{one_line(slug, 80)}'")
    if not slugs:
        raise WrongFieldError("newsletter", "no newsletter is chosen")
    return [offer.newsletters[slug] for slug in slugs]


def wishes_of(fields: Fields, to: Newsletter, offer: Offer) -> Wishes:
    """What is wished of one newsletter. Raises WrongFieldError."""

    def name_of(field: str) -> str:
        own = f"{field}:{to.slug}"
        return own if own in fields else field

    # What is as the newsletter has it is no wish: its reader goes along when that changes.
    wishes = Wishes(
        categories=_categories(fields, name_of("category"), offer.categories_of(to)),
        cadence=_unless(to.cadences[0], checked(fields, name_of("cadence"), checks.cadence)),
        at=_unless(to.at, checked(fields, name_of("at"), checks.time_of_day)),
        weekday=_unless(to.weekday, checked(fields, name_of("weekday"), checks.weekday)),
        zone=_unless(to.zone, checked(fields, name_of("zone"), checks.zone)),
    )
    try:
        slot_for(to, wishes)
    except PermanentError as error:
        raise WrongFieldError("cadence", str(error)) from None
    return wishes


def _categories(fields: Fields, name: str, offered: Mapping[str, str]) -> tuple[str, ...] | None:
    chosen = tuple(slug for slug in dict.fromkeys(fields.get(name, ())) if slug)
    for slug in chosen:
        if slug not in offered and slug != EVERYTHING:
            raise WrongFieldError("category", f"there is no category '{one_line(slug, 80)}'")
    return None if EVERYTHING in chosen or set(chosen) == set(offered) else chosen or None


def checked(fields: Fields, name: str, rule: Callable[[str], T]) -> T | None:
    """The value of a field that may be left out or empty."""
    value = first(fields, name).strip()
    if not value:
        return None
    try:
        return rule(value[:_LONGEST_VALUE])
    except ValueError as error:
        raise WrongFieldError(name.partition(":")[0], str(error)) from None


def _unless(default: T, value: T | None) -> T | None:
    return None if value == default else value
