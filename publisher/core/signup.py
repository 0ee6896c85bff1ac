"""Signing up: what somebody asks for in the name of an address, until its owner confirms it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from publisher.core.model import SubscriptionState
from publisher.core.wishes import Wishes

ONE_MAIL_IN = timedelta(hours=24)
"""An address is asked to confirm once in that time, whatever is posted."""
LASTS = timedelta(days=7)
"""What is not confirmed within is forgotten."""

LEFT_AT = "ended_at"
"""The key of a consent record that tells when its reader left."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ASKED = "asked_"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    address: str
    """Checked (`core.addresses.check`)."""
    name: str = ""
    locale: str = ""
    zone: str = ""
    wishes: Mapping[str, Wishes]
    """By slug of the newsletter, which comes in the cadence wished for."""
    consent: Mapping[str, str]
    """For the record: from where it was asked, on which page, and by which words (`asked_…`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a link to confirm finds of its reader."""

    address: str
    name: str
    waiting: Mapping[str, Wishes]
    """By slug of the newsletter: what the link confirms."""
    reading: Sequence[str]
    """Slugs of the newsletters that the reader gets."""


def payload(subscriber_id: int, asked_at: datetime) -> list[int | str]:
    """What is signed into a link to confirm."""
    return [subscriber_id, microseconds(asked_at)]


def microseconds(moment: datetime) -> int:
    """Since 1970, as links carry a moment."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int) -> datetime | None:
    """None where it is out of all bounds."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def from_payload(signed: Sequence[int | str]) -> tuple[int, datetime] | None:
    """Subscriber and moment of such a link; None for another payload."""
    match signed:
        case [int(subscriber_id), int(asked_at)] if at := moment(asked_at):
            return subscriber_id, at
        case _:
            return None


def waiting(former: Mapping[str, str], asked: Mapping[str, str]) -> dict[str, str]:
    """The consent record while a sign-up waits: of the time before, and what is asked now."""
    return {**without_asking(former), **asked}


def without_asking(consent: Mapping[str, str]) -> dict[str, str]:
    """The record as it was before anybody asked."""
    return {key: value for key, value in consent.items() if not key.startswith(_ASKED)}


ASKED_LOCALE = f"{_ASKED}locale"
"""In the record while a sign-up waits: the language of the page it was asked on."""


def agreed(consent: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """The record from the moment of confirmation on: what was asked, and how it was confirmed."""
    asked = {key: value for key, value in consent.items() if key.startswith(_ASKED)}
    asked.pop(ASKED_LOCALE, None)
    return {**given, **asked}


def confirms(state: SubscriptionState, consent: Mapping[str, str], asked_at: datetime) -> bool:
    """Whether a link made at that moment confirms a subscription.

    Not one whose reader has left since: then only the link of a later sign-up does.
    """
    left_at = consent.get(LEFT_AT)
    has_left_since = left_at is not None and datetime.fromisoformat(left_at) >= asked_at
    return state is SubscriptionState.PENDING and not has_left_since
