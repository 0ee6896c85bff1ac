"""Feeds as their readers find them: parsed again, held against the standards, and repeatable."""

import json
import locale
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from lxml import html as lxml_html

from publisher.core.model import Article, Category, Enclosure, Image, Related, Site
from publisher.feeds.atom import atom
from publisher.feeds.feed import LONG_AGO, Feed, Naming, entry_of, feed_of
from publisher.feeds.json_feed import json_feed
from publisher.feeds.opml import opml
from publisher.feeds.rss import rss

SITE = Site(title="The Example Courier", url="https://news.example/paper")
CITY = Category(slug="city", title="City & Council", description="What the <council> decides")
NEWS_RU = Category(slug="новости", title="Новости", language="ru")
TITLES = {"city": "City & Council", "новости": "Новости"}
MORNING = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
ATOM = "{http://www.w3.org/2005/Atom}"
SCHEMA = Path(__file__).parents[2].parent / "shared" / "schemas" / "atom.rng"

BRIDGE = Article(
    id="tag:news.example,2026:article:1",
    source="folder",
    source_key="bridge.md",
    slug="bridge",
    title="Fish & chips <on> the bridge",
    summary="Two stalls & one queue.",
    body_html='<p>Two stalls, <a href="https://stalls.example/?a=1&amp;b=2">one</a> queue.</p>',
    authors=("Ida Morell", "Tomas Brandt"),
    categories=("city",),
    published_at=MORNING,
    updated_at=MORNING + timedelta(hours=1),
    received_at=MORNING,
    content_hash="1",
    seq=1,
    change=1,
)
ABROAD = replace(
    BRIDGE,
    id="tag:news.example,2026:article:2",
    slug="ярмарка",
    url="https://elsewhere.example/fair",
    title="Ярмарка",
    summary="",
    authors=(),
    language="ru",
    categories=("новости", "city"),
    image=Image(url="https://media.example/fair.jpg", type="image/jpeg", length=4821),
    enclosures=(Enclosure(url="https://media.example/fair.mp3", type="audio/mpeg", length=99),),
    related=(
        Related(title="How pumpkins are weighed", url="https://scales.example/"),
        Related(title="A headline without an address", caption="FILE PHOTO. A pumpkin."),
    ),
    seq=2,
)

NAMING = Naming(host="news.example", year=2026)


def feed(*articles: Article, category: Category | None = CITY, site: Site = SITE) -> Feed:
    entries = [entry_of(article, site, TITLES) for article in articles]
    return feed_of(site, NAMING, category, entries)


def parsed(data: bytes) -> feedparser.FeedParserDict:
    found = feedparser.parse(data)
    assert not found.bozo, found.get("bozo_exception")
    return found


@pytest.mark.parametrize("write", [rss, atom])
def test_readers_find_what_was_published(write):
    found = parsed(write(feed(ABROAD, BRIDGE)))
    assert found.feed.title == "City & Council – The Example Courier"
    assert found.feed.link == "https://news.example/paper/feeds/city/"
    assert found.feed.language == "en"
    abroad, bridge = found.entries
    assert bridge.id == BRIDGE.id
    assert bridge.title.replace("\u2060", "") == BRIDGE.title
    assert bridge.link == "https://news.example/paper/feeds/articles/bridge/"
    assert bridge.summary in (BRIDGE.summary, "Two stalls &amp; one queue.")
    assert bridge.content[0].value == BRIDGE.body_html
    assert bridge.published_parsed[:6] == (2026, 11, 20, 7, 0, 0)
    assert [tag.get("label") or tag.term for tag in bridge.tags] == ["City & Council"]
    assert bridge.author == "Ida Morell, Tomas Brandt"
    assert abroad.link == "https://elsewhere.example/fair"
    assert abroad.media_content[0]["url"] == "https://media.example/fair.jpg"
    assert [tag.get("label") or tag.term for tag in abroad.tags] == ["Новости", "City & Council"]


TITLES_OF_RSS = [
    "Why <script> is slow",
    "Is 3 < 4 & 5 > 4?",
    "AT&T & co",
    "What <b>bold</b> means",
    "How to write &amp;",
    "<!-- and <?xml",
]


@pytest.mark.parametrize("title", TITLES_OF_RSS)
def test_a_title_of_rss_is_whole_whether_read_as_text_or_as_html(title):
    (entry,) = parsed(rss(feed(replace(BRIDGE, title=title)))).entries
    text = lxml_html.fragment_fromstring(entry.title, create_parent=True).text_content()
    assert entry.title.replace("\u2060", "") == text.replace("\u2060", "") == title


def test_rss_says_what_only_rss_can():
    found = parsed(rss(feed(ABROAD, BRIDGE)))
    assert found.version == "rss20"
    abroad, bridge = found.entries
    assert not bridge.guidislink
    assert [each.href for each in abroad.enclosures] == ["https://media.example/fair.mp3"]
    tree = etree.fromstring(rss(feed(BRIDGE)))
    assert tree.findtext("channel/item/pubDate") == "Fri, 20 Nov 2026 07:00:00 +0000"
    assert tree.findtext("channel/lastBuildDate") == "Fri, 20 Nov 2026 08:00:00 +0000"
    order = [etree.QName(each).localname for each in tree.find("channel/item")]
    assert order.index("description") < order.index("encoded")


@pytest.mark.parametrize("write", [rss, atom])
def test_an_image_of_unknown_length_is_no_enclosure(write):
    picture = replace(BRIDGE, image=Image(url="https://media.example/a.jpg", type="image/jpeg"))
    (entry,) = parsed(write(feed(picture))).entries
    assert entry.enclosures == []
    assert entry.media_content[0]["url"] == "https://media.example/a.jpg"


def test_atom_links_keep_their_rel_type_and_length():
    tree = etree.fromstring(atom(feed(ABROAD)))
    entry = tree.find(f"{ATOM}entry")
    links = [dict(each.attrib) for each in entry.findall(f"{ATOM}link")]
    assert links == [
        {"href": "https://elsewhere.example/fair", "rel": "alternate", "type": "text/html"},
        {
            "href": "https://media.example/fair.mp3",
            "rel": "enclosure",
            "type": "audio/mpeg",
            "length": "99",
        },
        {
            "href": "https://media.example/fair.jpg",
            "rel": "enclosure",
            "type": "image/jpeg",
            "length": "4821",
        },
        {"href": "https://scales.example/", "rel": "related", "title": "How pumpkins are weighed"},
    ]
    assert entry.get("{http://www.w3.org/XML/1998/namespace}lang") == "ru"


@pytest.mark.parametrize("write", [rss, atom, json_feed])
def test_related_reading_never_stands_in_the_text(write):
    written = write(feed(ABROAD)).decode()
    assert "A headline without an address" not in written
    assert "FILE PHOTO" not in written


def every_kind() -> list[Feed]:
    bare = replace(BRIDGE, id="tag:x,2026:b", title="", summary="", body_html="", authors=())
    dirty = replace(BRIDGE, id="tag:x,2026:c", title="a\x00b\x1b\ud800c", summary="\ufffe")
    return [
        feed(),
        feed(category=None),
        feed(BRIDGE, ABROAD),
        feed(BRIDGE, ABROAD, category=NEWS_RU),
        feed(bare, dirty),
    ]


@pytest.mark.parametrize("made", every_kind())
def test_atom_has_what_rfc_4287_demands(made):
    root = etree.fromstring(atom(made))
    assert root.tag == f"{ATOM}feed"
    for element in (root, *root.findall(f"{ATOM}entry")):
        for tag in ("id", "title", "updated"):
            assert len(element.findall(f"{ATOM}{tag}")) == 1
            assert element.findtext(f"{ATOM}{tag}")
    assert root.findtext(f"{ATOM}author/{ATOM}name")
    assert [each.get("rel") for each in root.findall(f"{ATOM}link")] == ["self", "alternate"]
    for entry in root.findall(f"{ATOM}entry"):
        assert entry.find(f"{ATOM}content").get("type") == "html"
        assert datetime.fromisoformat(entry.findtext(f"{ATOM}updated")).tzinfo


@pytest.mark.parametrize("made", every_kind())
def test_atom_holds_against_the_schema(made):
    if not SCHEMA.is_file():
        pytest.skip("atom.rng is not there; the test above checks the structure itself")
    schema = etree.RelaxNG(etree.parse(SCHEMA))
    schema.assertValid(etree.fromstring(atom(made)))


@pytest.mark.parametrize("write", [rss, atom])
@pytest.mark.parametrize("made", every_kind())
def test_every_kind_of_feed_is_readable(write, made):
    assert len(parsed(write(made)).entries) == len(made.entries)


@given(
    st.text(st.characters(codec=None)), st.text(st.characters(codec=None)), st.text(max_size=200)
)
def test_no_text_makes_a_feed_unreadable(title, author, body):
    """Control characters, lone surrogates, anything: the feed stays well-formed."""
    strange = replace(BRIDGE, title=title, authors=(author,), summary=author, body_html=body)
    made = feed(strange, BRIDGE)
    for write in (rss, atom):
        assert len(etree.fromstring(write(made)).findall(".//{*}entry")) in (0, 2)
    assert len(json.loads(json_feed(made))["items"]) == 2
    assert made.entries[0].title


@pytest.mark.parametrize("write", [rss, atom, json_feed])
def test_the_same_content_is_the_same_bytes(write):
    assert write(feed(ABROAD, BRIDGE)) == write(feed(ABROAD, BRIDGE))


def test_dates_are_english_and_the_locale_of_the_process_is_left_alone(monkeypatch):
    def touched(*_):
        raise AssertionError("a feed changed the locale")

    monkeypatch.setattr(locale, "setlocale", touched)
    assert b"Fri, 20 Nov 2026" in rss(feed(BRIDGE))


def test_entries_changed_in_the_same_second_keep_apart_and_keep_their_dates():
    others = [replace(BRIDGE, id=f"tag:x,2026:{n}", seq=n) for n in (2, 3, -1)]
    moments = [entry.updated for entry in feed(BRIDGE, *others).entries]
    assert len(set(moments)) == 4
    assert feed(others[0]).entries[0].updated == moments[1]  # whoever stands beside it


def test_an_empty_feed_is_dated_by_what_left_it():
    gone = MORNING + timedelta(days=2)
    assert feed_of(SITE, NAMING, CITY, (), removed=gone).updated == gone
    assert feed_of(SITE, NAMING, CITY, ()).updated == LONG_AGO
    assert (
        parsed(atom(feed_of(SITE, NAMING, CITY, (), removed=gone))).feed.updated
        == "2026-11-22T07:00:00+00:00"
    )


def test_json_feed():
    made = json.loads(json_feed(feed(ABROAD, BRIDGE)))
    assert made["version"] == "https://jsonfeed.org/version/1.1"
    assert made["feed_url"] == "https://news.example/paper/feeds/city/feed.json"
    abroad, bridge = made["items"]
    assert bridge["id"] == BRIDGE.id
    assert bridge["content_html"] == BRIDGE.body_html
    assert bridge["authors"] == [{"name": "Ida Morell"}, {"name": "Tomas Brandt"}]
    assert bridge["date_published"] == "2026-11-20T07:00:00+00:00"
    assert "language" not in bridge
    assert abroad["language"] == "ru"
    assert abroad["attachments"] == [
        {"url": "https://media.example/fair.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 99}
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p>Two stalls.</p>", "<p>Two stalls.</p>"),
        ("", "<p>Two stalls &amp; one queue.</p>"),
    ],
)
def test_a_correction_opens_what_an_entry_says(body, said):
    mended = replace(BRIDGE, correction="Three <b>stalls</b>", body_html=body)
    note = (
        '<p class="correction"><strong>Correction:</strong> Three &lt;b&gt;stalls&lt;/b&gt;</p>\n'
    )
    tree = etree.fromstring(atom(feed(mended)))
    assert tree.findtext(f"{ATOM}entry/{ATOM}content") == note + said
    tree = etree.fromstring(rss(feed(mended)))
    assert tree.findtext("channel/item/{*}encoded") == note + said
    assert json.loads(json_feed(feed(mended)))["items"][0]["content_html"] == note + said


def test_the_word_before_a_correction_is_of_the_entrys_language_or_the_feeds():
    mended = replace(BRIDGE, correction="Drei", language="")
    for entry_language, feed_language, word in (
        ("", "de", "Berichtigung:"),
        ("fr-CA", "de", "Rectificatif"),
        ("", "tlh", "Correction:"),
        ("tlh", "de", "Berichtigung:"),
    ):
        document = replace(feed(replace(mended, language=entry_language)), language=feed_language)
        [item] = json.loads(json_feed(document))["items"]
        assert f'<p class="correction"><strong>{word}' in item["content_html"], entry_language


def test_a_feed_has_a_picture():
    address = "https://news.example/paper/feeds/static/icon.png"
    channel = etree.fromstring(rss(feed(BRIDGE))).find("channel")
    assert channel.findtext("image/url") == address
    assert channel.findtext("image/title") == channel.findtext("title")
    assert channel.findtext("image/link") == channel.findtext("link")
    assert etree.fromstring(atom(feed(BRIDGE))).findtext(f"{ATOM}icon") == address
    assert json.loads(json_feed(feed(BRIDGE)))["icon"] == address


def test_opml_lists_each_feed_once_with_percent_encoded_addresses():
    root = etree.fromstring(opml(SITE.title, [feed(), feed(category=NEWS_RU)]))
    assert root.get("version") == "2.0"
    assert root.find("head/docs") is None
    assert [each.get("xmlUrl") for each in root.iter("outline")] == [
        "https://news.example/paper/feeds/city/rss.xml",
        "https://news.example/paper/feeds/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/rss.xml",
    ]


def test_all_formats_give_the_same_address():
    made = feed(replace(ABROAD, url="https://www.straße.example:8443/ярмарка?q=ы b#c%20d"))
    (url,) = [entry.url for entry in made.entries]
    assert url == (
        "https://www.xn--strae-oqa.example:8443/"
        "%D1%8F%D1%80%D0%BC%D0%B0%D1%80%D0%BA%D0%B0?q=%D1%8B%20b#c%20d"
    )
    assert parsed(rss(made)).entries[0].link == url
    assert parsed(atom(made)).entries[0].link == url
    assert json.loads(json_feed(made))["items"][0]["url"] == url


@pytest.mark.parametrize(
    ("summary", "body", "description"),
    [
        ("word " * 200, "<p>Text.</p>", ("word " * 200).strip()),
        ("", "<p>Text.</p>", "Text."),
        ("", "<p>" + "word " * 200, ("word " * 64).strip() + "…"),
    ],
)
def test_a_summary_is_whole_and_opening_words_are_few(summary, body, description):
    article = replace(BRIDGE, summary=summary, body_html=body)
    assert parsed(rss(feed(article))).entries[0].summary == description
