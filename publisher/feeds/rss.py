"""Writes a feed as RSS 2.0."""

import re
from html import escape

from feedgen.entry import FeedEntry

from publisher.feeds.feed import Entry, Feed, content_of, enclosures_of
from publisher.feeds.generator import DC, added_to, generator_of

TYPE = "application/rss+xml"
_TTL = 10  # minutes a reader may wait between looks
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])|&(?=#?\w+;)")


def rss(feed: Feed) -> bytes:
    """The same feed gives the same bytes."""
    made = generator_of(feed, feed.rss_url, TYPE)
    made.ttl(_TTL)
    for entry in feed.entries:
        _write(entry, feed, made.add_entry(order="append"))
    written: bytes = made.rss_str(pretty=True)
    return written


def _write(entry: Entry, feed: Feed, item: FeedEntry) -> None:
    item.id(entry.id)
    # Half of the readers take a title for HTML: a word joiner, which nobody sees, keeps `<b>`
    # legible to them, and no less to those that take it for text.
    item.title(_MARKUP.sub("\\g<0>\u2060", entry.title))
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
    added.picture(entry.image)
