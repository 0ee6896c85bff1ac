"""Feeds over HTTP as the standards have it: validators, HEAD, other sites' scripts, links."""

import asyncio
import gzip
import os
import re
import socket
import time
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.web.negotiation import entity_tags, status_for
from tests.flow.test_web import Answer, Web, feeds, put, running, web

__all__ = ["feeds", "web"]  # fixtures

FEED = "/feeds/russia/rss.xml"
PAST = "Tue, 01 Jan 2019 00:00:00 GMT"
FUTURE = "Thu, 01 Jan 2099 00:00:00 GMT"
HUBS = ("https://hub.example/", "https://hub.example/?a=b&c=ü>\r\nSet-Cookie: a=b")


def date(path: Path, when: float) -> None:
    os.utime(path, (when, when))


@pytest.fixture
def an_hour_ago(feeds: Path) -> float:
    when = int(time.time()) - 3600
    for path in feeds.rglob("*"):
        date(path, when)
    return when


# Validators. E stands for the tag of what would be sent, D for its date.

CONDITIONS: list[tuple[dict[str, str], int]] = [
    ({"If-None-Match": "E"}, 304),
    ({"If-None-Match": "W/E"}, 304),
    ({"If-None-Match": '"other", E, "third"'}, 304),
    ({"If-None-Match": '"one,two", "with \\", W/"", E'}, 304),
    ({"If-None-Match": '"\u00fc", ,, E ,'}, 304),
    ({"If-None-Match": 'W/"other",\tW/E'}, 304),
    ({"If-None-Match": "*"}, 304),
    ({"If-None-Match": '"*"'}, 200),
    ({"If-None-Match": '"other"'}, 200),
    ({"If-None-Match": '"other, E"'}, 200),
    ({"If-None-Match": '"other" E'}, 200),
    ({"If-None-Match": "w/E"}, 200),
    ({"If-None-Match": "bare"}, 200),
    ({"If-None-Match": ""}, 200),
    ({"If-None-Match": '"other"', "If-Modified-Since": FUTURE}, 200),
    ({"If-None-Match": "bare", "If-Modified-Since": "D"}, 200),
    ({"If-None-Match": "E", "If-Modified-Since": PAST}, 304),
    ({"If-Modified-Since": "D"}, 304),
    ({"If-Modified-Since": FUTURE}, 304),
    ({"If-Modified-Since": PAST}, 200),
    ({"If-Modified-Since": "last week"}, 200),
    ({"If-Modified-Since": ""}, 200),
    ({"If-Modified-Since": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, 200),
    ({"If-Modified-Since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 200),
    ({"If-Modified-Since": "Thu Jan  1 00:00:00 2099"}, 304),
    ({"If-Match": "E"}, 200),
    ({"If-Match": "*"}, 200),
    ({"If-Match": '"other", E'}, 200),
    ({"If-Match": "W/E"}, 412),
    ({"If-Match": '"other"'}, 412),
    ({"If-Match": '"other"', "If-None-Match": "E"}, 412),
    ({"If-Match": "E", "If-None-Match": "E"}, 304),
    ({"If-Match": "E", "If-Unmodified-Since": PAST}, 200),
    ({"If-Unmodified-Since": "D"}, 200),
    ({"If-Unmodified-Since": FUTURE}, 200),
    ({"If-Unmodified-Since": PAST}, 412),
    ({"If-Unmodified-Since": "last week"}, 200),
]


@pytest.mark.usefixtures("an_hour_ago")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_conditions(web: Web, encoding: str) -> None:
    whole = await web.ask(FEED, Accept_Encoding=encoding)
    etag, modified = whole.headers["etag"], whole.headers["last-modified"]
    meant = {"E": etag, "W/E": f"W/{etag}", "w/E": f"w/{etag}", "D": modified}
    for conditions, status in CONDITIONS:
        sent = {
            name: meant.get(value) or value.replace("E", etag) for name, value in conditions.items()
        }
        for method in ("GET", "HEAD"):
            answer = await web.ask(FEED, method, Accept_Encoding=encoding, **sent)
            assert answer.status == status, (method, conditions)
            assert answer.body == (whole.body if (status, method) == (200, "GET") else b"")
            if status == 304:
                check_not_modified(answer, whole)


def check_not_modified(answer: Answer, whole: Answer) -> None:
    """RFC 9110, 15.4.5: what a 200 would have said to caches, nothing of a body."""
    for name in ("etag", "cache-control", "vary", "last-modified", "access-control-allow-origin"):
        assert answer.headers[name] == whole.headers[name] is not None, name
    assert answer.headers["date"]
    for name in ("content-type", "content-encoding", "content-length"):
        assert answer.headers[name] is None, name


@pytest.mark.usefixtures("an_hour_ago")
async def test_what_one_encoding_has_says_nothing_of_the_other(web: Web) -> None:
    plain = (await web.ask(FEED)).headers["etag"]
    packed = (await web.ask(FEED, Accept_Encoding="gzip")).headers["etag"]
    assert plain != packed
    assert not plain.startswith("W/")
    assert not packed.startswith("W/")
    assert (await web.ask(FEED, If_None_Match=packed)).status == 200
    assert (await web.ask(FEED, If_None_Match=plain, Accept_Encoding="gzip")).status == 200


async def test_a_list_may_come_in_several_lines(web: Web) -> None:
    etag = (await web.ask(FEED)).headers["etag"]
    lines = [f'If-None-Match: "other"\r\nIf-None-Match: {etag}', 'If-None-Match: "third"']
    for order in (lines, lines[::-1]):
        assert (await raw(web, "\r\n".join(order))).startswith(b"HTTP/1.1 304 ")
    gzip_last = await raw(web, "Accept-Encoding: br\r\nAccept-Encoding: gzip")
    assert b"content-encoding: gzip" in gzip_last


async def raw(web: Web, lines: str) -> bytes:
    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
            head = f"GET {FEED} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n\r\n"
            connection.sendall(head.encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))

    return await asyncio.to_thread(ask)


@given(st.lists(st.tuples(st.booleans(), st.text("!#,;/W*\\ü~ab ")), max_size=5), st.data())
def test_any_list_of_tags_is_read_as_it_was_written(
    tags: list[tuple[bool, str]], data: st.DataObject
) -> None:
    gap = st.sampled_from([",", ", ", " ,\t", ",,", " , , "])
    listed = (
        data.draw(gap)
        .join(f'{"W/" if weak else ""}"{tag}"' for weak, tag in tags)
        .encode("latin-1")
    )
    assert entity_tags(listed) == tuple((weak, f'"{tag}"'.encode("latin-1")) for weak, tag in tags)


@given(st.binary(max_size=60))
def test_no_header_is_too_odd(value: bytes) -> None:
    names = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")
    for name in names:
        assert status_for({name: value}, b'"e"', 1_700_000_000) in (200, 304, 412)


# Dates


@pytest.mark.parametrize("seconds_ago", [0.0, 0.5, 1.0, -1.0, -3600.0])
async def test_a_date_that_other_versions_may_bear_is_neither_given_nor_trusted(
    web: Web, seconds_ago: float
) -> None:
    """RFC 9110, 8.8.2: who fetched a file within the second of its change may have another."""
    path, when = web.feeds / "russia/rss.xml", time.time() - seconds_ago
    date(path, when)
    answer = await web.ask(FEED)
    assert answer.headers["last-modified"] is None
    put(path, b"<rss>later</rss>")
    date(path, when)
    for since in (formatdate(when, usegmt=True), FUTURE):
        later = await web.ask(FEED, If_Modified_Since=since)
        assert (later.status, later.body) == (200, b"<rss>later</rss>")
    unmodified = await web.ask(FEED, If_Unmodified_Since=PAST)
    assert unmodified.status == 200


@pytest.mark.parametrize(("fraction", "given"), [(0.0, 0), (0.001, 1), (0.999, 1)])
async def test_a_date_is_the_first_second_that_saw_nothing_else(
    web: Web, fraction: float, given: int
) -> None:
    when = int(time.time()) - 100
    date(web.feeds / "russia/rss.xml", when + fraction)
    answer = await web.ask(FEED)
    assert answer.headers["last-modified"] == formatdate(when + given, usegmt=True)
    for since, status in ((when + given, 304), (when + given - 1, 200)):
        asked = await web.ask(FEED, If_Modified_Since=formatdate(since, usegmt=True))
        assert asked.status == status


# HEAD, and what is the same for every file


@pytest.mark.usefixtures("an_hour_ago")
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_head_says_all_that_get_says(web: Web, encoding: str) -> None:
    for path in (
        FEED,
        "/feeds/russia/feed.json",
        "/feeds/russia/",
        "/feeds/static/logo.svg",
        "/feeds/russia",
        "/feeds/nowhere/rss.xml",
        "/feeds/russland/rss.xml",
        "/feeds/ended/rss.xml",
    ):
        get = await web.ask(path, Accept_Encoding=encoding)
        head = await web.ask(path, "HEAD", Accept_Encoding=encoding)
        assert head.status == get.status
        assert head.body == b""
        said = [
            [(name, value) for name, value in each.headers.items() if name != "date"]
            for each in (get, head)
        ]
        assert said[0] == said[1]
        assert int(get.headers["content-length"]) == len(get.body)


# Scripts of other sites


async def test_a_script_of_another_site_may_read_feeds_and_their_tags(web: Web) -> None:
    for name in ("rss.xml", "atom.xml", "feed.json"):
        answer = await web.ask(f"/feeds/russia/{name}", Origin="https://reader.example")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-expose-headers"] == "ETag, Link"
    assert (await web.ask("/feeds/russia/")).headers["access-control-allow-origin"] is None


async def test_a_script_may_send_validators(web: Web) -> None:
    answer = await web.ask(
        FEED,
        "OPTIONS",
        Origin="https://reader.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="if-none-match",
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
    allowed = re.split(r", *", answer.headers["access-control-allow-headers"].lower())
    assert {"if-none-match", "if-modified-since"} <= set(allowed)
    assert answer.headers["content-length"] is None


async def test_options_of_a_page_tell_methods_and_open_nothing(web: Web) -> None:
    answer = await web.ask("/feeds/russia/", "OPTIONS", Origin="https://reader.example")
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert answer.headers["access-control-allow-origin"] is None


async def test_a_script_sees_that_a_feed_moved_or_is_gone(web: Web) -> None:
    for path, status in [
        ("/feeds/russland/rss.xml", 308),
        ("/feeds/russia", 308),
        ("/rss.xml", 308),
        ("/feeds/ended/rss.xml", 410),
        ("/feeds/nowhere/rss.xml", 404),
    ]:
        answer = await web.ask(path, Origin="https://reader.example")
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == "*"
        if status == 308:  # a renaming may be turned back
            assert answer.headers["cache-control"] == "public, max-age=600"
    assert (await web.ask("/unsubscribe/x")).headers["access-control-allow-origin"] is None


# Links


async def test_a_feed_names_itself_and_its_hubs(feeds: Path) -> None:
    for path in ("новости/rss.xml", "russia/archive/3/atom.xml", 'odd">,é/feed.json'):
        put(feeds / path, b"x")
    hubs = (
        '<https://hub.example/>; rel="hub"',
        ('<https://hub.example/?a=b&c=%C3%BC%3E%0D%0ASet-Cookie:%20a=b>; rel="hub"'),
    )
    async with running(feeds, "https://x.example/news", HUBS) as web:
        for path, own in [
            ("%d0%bd%d0%be%d0%b2%d0%be%d1%81%d1%82%d0%b8/rss.xml?utm=1",) * 2,
            ("russia/rss.xml", "russia/rss.xml"),
            ("russia/%61tom.xml", "russia/atom.xml"),
            ("russia/feed.json", "russia/feed.json"),
            ("russia/archive/3/atom.xml", "russia/archive/3/atom.xml"),
            ("odd%22%3e,%c3%a9/feed.json", "odd%22%3E%2C%C3%A9/feed.json"),
        ]:
            answer = await web.ask(f"/feeds/{path}", Host="evil.example")
            own = own.removesuffix("?utm=1").replace("%d", "%D").replace("%b", "%B")
            own = own.replace("%D0%Bd", "%D0%BD").replace("%Be", "%BE")
            link = f'<https://x.example/news/feeds/{own}>; rel="self"'
            assert answer.headers["link"] == ", ".join((link, *hubs))
            assert answer.headers["set-cookie"] is None
        for path in ("feeds.opml", "russia/", "static/site.css"):
            assert (await web.ask(f"/feeds/{path}")).headers["link"] is None


async def test_a_feed_without_hubs_names_itself(web: Web) -> None:
    answer = await web.ask(FEED)
    assert answer.headers["link"] == '<https://news.example/feeds/russia/rss.xml>; rel="self"'


# A file that changes


async def test_many_who_ask_at_once_wait_for_one_reading(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, decompress = 0, gzip.decompress

    def counted(data: bytes) -> bytes:
        nonlocal reads
        reads += 1
        return decompress(data)

    monkeypatch.setattr(gzip, "decompress", counted)
    new = b"<rss>" + os.urandom(200_000).hex().encode() + b"</rss>"
    put(web.feeds / "russia/rss.xml", new)
    put(web.feeds / "russia/rss.xml.gz", gzip.compress(new, mtime=0))
    answers = await asyncio.gather(*(web.ask(FEED) for _ in range(20)))
    assert [each.body for each in answers] == [new] * 20
    assert reads == 1


async def test_no_answer_waits_for_the_acknowledgement_of_its_head(web: Web) -> None:
    def look_often() -> float:
        connection = HTTPConnection("127.0.0.1", web.port, timeout=10)
        began = time.monotonic()
        for _ in range(100):
            connection.request("GET", FEED)
            connection.getresponse().read()
        connection.close()
        return time.monotonic() - began

    assert await asyncio.to_thread(look_often) < 3  # at 40 ms each it would be 4
