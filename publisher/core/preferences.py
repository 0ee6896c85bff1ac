"""What a reader may change by the links in their mails, and the facts that their pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from publisher.core.model import SubscriberState, SubscriptionState
from publisher.core.signup import microseconds, moment
from publisher.core.wishes import Wishes

ONE_GOODBYE_IN = timedelta(hours=24)
ONE_CHANGE_IN = timedelta(hours=24)
"""An address is asked once in that time whether it is a reader's new one."""
ONE_EXPORT_TOLD_IN = timedelta(hours=24)
MOST_A_DAY = 100
"""What a daily cap may be at most; who wants more has none."""

_LONGEST_PAUSE = timedelta(days=2 * 366)
_A_MONTH = timedelta(days=30)
_OF_NO_ADDRESS = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderLink:
    """A link to a reader's own page.

    It never expires. But whoever reads an old mail need not be who reads at the new address: a link
    made before the address was changed still chooses, pauses and leaves, and neither shows nor
    changes who the reader is.
    """

    subscriber_id: int
    token_version: int

    def is_owners(self, token_version: int) -> bool:
        """Whether it may show and change all, `token_version` being the reader's now."""
        return self.token_version == token_version


def link_payload(subscriber_id: int, token_version: int) -> list[int | str]:
    """What is signed into a link to a reader's own page."""
    return [subscriber_id, token_version]


def choosing_payload(subscriber_id: int) -> list[int | str]:
    """The same of a link that only chooses, pauses and leaves, for who came by another link."""
    return [subscriber_id, _OF_NO_ADDRESS]


def link_of(payload: Sequence[int | str]) -> ReaderLink | None:
    match payload:
        case [int(subscriber_id), int(token_version)]:
            return ReaderLink(subscriber_id=subscriber_id, token_version=token_version)
        case _:
            return None


def change_payload(subscriber_id: int, token_version: int, asked_at: datetime) -> list[int | str]:
    """What is signed into a link that confirms a new address."""
    return [subscriber_id, token_version, microseconds(asked_at)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLink:
    """A link that confirms the address it was sent to as a reader's new one."""

    subscriber_id: int
    token_version: int
    asked_at: datetime


def change_of(payload: Sequence[int | str]) -> ChangeLink | None:
    match payload:
        case [int(subscriber_id), int(version), int(asked_at)] if at := moment(asked_at):
            return ChangeLink(subscriber_id=subscriber_id, token_version=version, asked_at=at)
        case _:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a reader has of one newsletter."""

    subscription_id: int
    newsletter: str
    state: SubscriptionState
    wishes: Wishes
    paused_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What a reader's own page shows."""

    subscriber_id: int
    token_version: int
    address: str
    name: str
    zone: str
    max_per_day: int | None
    state: SubscriberState
    has_bounced: bool
    """They get no mail, but will at another address."""
    subscriptions: Sequence[Chosen]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What a link to leave finds."""

    subscriber_id: int
    newsletter: str
    title: str
    state: SubscriptionState
    wishes: Wishes
    paused_until: datetime | None
    may_return: bool


def pause_end(text: str, zone: str, now: datetime) -> datetime:
    """The moment at which mails come again: the beginning of a day (`2026-12-31`) in this zone.

    Raises ValueError with a sentence that follows the name of the field.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"'{text}' is not a date like 2026-12-31") from None
    today = now.astimezone(ZoneInfo(zone)).date()
    if day <= today:
        raise ValueError(f"{day} is not a day to come")
    if day - today > _LONGEST_PAUSE:
        raise ValueError(f"{day} is more than two years away")
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(UTC)


def in_a_month(zone: str, now: datetime) -> datetime:
    """The end of a pause of a month that begins now."""
    day = now.astimezone(ZoneInfo(zone)).date() + _A_MONTH
    return pause_end(day.isoformat(), zone, now)


def consent(how: str, given_from: str, agreed_to: str, now: datetime) -> Mapping[str, str]:
    """The record of one who subscribes by a link of their own."""
    return {
        "given_at": now.isoformat(),
        "how": how,
        "given_from": given_from,
        "agreed_to": agreed_to,
    }
