"""The things this program is about, as plain frozen values without behaviour of their own.

Every datetime is UTC-aware; zone names are IANA's. `docs/design.md` tells how they hang together.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The news site as the world sees it (configuration `[site]`)."""

    title: str
    url: str
    """Where the world reaches this program, without a slash at the end."""
    language: str = "en"
    zone: str = "UTC"
    """For dates that come without one."""
    contact: str = ""
    default_category: str = "news"
    max_age_days: int = 14
    """Articles older than this on arrival stand in feeds and pages but are never mailed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    slug: str
    title: str
    description: str = ""
    language: str = ""
    parent: str | None = None
    first_slug: str = ""
    """The slug under which its feed first came out, where that was another: the feed's id stays."""
    change: int = 0
    """The counter's value at the last publication, edit, move or withdrawal in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredCategory:
    """What the configuration says of a category (`[[categories]]`); most need no such table."""

    slug: str
    title: str
    description: str = ""
    language: str = ""
    parent: str | None = None
    formerly: tuple[str, ...] = ()
    """Slugs it had before: their articles and readers are its own, their addresses lead to it."""
    retired: bool = False
    """Given up: no feeds and pages any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    url: str
    alt: str = ""
    caption: str = ""
    type: str = ""
    length: int | None = None
    """Bytes, where known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    url: str
    type: str
    length: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """A reference to further reading, shown beside an article and never inside its body."""

    title: str
    url: str = ""
    caption: str = ""
    """Of the photo that stood with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryName:
    """A category as a source names it that tells more of it than its title."""

    title: str
    slug: str = ""
    """Its slug there, which it keeps here where it can."""
    description: str = ""
    parent: "CategoryName | None" = None
    shared: bool = False
    """Another category there bears the same title: only their slugs tell them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An article as a source offers it: a stranger's words, not yet cleaned."""

    key: str
    """What the source knows it by; stable over edits. Empty where only the text identifies it."""
    title: str = ""
    summary: str = ""
    body_html: str = ""
    paragraphs: tuple[str, ...] = ()
    """The body of a text page, in place of `body_html`."""
    authors: tuple[str, ...] = ()
    categories: tuple[str | CategoryName, ...] = ()
    """Names, as written."""
    language: str = ""
    url: str = ""
    """Its own http(s) address elsewhere; empty when this program gives it its page."""
    slug: str = ""
    """The wish for the address of its page."""
    published_at: datetime | None = None
    updated_at: datetime | None = None
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    related: tuple[Related, ...] = ()
    correction: str = ""
    """What the editor says was wrong in an earlier revision."""
    draft: bool = False
    """Not public: not yet, or no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    id: str
    """`tag:host,YYYY:article:…`, minted once, never changed."""
    source: str
    source_key: str
    slug: str
    """Of its page `articles/<slug>/`; unique."""
    url: str = ""
    """Its own address elsewhere; empty when its page here is its address."""
    title: str = ""
    summary: str = ""
    """Plain text."""
    body_html: str = ""
    """Cleaned at intake; every address in it absolute."""
    authors: tuple[str, ...] = ()
    image: Image | None = None
    enclosures: tuple[Enclosure, ...] = ()
    related: tuple[Related, ...] = ()
    language: str = ""
    correction: str = ""
    published_at: datetime
    updated_at: datetime
    received_at: datetime
    revision: int = 1
    content_hash: str
    seq: int | None = None
    """Its place in the one publication order; None until public, negative when too old to mail."""
    change: int = 0
    withdrawn_at: datetime | None = None
    categories: tuple[str, ...] = ()
    """Slugs of the categories it stands in now, in the order named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """An article that was in a feed and is not any more."""

    id: str
    at: datetime


class Cadence(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    IMMEDIATE = "immediate"


EVERYTHING = "*"
"""Stands for all categories in a newsletter's or a reader's choice."""

Choice = Mapping[str, int]
"""Categories chosen (or `EVERYTHING`), each with the seq after which its articles count: 0 for one
that was there from the start, the head of that moment for one added later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newsletter:
    """What the configuration says of a newsletter (`[[newsletters]]`)."""

    slug: str
    title: str
    formerly: tuple[str, ...] = ()
    """Slugs it had before: their readers and their open mails are its own."""
    categories: tuple[str, ...] = (EVERYTHING,)
    cadences: tuple[Cadence, ...] = (Cadence.DAILY,)
    """The first is the default."""
    at: time = time(7)
    weekday: int = 0
    """0 is Monday."""
    zone: str = "UTC"
    language: str = "en"
    template: str = "digest"
    sender: str = ""
    reply_to: str = ""
    list_id: str = ""
    max_articles: int = 30
    window: int = 120
    """Seconds to gather before an immediate mail goes out."""
    send_when_empty: bool = False
    repeats: bool = False
    """Whether it also gives what its readers were given by another newsletter."""


class SubscriberState(StrEnum):
    ACTIVE = "active"
    BOUNCING = "bouncing"
    SUPPRESSED = "suppressed"
    ERASED = "erased"


MAILABLE_STATES = (SubscriberState.ACTIVE, SubscriberState.BOUNCING)
"""Of a subscriber who may get mail."""


class SubscriptionState(StrEnum):
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class EditionState(StrEnum):
    PLANNING = "planning"
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


OPEN_STATES = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.DEFERRED)
"""While a delivery is in one of these, its edition is not finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotTime:
    """When a slot is due: the same for all readers who share it."""

    newsletter: str
    cadence: Cadence
    at: time = time(7)
    weekday: int = 0
    zone: str = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """An edition's mail for all readers with the same content; never altered once stored."""

    subject: str
    body: bytes
    """The MIME body with splice marks where each reader's own words go (see `core.splice`)."""
    boundary: str
    key_id: str
    """Which signing key its readers' links use, so that a retry is the same to the byte."""
    sender: str
    """The From header's value; this and the next two are folded and safe to stand in a header."""
    reply_to: str = ""
    list_id: str = ""
    language: str = "en"
