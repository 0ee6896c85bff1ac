"""Writes a feed as Atom (RFC 4287)."""

from feedgen.entry import FeedEntry

from publisher.feeds.feed import Entry, Feed, content_of, enclosures_of, opening_of, plain
from publisher.feeds.generator import added_to, generator_of

FILE = "atom.xml"
TYPE = "application/atom+xml"


def atom(feed: Feed) -> bytes:
    """The same feed gives the same bytes."""
    made = generator_of(feed, FILE, TYPE)
    made.id(feed.id)
    made.icon(feed.icon_url)
    made.author(name=feed.author)  # for entries that name none (RFC 4287, 4.1.1)
    for entry in feed.entries:
        _write(entry, feed, made.add_entry(order="append"))
    written: bytes = made.atom_str(pretty=True)
    return written


def _write(entry: Entry, feed: Feed, made: FeedEntry) -> None:
    made.id(entry.id)
    made.title(entry.title)
    made.updated(entry.updated)
    made.published(entry.published)
    made.content(content_of(entry, feed) or opening_of(entry), type="html")
    if entry.summary:
        made.summary(plain(entry.summary))
    if entry.authors:
        # All names in one element: of several, feedparser's users show the last, others the first.
        made.author(name=plain(", ".join(entry.authors)))
    for slug, title in entry.categories:
        made.category(term=slug, label=title)
    added = added_to(made)
    if entry.language and entry.language != feed.language:
        added.language = entry.language
    added.element("link", href=entry.url, rel="alternate", type="text/html")
    added.picture(entry.image)
    for each in enclosures_of(entry):
        added.element(
            "link", href=each.url, rel="enclosure", type=each.type, length=str(each.length)
        )
    for other in entry.related:
        if other.url:
            named = {"title": other.title} if other.title else {}
            added.element("link", href=other.url, rel="related", **named)
