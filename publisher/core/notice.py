"""Notices: mails without an edition, one reader's own, like the one that asks to confirm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

NOTICES = ""
"""Stands for notices where mails go by their newsletter's slug."""


class NoticeKind(StrEnum):
    CONFIRM = "confirm"
    """Somebody gave this address for a newsletter: was it its owner?"""
    WELCOME = "welcome"
    """What was confirmed begins."""
    GOODBYE = "goodbye"
    """To one who has left, with the way back."""
    ADDRESS_CHANGE = "address-change"
    """A reader gave this address as their new one: is it theirs?"""
    ADDRESS_CHANGED = "address-changed"
    """To the former address of a reader who has another now."""
    ADDRESS_TAKEN = "address-taken"
    """Another reader gave this address, which is a reader's already, as their new one."""
    DATA_EXPORT = "data-export"
    """To a reader whose data were downloaded: was it they?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeContent:
    """What a notice says besides the words of its kind."""

    newsletters: tuple[str, ...] = ()
    """Slugs of those that are to be confirmed, or that begin."""
    known: tuple[str, ...] = ()
    """Slugs of those asked for that the reader gets already."""
    links: Mapping[str, Sequence[int | str]] = field(default_factory=dict)
    """What is signed into its links, by purpose (`core.tokens`)."""
    zone: str = ""
    """Of the times it tells; empty: the site's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice as the books hold it."""

    kind: NoticeKind
    address: str
    locale: str
    """The reader's wish."""
    content: NoticeContent
    created_at: datetime
    """The date its mail bears."""
