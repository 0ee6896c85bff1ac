"""Decides what an offered article means for what is already known of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.core.model import CategoryName, Enclosure, Image, Related

LONGEST_NOTE = 500
"""Characters of a correction that mails show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A candidate after cleaning: what an article would say, fit to be kept and shown."""

    title: str
    summary: str
    body_html: str
    paragraphs: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    categories: tuple[str | CategoryName, ...] = ()
    language: str = ""
    url: str = ""
    slug: str = ""
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    related: tuple[Related, ...] = ()
    correction: str = ""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    draft: bool = False
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store holds of the same article."""

    id: str
    content_hash: str
    published_at: datetime
    updated_at: datetime
    public: bool
    withdrawn: bool
    withdrawn_by: str = ""
    """By "source" or "operator"; what an operator withdrew, no source brings back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What an article says from now on."""

    offered: Offered
    published_at: datetime
    updated_at: datetime
    too_old: bool
    """To be mailed, on arrival."""


class Step(StrEnum):
    NEW = "new"
    REVISE = "revised"
    SAME = "same"
    SKIP = "skipped"
    WITHDRAW = "withdrawn"
    REVIVE = "revived"


def decide(known: Known | None, offered: Offered, now: datetime) -> Step:
    """What to do with an offered article. A category more or less is not a revision: see intake."""
    if known is None:
        return Step.SKIP if offered.draft else Step.NEW
    if known.withdrawn_by == "operator":
        return Step.SKIP
    if offered.draft:
        return Step.SKIP if known.withdrawn else Step.WITHDRAW
    if known.withdrawn:
        return Step.REVIVE
    return Step.REVISE if differs(known, offered, now) else Step.SAME


def differs(known: Known, offered: Offered, now: datetime) -> bool:
    """Whether it says something else, or is to become public at another moment."""
    published, _ = dates(known, offered, now)
    return known.content_hash != offered.content_hash or known.published_at != published


def dates(
    known: Known | None, offered: Offered, now: datetime, nth: int = 0
) -> tuple[datetime, datetime]:
    """When it was published and last changed.

    An article without a date gets that of its arrival, the nth of one page n seconds earlier, so
    that the order of the page stays. Until it is public, `published` follows the source: that is an
    embargo prolonged, shortened or (without a date) lifted. Once public it never moves; `updated`
    moves with each edit, to the date the source gives where that is later than the one we had.
    """
    given = offered.updated_at
    if known is not None and known.public:
        return known.published_at, given if given and known.updated_at < given <= now else now
    if known is None:
        published = offered.published_at or now - timedelta(seconds=nth)
    else:
        # Without the date that kept it back it comes out now.
        published = offered.published_at or min(known.published_at, now)
    return published, max(published, min(given or published, now))
