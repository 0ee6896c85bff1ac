"""feedgen behind an adapter that mends what feedgen 1.0 gets wrong.

It drops rel, type and length of Atom entry links, cannot write an RSS author without an address,
a `media:content` or an entry's language: those elements come from an extension of ours. It also
changes the locale of the whole process for each date it formats: here dates are formatted without.
"""

from datetime import datetime
from email.utils import format_datetime

import feedgen.entry
import feedgen.feed
from feedgen.entry import FeedEntry
from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from publisher.core.model import Image
from publisher.feeds.feed import Feed

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
DC = "http://purl.org/dc/elements/1.1/"
MEDIA = "http://search.yahoo.com/mrss/"
_HISTORY = "http://purl.org/syndication/history/1.0"  # RFC 5005
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"


def rfc2822(moment: datetime) -> str:
    """As RSS wants it: English names whatever the locale, a numeric zone."""
    return format_datetime(moment)


feedgen.feed.formatRFC2822 = rfc2822
feedgen.entry.formatRFC2822 = rfc2822


class Added(BaseExtension):  # type: ignore[misc]  # feedgen has no types
    """What feedgen cannot write of an entry: elements at its end, and its language."""

    def __init__(self) -> None:
        self.language = ""
        self._elements: list[tuple[str, dict[str, str], str | None]] = []

    def element(self, tag: str, text: str | None = None, **attributes: str) -> None:
        self._elements.append((tag, attributes, text))

    def picture(self, image: Image | None) -> None:
        """Without media:description: feedparser would take that for the entry's summary."""
        if image:
            kind = {"type": image.type} if image.type else {}
            self.element(f"{{{MEDIA}}}content", url=image.url, medium="image", **kind)

    def extend_atom(self, entry: etree._Element) -> etree._Element:
        if self.language:
            entry.set(_XML_LANG, self.language)
        return self.extend_rss(entry)

    def extend_rss(self, entry: etree._Element) -> etree._Element:
        for tag, attributes, text in self._elements:
            etree.SubElement(entry, tag, attributes).text = text
        return entry


class _Surroundings(BaseExtension):  # type: ignore[misc]  # feedgen has no types
    """What feedgen cannot write of a feed: hubs, archive documents, what was removed."""

    def __init__(self) -> None:
        self.feed: Feed | None = None
        self.file = ""
        self.type = ""

    def extend_atom(self, root: etree._Element) -> etree._Element:
        self._add_links(root, "link")  # to feedgen, Atom is no namespace but an attribute
        for removal in self.feed.removals if self.feed else ():
            # RFC 6721. Declared where it stands: most feeds have none.
            etree.SubElement(
                root,
                f"{{{_TOMBSTONES}}}deleted-entry",
                {"ref": removal.id, "when": removal.at.isoformat(timespec="seconds")},
                nsmap={"at": _TOMBSTONES},
            )
        return root

    def extend_rss(self, root: etree._Element) -> etree._Element:
        self._add_links(root[0], "{http://www.w3.org/2005/Atom}link")
        return root

    def _add_links(self, parent: etree._Element, link: str) -> None:
        if (feed := self.feed) is None:
            return
        for hub in feed.hubs:
            etree.SubElement(parent, link, rel="hub", href=hub)
        documents = {"prev-archive": feed.older_url, "next-archive": feed.newer_url}
        if feed.is_archive:
            documents["current"] = feed.current_url
        for rel, url in documents.items():
            if url:
                etree.SubElement(parent, link, rel=rel, href=url + self.file, type=self.type)
        if feed.is_archive:
            etree.SubElement(parent, f"{{{_HISTORY}}}archive", nsmap={"fh": _HISTORY})


class _Names(BaseExtension):  # type: ignore[misc]  # feedgen has no types
    """Declares a namespace that entries use, once, at the top."""

    def extend_ns(self) -> dict[str, str]:
        return {"media": MEDIA}


class _RssNames(_Names):
    def extend_ns(self) -> dict[str, str]:
        return {"dc": DC}


def generator_of(feed: Feed, file: str, type_: str) -> FeedGenerator:
    """A feedgen feed with all that its RSS and its Atom have in common, but without entries."""
    made = FeedGenerator()
    made.register_extension("surroundings", _Surroundings)
    made.surroundings.feed, made.surroundings.file, made.surroundings.type = feed, file, type_
    made.register_extension("names", _Names, None)
    made.register_extension("rss_names", _RssNames, None, atom=False)
    made.title(feed.title)
    made.description(feed.description)
    made.subtitle(feed.description)
    made.language(feed.language)
    made.updated(feed.updated)
    made.generator("publisher")  # no version: a new one would alter every feed
    # Also the logo of an Atom feed.
    made.image(feed.icon_url, feed.title, feed.html_url, width="144", height="144")
    made.link(href=feed.url + file, rel="self", type=type_)
    made.link(href=feed.html_url, rel="alternate", type="text/html")  # last: it is RSS's own link
    return made


def added_to(entry: FeedEntry) -> Added:
    """Where to put what feedgen cannot write of this entry."""
    entry.register_extension("added", Added)
    added: Added = entry.added
    return added
