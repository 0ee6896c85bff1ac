"""Reads a feed as others find it, in any of our formats."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from publisher.core.feed_document import Document, Entry
from publisher.errors import UnreadableError
from publisher.feeds.generator import DC

_ATOM = "{http://www.w3.org/2005/Atom}"


def read(body: bytes, media_type: str) -> Document:
    """A feed of one of our media types. Raises UnreadableError with the reason."""
    return _READERS[media_type](body)


def listed(body: bytes) -> list[str]:
    """The addresses in a list of feeds (OPML). Raises UnreadableError with the reason."""
    return [each.get("xmlUrl", "") for each in _xml(body, "opml").iter("outline")]


def _rss(body: bytes) -> Document:
    channel = _xml(body, "rss").find("channel")
    if channel is None:
        raise UnreadableError("is no feed: it has no <channel>")
    return Document(
        address=_link(channel, "self"),
        id="",
        older=_link(channel, "prev-archive"),
        entries=tuple(
            Entry(
                id=_text(item, "guid"),
                link=_text(item, "link"),
                title=_text(item, "title").replace("\u2060", ""),  # nobody sees it
                # Dublin Core has the years that RFC 5322 cannot write.
                published=_moment(parsedate_to_datetime, _text(item, "pubDate"))
                or _moment(datetime.fromisoformat, _text(item, f"{{{DC}}}date")),
            )
            for item in channel.findall("item")
        ),
    )


def _atom(body: bytes) -> Document:
    feed = _xml(body, f"{_ATOM}feed")
    return Document(
        address=_link(feed, "self"),
        id=_text(feed, f"{_ATOM}id"),
        older=_link(feed, "prev-archive"),
        entries=tuple(
            Entry(
                id=_text(entry, f"{_ATOM}id"),
                link=_link(entry, "alternate"),
                title=_text(entry, f"{_ATOM}title"),
                published=_moment(datetime.fromisoformat, _text(entry, f"{_ATOM}published")),
            )
            for entry in feed.findall(f"{_ATOM}entry")
        ),
    )


def _json(body: bytes) -> Document:
    try:
        feed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"is no JSON: {error}") from None
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        raise UnreadableError("is no JSON Feed: it has no items")
    return Document(
        address=_word(feed, "feed_url"),
        id="",
        older=_word(feed, "next_url"),
        entries=tuple(
            Entry(
                id=_word(item, "id"),
                link=_word(item, "url"),
                title=_word(item, "title"),
                published=_moment(datetime.fromisoformat, _word(item, "date_published")),
            )
            for item in items
        ),
    )


_READERS: Mapping[str, Callable[[bytes], Document]] = {
    "application/rss+xml": _rss,
    "application/atom+xml": _atom,
    "application/feed+json": _json,
}


def _xml(body: bytes, root: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        found = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UnreadableError(f"is no XML: {error}") from None
    if found.tag != root:
        name = etree.QName(root).localname
        raise UnreadableError(f"begins with <{etree.QName(found).localname}>, not with <{name}>")
    return found


def _text(element: etree._Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _link(element: etree._Element, rel: str) -> str:
    links = element.findall(f"{_ATOM}link")
    return next((each.get("href", "") for each in links if each.get("rel") == rel), "")


def _word(value: Mapping[str, object], key: str) -> str:
    found = value.get(key, "")
    return found if isinstance(found, str) else ""


def _moment(read_as: Callable[[str], datetime], text: str) -> datetime | None:
    try:
        moment = read_as(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else None
