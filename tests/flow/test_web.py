"""The web side over real sockets: what a feed reader, a mail program and a visitor get."""

import asyncio
import gzip
import http.client
import itertools
import re
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.types import Message, Send

from publisher.core.model import Site, SubscriptionState
from publisher.core.preferences import Leaving
from publisher.core.tokens import Purpose, sign
from publisher.core.wishes import Wishes
from publisher.errors import ConfigurationError, NotFoundError, TransientError
from publisher.web.app import create_app
from publisher.web.files import FeedFiles
from publisher.web.headers import Headers
from publisher.web.server import DRAIN_SECONDS, Server, bind

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
KEYS = {"k1": b"1" * 32, "k2": b"2" * 32}
RSS = b"<rss>" + b"news " * 400 + b"</rss>"
PAGE = b"<!doctype html><title>Russia</title>"


@dataclass
class Store:
    """Two subscriptions; remembers who left, when and how."""

    titles: dict[int, str] = field(default_factory=lambda: {7: "The Daily & More", 8: "Новости"})
    left: dict[int, tuple[str, datetime]] = field(default_factory=dict)
    threads: set[int] = field(default_factory=set)
    broken: bool = False

    def leaving(self, subscription_id: int) -> Leaving | None:
        self.threads.add(threading.get_ident())
        if subscription_id not in self.titles:
            return None
        has_left = subscription_id in self.left
        return Leaving(
            subscriber_id=1,
            newsletter="daily",
            title=self.titles[subscription_id],
            state=SubscriptionState.UNSUBSCRIBED if has_left else SubscriptionState.CONFIRMED,
            wishes=Wishes(),
            paused_until=None,
            may_return=False,
        )

    def leave(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        self.threads.add(threading.get_ident())
        if self.broken:
            raise TransientError("the database is locked")
        if subscription_id in self.left or subscription_id not in self.titles:
            return False
        self.left[subscription_id] = (by, at)
        return True

    def is_withdrawn(self, article_slug: str) -> bool:
        return article_slug == "taken-back"

    def category_now(self, former_slug: str) -> str | None:
        return {"russland": "russia", "nachrichten": "новости"}.get(former_slug)

    def is_retired(self, category_slug: str) -> bool:
        return category_slug == "ended"

    def page(self, name: str) -> str | None:
        self.threads.add(threading.get_ident())
        if name == "5-busy":
            raise TransientError("the template is broken")
        if name not in ("7-abc", "3-old"):
            raise NotFoundError(name)
        return "<!doctype html><p style='color: red'>Новости</p>" if name == "7-abc" else None


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Web:
    port: int
    feeds: Path
    store: Store
    server: Server
    unready: list[str]

    async def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        /,
        **headers: str,
    ) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await asyncio.to_thread(_ask, self.port, method, path, body, names)


def _ask(port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@asynccontextmanager
async def running(
    feeds: Path, url: str = "https://news.example", hubs: Sequence[str] = ()
) -> AsyncIterator[Web]:
    store, unready = Store(), list[str]()
    listening = bind("127.0.0.1", 0)
    app = create_app(
        site=Site(title="Example News", url=url, contact="editor@news.example"),
        feeds=feeds,
        store=store,
        past=store,
        editions=store,
        keys=KEYS,
        clock=lambda: NOW,
        ready=lambda: unready[0] if unready else None,
        media_from=("https://pictures.example",),
        hubs=hubs,
    )
    server = Server(app, [listening])
    serving = asyncio.create_task(server.serve())
    try:
        yield Web(listening.getsockname()[1], feeds, store, server, unready)
    finally:
        server.stop()
        await asyncio.wait_for(serving, DRAIN_SECONDS + 3)


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    folder = tmp_path / "feeds"
    put(folder / "russia/rss.xml", RSS)
    put(folder / "russia/rss.xml.gz", gzip.compress(RSS, mtime=0))
    put(folder / "russia/atom.xml", b"<feed/>")
    put(folder / "russia/feed.json", b"{}")
    put(folder / "russia/index.html", PAGE)
    put(folder / "новости/rss.xml", b"<rss/>")
    put(folder / "feeds.opml", b"<opml/>")
    put(folder / "index.html", b"<!doctype html><title>Front</title>")
    put(folder / "static/site.css", b"body{}")
    put(folder / "static/logo.svg", b"<svg/>")
    put(folder / ".hidden/rss.xml", b"no")
    put(folder / "russia/.rss.xml.tmp", b"half")
    put(tmp_path / "secret.key", b"secret")
    return folder


@pytest_asyncio.fixture
async def web(feeds: Path) -> AsyncIterator[Web]:
    async with running(feeds) as web:
        yield web


def put(path: Path, body: bytes) -> None:
    """As the feed writer does: a temporary file, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(body)
    new.replace(path)


# Feeds


KINDS = [
    ("russia/rss.xml", "application/rss+xml; charset=utf-8", "public, max-age=600", True),
    ("russia/atom.xml", "application/atom+xml; charset=utf-8", "public, max-age=600", True),
    ("russia/feed.json", "application/feed+json", "public, max-age=600", True),
    ("feeds.opml", "text/x-opml; charset=utf-8", "public, max-age=600", True),
    ("static/site.css", "text/css; charset=utf-8", "public, max-age=600", False),
    ("russia/rss.xml.gz", "application/gzip", "public, max-age=600", False),
    ("russia/index.html", "text/html; charset=utf-8", "no-cache", False),
    ("russia/", "text/html; charset=utf-8", "no-cache", False),
    ("", "text/html; charset=utf-8", "no-cache", False),
]


async def test_each_kind_of_file_says_what_it_is(web: Web) -> None:
    for path, content_type, cache, open_to_all in KINDS:
        answer = await web.ask(f"/feeds/{path}")
        assert answer.status == 200
        assert answer.headers["content-type"] == content_type
        assert answer.headers["cache-control"] == cache
        assert answer.headers["access-control-allow-origin"] == ("*" if open_to_all else None)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["vary"] == "Accept-Encoding"
        assert answer.headers["server"] is None
        assert int(answer.headers["content-length"]) == len(answer.body)


@pytest.mark.parametrize("path", ["russia/", "static/logo.svg"])
async def test_nothing_runs_on_a_page(web: Web, path: str) -> None:
    policy = (await web.ask(f"/feeds/{path}")).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "unsafe" not in policy
    assert "img-src 'self' data: https://pictures.example;" in policy


async def test_a_name_in_another_script_is_found(web: Web) -> None:
    answer = await web.ask("/feeds/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/rss.xml")
    assert (answer.status, answer.body) == (200, b"<rss/>")


async def test_head_is_get_without_the_body(web: Web) -> None:
    get, head = (
        await web.ask("/feeds/russia/rss.xml"),
        await web.ask("/feeds/russia/rss.xml", "HEAD"),
    )
    assert head.body == b""
    ignored = {"date"}
    assert {k: v for k, v in head.headers.items() if k not in ignored} == {
        k: v for k, v in get.headers.items() if k not in ignored
    }


ENCODINGS = [
    ("gzip", True),
    ("gzip, deflate, br", True),
    ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
    ("GZIP", True),
    ("*", True),
    ("x-gzip", True),
    ("gzip ; q=0.5", True),
    ("", False),
    ("identity", False),
    ("br", False),
    ("gzip;q=0", False),
    ("gzip;q=0.000, *", False),
    ("*;q=0", False),
    ("gzip;q=0.2, identity;q=0.9", False),
    ("gzip;q=0.2, *;q=0.9", False),
    ("gzip;q=0.2, *;q=0.9, identity;q=0.1", True),
    ("identity;q=0, gzip", True),
    ("identity;q=0, *", True),
    ("identity;q=0", False),
    ("*;q=0, gzip;q=0.001", True),
    ("gzip;q=many", False),
    ("gzip;q=nan", False),
    ("gzip;q=-1", False),
    ("gzipped", False),
    (", ,gzip,", True),
]


async def test_the_ready_made_gzip_is_sent_to_who_takes_it(web: Web) -> None:
    for accepted, packed in ENCODINGS:
        answer = await web.ask("/feeds/russia/rss.xml", Accept_Encoding=accepted)
        assert answer.headers["content-encoding"] == ("gzip" if packed else None)
        assert (gzip.decompress(answer.body) if packed else answer.body) == RSS


async def test_the_plain_and_the_packed_have_tags_of_their_own(web: Web) -> None:
    plain = await web.ask("/feeds/russia/rss.xml")
    packed = await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")
    assert plain.headers["etag"] == f'"{sha256(RSS).hexdigest()[:32]}"'
    assert packed.headers["etag"] == f'"{sha256(packed.body).hexdigest()[:32]}"'


async def test_a_new_version_is_served_at_once(web: Web) -> None:
    first = await web.ask("/feeds/russia/rss.xml")
    put(web.feeds / "russia/rss.xml", RSS.replace(b"news", b"NEWS"))  # as long, perhaps as old
    second = await web.ask("/feeds/russia/rss.xml", If_None_Match=first.headers["etag"])
    assert second.status == 200
    assert second.body == RSS.replace(b"news", b"NEWS")


async def test_a_twin_of_another_version_is_never_served(web: Web) -> None:
    await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")
    put(web.feeds / "russia/rss.xml", b"<rss>new</rss>")
    between = await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")
    assert between.headers["content-encoding"] is None
    assert between.body == b"<rss>new</rss>"
    put(web.feeds / "russia/rss.xml.gz", gzip.compress(b"<rss>new</rss>", mtime=0))
    after = await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")
    assert gzip.decompress(after.body) == b"<rss>new</rss>"
    put(web.feeds / "russia/rss.xml.gz", b"not gzip at all")
    broken = await web.ask("/feeds/russia/rss.xml", Accept_Encoding="gzip")
    assert broken.body == b"<rss>new</rss>"


async def test_what_is_withdrawn_is_gone_at_once(web: Web) -> None:
    assert (await web.ask("/feeds/russia/atom.xml")).status == 200
    (web.feeds / "russia/atom.xml").unlink()
    assert (await web.ask("/feeds/russia/atom.xml")).status == 404


async def test_no_answer_mixes_two_versions_while_the_file_is_replaced(web: Web) -> None:
    path, enough = web.feeds / "russia/rss.xml", threading.Event()

    def write() -> None:
        for number in itertools.count():
            body = b"%d " % number * 20_000
            put(path, body)
            put(path.with_name("rss.xml.gz"), gzip.compress(body, 1, mtime=0))
            if enough.is_set():
                return

    writer = asyncio.create_task(asyncio.to_thread(write))
    seen = set()
    try:
        while len(seen) < 50 and not writer.done():
            for encoding in ("gzip", "identity"):
                answer = await web.ask("/feeds/russia/rss.xml", Accept_Encoding=encoding)
                assert answer.headers["etag"] == f'"{sha256(answer.body).hexdigest()[:32]}"'
                packed = answer.headers["content-encoding"] == "gzip"
                body = gzip.decompress(answer.body) if packed else answer.body
                if body != RSS:
                    assert len(set(body.split())) == 1
                seen.add(body[:20])
    finally:
        enough.set()
        await writer


async def test_memory_is_bounded(feeds: Path) -> None:
    headers = Headers("https://news.example/feeds/")
    files = FeedFiles(feeds, _no_app, headers, cache_bytes=10_000)
    for number in range(30):
        put(feeds / f"many/{number}.txt", b"%04d" % number * 500)
    put(feeds / "many/huge.txt", b"x" * 50_000)
    for _ in range(2):
        for name in [*(str(number) for number in range(30)), "huge"]:
            sent: list[Message] = []
            await files.serve(
                ["many", f"{name}.txt"], {"method": "GET", "headers": []}, _no_receive, _to(sent)
            )
            assert sent[0]["status"] == 200
            assert sent[1]["body"] == (feeds / f"many/{name}.txt").read_bytes()
    assert 0 < files.cached_bytes <= 10_000


async def _no_app(*args: object) -> None:
    raise AssertionError("it is there")


async def _no_receive() -> Message:
    raise AssertionError("a GET has no body")


def _to(sent: list[Message]) -> Send:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


FOLDERS = [
    ("/feeds/russia", "./russia/"),
    ("/feeds/russia?a=b", "./russia/?a=b"),
    (
        "/feeds/%d0%bd%d0%be%d0%b2%d0%be%d1%81%d1%82%d0%b8",
        "./%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/",
    ),
]


async def test_a_folder_without_its_slash_is_sent_on(web: Web) -> None:
    for path, location in FOLDERS:
        answer = await web.ask(path)
        assert answer.status == 308
        assert answer.headers["location"] == location


NOT_FOUND = [
    "/feeds/../secret.key",
    "/feeds/%2e%2e/secret.key",
    "/feeds/..%2fsecret.key",
    "/feeds/russia/..%2f..%2f..%2fsecret.key",
    "/feeds/russia%2frss.xml",
    "/feeds/..%5csecret.key",
    "/feeds/russia/../russia/rss.xml",
    "/feeds/./russia/rss.xml",
    "/feeds//russia/rss.xml",
    "/feeds/russia//",
    "/feeds/russia/rss.xml/",
    "/feeds/russia/rss.xml/x",
    "/feeds/.hidden/rss.xml",
    "/feeds/russia/.rss.xml.tmp",
    "/feeds/russia/rss.xml%00",
    "/feeds/russia/rss.xml%00.html",
    "/feeds/C:/secret.key",
    "/feeds/%ff%fe",
    "/feeds/%ed%a0%80",
    "/feeds/" + "x" * 400,
    "/feeds/nowhere/",
    "/feeds/static/",
    "/feeds/linked/secret.key",
    "/feeds/linked.key",
    "/secret.key",
    "//feeds/russia/rss.xml",
    "/feedsrussia",
]


async def test_what_is_not_there_or_not_to_be_seen_is_not_found(web: Web) -> None:
    (web.feeds / "linked").symlink_to(web.feeds.parent)
    (web.feeds / "linked.key").symlink_to(web.feeds.parent / "secret.key")
    for path in NOT_FOUND:
        answer = await web.ask(path)
        assert answer.status == 404, path
        assert b"secret" not in answer.body
        assert "This page is not here" in answer.text
        assert "Example News" in answer.text


async def test_a_file_swapped_for_a_link_outwards_is_not_followed(web: Web) -> None:
    assert (await web.ask("/feeds/russia/atom.xml")).status == 200
    (web.feeds / "russia/atom.xml").unlink()
    (web.feeds / "russia/atom.xml").symlink_to(web.feeds.parent / "secret.key")
    assert (await web.ask("/feeds/russia/atom.xml")).status == 404


async def test_the_feeds_folder_may_itself_be_a_link(feeds: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(feeds)
    async with running(tmp_path / "current") as web:
        assert (await web.ask("/feeds/russia/rss.xml")).body == RSS


async def test_a_folder_that_is_made_later_is_served_then(tmp_path: Path) -> None:
    async with running(tmp_path / "feeds") as web:
        assert (await web.ask("/feeds/")).status == 404
        put(web.feeds / "index.html", PAGE)
        assert (await web.ask("/feeds/")).body == PAGE


WRITING = ["POST", "PUT", "DELETE", "PATCH"]


async def test_feeds_are_only_read(web: Web) -> None:
    for method in WRITING:
        answer = await web.ask("/feeds/russia/rss.xml", method)
        assert answer.status == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


# Leaving


def link(subscription: int = 7, key_id: str = "k2") -> str:
    token = sign(Purpose.UNSUBSCRIBE, [subscription], key_id, KEYS[key_id])
    return f"/unsubscribe/{token}"


ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
MULTIPART = (
    b'--edge\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    b"One-Click\r\n--edge--\r\n"
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(web: Web, method: str) -> None:
    for _ in range(3):
        answer = await web.ask(link(), method)
        assert answer.status == 200
    assert web.store.left == {}


async def test_the_page_names_the_newsletter_and_has_one_button(web: Web) -> None:
    answer = await web.ask(link())
    assert "The Daily &amp; More" in answer.text
    assert answer.text.count("<button") == 1
    assert '<form method="post">' in answer.text
    assert "Новости" in (await web.ask(link(8))).text


@pytest.mark.parametrize(
    ("body", "content_type", "by"),
    [
        (ONE_CLICK, FORM, "one-click"),
        (ONE_CLICK, f"{FORM}; charset=utf-8", "one-click"),
        (ONE_CLICK, "", "one-click"),
        (MULTIPART, "multipart/form-data; boundary=edge", "one-click"),
        (b"confirm=yes", FORM, "page"),
    ],
)
@pytest.mark.parametrize("key_id", ["k1", "k2"])
async def test_a_post_unsubscribes_and_again_is_the_same(
    web: Web, body: bytes, content_type: str, by: str, key_id: str
) -> None:
    foreign = {"Origin": "https://mail.example", "Sec_Fetch_Site": "cross-site"}
    own = {"Origin": "https://news.example", "Sec_Fetch_Site": "same-origin"}
    for _ in range(2):
        answer = await web.ask(
            link(key_id=key_id),
            "POST",
            body,
            Content_Type=content_type,
            **(foreign if by == "one-click" else own),
        )
        assert answer.status == 200
        assert "You are unsubscribed" in answer.text
        assert "The Daily &amp; More" in answer.text
    assert web.store.left == {7: (by, NOW)}


FROM_ELSEWHERE = [
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site", "Origin": "https://news.example"},
    {"Origin": "https://mail.example"},
    {"Origin": "null"},
    {"Origin": "http://news.example"},
    {"Origin": "https://news.example:8443"},
    {"Origin": "https://news.example.evil.example"},
]
FROM_HERE = [
    {},
    {"Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "none"},
    {"Origin": "https://news.example"},
    # Behind a proxy we may have another name; what the browser says itself counts.
    {"Sec_Fetch_Site": "same-origin", "Origin": "https://alias.example"},
]


async def test_the_button_works_on_our_own_page_only(web: Web) -> None:
    for headers in FROM_ELSEWHERE:
        answer = await web.ask(link(), "POST", b"confirm=yes", Content_Type=FORM, **headers)
        assert answer.status == 403, headers
        assert web.store.left == {}
    for headers in FROM_HERE:
        web.store.left.clear()
        answer = await web.ask(link(), "POST", b"confirm=yes", Content_Type=FORM, **headers)
        assert answer.status == 200, headers
        assert web.store.left


VAGUE = [
    (b"", FORM),
    (b"List-Unsubscribe=Maybe", FORM),
    (b"\xff\xfe", FORM),
    (b"--edge\r\nbroken", "multipart/form-data; boundary=edge"),
    (MULTIPART, "multipart/form-data"),
    (b"x" * 100, "multipart/form-data; boundary=edge"),
]


async def test_a_post_that_does_not_say_so_only_asks(web: Web) -> None:
    for body, content_type in VAGUE:
        answer = await web.ask(link(), "POST", body, Content_Type=content_type)
        assert answer.status == 400
        assert "<button" in answer.text
        assert web.store.left == {}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_bad_link_says_so_and_changes_nothing(web: Web, method: str) -> None:
    good = link()
    other_purpose = sign(Purpose.UNSUBSCRIBE, ["7"], "k2", KEYS["k2"])
    for bad in (
        good[:-1],
        good[:-1] + "%00",
        good + "x",
        "/unsubscribe/x",
        good.upper()[:9],
        f"/unsubscribe/{other_purpose}",
    ):
        answer = await web.ask(bad, method, ONE_CLICK if method == "POST" else None)
        assert answer.status in (400, 404), bad
    answer = await web.ask(good[:-3], method, ONE_CLICK if method == "POST" else None)
    assert answer.status == 400
    assert "This link does not work" in answer.text
    assert web.store.left == {}


async def test_a_subscription_that_is_gone_has_nothing_to_leave(web: Web) -> None:
    asked = await web.ask(link(99))
    assert asked.status == 404
    assert "nothing to unsubscribe" in asked.text
    assert (await web.ask(link(99), "POST", ONE_CLICK)).status == 200


async def test_too_much_is_refused(web: Web) -> None:
    answer = await web.ask(link(), "POST", ONE_CLICK + b"&a=" + b"x" * 10_300, Content_Type=FORM)
    assert answer.status == 413
    assert web.store.left == {}


async def test_a_failure_asks_to_try_again(web: Web) -> None:
    web.store.broken = True
    answer = await web.ask(link(), "POST", ONE_CLICK)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "60"
    assert "locked" not in answer.text
    web.store.broken = False
    assert (await web.ask(link(), "POST", ONE_CLICK)).status == 200


async def test_the_store_is_never_called_on_the_event_loop(web: Web) -> None:
    await web.ask(link())
    await web.ask(link(), "POST", ONE_CLICK)
    assert web.store.threads
    assert threading.get_ident() not in web.store.threads


async def test_its_pages_are_kept_by_nobody(web: Web) -> None:
    for answer in (
        await web.ask(link()),
        await web.ask(link(), "POST", ONE_CLICK),
        await web.ask("/unsubscribe/x"),
        await web.ask("/nowhere"),
    ):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["x-robots-tag"] == "noindex"
        assert answer.headers["set-cookie"] is None
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy


async def test_other_methods_are_told_which_there_are(web: Web) -> None:
    answer = await web.ask(link(), "DELETE")
    assert answer.status == 405
    assert set(re.split(r",\s*", answer.headers["allow"])) == {"GET", "HEAD", "POST"}


# The rest of the site


@pytest.mark.parametrize(
    ("path", "location"), [("/", "./feeds/"), ("/feeds", "./feeds/"), ("/?a=b", "./feeds/")]
)
async def test_the_front_door_leads_to_the_feeds(web: Web, path: str, location: str) -> None:
    answer = await web.ask(path)
    assert (answer.status, answer.headers["location"]) == (307, location)


async def test_health_and_readiness(web: Web) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await web.ask(path)
        assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
        assert answer.headers["cache-control"] == "no-store"
    web.unready.append("the database is being upgraded")
    assert (await web.ask("/healthz")).status == 200
    waiting = await web.ask("/readyz")
    assert waiting.status == 503
    assert "the database is being upgraded" in waiting.text


async def test_everything_answers_under_the_path_of_the_address_too(feeds: Path) -> None:
    async with running(feeds, "https://x.example/news") as web:
        for prefix in ("", "/news"):
            assert (await web.ask(f"{prefix}/feeds/russia/rss.xml")).body == RSS
            assert (await web.ask(f"{prefix}/healthz")).status == 200
            assert (await web.ask(prefix + link())).status == 200
            assert (await web.ask(f"{prefix}/")).headers["location"] == "./feeds/"
        assert (await web.ask("/news")).headers["location"] == "./news/feeds/"
        assert (await web.ask("/newsy/feeds/")).status == 404
        assert "https://x.example/news/feeds/" in (await web.ask("/nowhere")).text


async def test_a_stranger_cannot_choose_where_we_send_people(web: Web) -> None:
    for path in ("/feeds/russia", "/", "/unsubscribe", "/healthz/"):
        answer = await web.ask(path, Host="evil.example")
        assert "evil" not in (answer.headers["location"] or "")


# The server


async def test_a_taken_port_is_named() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} on 127\.0\.0\.1 .*web\.port"):
            bind("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_wrong_address_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"web\.host"):
        bind(host, 0)


async def test_it_leaves_signals_to_the_daemon(feeds: Path) -> None:
    def handlers() -> list[object]:
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    before = handlers()
    async with running(feeds) as web:
        await web.ask("/healthz")
        assert handlers() == before


async def test_stopping_lets_answers_out_and_does_not_wait_for_the_idle(feeds: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    async with running(feeds) as web:
        slow = web.store.leaving

        def leaving(subscription_id: int) -> Leaving | None:
            started.set()
            go_on.wait(5)
            return slow(subscription_id)

        web.store.leaving = leaving  # type: ignore[method-assign]  # a slow database
        under_way = asyncio.create_task(web.ask(link()))
        await asyncio.to_thread(started.wait, 5)
        idle = socket.create_connection(("127.0.0.1", web.port))
        half = socket.create_connection(("127.0.0.1", web.port))
        half.sendall(b"GET /feeds/ HTTP/1.1\r\nHost: x")
        begun = time.monotonic()
        web.server.stop()
        go_on.set()
        assert (await under_way).status == 200
    with idle, half:
        assert time.monotonic() - begun < DRAIN_SECONDS
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", web.port))


async def test_an_answer_that_never_comes_is_cut(feeds: Path) -> None:
    go_on = threading.Event()
    started = threading.Event()
    async with running(feeds) as web:

        def stuck(subscription_id: int) -> Leaving | None:
            started.set()
            go_on.wait(DRAIN_SECONDS + 1.5)
            return None

        web.store.leaving = stuck  # type: ignore[method-assign]  # a dead database
        under_way = asyncio.create_task(web.ask(link()))
        await asyncio.to_thread(started.wait, 5)
        begun = time.monotonic()
    assert time.monotonic() - begun < DRAIN_SECONDS + 2
    go_on.set()
    assert (await under_way).status == 500


# Editions


async def test_an_edition_is_read_in_the_browser_by_anyone(web: Web) -> None:
    answer = await web.ask("/editions/7-abc")
    assert answer.status == 200
    assert answer.text == "<!doctype html><p style='color: red'>Новости</p>"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src 'self' data: https://pictures.example;")
    assert "script-src" not in policy
    assert answer.headers["X-Robots-Tag"] is None
    assert (await web.ask("/editions/7-abc", "HEAD")).body == b""
    assert threading.get_ident() not in web.store.threads


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/editions/3-old", 410, "can be read no longer"),
        ("/editions/9-abc", 404, "not here"),
        ("/editions/", 404, "not here"),
        ("/editions/7-abc/", 404, "not here"),
        ("/editions/%2e%2e", 404, "not here"),
        ("/editions/5-busy", 503, "try again"),
    ],
)
async def test_an_edition_that_cannot_be_read(path: str, status: int, words: str, web: Web) -> None:
    answer = await web.ask(path)
    assert answer.status == status
    assert words in answer.text
    assert answer.headers["Cache-Control"] == "no-store"


# Languages


@pytest.mark.parametrize(
    ("asked", "language", "way", "words"),
    [
        ("", "en", "ltr", "Unsubscribe from"),
        ("pt, nonsense;q=x", "en", "ltr", "Unsubscribe from"),
        ("de-AT, en;q=0.5", "de-AT", "ltr", "abbestellen?"),
        ("fa, ar;q=0.9", "ar", "rtl", "إلغاء الاشتراك في"),
    ],
)
async def test_pages_speak_the_language_that_the_browser_asks_for(
    asked: str, language: str, way: str, words: str, web: Web
) -> None:
    page = await web.ask(link(7), Accept_Language=asked)
    assert f'<html lang="{language}" dir="{way}">' in page.text
    assert words in page.text
    assert page.headers["Content-Language"] == language
    missing = await web.ask("/nowhere", Accept_Language=asked)
    assert f'<html lang="{language}" dir="{way}">' in missing.text
    assert ("This page is not here" in missing.text) == (language == "en")
