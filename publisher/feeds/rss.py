"""Writes a feed as RSS 2.0."""

import re
from html import escape

from feedgen.entry import FeedEntry

from publisher.feeds.feed import Entry, Feed, content_of, enclosures_of, plain
from publisher.feeds.generator import DC, MEDIA, added_to, generator_of

FILE = "rss.xml"
TYPE = "application/rss+xml"
_TTL = 10  # minutes a reader may wait between looks
# Hosts of one label only, or with a name and password, have no place in an enclosure.
_ENCLOSABLE = re.compile(r"https?://[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z0-9][a-z0-9-]*(:\d+)?/")
_EARLIEST = 1900  # the first year that RFC 5322 (3.3) can write
_IMAGE = re.compile(r"<img [^>]*>")
_MISREAD = re.compile(r"""src=(?=[\w-]+[\s>]|')""")


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
    item.title(plain(entry.title))
    item.link(href=entry.url)
    item.description(escape(entry.teaser or entry.title, quote=False))  # read as HTML
    if content := content_of(entry, feed):
        item.content(_IMAGE.sub(_unmistaken, content))
    for _, title in entry.categories:
        item.category(term=title)
    files = enclosures_of(entry)
    enclosed = next((each for each in files if _ENCLOSABLE.match(each.url)), None)
    if enclosed:
        item.enclosure(enclosed.url, enclosed.length, enclosed.type)
    added = added_to(item)
    if entry.published.year < _EARLIEST:
        added.element(f"{{{DC}}}date", text=entry.published.isoformat())
    else:
        item.published(entry.published)
    if entry.authors:
        # All names in one element: of several, feedparser and newsboat take one or the other.
        added.element(f"{{{DC}}}creator", text=", ".join(entry.authors))
    if entry.language and entry.language != feed.language:
        added.element(f"{{{DC}}}language", text=entry.language)
    added.picture(entry.image)
    for each in files:  # RSS has room for one enclosure
        if each is not enclosed and not (entry.image and entry.image.url == each.url):
            size = {"fileSize": str(each.length)} if each.length else {}
            added.element(f"{{{MEDIA}}}content", url=each.url, type=each.type, **size)


def _unmistaken(image: re.Match[str]) -> str:
    """The same image, without words that could be taken for its address (`alt="src=x"`)."""
    return _MISREAD.sub("src&#61;", image[0])
