"""Why a reader has no mail of an edition: one reason, told as surely as the books can know it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.core.model import EditionState, SubscriberState, SubscriptionState
from publisher.core.selection import Item
from publisher.core.story import (
    EditionFacts,
    ReaderFacts,
    Reason,
    SubscriptionFacts,
    Told,
    WhyNot,
    sentence,
    why_not,
)

NUMBER = 7
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def told(name: str, seq: int, *categories: str, public_at: datetime = NOON - DAY) -> Told:
    return Told(item=Item(id=name, seq=seq, categories=categories), public_at=public_at)


EDITION = EditionFacts(
    newsletter="daily",
    slot="daily/daily@07:00[UTC]",
    zone="UTC",
    planned_at=NOON,
    state=EditionState.FINISHED,
    totals_only=False,
    choice={"*": 0},
    articles=(told("one", 41, "sport"), told("two", 42, "world")),
)
SUBSCRIPTION = SubscriptionFacts(
    state=SubscriptionState.CONFIRMED,
    given_at=NOON - 10 * DAY,
    ended_at=None,
    slot=EDITION.slot,
    paused_until=None,
    choice=None,
    looked_at=True,
)
READER = ReaderFacts(
    state=SubscriberState.ACTIVE,
    subscription=SUBSCRIPTION,
    max_per_day=None,
    got_that_day=(),
    held={},
    cleared_upto=0,
)

LEFT = SubscriptionState.UNSUBSCRIBED

# What is different from a reader who should have got it; the reason; words that must be told.
CASES = [
    ({}, {}, {}, WhyNot(reason=Reason.UNKNOWN), "cannot be told any more: nothing as it stands"),
    (
        {},
        {"state": SubscriptionState.PENDING},
        {},
        WhyNot(reason=Reason.NOT_CONFIRMED),
        "is not confirmed",
    ),
    (
        {},
        {"given_at": NOON + DAY},
        {},
        WhyNot(reason=Reason.SUBSCRIBED_AFTER, at=NOON + DAY),
        "began at 03 12:00, after this edition was planned",
    ),
    (
        {"totals_only": True},
        {"given_at": NOON + DAY},
        {},
        WhyNot(reason=Reason.SUBSCRIBED_AFTER, at=NOON + DAY),
        "whether they had another before cannot be told any more",
    ),
    (
        {},
        {"state": LEFT, "ended_at": NOON - DAY},
        {},
        WhyNot(reason=Reason.HAD_LEFT, at=NOON - DAY),
        "had left daily at 01 12:00",
    ),
    (
        {},
        {"state": LEFT, "ended_at": None},
        {},
        WhyNot(reason=Reason.HAD_LEFT),
        "since when cannot be told any more",
    ),
    (
        {},
        {"state": LEFT, "ended_at": NOON + DAY, "choice": {"culture": 0}},
        {},
        WhyNot(reason=Reason.NOT_CHOSEN),
        "none of its 2 articles",
    ),
    (
        {"totals_only": True},
        {"state": LEFT, "ended_at": NOON + DAY},
        {},
        WhyNot(reason=Reason.TOTALS_ONLY),
        "only the totals of this edition are kept",
    ),
    (
        {"totals_only": True},
        {"slot": "daily/weekly@mon-07:00[UTC]"},
        {},
        WhyNot(reason=Reason.TOTALS_ONLY),
        "cannot be told any more",
    ),
    (
        {},
        {"slot": "daily/weekly@mon-07:00[UTC]"},
        {},
        WhyNot(reason=Reason.ANOTHER_SLOT),
        "the readers of daily/daily@07:00[UTC], and they have daily/weekly@mon-07:00[UTC]",
    ),
    (
        {"state": EditionState.PLANNING},
        {"looked_at": False},
        {},
        WhyNot(reason=Reason.NOT_YET),
        "not come to them yet",
    ),
    (
        {"state": EditionState.CANCELLED},
        {"looked_at": False},
        {},
        WhyNot(reason=Reason.CANCELLED_BEFORE),
        "was cancelled before",
    ),
    (
        {},
        {},
        {"state": SubscriberState.SUPPRESSED},
        WhyNot(reason=Reason.SUPPRESSED),
        "may not be mailed; since when cannot be told",
    ),
    (
        {},
        {"paused_until": NOON + DAY},
        {},
        WhyNot(reason=Reason.PAUSED, at=NOON + DAY),
        "paused until 03 12:00; since when cannot be told",
    ),
    (
        {},
        {"paused_until": NOON + DAY},
        {"held": {"one": [9], "two": [3, 12]}},
        WhyNot(reason=Reason.PAUSED, at=NOON + DAY, later=(9, 12)),
        "; articles of it came to them in editions 9, 12",
    ),
    (
        {},
        {"paused_until": NOON},
        {"max_per_day": 2, "got_that_day": [5, 6]},
        WhyNot(reason=Reason.OVER_CAP, editions=(5, 6)),
        "at most 2 a day and had editions 5, 6 already",
    ),
    ({}, {}, {"max_per_day": 2, "got_that_day": [5]}, WhyNot(reason=Reason.UNKNOWN), "cannot"),
    (
        {},
        {"choice": {"culture": 0, "sport": 41}},
        {},
        WhyNot(reason=Reason.NOT_CHOSEN),
        "none of its 2 articles was in the categories they chose",
    ),
    (
        {"choice": {"culture": 0}},
        {},
        {},
        WhyNot(reason=Reason.NOT_CHOSEN),
        "none of its 2 articles",
    ),
    (
        {},
        {"choice": {"sport": 0}},
        {"held": {"one": [5]}},
        WhyNot(reason=Reason.GIVEN_BEFORE, editions=(5,)),
        "had been given all of it by edition 5",
    ),
    (
        {},
        {},
        {"held": {"one": [5], "two": [4, 6]}},
        WhyNot(reason=Reason.GIVEN_BEFORE, editions=(4, 5, 6)),
        "by editions 4, 5, 6",
    ),
    (
        {},
        {},
        {"held": {"one": [5], "two": [9]}},
        WhyNot(reason=Reason.UNKNOWN, later=(9,)),
        "came to them in edition 9",
    ),
    (
        {},
        {"given_at": NOON - DAY / 2},
        {},
        WhyNot(reason=Reason.BEFORE_THEIR_TIME, at=NOON - DAY / 2),
        "came out before their subscription began at 02 00:00",
    ),
    ({}, {"given_at": None}, {}, WhyNot(reason=Reason.UNKNOWN), "cannot be told any more"),
    (
        {},
        {},
        {"cleared_upto": 42},
        WhyNot(reason=Reason.TOTALS_ONLY),
        "what they were given before it is kept only as totals",
    ),
    ({}, {}, {"cleared_upto": 41}, WhyNot(reason=Reason.UNKNOWN), "cannot be told any more"),
    (
        {},
        {},
        {"cleared_upto": 41, "held": {"two": [5]}},
        WhyNot(reason=Reason.TOTALS_ONLY),
        "cannot be told any more",
    ),
]


@pytest.mark.parametrize(("edition", "subscription", "reader", "expected", "words"), CASES)
def test_the_reason(
    edition: dict[str, object],
    subscription: dict[str, object],
    reader: dict[str, object],
    expected: WhyNot,
    words: str,
) -> None:
    about = replace(EDITION, **edition)
    facts = replace(READER, subscription=replace(SUBSCRIPTION, **subscription), **reader)
    found = why_not(NUMBER, about, facts)
    assert found == expected
    assert words in sentence(found, about, facts, lambda moment: f"{moment:%d %H:%M}")


def test_who_never_subscribed_is_told_so_whatever_is_left_of_the_edition() -> None:
    facts = replace(READER, subscription=None)
    for about in (EDITION, replace(EDITION, totals_only=True)):
        found = why_not(NUMBER, about, facts)
        assert found == WhyNot(reason=Reason.NEVER_SUBSCRIBED)
        assert sentence(found, about, facts, str) == "they never subscribed to daily"


def test_every_reason_has_its_case() -> None:
    shown = {expected.reason for *_, expected, _ in CASES}
    assert shown == set(Reason) - {Reason.NEVER_SUBSCRIBED}
