"""What a feed may not change from one look to the next, and what it may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from publisher.core.feed_document import Document, Entry, Memory, remembered, since
from publisher.feeds.parsing import read

ADDRESS = "https://news.example/feeds/all/atom.xml"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
FERRY = Entry(id="tag:1", link="https://news.example/ferry", title="The ferry", published=NOON)
WEATHER = Entry(id="tag:2", link="https://news.example/w1", title="The weather", published=NOON)
LATER = NOON + timedelta(days=1)
NOTHING = Memory(feeds={}, entries={})


def feed(*entries: Entry, feed_id: str = ADDRESS) -> dict[str, Document]:
    return {ADDRESS: Document(address=ADDRESS, id=feed_id, older="", entries=entries)}


def seen(*entries: Entry) -> Memory:
    return remembered(NOTHING, feed(*entries), all_read=True)


def said(now: dict[str, Document], *before: Entry) -> list[str]:
    return [finding.sentence for _, finding in since(seen(*before), now)]


MAY_CHANGE = {
    "nothing": [FERRY, WEATHER],
    "a title": [replace(FERRY, title="The ferry is back"), WEATHER],
    "addresses, after a move": [replace(FERRY, link="https://new.example/ferry"), WEATHER],
    "what fell off the end": [FERRY],
    "a new article of a title that comes every day": [
        FERRY,
        replace(WEATHER, id="tag:3", link="https://news.example/w2", published=LATER),
    ],
    "a second article about the same page": [FERRY, WEATHER, replace(FERRY, id="tag:3")],
    "everything": [Entry(id="tag:9", link="https://news.example/9", title="9", published=None)],
}


@pytest.mark.parametrize("change", MAY_CHANGE)
def test_what_may_change(change: str) -> None:
    assert said(feed(*MAY_CHANGE[change]), FERRY, WEATHER) == []


MAY_NOT_CHANGE = {
    "an id": (
        replace(FERRY, id="tag:3"),
        'gives "The ferry" another id than before (tag:1, now tag:3): readers show it twice',
    ),
    "an id, with the address": (
        replace(FERRY, id="tag:3", link="https://news.example/3"),
        'gives "The ferry" another id than before (tag:1, now tag:3): readers show it twice',
    ),
    "an id, with title and date": (
        replace(FERRY, id="tag:3", title="Back again", published=LATER),
        'gives "Back again" another id than before (tag:1, now tag:3): readers show it twice',
    ),
    "a date": (
        replace(FERRY, published=LATER),
        'gives "The ferry" another date than before '
        "(2026-11-20 12:00:00 UTC, now 2026-11-21 12:00:00 UTC)",
    ),
    "a date that is gone": (
        replace(FERRY, published=None),
        'gives "The ferry" another date than before (2026-11-20 12:00:00 UTC, now none)',
    ),
}


@pytest.mark.parametrize("change", MAY_NOT_CHANGE)
def test_what_may_not_change(change: str) -> None:
    entry, sentence = MAY_NOT_CHANGE[change]
    assert said(feed(entry, WEATHER), FERRY, WEATHER) == [sentence]


def test_the_id_of_a_feed_stays() -> None:
    assert said(feed(FERRY, feed_id="urn:x"), FERRY) == [
        f"had another id before: {ADDRESS}, now urn:x"
    ]


def test_what_could_not_be_read_this_time_is_remembered_as_it_was() -> None:
    before = seen(FERRY)
    assert remembered(before, {}, all_read=False) == before
    assert remembered(before, {}, all_read=True) == NOTHING
    both = remembered(before, feed(WEATHER), all_read=False)
    assert set(both.entries) == {"tag:1", "tag:2"}


DATES = {
    "<pubDate>Fri, 20 Nov 2026 13:00:00 +0100</pubDate>": NOON,
    "<dc:date>2026-11-20T13:00:00+01:00</dc:date>": NOON,
    "<dc:date>1850-01-02T00:00:00+00:00</dc:date>": datetime(1850, 1, 2, tzinfo=UTC),
    "<pubDate>2026-11-20</pubDate>": None,
    "<pubDate></pubDate>": None,
    "": None,
}


@pytest.mark.parametrize("written", DATES)
def test_the_date_of_an_item(written: str) -> None:
    item = f"<item><guid>tag:1</guid><title>The ferry</title>{written}</item>"
    rss = f'<rss xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>{item}</channel></rss>'
    (entry,) = read(rss.encode(), "application/rss+xml").entries
    assert entry.published == DATES[written]
