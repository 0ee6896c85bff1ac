"""Why a reader has no mail of an edition, as far as the books can tell.

The books keep what was given to whom, and how things stand now: of a choice, an hour or a pause
that was changed since they know nothing. Where that leaves a doubt, the sentence says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publisher.core.model import (
    MAILABLE_STATES,
    Choice,
    EditionState,
    SubscriberState,
    SubscriptionState,
)
from publisher.core.selection import Item, concerns


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An article of the edition."""

    item: Item
    public_at: datetime
    """When it came in and was due: about when it became public."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditionFacts:
    newsletter: str
    slot: str
    zone: str
    """Of its days."""
    planned_at: datetime
    state: EditionState
    totals_only: bool
    """At least some of its mails are no longer kept one by one."""
    choice: Choice
    """The newsletter's categories."""
    articles: Sequence[Told]
    """Everything that any of its mails holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """A reader's subscription to the edition's newsletter, as it stands now."""

    state: SubscriptionState
    given_at: datetime | None
    """Since when they agree to it; None where that was not noted."""
    ended_at: datetime | None
    slot: str
    paused_until: datetime | None
    choice: Choice | None
    looked_at: bool
    """The edition's planning has come to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFacts:
    state: SubscriberState
    subscription: SubscriptionFacts | None
    max_per_day: int | None
    got_that_day: Sequence[int]
    """The editions before this one of the same day (in its zone) that they were to get."""
    held: Mapping[str, Sequence[int]]
    """By article of the edition: the reader's other editions that hold it, the oldest first; of a
    newsletter that repeats what others gave, its own only."""
    cleared_upto: int
    """Up to this place in the order editions before this one held articles and are kept as totals
    only, so `held` may not be all."""


class Reason(StrEnum):
    NEVER_SUBSCRIBED = "never subscribed"
    NOT_CONFIRMED = "not confirmed"
    SUBSCRIBED_AFTER = "subscribed after"
    HAD_LEFT = "had left"
    TOTALS_ONLY = "totals only"
    NOT_YET = "not yet planned"
    CANCELLED_BEFORE = "cancelled before"
    ANOTHER_SLOT = "another slot"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    OVER_CAP = "over the daily cap"
    NOT_CHOSEN = "not chosen"
    BEFORE_THEIR_TIME = "before their time"
    GIVEN_BEFORE = "given before"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNot:
    reason: Reason
    at: datetime | None = None
    """Since when, or until when, it is so."""
    editions: tuple[int, ...] = ()
    """That gave the articles before, or took up the day's number."""
    later: tuple[int, ...] = ()
    """That gave its articles afterwards."""


def why_not(edition_id: int, edition: EditionFacts, reader: ReaderFacts) -> WhyNot:
    """Why a reader of whom the edition has no mail got none: the first reason that holds."""
    subscription = reader.subscription
    planned_at = edition.planned_at
    if subscription is None:
        return WhyNot(reason=Reason.NEVER_SUBSCRIBED)
    if subscription.state is SubscriptionState.PENDING:
        return WhyNot(reason=Reason.NOT_CONFIRMED)
    if subscription.given_at and subscription.given_at > planned_at:
        return WhyNot(reason=Reason.SUBSCRIBED_AFTER, at=subscription.given_at)
    ended_at = subscription.ended_at
    if subscription.state is SubscriptionState.UNSUBSCRIBED and (
        ended_at is None or ended_at <= planned_at
    ):
        return WhyNot(reason=Reason.HAD_LEFT, at=ended_at)
    if edition.totals_only:
        return WhyNot(reason=Reason.TOTALS_ONLY)
    if subscription.slot != edition.slot:
        return WhyNot(reason=Reason.ANOTHER_SLOT)
    if not subscription.looked_at:
        cancelled = edition.state is EditionState.CANCELLED
        return WhyNot(reason=Reason.CANCELLED_BEFORE if cancelled else Reason.NOT_YET)
    if reader.state not in MAILABLE_STATES:
        return WhyNot(reason=Reason.SUPPRESSED)
    later = tuple(sorted({n for held in reader.held.values() for n in held if n > edition_id}))
    if subscription.paused_until and subscription.paused_until > planned_at:
        return WhyNot(reason=Reason.PAUSED, at=subscription.paused_until, later=later)
    if reader.max_per_day is not None and len(reader.got_that_day) >= reader.max_per_day:
        return WhyNot(reason=Reason.OVER_CAP, editions=tuple(reader.got_that_day), later=later)
    return _by_content(edition_id, edition, reader, subscription, later)


def _by_content(
    edition_id: int,
    edition: EditionFacts,
    reader: ReaderFacts,
    subscription: SubscriptionFacts,
    later: tuple[int, ...],
) -> WhyNot:
    chosen = [
        each
        for each in edition.articles
        if concerns(each.item, edition.choice, subscription.choice)
    ]
    if not chosen:
        return WhyNot(reason=Reason.NOT_CHOSEN)
    began = subscription.given_at
    in_their_time = [each for each in chosen if began is None or each.public_at > began]
    before = {
        each.item.id: [n for n in reader.held.get(each.item.id, ()) if n < edition_id]
        for each in chosen
    }
    unexplained = [each for each in in_their_time if not before[each.item.id]]
    if not unexplained:
        if editions := tuple(sorted({n for held in before.values() for n in held})):
            return WhyNot(reason=Reason.GIVEN_BEFORE, editions=editions)
        return WhyNot(reason=Reason.BEFORE_THEIR_TIME, at=began)
    if all(each.item.seq <= reader.cleared_upto for each in unexplained):
        return WhyNot(reason=Reason.TOTALS_ONLY, later=later)
    return WhyNot(reason=Reason.UNKNOWN, later=later)


def sentence(
    why: WhyNot,
    edition: EditionFacts,
    reader: ReaderFacts,
    moment: Callable[[datetime], str],
) -> str:
    """The reason in words; `moment` writes a time as the reader's clock shows it."""
    newsletter = edition.newsletter
    at = moment(why.at) if why.at else ""
    said = {
        Reason.NEVER_SUBSCRIBED: f"they never subscribed to {newsletter}",
        Reason.NOT_CONFIRMED: f"their subscription to {newsletter} is not confirmed",
        Reason.SUBSCRIBED_AFTER: f"their subscription to {newsletter} began at {at}, after this "
        "edition was planned"
        + (
            "; whether they had another before cannot be told any more, as only the totals of "
            "this edition are kept"
            if edition.totals_only
            else ""
        ),
        Reason.HAD_LEFT: f"they had left {newsletter} at {at}, before this edition was planned"
        if at
        else f"they have left {newsletter}; since when cannot be told any more, as no time of it "
        "is kept",
        Reason.TOTALS_ONLY: "cannot be told any more: only the totals of this edition are kept"
        if edition.totals_only
        else "cannot be told any more: what they were given before it is kept only as totals",
        Reason.NOT_YET: "its planning has not come to them yet",
        Reason.CANCELLED_BEFORE: "it was cancelled before its planning came to them",
        Reason.ANOTHER_SLOT: f"it went to the readers of {edition.slot}, and they have "
        f"{reader.subscription.slot if reader.subscription else 'none'}; whether they had "
        "another then cannot be told any more, as only the present choice is kept",
        Reason.SUPPRESSED: "their address may not be mailed; since when cannot be told any more, "
        "as no time of it is kept",
        Reason.PAUSED: f"they are paused until {at}; since when cannot be told any more, as no "
        "time of it is kept",
        Reason.OVER_CAP: f"they want at most {reader.max_per_day} a day and had "
        f"{_named(why.editions)} already",
        Reason.NOT_CHOSEN: f"none of its {len(edition.articles)} articles was in the categories "
        "they chose",
        Reason.BEFORE_THEIR_TIME: "what it holds for them came out before their subscription "
        f"began at {at}",
        Reason.GIVEN_BEFORE: f"they had been given all of it by {_named(why.editions)}",
        Reason.UNKNOWN: "cannot be told any more: nothing as it stands now speaks against it, so "
        "their choice, hour or pause was another then, and former ones are not kept",
    }[why.reason]
    return f"{said}; articles of it came to them in {_named(why.later)}" if why.later else said


def _named(editions: Sequence[int]) -> str:
    numbers = ", ".join(str(each) for each in editions)
    return f"edition{'' if len(editions) == 1 else 's'} {numbers}"
