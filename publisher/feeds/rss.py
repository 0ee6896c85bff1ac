"""Writes a feed as RSS 2.0."""

from html import escape

from feedgen.entry import FeedEntry

from publisher.feeds.feed import Entry, Feed, content_of, enclosures_of
from publisher.feeds.generator import DC, MEDIA, added_to, generator_of

FILE = "rss.xml"
TYPE = "application/rss+xml"
_TTL = 10  # minutes a reader may wait between looks


def rss(feed: Feed) -> bytes:
    """The same feed gives the same bytes."""
    made = generator_of(feed, FILE, TYPE)
    made.ttl(_TTL)
    for entry in feed.entries:
        _write(entry, feed, made.add_entry(order="append"))
    written: bytes = made.rss_str(pretty=True)
    return written


def _write(entry: Entry, feed: Feed, item: FeedEntry) -> None:
    item.id(entry.id)
    item.title(entry.title)
    item.link(href=entry.url)
    item.published(entry.published)
    item.description(escape(entry.teaser or entry.title, quote=False))  # read as HTML
    if content := content_of(entry):
        item.content(content)
    for _, title in entry.categories:
        item.category(term=title)
    for each in enclosures_of(entry)[:1]:  # RSS has room for one
        item.enclosure(each.url, each.length, each.type)
    added = added_to(item)
    if entry.authors:
        # All names in one element: of several, feedparser and newsboat take one or the other.
        added.element(f"{{{DC}}}creator", text=", ".join(entry.authors))
    if entry.language and entry.language != feed.language:
        added.element(f"{{{DC}}}language", text=entry.language)
    if entry.image:
        # Without media:description: feedparser would take that for the item's summary.
        kind = {"type": entry.image.type} if entry.image.type else {}
        added.element(f"{{{MEDIA}}}content", url=entry.image.url, medium="image", **kind)
