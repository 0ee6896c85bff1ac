"""Selects what an edition holds for readers who chose the same and have been given the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from publisher.core.model import EVERYTHING, Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A public article as far as selection needs it."""

    id: str
    seq: int
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Readers to whom an edition means the same."""

    choice: tuple[tuple[str, int], ...] | None
    """Categories and their floors; None for the newsletter's own."""
    after_seq: int
    given: frozenset[str] = frozenset()
    """Articles after their place that they were given all the same: by another subscription, or
    by this one before they asked for earlier articles."""
    locale: str = ""


def select(
    items: Iterable[Item], newsletter: Choice, group: Group, upto_seq: int
) -> tuple[str, ...]:
    """Ids of the articles this edition holds for this group, the newest first."""
    own = dict(group.choice) if group.choice is not None else None
    return tuple(
        each.id
        for each in sorted(items, key=lambda item: -item.seq)
        if group.after_seq < each.seq <= upto_seq
        and each.id not in group.given
        and concerns(each, newsletter, own)
    )


def concerns(item: Item, newsletter: Choice, own: Choice | None) -> bool:
    """Whether an article is in the newsletter's categories and in those a reader chose."""
    return _counts(item, newsletter) and (own is None or _counts(item, own))


def choose(wanted: Sequence[str], now_chosen: Choice | None, head: int) -> dict[str, int]:
    """A new choice: what was chosen before keeps its floor, what is added counts from the head."""
    if now_chosen is None:
        return dict.fromkeys(wanted, 0)
    # Who had everything has been given every category: each of them goes on without a gap.
    default = now_chosen.get(EVERYTHING, head)
    chosen = {slug: now_chosen.get(slug, default) for slug in wanted}
    # Who takes everything keeps the floors of what they had, or would miss its newest articles.
    return {**now_chosen, **chosen} if EVERYTHING in chosen else chosen


def united(one: Choice, other: Choice) -> dict[str, int]:
    """Both choices in one; what counts in either from some place counts from there."""
    both = {**one, **other}
    return {
        slug: min(
            floor,
            *(each.get(slug, each.get(EVERYTHING, floor)) for each in (one, other)),
        )
        for slug, floor in both.items()
    }


def _counts(item: Item, choice: Choice) -> bool:
    return any(item.seq > choice[slug] for slug in (EVERYTHING, *item.categories) if slug in choice)
