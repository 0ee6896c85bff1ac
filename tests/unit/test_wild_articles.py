"""Whatever an article holds: every format can be read, is the same again, and says it all."""

import json
import re
from datetime import UTC, datetime
from html import unescape

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from publisher.core.model import Article, Category, Enclosure, Image, Related, Site
from publisher.core.text import clean_line, without_controls
from publisher.feeds.atom import atom
from publisher.feeds.feed import Feed, Naming, entry_of, feed_of, left_out
from publisher.feeds.json_feed import json_feed
from publisher.feeds.rss import rss
from publisher.kit.html import clean
from tests.feed_faults import ATOM, CONTENT, DC, MEDIA, atom_faults, json_faults, rss_faults
from tests.hostile import ADDRESSES, AUTHORS, BODIES, KINDS, LANGUAGES, WORDS, Wild

SITE = Site(title="The Example Courier", url="https://news.example/paper")
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
LONG_AGO = datetime(1, 1, 1)  # noqa: DTZ001 - hypothesis puts the zone to it


def texts(*known: str) -> st.SearchStrategy[str]:
    """Of any characters, lone surrogates too, or of the known ones."""
    return st.text(st.characters(codec=None)) | st.sampled_from((*known, *WORDS))


def several(one: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(one, max_size=3).map(tuple)


addresses = texts(*ADDRESSES) | st.text().map("https://media.example/{}".format)
moments = st.datetimes(LONG_AGO, NOW.replace(tzinfo=None), timezones=st.just(UTC))
lengths = st.integers(-1, 10**18)
articles = st.builds(
    Article,
    id=st.just("tag:news.example,2026:article:1"),
    source=texts(),
    source_key=texts(),
    slug=st.just("wild"),
    url=addresses,
    title=texts(),
    summary=texts(),
    body_html=texts(*BODIES),
    authors=several(texts(*AUTHORS)),
    image=st.none()
    | st.builds(
        Image,
        url=addresses,
        alt=texts(),
        caption=texts(),
        type=texts(*KINDS),
        length=st.none() | lengths,
    ),
    enclosures=several(st.builds(Enclosure, url=addresses, type=texts(*KINDS), length=lengths)),
    related=several(st.builds(Related, title=texts(), url=addresses, caption=texts())),
    language=texts(*LANGUAGES),
    correction=texts(),
    published_at=moments,
    updated_at=moments,
    received_at=moments,
    content_hash=texts(),
    seq=st.integers(-(10**7), 10**7),
    change=st.just(1),
    categories=st.just(("city",)),
)


def feed(*articles: Article) -> Feed:
    """With a category that is no better than its articles."""
    title, about = articles[0].title, articles[0].summary
    category = Category(slug="city", title=title or "City", description=about)
    entries = [entry_of(each, SITE, {"city": clean_line(title) or "City"}) for each in articles]
    return feed_of(SITE, Naming(host="news.example", year=2026), category, entries)


def shown(text: str) -> str:
    """As `entry_of` shows what was lost before it came to us."""
    return text.replace("\ufffd", "□")


def seen(text: str | None) -> str:
    """What a reader sees, who sees no word joiner behind what might be markup."""
    return re.sub("(?<=[<&])\u2060", "", text or "")


@given(articles)
@settings(max_examples=150)
def test_every_format_can_be_read_and_says_it_all(article: Article) -> None:
    made = feed(article)
    for write in (rss, atom, json_feed):
        assert write(made) == write(feed(article))
    for write in (rss, atom):
        found = feedparser.parse(write(made))
        assert not found.bozo, found.get("bozo_exception")
        assert len(found.entries) == 1
    item = etree.fromstring(rss(made)).find("channel/item")
    entry = etree.fromstring(atom(made)).find(f"{ATOM}entry")
    told = json.loads(json_feed(made))["items"][0]
    # The text, which is whole in every format.
    text = shown(without_controls(article.body_html))
    in_rss = (item.findtext(f"{CONTENT}encoded") or "").replace("src&#61;", "src=")
    assert text in in_rss
    assert text in (entry.findtext(f"{ATOM}content") or "")
    assert text in told.get("content_html", "")
    correction = shown(clean_line(article.correction))
    for said in (in_rss, entry.findtext(f"{ATOM}content"), told.get("content_html", "")):
        assert correction in unescape(said or "")
    # What stands around it.
    title = shown(clean_line(article.title))
    titles = {seen(item.findtext("title")), seen(entry.findtext(f"{ATOM}title")), told["title"]}
    assert titles == {title} or (len(titles) == 1 and not title and all(titles))
    summary = shown(clean_line(article.summary))
    assert summary in unescape(item.findtext("description") or "")
    assert summary == seen(entry.findtext(f"{ATOM}summary"))
    assert summary == told.get("summary", "")
    names = [shown(name) for name in map(clean_line, article.authors) if name]
    assert ", ".join(names) == (item.findtext(f"{DC}creator") or "")
    assert ", ".join(names) == seen(entry.findtext(f"{ATOM}author/{ATOM}name"))
    assert names == [each["name"] for each in told.get("authors", ())]


@given(articles)
@settings(max_examples=150)
def test_no_format_holds_what_it_cannot(article: Article) -> None:
    made = feed(article)
    assert rss_faults(rss(made)) == []
    assert atom_faults(atom(made)) == []
    assert json_faults(json_feed(made)) == []


@pytest.mark.parametrize("seed", range(5))
def test_many_wild_articles_in_one_feed(seed: int) -> None:
    made = feed(*Wild(seed).articles(60))
    assert rss_faults(rss(made)) == []
    assert atom_faults(atom(made)) == []
    assert json_faults(json_feed(made)) == []


def test_files_beyond_the_one_that_rss_has_room_for() -> None:
    files = tuple(
        Enclosure(url=url, type=kind, length=length)
        for url, kind, length in (
            ("http://localhost/1.mp3", "audio/mpeg", 1),
            ("https://media.example/2.mp3", "foo", -2),
            ("https://media.example/3.xyz", "", 3),
            ("ftp://media.example/4.mp3", "audio/mpeg", 4),
        )
    )
    picture = Image(url="https://media.example/a.jpg", type="image", length=5)
    made = feed(wild(enclosures=files, image=picture))
    item = etree.fromstring(rss(made)).find("channel/item")
    assert [dict(each.attrib) for each in item.findall("enclosure")] == [
        {"url": "https://media.example/2.mp3", "length": "0", "type": "audio/mpeg"}
    ]
    assert [dict(each.attrib) for each in item.findall(f"{MEDIA}content")] == [
        {"url": "https://media.example/a.jpg", "medium": "image"},
        {"url": "http://localhost/1.mp3", "type": "audio/mpeg", "fileSize": "1"},
        {"url": "https://media.example/3.xyz", "type": "application/octet-stream", "fileSize": "3"},
    ]
    attachments = json.loads(json_feed(made))["items"][0]["attachments"]
    assert [(each["mime_type"], each["size_in_bytes"]) for each in attachments] == [
        ("audio/mpeg", 1),
        ("audio/mpeg", 0),
        ("application/octet-stream", 3),
    ]
    assert left_out(wild(enclosures=files)) == ["an enclosure: ftp://media.example/4.mp3"]


@pytest.mark.parametrize(
    ("year", "written"),
    [
        (1899, {f"{DC}date": "1899-11-20T07:00:00+00:00"}),
        (1900, {"pubDate": "Tue, 20 Nov 1900 07:00:00 +0000"}),
        (69, {f"{DC}date": "0069-11-20T07:00:00+00:00"}),
    ],
)
def test_a_year_that_mail_cannot_write_is_written_otherwise(
    year: int, written: dict[str, str]
) -> None:
    made = feed(wild(published_at=NOW.replace(year=year), updated_at=NOW.replace(year=year)))
    root = etree.fromstring(rss(made))
    [item] = root.iter("item")
    dates = {each.tag: each.text for each in item if each.tag in ("pubDate", f"{DC}date")}
    assert dates == written
    assert root.findtext("channel/lastBuildDate") == "Sat, 01 Jan 2000 00:00:00 +0000"
    assert feedparser.parse(rss(made)).entries[0].get("published_parsed", (year,))[0] == year


def test_words_of_a_picture_are_not_taken_for_its_address() -> None:
    body = clean(
        '<img src="a.jpg" alt="src=b c" title=\'src="d" src=e\'> src=f', "https://x.example/"
    )
    made = feed(wild(body_html=body))
    text = etree.fromstring(rss(made)).findtext(f"channel/item/{CONTENT}encoded")
    # As feedvalidator looks for addresses.
    read = re.findall(r"""<img\s+[^>]*src=(?:"(.*?)"|'(.*?)'|([\w-]+))[\s>]""", text)
    assert read == [("https://x.example/a.jpg", "", "")]
    assert [dict(each.attrib) for each in etree.HTML(text).iter("img")] == [
        {"src": "https://x.example/a.jpg", "alt": "src=b c", "title": 'src="d" src=e'}
    ]


def wild(**values: object) -> Article:
    known = {
        "id": "tag:news.example,2026:article:1",
        "source": "folder",
        "source_key": "1",
        "slug": "wild",
        "title": "Wild",
        "published_at": NOW,
        "updated_at": NOW,
        "received_at": NOW,
        "content_hash": "",
        "categories": ("city",),
    }
    return Article(**(known | values))  # type: ignore[arg-type]  # each by its name
