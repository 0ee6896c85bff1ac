"""What is wrong with what a feed says, by itself and against what it said the last time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from publisher.core.feed_serving import Finding
from publisher.core.identity import stable_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    id: str
    link: str
    title: str
    """As people see it."""
    published: datetime | None
    """None where it has none that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A feed as it was read; what it does not say is empty."""

    address: str
    """Its own, as it says."""
    id: str
    """Of Atom; the other formats have none."""
    older: str
    """The address of the archive before it (RFC 5005; `next_url` of JSON Feed)."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What was seen the last time, of all feeds together."""

    feeds: Mapping[str, str]
    """The ids of feeds by their addresses."""
    entries: Mapping[str, Entry]
    """By id; hashes in place of their titles."""


def of_document(address: str, document: Document) -> Iterator[Finding]:
    """What is wrong with what a feed says that was read at `address`."""
    if document.address != address:
        where = f"at {document.address}" if document.address else "nowhere"
        yield Finding(sentence=f"says that it stands {where}")
    nameless = sum(not entry.id for entry in document.entries)
    if nameless:
        yield Finding(sentence=f"has {nameless} of {len(document.entries)} entries without an id")
    seen: set[str] = set()
    for entry in document.entries:
        if entry.id and entry.id in seen:
            yield Finding(sentence=f"has the id {entry.id} twice")
        seen.add(entry.id)
        if entry.published is None:
            yield Finding(sentence=f'gives "{entry.title}" no date that can be read')


def since(then: Memory, documents: Mapping[str, Document]) -> Iterator[tuple[str, Finding]]:
    """What may not change and did since `then`; the documents and findings with their addresses."""
    there = {entry.id for each in documents.values() for entry in each.entries}
    gone = [each for each in then.entries.values() if each.id not in there]
    by_link = {each.link: each.id for each in gone if each.link}
    by_title = {(each.title, each.published): each.id for each in gone}
    for address, document in documents.items():
        feed_id = then.feeds.get(address, document.id)
        if document.id != feed_id:
            yield address, Finding(sentence=f"had another id before: {feed_id}, now {document.id}")
        for entry in document.entries:
            before = then.entries.get(entry.id)
            former = by_link.get(entry.link) or by_title.get(
                (stable_hash(entry.title), entry.published)
            )
            if before is None and former:
                what = f"another id than before ({former}, now {entry.id}): readers show it twice"
                yield address, Finding(sentence=f'gives "{entry.title}" {what}')
            if before and before.published != entry.published:
                dates = f"{_day(before.published)}, now {_day(entry.published)}"
                what = f"another date than before ({dates})"
                yield address, Finding(sentence=f'gives "{entry.title}" {what}')


def remembered(then: Memory, documents: Mapping[str, Document], *, all_read: bool) -> Memory:
    """What to keep of what was seen; of feeds that could not be read what was known before."""
    entries = {
        entry.id: replace(entry, title=stable_hash(entry.title))
        for document in documents.values()
        for entry in document.entries
    }
    feeds = {address: document.id for address, document in documents.items()}
    if all_read:
        return Memory(feeds=feeds, entries=entries)
    return Memory(feeds={**then.feeds, **feeds}, entries={**then.entries, **entries})


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "none"
