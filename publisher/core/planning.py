"""Decides who of an edition's readers gets what; planning writes it down, a dry run tells it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from publisher.core.edition import Edition, Reader
from publisher.core.model import Cadence
from publisher.core.selection import Group, Item, select

FAR_BEHIND = 200
"""Articles. A reader farther behind is moved along also by an alert that does not concern them, or
each alert would have to look at all that came out since their last mail."""

MOST_CORRECTIONS = 20
"""In one mail; further ones wait for the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What readers get who share a variant."""

    article_ids: tuple[str, ...]
    """In the mail's order."""
    correction_ids: tuple[str, ...] = ()
    """Articles that they were given before, to be told what was wrong in them."""
    locale: str


Contents = Mapping[Content, Sequence[Reader]]


class LeftOut(StrEnum):
    """Why a subscription of an edition's slot gets nothing of it."""

    UNSUBSCRIBED = "unsubscribed"
    NOT_CONFIRMED = "not confirmed"
    SUPPRESSED = "suppressed"
    PAUSED = "paused"
    NOTHING_NEW = "nothing new"
    OVER_CAP = "over the daily cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    contents: Contents
    moved: Sequence[int]
    """Subscriptions that have been given all up to the edition's end, be it nothing."""
    moved_from: int | None
    """The lowest place of theirs before; None where there are none."""


def decide(
    edition: Edition,
    readers: Sequence[Reader],
    given: Mapping[int, frozenset[str]],
    corrected: Mapping[int, tuple[str, ...]],
    items: Sequence[Item],
    *,
    mail_empty: bool,
) -> Decision:
    """What these readers get of an edition.

    `given`: by subscriber, articles after their place that they have been given all the same.
    `corrected`: by subscriber, articles whose correction they have not been told, the newest
    correction first. They go with a mail that goes out anyway.
    `mail_empty`: whether who has been given everything gets a mail that says so.
    """
    groups: dict[Group, list[Reader]] = defaultdict(list)
    for reader in readers:
        groups[_group(reader, given.get(reader.subscriber_id, frozenset()))].append(reader)
    contents: dict[Content, list[Reader]] = defaultdict(list)
    moved: list[int] = []
    places: list[int] = []
    for group, members in groups.items():
        article_ids = select(items, edition.choice, group, edition.upto_seq)
        # An immediate reader whom nothing concerned keeps their place for a while: finding out
        # again costs less than a write to each of a million rows for every article.
        behind = edition.upto_seq - group.after_seq
        if article_ids or edition.cadence is not Cadence.IMMEDIATE or behind > FAR_BEHIND:
            moved.extend(reader.subscription_id for reader in members)
            places.append(group.after_seq)
        if article_ids or mail_empty:
            for notes, alike in _by_notes(members, corrected).items():
                content = Content(
                    article_ids=article_ids, correction_ids=notes, locale=group.locale
                )
                contents[content].extend(alike)
    return Decision(contents=contents, moved=moved, moved_from=min(places, default=None))


def _by_notes(
    members: Sequence[Reader], corrected: Mapping[int, tuple[str, ...]]
) -> Mapping[tuple[str, ...], Sequence[Reader]]:
    if not corrected:
        return {(): members}
    found: dict[tuple[str, ...], list[Reader]] = defaultdict(list)
    for reader in members:
        found[corrected.get(reader.subscriber_id, ())[:MOST_CORRECTIONS]].append(reader)
    return found


def _group(reader: Reader, given: frozenset[str]) -> Group:
    choice = tuple(sorted(reader.choice.items())) if reader.choice is not None else None
    return Group(choice=choice, after_seq=reader.after_seq, given=given, locale=reader.locale)
