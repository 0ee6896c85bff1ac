"""Writes a feed as JSON Feed 1.1."""

import json
from datetime import datetime

from publisher.feeds.feed import Entry, Feed, content_of

FILE = "feed.json"
TYPE = "application/feed+json"


def json_feed(feed: Feed) -> bytes:
    """The same feed gives the same bytes."""
    written: dict[str, object] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.html_url,
        "feed_url": feed.url + FILE,
        "description": feed.description,
        "icon": feed.icon_url,
        "favicon": feed.icon_url,
        "language": feed.language,
        "authors": [{"name": feed.author}],
        **({"next_url": feed.older_url + FILE} if feed.older_url else {}),
        **({"hubs": [{"type": "WebSub", "url": hub} for hub in feed.hubs]} if feed.hubs else {}),
        "items": [_item(entry, feed) for entry in feed.entries],
    }
    return json.dumps(written, ensure_ascii=False).encode() + b"\n"


def _item(entry: Entry, feed: Feed) -> dict[str, object]:
    image, content = entry.image, content_of(entry, feed)
    item: dict[str, object] = {
        "id": entry.id,
        "url": entry.url,
        "title": entry.title,
        # An item must have one of the two.
        **({"content_html": content} if content else {"content_text": entry.teaser or entry.title}),
        "summary": entry.summary,
        "image": image.url if image else "",
        "date_published": _moment(entry.published),
        "date_modified": _moment(entry.updated),
        "authors": [{"name": name} for name in entry.authors],
        "tags": [title for _, title in entry.categories],
        "language": entry.language if entry.language != feed.language else "",
        "attachments": [
            {"url": each.url, "mime_type": each.type, "size_in_bytes": each.length}
            for each in entry.enclosures
        ],
    }
    return {key: value for key, value in item.items() if value}


def _moment(value: datetime) -> str:
    return value.isoformat(timespec="seconds")
