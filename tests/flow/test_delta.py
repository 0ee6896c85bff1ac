"""Deltas of feeds (RFC 3229): what is new since a reader's last look, for who can take it."""

import asyncio
import gzip
import os
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path
from xml.etree import ElementTree

import feedparser
import pytest
import reader
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.model import Article, Removal, Site
from publisher.feeds.atom import atom
from publisher.feeds.feed import Feed, Naming, entry_of, feed_of
from publisher.feeds.rss import rss
from publisher.web import delta
from publisher.web.delta import marks, since
from publisher.web.headers import Header
from tests.flow.test_web import Answer, Web, feeds, put, web
from tests.programs import needs

__all__ = ["feeds", "web"]  # fixtures

SITE = Site(title="Example News", url="https://news.example")
NEWSBOAT = "newsboat/2.21.0 (Linux x86_64)"
READER = "python-reader/3.20 (+https://github.com/lemon24/reader)"
ATOM = "{http://www.w3.org/2005/Atom}"
Serialiser = Callable[[Feed], bytes]
FORMATS: list[tuple[str, Serialiser]] = [("rss.xml", rss), ("atom.xml", atom)]


def article(number: int, title: str = "", text: str = "") -> Article:
    moment = datetime(2026, 11, 2, 9, 0, number % 60, tzinfo=UTC)
    return Article(
        id=f"tag:news.example,2026:article:{number}",
        source="folder",
        source_key=str(number),
        slug=f"article-{number}",
        title=title or f"Article {number}",
        body_html=text or f"<p>Text of {number}: {sha512(b'%d' % number).hexdigest()}</p>",
        published_at=moment,
        updated_at=moment,
        received_at=moment,
        content_hash="x",
        seq=number,
        language="de" if number % 2 else "",
    )


def feed(*articles: Article, removals: Sequence[Removal] = ()) -> Feed:
    newest = sorted(articles, key=lambda each: each.seq or 0, reverse=True)
    entries = [entry_of(each, SITE, {}) for each in newest]
    naming = Naming(host="news.example", year=2026)
    return feed_of(SITE, naming, None, entries, removals=removals)


def ids(document: bytes) -> list[str]:
    root = ElementTree.fromstring(document)
    return [
        str(each.findtext("guid") or each.findtext(f"{ATOM}id"))
        for each in root.iter()
        if each.tag in ("item", f"{ATOM}entry")
    ]


def of(*numbers: int) -> list[str]:
    return [article(number).id for number in numbers]


def head(document: bytes) -> list[str]:
    """All elements but the entries, in order."""
    root = ElementTree.fromstring(document)
    outer = root.find("channel") if root.tag == "rss" else root
    assert outer is not None
    return [
        ElementTree.tostring(each, "unicode").strip()
        for each in outer
        if each.tag not in ("item", f"{ATOM}entry")
    ]


async def ask(web: Web, etag: str, name: str = "rss.xml", /, **headers: str) -> Answer:
    asked = {"A_IM": "feed", "User_Agent": NEWSBOAT} | headers
    return await web.ask(f"/feeds/russia/{name}", If_None_Match=etag, **asked)


def publish(web: Web, name: str, data: bytes, *, packed: bool = True) -> None:
    path = web.feeds / "russia" / name
    put(path, data)
    if packed:
        put(path.with_name(f"{name}.gz"), gzip.compress(data, mtime=0))


FIRST = [article(number) for number in range(1, 9)]
SECOND = [*FIRST[3:], replace(FIRST[4], title="Corrected"), article(9), article(10)]
del SECOND[1]  # the one that was corrected


@pytest.mark.parametrize(("name", "made"), FORMATS)
@pytest.mark.parametrize("agent", [NEWSBOAT, READER])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_who_can_take_it_gets_what_is_new_or_changed(
    web: Web, name: str, made: Serialiser, agent: str, encoding: str
) -> None:
    headers = {"User_Agent": agent, "Accept_Encoding": encoding}
    publish(web, name, made(feed(*FIRST)), packed=False)  # so that a delta is always the shorter
    first = await ask(web, '"none"', name, **headers)
    assert first.status == 200
    whole = made(feed(*SECOND))
    publish(web, name, whole, packed=False)
    answer = await ask(web, first.headers["etag"], name, **headers)
    assert answer.status == 226
    assert ids(answer.body) == of(10, 9, 5)
    assert b"Corrected" in answer.body
    assert head(answer.body) == head(whole)
    assert int(answer.headers["content-length"]) == len(answer.body) < len(whole)

    now = await web.ask(f"/feeds/russia/{name}", Accept_Encoding=encoding)
    assert answer.headers["etag"] == now.headers["etag"]
    assert answer.headers["im"] == "feed"
    assert answer.headers["delta-base"] == first.headers["etag"]
    assert answer.headers["cache-control"] == "no-store, im"
    assert answer.headers["content-encoding"] is None
    for each in ("content-type", "access-control-allow-origin", "link", "x-content-type-options"):
        assert answer.headers[each] == now.headers[each] is not None
    varies = {each.strip() for each in answer.headers["vary"].split(",")}
    assert varies == {"Accept-Encoding", "A-IM", "If-None-Match", "User-Agent"}

    again = await ask(web, answer.headers["etag"], name, **headers)
    assert again.status == 304


async def test_a_reader_may_be_several_versions_behind(web: Web) -> None:
    tags = {}
    for number in range(1, 30):
        publish(web, "rss.xml", rss(feed(*(article(each) for each in range(1, number + 1)))))
        tags[number] = (await ask(web, '"none"')).headers["etag"]
    for number in range(20, 29):
        answer = await ask(web, tags[number])
        assert (answer.status, ids(answer.body)) == (226, of(*range(29, number, -1)))
    several = await ask(web, f'"none", {tags[25]}, W/{tags[20]}')
    assert several.headers["delta-base"] == tags[25]


OTHERS: list[dict[str, str]] = [
    {"User_Agent": "feedparser/6.0.14 +https://github.com/kurtmckee/feedparser/"},
    {"User_Agent": "rss2email/3.14 (https://github.com/rss2email/rss2email)"},
    {"User_Agent": "Mozilla/5.0 (not newsboat)"},
    {"User_Agent": ""},
    {"A_IM": ""},
    {"A_IM": "feed;q=0"},
    {"A_IM": "vcdiff, gzip"},
    {"Via": "1.1 cache"},
    {"CDN_Loop": "cdn.example"},
]
THOSE: list[dict[str, str]] = [
    {},
    {"User_Agent": "Newsboat/2.38"},
    {"User_Agent": "feedparser/6.0 python-reader/3.20"},
    {"A_IM": "vcdiff;q=0.3, FEED ; q=0.9"},
]


async def test_nobody_else_gets_one(web: Web) -> None:
    publish(web, "rss.xml", rss(feed(*FIRST)))
    etag = (await ask(web, '"none"')).headers["etag"]
    publish(web, "rss.xml", rss(feed(*SECOND)))
    for headers in OTHERS:
        answer = await ask(web, etag, "rss.xml", **headers)
        assert (answer.status, answer.headers["im"]) == (200, None), headers
        assert len(ids(answer.body)) == len(SECOND)
    for headers in THOSE:
        assert (await ask(web, etag, "rss.xml", **headers)).status == 226, headers
    head = await web.ask(
        "/feeds/russia/rss.xml", "HEAD", A_IM="feed", User_Agent=NEWSBOAT, If_None_Match=etag
    )
    assert head.status == 200


async def test_without_a_version_to_start_from_it_is_the_whole(web: Web) -> None:
    publish(web, "rss.xml", rss(feed(*FIRST)))
    seen_by_others = (await web.ask("/feeds/russia/rss.xml")).headers["etag"]
    publish(web, "rss.xml", rss(feed(*SECOND)))
    for etag in (seen_by_others, '"none"', "", "bare"):
        answer = await ask(web, etag)
        assert (answer.status, len(ids(answer.body))) == (200, len(SECOND))


async def test_who_has_the_current_version_is_known_by_it_afterwards(web: Web) -> None:
    """As readers are that come back after a restart."""
    first = [article(number) for number in range(1, 41)]
    publish(web, "rss.xml", rss(feed(*first)))
    etag = (await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")).headers["etag"]
    assert (await ask(web, etag, "rss.xml", Accept_Encoding="gzip")).status == 304
    publish(web, "rss.xml", rss(feed(*first, article(41))))
    answer = await ask(web, etag, "rss.xml", Accept_Encoding="gzip")
    assert (answer.status, ids(answer.body)) == (226, of(41))


@pytest.mark.parametrize(
    "then",
    [FIRST[:-1], [replace(each, title=f"{each.title}!") for each in FIRST], []],
    ids=["one was withdrawn", "all are new", "nothing is left"],
)
async def test_where_a_delta_says_too_little_or_too_much_it_is_the_whole(
    web: Web, then: list[Article]
) -> None:
    publish(web, "rss.xml", rss(feed(*FIRST)))
    etag = (await ask(web, '"none"')).headers["etag"]
    publish(web, "rss.xml", rss(feed(*then)))
    answer = await ask(web, etag)
    assert (answer.status, len(ids(answer.body))) == (200, len(then))


async def test_a_delta_longer_than_the_packed_whole_is_not_sent(web: Web) -> None:
    publish(web, "rss.xml", rss(feed(*FIRST)))
    headers = {"Accept_Encoding": "gzip"}
    etag = (await ask(web, '"none"', "rss.xml", **headers)).headers["etag"]
    publish(web, "rss.xml", rss(feed(*FIRST, *(article(number) for number in range(9, 15)))))
    answer = await ask(web, etag, "rss.xml", **headers)
    assert (answer.status, answer.headers["content-encoding"]) == (200, "gzip")


async def test_json_feeds_have_none(web: Web) -> None:
    put(web.feeds / "russia/feed.json", b'{"items": []}')
    etag = (await ask(web, '"none"', "feed.json")).headers["etag"]
    put(web.feeds / "russia/feed.json", b'{"items": [{}]}')
    assert (await ask(web, etag, "feed.json")).status == 200


def test_what_was_withdrawn_is_always_named() -> None:
    withdrawn = Removal(id=FIRST[2].id, at=FIRST[-1].updated_at)
    rest = [each for each in FIRST if each.id != withdrawn.id]
    old = atom(feed(*FIRST))
    for known in (old, atom(feed(*rest, removals=[withdrawn]))):
        made = since(atom(feed(*rest, article(9), removals=[withdrawn])), marks(known))
        assert made
        assert ids(made) == of(9)
        assert [each for each in head(made) if withdrawn.id in each and "deleted-entry" in each]


@pytest.mark.parametrize("odd", [b"<![CDATA[<item>]]>", b"<!-- <item> -->"])
def test_where_entries_cannot_be_told_from_text_there_is_none(odd: bytes) -> None:
    old, new = rss(feed(*FIRST)), rss(feed(*FIRST, article(9)))
    assert since(new, marks(old))
    assert since(new.replace(b"Text", odd, 1), marks(old)) is None


words = st.text(max_size=30) | st.sampled_from(
    ["<item>", "</item>", "<entry>", "</entry>", "]]>", "<!-- -->", "\n  <item>", "&lt;/entry&gt;"]
)
some = st.lists(st.tuples(st.integers(1, 12), words, words), unique_by=lambda each: each[0])


@pytest.mark.parametrize("made", [rss, atom])
@given(old=some, new=some)
def test_old_and_delta_together_are_the_new(
    made: Serialiser, old: list[tuple[int, str, str]], new: list[tuple[int, str, str]]
) -> None:
    before, after = (
        made(feed(*(article(number, f"T{title}", text) for number, title, text in each)))
        for each in (old, new)
    )
    found = since(after, marks(before))
    had, have = entries(before), entries(after)
    got = entries(found) if found else {}
    assert got == {key: entry for key, entry in have.items() if had.get(key) != entry}
    if found:
        assert head(found) == head(after)


def entries(document: bytes) -> dict[str, str]:
    root = ElementTree.fromstring(document)
    found = [each for each in root.iter() if each.tag in ("item", f"{ATOM}entry")]
    texts = [ElementTree.tostring(each, "unicode") for each in found]
    return dict(zip(ids(document), texts, strict=True))


# Programs that people use


@pytest.fixture
def deltas(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The versions that deltas which were sent started from."""
    sent, made = list[bytes](), delta.headers_of

    def noted(whole: list[Header], body: bytes, base: bytes) -> list[Header]:
        sent.append(base)
        return made(whole, body, base)

    monkeypatch.setattr(delta, "headers_of", noted)
    return sent


def newsboat(folder: Path, url: str) -> set[str]:
    """The titles that it has after a look at the feed."""
    (folder / "urls").write_text(f"{url}\n")
    command = [needs("newsboat"), "-u", "urls", "-c", "cache.db", "-C", os.devnull, "-x", "reload"]
    subprocess.run(
        command, cwd=folder, env={"HOME": str(folder)}, check=True, timeout=30, capture_output=True
    )
    with closing(sqlite3.connect(folder / "cache.db")) as cache:
        return {title for (title,) in cache.execute("SELECT title FROM rss_item")}


def lemon24_reader(folder: Path, url: str) -> set[str]:
    with reader.make_reader(str(folder / "reader.db")) as store:
        store.add_feed(url, exist_ok=True)
        store.update_feed(url)
        return {str(each.title) for each in store.get_entries()}


@pytest.mark.parametrize("program", [newsboat, lemon24_reader])
@pytest.mark.parametrize(("name", "made"), FORMATS)
async def test_readers_that_take_deltas_miss_nothing(
    web: Web,
    deltas: list[bytes],
    tmp_path: Path,
    program: Callable[[Path, str], set[str]],
    name: str,
    made: Serialiser,
) -> None:
    url = f"http://127.0.0.1:{web.port}/feeds/russia/{name}"
    titles: set[str] = set()
    for last in (40, 41, 41, 43, 44):  # newsboat keeps no tag of its first look
        shown = [article(number) for number in range(last - 39, last + 1)]
        publish(web, name, made(feed(*shown)))
        titles |= {each.title for each in shown}
        assert await asyncio.to_thread(program, tmp_path, url) == titles
    assert len(deltas) >= 2


async def test_feedparser_asks_for_deltas_and_gets_none(web: Web, deltas: list[bytes]) -> None:
    url, etag = f"http://127.0.0.1:{web.port}/feeds/russia/rss.xml", None
    for last, status in [(40, 200), (40, 304), (41, 200), (42, 200)]:
        publish(web, "rss.xml", rss(feed(*(article(number) for number in range(3, last + 1)))))
        told = await asyncio.to_thread(feedparser.parse, url, etag=etag)
        assert told.status == status
        assert len(told.entries) == (last - 2 if status == 200 else 0)
        etag = told.etag
    assert not deltas
