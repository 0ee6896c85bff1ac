"""What is new in a feed since the version that a reader has (RFC 3229, `A-IM: feed`)."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from hashlib import blake2b
from typing import TypeVar

from publisher.web.headers import Header
from publisher.web.negotiation import Fields, entity_tags, weights

FEEDS = frozenset({"rss.xml", "atom.xml"})
"""The names of files of which there are deltas."""

# Others ask too and cannot take the answer: feedparser does, and rss2email, built on it, takes 226
# for a fault at every look from then on.
_CLIENTS = re.compile(rb"(?:^|\s)(?:newsboat|python-reader)/", re.IGNORECASE)
# A cache on the way may have put the tag in: its client has nothing that a delta could be added to.
_FROM_CACHES = (b"via", b"cdn-loop")

_ENTRY = re.compile(rb"(?:\n *)?<(item|entry)[\s>].*?</\1>", re.DOTALL)
_UNESCAPED = (b"<![CDATA[", b"<!--")
_MARK = 16  # bytes

K = TypeVar("K")
V = TypeVar("V")

_INSTEAD = {b"vary", b"cache-control", b"content-encoding", b"content-length"}


def can_take(asked: Fields) -> bool:
    """Whether the request is of a reader known to understand deltas, and comes from it directly."""
    return _CLIENTS.search(asked.get(b"user-agent", b"")) is not None and not any(
        name in asked for name in _FROM_CACHES
    )


def is_wanted(asked: Fields) -> bool:
    """Whether the request asks for a delta."""
    return weights(asked.get(b"a-im", b"")).get("feed", 0) > 0


def marks(feed: bytes) -> bytes:
    """Marks of a feed's entries, one behind the other: an entry that changes has another."""
    return b"".join(_mark(entry[0]) for entry in _ENTRY.finditer(feed))


def since(feed: bytes, known: bytes) -> bytes | None:
    """The feed with those entries only that have none of the marks `known`; all else is kept.

    None where there is no such entry (what else changed, the whole feed tells better), and for a
    feed whose entries cannot be told from their text.
    """
    if any(mark in feed for mark in _UNESCAPED):
        return None
    there = {known[start : start + _MARK] for start in range(0, len(known), _MARK)}
    new = 0

    def kept(entry: re.Match[bytes]) -> bytes:
        nonlocal new
        if _mark(entry[0]) in there:
            return b""
        new += 1
        return entry[0]

    delta = _ENTRY.sub(kept, feed)
    return delta if new else None


def headers_of(whole: Iterable[Header], delta: bytes, base: bytes) -> list[Header]:
    """A delta's, from those of the whole new version; `base`: the tag of the old one.

    Caches that know nothing of deltas must not keep it, and all others see `im` (RFC 3229, 10.8.2).
    """
    return [
        *(each for each in whole if each[0] not in _INSTEAD),
        (b"content-length", str(len(delta)).encode()),
        (b"im", b"feed"),
        (b"delta-base", base),
        (b"cache-control", b"no-store, im"),
        (b"vary", b"Accept-Encoding, A-IM, If-None-Match, User-Agent"),
    ]


class Deltas:
    """Remembers which entries were in the versions that readers were given lately.

    A version that is not remembered, as after a restart, costs its reader the whole feed once.
    """

    def __init__(self, threads: Executor, *, versions: int = 2000, deltas: int = 50) -> None:
        """`threads` do the reading; `versions` and `deltas`: how many of them are kept."""
        self._threads = threads
        self._versions = _Recent[bytes, bytes](versions)
        self._deltas = _Recent[tuple[bytes, bytes], bytes | None](deltas)

    async def remember(self, feed: bytes, etags: Sequence[bytes]) -> None:
        """Note what a version holds that readers know by one of these tags."""
        if all(etag in self._versions for etag in etags):
            return
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, marks, feed)
        for etag in etags:
            self._versions[etag] = found

    async def of(self, feed: bytes, etag: bytes, asked: Fields) -> tuple[bytes, bytes] | None:
        """The delta to this version, and the tag of the one that it starts from.

        None where the request names none that is remembered, or nothing in the feed is new.
        """
        tags = (tag for _, tag in entity_tags(asked.get(b"if-none-match", b"")))
        base = next((tag for tag in tags if tag in self._versions), None)
        if base is None:
            return None
        if (base, etag) not in self._deltas:
            loop, known = asyncio.get_running_loop(), self._versions[base]
            made = await loop.run_in_executor(self._threads, since, feed, known)
            self._deltas[base, etag] = made
        delta = self._deltas[base, etag]
        return (delta, base) if delta else None


class _Recent(OrderedDict[K, V]):
    """Keeps what was put in last."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > self._most:
            self.popitem(last=False)


def _mark(entry: bytes) -> bytes:
    return blake2b(entry, digest_size=_MARK).digest()
