"""Asks for the site's own feeds at their public addresses, as a strict reader would."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from publisher.core import feed_document, feed_serving
from publisher.core.feed_document import Document, Entry, Memory
from publisher.core.feed_serving import Finding, Replies
from publisher.core.links import feeds_url
from publisher.core.model import Site
from publisher.errors import TransientError, UnreadableError
from publisher.feeds import atom, json_feed, parsing, rss
from publisher.kit.fetch import fetch
from publisher.kit.files import locked, write_if_changed

_FORMATS = {rss.FILE: rss.TYPE, atom.FILE: atom.TYPE, json_feed.FILE: json_feed.TYPE}
_AT_A_TIME = 8
_TRIES = 3  # at a feed that changes while it is looked at
_ARCHIVES = 3  # documents back from each feed
_GZIP = {"Accept-Encoding": "gzip"}
_NO_VERSION = '"no-version-ever-had-this-tag"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    feeds: int
    """How many addresses were asked."""
    findings: list[tuple[list[str], Finding]]
    """Each once, with the addresses that it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    address: str
    document: Document | None
    findings: list[Finding]


def inspect(site: Site, memory: Path, progress: Callable[[int, int], None]) -> Inspection:
    """Look at every feed of the site's list in each format, and at what changed since last time.

    `memory` is the file where what was seen is kept. Raises TransientError when the list of feeds
    cannot be had, or the file not written.
    """
    addresses = _listed(f"{feeds_url(site)}feeds.opml")
    looks = _look_at_all(addresses, progress)
    read = {look.address: look.document for look in looks if look.document}
    found = [(look.address, finding) for look in looks for finding in look.findings]
    with locked(memory.with_suffix(".lock")):
        then = _load(memory)
        _save(memory, feed_document.remembered(then, read, all_read=len(read) == len(looks)))
    found += feed_document.since(then, read)
    return Inspection(feeds=len(looks), findings=feed_serving.merged(found))


def _listed(url: str) -> list[str]:
    """The addresses of all feeds, those of a category together."""
    try:
        reply = fetch(url)
        if wrong := feed_serving.unfit(reply):
            raise UnreadableError(wrong)
        listed = parsing.listed(feed_serving.unpacked(reply) or b"")
    except (TransientError, UnreadableError) as error:
        raise TransientError(f"{url}: {error}") from error
    bases = [each.removesuffix("rss.xml") for each in listed if each.endswith("/rss.xml")]
    if not bases:
        raise TransientError(f"{url}: lists no feeds")
    return [base + name for base in bases for name in _FORMATS]


def _look_at_all(addresses: list[str], progress: Callable[[int, int], None]) -> list[_Look]:
    looks: list[_Look] = []
    with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="inspection") as threads:
        try:
            for look in threads.map(_look, addresses):
                looks.append(look)
                progress(len(looks), len(addresses))
        except KeyboardInterrupt:
            threads.shutdown(cancel_futures=True)
            raise
    return looks


def _look(address: str) -> _Look:
    media_type = _FORMATS[address.rpartition("/")[2]]
    try:
        for _ in range(_TRIES):
            replies = _ask(address)
            look = _judged(address, replies, media_type)
            # What looks wrong may be a feed that changed between two answers.
            if not look.findings or fetch(address).body == replies.plain.body:
                break
    except TransientError as error:
        return _failed(address, str(error))
    return look


def _ask(address: str) -> Replies:
    plain, packed = fetch(address), fetch(address, headers=_GZIP)
    tag, date = (plain.headers.get(name, "") for name in ("etag", "last-modified"))
    packed_tag = packed.headers.get("etag", "") if packed.status == 200 else ""
    return Replies(
        plain=plain,
        same_tag=fetch(address, headers={"If-None-Match": tag}) if tag else None,
        same_date=fetch(address, headers={"If-Modified-Since": date}) if date else None,
        other_tag=fetch(address, headers={"If-None-Match": _NO_VERSION}),
        packed=packed,
        same_packed=fetch(address, headers=_GZIP | {"If-None-Match": packed_tag})
        if packed_tag
        else None,
        head=fetch(address, method="HEAD"),
    )


def _judged(address: str, replies: Replies, media_type: str) -> _Look:
    if wrong := feed_serving.unfit(replies.plain):
        return _failed(address, wrong)
    try:
        said = parsing.read(feed_serving.unpacked(replies.plain) or b"", media_type)
    except UnreadableError as error:
        return _failed(address, str(error))
    findings = [
        *feed_serving.of_serving(replies, media_type),
        *feed_document.of_document(address, said),
        *_of_archives(address, said.older, media_type),
    ]
    return _Look(address=address, document=said, findings=findings)


def _failed(address: str, sentence: str) -> _Look:
    return _Look(address=address, document=None, findings=[Finding(sentence=sentence)])


def _of_archives(address: str, older: str, media_type: str) -> Iterator[Finding]:
    """Follows the chain of archives (RFC 5005) a little way back."""
    seen = {address}
    while older and len(seen) <= _ARCHIVES:
        if older in seen:
            yield Finding(sentence=f"has archives that lead round in a circle, to {older}")
            return
        seen.add(older)
        try:
            reply = fetch(older)
            if wrong := feed_serving.unfit(reply):
                raise UnreadableError(wrong)
            said = parsing.read(feed_serving.unpacked(reply) or b"", media_type)
        except (TransientError, UnreadableError) as error:
            yield Finding(sentence=f"has an archive that cannot be read: {older} {error}")
            return
        older = said.older


def _load(path: Path) -> Memory:
    """What was seen the last time; nothing where that cannot be told."""
    try:
        told = json.loads(path.read_bytes())
        entries = [Entry(**{**each, "published": _moment(each)}) for each in told["entries"]]
        return Memory(feeds=told["feeds"], entries={each.id: each for each in entries})
    except (OSError, ValueError, TypeError, KeyError):
        return Memory(feeds={}, entries={})


def _moment(entry: Mapping[str, str | None]) -> datetime | None:
    return datetime.fromisoformat(entry["published"]) if entry["published"] else None


def _save(path: Path, memory: Memory) -> None:
    told = {
        "feeds": memory.feeds,
        "entries": [asdict(each) for each in memory.entries.values()],
    }
    text = json.dumps(told, default=datetime.isoformat, ensure_ascii=False, indent=0)
    write_if_changed(path, text.encode() + b"\n")
