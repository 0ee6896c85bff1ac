"""`publisher check --feeds` against servers that lie: each lie gives its one sentence."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

import pytest

from publisher.cli import main
from tests.flow.front import caddy, nginx
from tests.flow.proxy import Exchange, Proxy
from tests.flow.site import CONFIG, Site, until

RSS = "/feeds/all/rss.xml"
ATOM = "/feeds/all/atom.xml"
JSON = "/feeds/all/feed.json"

ARTICLES = [
    ("ferry.md", "The ferry is <b>back</b>", "2026-11-20T12:00:00Z"),
    ("crane.md", "The crane stays", "2026-11-21T12:00:00Z"),
]

Lie = Callable[[Exchange], None]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Proxy]]:
    """The daemon, and the server in front of it through which the world reaches it."""
    with Proxy().running() as proxy:
        config = CONFIG.replace("http://127.0.0.1:{port}", proxy.url)
        site = Site(tmp_path_factory.mktemp("site"), config=config)
        proxy.target = site.port
        for name, title, day in ARTICLES:
            site.write(name, title, categories="[Harbour]", date=day)
        with site.daemon():
            until(lambda: len(site.feed("harbour")) == 2, "the articles")
            until(lambda: dated(proxy), "the feeds to be dated")
            yield site, proxy


def dated(proxy: Proxy) -> bool:
    with urlopen(f"{proxy.url}{JSON}", timeout=30) as reply:
        return "Last-Modified" in reply.headers


class Checked:
    """What the command says."""

    def __init__(self, site: Site, proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
        self.site = site
        self.proxy = proxy
        self._capsys = capsys

    def __call__(self, lie: Lie | None = None, *, status: int) -> list[str]:
        """Its findings, hints among them, after a server in front of ours altered the answers."""
        self.proxy.alter = lie
        config = str(self.site.folder / "config" / "publisher.toml")
        assert main(["--config", config, "check", "--feeds"]) == status
        said = self._capsys.readouterr()
        hints = [line for line in said.out.splitlines() if not line.startswith("ok    ")]
        assert (f"ok    feeds: 6 addresses under {self.proxy.url}/feeds/" in said.out) == (
            not status
        )
        return [*hints, *said.err.splitlines()]


@pytest.fixture
def check(served: tuple[Site, Proxy], capsys: pytest.CaptureFixture[str]) -> Iterator[Checked]:
    site, proxy = served
    (site.folder / "var" / "feeds-seen.json").unlink(missing_ok=True)
    yield Checked(site, proxy, capsys)
    proxy.alter = None


# lies


def about(path: str, lie: Lie) -> Lie:
    """The lie told of one address only."""
    return lambda exchange: lie(exchange) if exchange.path == path else None


def answer(status: int, content_type: str, body: bytes = b"", **headers: str) -> Lie:
    """Something else altogether."""

    def lie(exchange: Exchange) -> None:
        exchange.status, exchange.body = status, body
        for name in exchange.headers:
            del exchange.headers[name]
        exchange.headers["Content-Type"] = content_type
        for name, value in headers.items():
            exchange.headers[name] = value

    return lie


def header(name: str, value: str | None) -> Lie:
    """Another value of a header; none without one."""

    def lie(exchange: Exchange) -> None:
        del exchange.headers[name]
        if value is not None:
            exchange.headers[name] = value

    return lie


def body(old: str, new: str, count: int = 0) -> Lie:
    """Another text, in every form of the feed; SITE in it is where it is asked for."""

    def lie(exchange: Exchange) -> None:
        if exchange.status != 200 or exchange.path.endswith(".opml"):
            return
        packed = exchange.headers["Content-Encoding"] == "gzip"
        said = gzip.decompress(exchange.body) if packed else exchange.body
        text = new.replace("SITE", f"http://{exchange.asked['Host']}")
        altered = re.sub(old, text, said.decode(), count=count, flags=re.DOTALL).encode()
        assert altered != said, old
        exchange.body = gzip.compress(altered, mtime=0) if packed else altered

    return lie


def archive(url: str) -> Lie:
    """With an archive before it (RFC 5005)."""
    return body("<link ", f'<link rel="prev-archive" href="{url}"/><link ', 1)


def to_who(asks: Callable[[Exchange], object], lie: Lie) -> Lie:
    return lambda exchange: lie(exchange) if asks(exchange) else None


def status(code: int) -> Lie:
    def lie(exchange: Exchange) -> None:
        exchange.status = code

    return lie


def packs(exchange: Exchange) -> bool:
    return exchange.asked["Accept-Encoding"] == "gzip"


def heads(exchange: Exchange) -> bool:
    return exchange.method == "HEAD"


def has_tag(exchange: Exchange) -> bool:
    return "If-None-Match" in exchange.asked


def has_another(exchange: Exchange) -> bool:
    return "no-version" in (exchange.asked["If-None-Match"] or "")


def has_date(exchange: Exchange) -> bool:
    return "If-Modified-Since" in exchange.asked


def conditional(exchange: Exchange) -> bool:
    return has_tag(exchange) or has_date(exchange)


def weaken(exchange: Exchange) -> None:
    tag = exchange.headers["ETag"]
    header("ETag", f"W/{tag}")(exchange)


def name_as_packed(exchange: Exchange) -> None:
    if exchange.status == 200:
        header("ETag", exchange.headers["ETag"].removesuffix('"') + '-gzip"')(exchange)


def keep_the_plain_tag(exchange: Exchange) -> None:
    """As who compresses by himself and leaves the headers as they were."""
    plain = gzip.decompress(exchange.body)
    header("ETag", f'"{sha256(plain).hexdigest()[:32]}"')(exchange)
    if exchange.asked["If-None-Match"] == exchange.headers["ETag"]:
        exchange.status = 304


def pack_for_all(exchange: Exchange) -> None:
    if exchange.status == 200 and not exchange.headers["Content-Encoding"]:
        exchange.headers["Content-Encoding"] = "gzip"
        exchange.body = gzip.compress(exchange.body, mtime=0)


def unpack_for_all(exchange: Exchange) -> None:
    if exchange.headers["Content-Encoding"] == "gzip":
        exchange.body = gzip.decompress(exchange.body)
        del exchange.headers["Content-Encoding"]


LIES: dict[str, tuple[Lie, str]] = {
    "moved": (
        about(RSS, answer(301, "text/plain", Location="https://new.example/")),
        "leads elsewhere (301, https://new.example/): site.url is to be where the feeds are",
    ),
    "a web page": (
        about(RSS, answer(200, "text/html; charset=utf-8", b"<title>Log in</title>")),
        "is answered with a web page (text/html)",
    ),
    "away": (about(RSS, answer(503, "text/plain")), "is answered with 503"),
    "of another type": (
        about(RSS, header("Content-Type", "text/xml; charset=utf-8")),
        "is sent as text/xml, not as application/rss+xml",
    ),
    "of no type": (
        about(JSON, header("Content-Type", None)),
        "is sent as nothing in particular, not as application/feed+json",
    ),
    "in another charset": (
        about(ATOM, header("Content-Type", "application/atom+xml; charset=ISO-8859-1")),
        "is sent as iso-8859-1, and is UTF-8",
    ),
    "without an ETag": (
        about(RSS, header("ETag", None)),
        "has no ETag, so readers fetch it as a whole each time",
    ),
    "the same for whoever has it": (
        about(RSS, to_who(conditional, status(200))),
        "is answered with 200 instead of 304 to who has it already "
        "(If-None-Match, If-None-Match and gzip, If-Modified-Since)",
    ),
    "another ETag packed, which is not taken back": (  # as Apache's mod_deflate did for years
        about(RSS, to_who(packs, name_as_packed)),
        "is answered with 200 instead of 304 to who has it already (If-None-Match and gzip)",
    ),
    "deaf to dates": (
        about(RSS, to_who(has_date, status(200))),
        "is answered with 200 instead of 304 to who has it already (If-Modified-Since)",
    ),
    "broken for who has it": (
        about(RSS, to_who(has_date, status(500))),
        "is answered with 500 instead of 304 to who has it already (If-Modified-Since)",
    ),
    "the same for ever": (
        about(RSS, to_who(has_tag, status(304))),
        "is said to be unchanged to who has another version",
    ),
    "broken for who has another": (
        about(RSS, to_who(has_another, status(412))),
        "is answered with 412 to who has another version",
    ),
    "without Vary": (
        about(RSS, header("Vary", "Origin")),
        "has no Vary: Accept-Encoding, so caches mix up its compressed and plain forms",
    ),
    "one ETag for two forms": (
        about(RSS, to_who(packs, keep_the_plain_tag)),
        "has one ETag for its compressed and its plain form, so caches mix them up",
    ),
    "badly packed": (
        about(RSS, to_who(packs, lambda each: setattr(each, "body", each.body[:-9]))),
        "cannot be unpacked by who takes gzip (it is sent as gzip)",
    ),
    "packed otherwise": (
        about(RSS, to_who(packs, header("Content-Encoding", "br"))),
        "cannot be unpacked by who takes gzip (it is sent as br)",
    ),
    "an old version packed": (
        about(RSS, to_who(packs, body("crane", "clock"))),
        "is another version when it is compressed",
    ),
    "broken when packed": (
        about(RSS, to_who(packs, status(500))),
        "is answered with 500 to who takes gzip",
    ),
    "packed for all": (
        about(RSS, pack_for_all),
        "is sent compressed to who did not ask for that",
    ),
    "no HEAD": (
        about(RSS, to_who(heads, status(405))),
        "is answered with 405 to HEAD, with 200 to GET",
    ),
    "another HEAD": (
        about(RSS, to_who(heads, header("ETag", '"other"'))),
        "has another Etag when asked with HEAD",
    ),
    "cut off": (about(RSS, body("</channel>.*", "")), "is no XML: "),
    "another thing": (
        about(ATOM, body(".+", "<opml/>")),
        "begins with <opml>, not with <feed>",
    ),
    "no JSON": (about(JSON, body(r"}\s*$", "")), "is no JSON: "),
    "no JSON Feed": (about(JSON, body(".+", "[]")), "is no JSON Feed: it has no items"),
    "elsewhere, as it says": (
        about(RSS, body(r'href="[^"]*/rss.xml"', 'href="https://old.example/rss.xml"')),
        "says that it stands at https://old.example/rss.xml",
    ),
    "nowhere, as it says": (
        about(JSON, body('"feed_url"', '"url"')),
        "says that it stands nowhere",
    ),
    "an id twice": (
        about(ATOM, body(r"tag:127.0.0.1,2026:article:\w+", "tag:127.0.0.1,2026:one")),
        "has the id tag:127.0.0.1,2026:one twice",
    ),
    "no ids": (
        about(RSS, body("<guid.*?</guid>", "")),
        "has 2 of 2 entries without an id",
    ),
    "a broken date": (
        about(RSS, body("<pubDate>Sat[^<]*<", "<pubDate>yesterday<")),
        'gives "The crane stays" no date that can be read',
    ),
    "too long": (
        about(RSS, body("</rss>", f"<!--{'x' * 1_000_000}--></rss>")),
        "has more than 1,000,000 bytes, which some readers do not take (feeds.entries)",
    ),
    "an archive that is gone": (
        about(ATOM, archive("SITE/feeds/all/1.xml")),
        "has an archive that cannot be read: SITE/feeds/all/1.xml is answered with 404",
    ),
    "archives in a circle": (
        about(ATOM, archive(f"SITE{ATOM}")),
        f"has archives that lead round in a circle, to SITE{ATOM}",
    ),
}  # fmt: skip


HINTS: dict[str, tuple[Lie, str]] = {
    "a weak ETag": (
        about(RSS, weaken),
        "has a weak ETag: a server on the way alters our answers",
    ),
    "packed on the way": (
        about(RSS, to_who(packs, weaken)),
        "is compressed by a server on the way (a weak ETag)",
    ),
    "unpacked for all": (about(RSS, unpack_for_all), "is not compressed for who takes gzip"),
    "no nosniff": (
        about(RSS, header("X-Content-Type-Options", None)),
        "has lost its X-Content-Type-Options: nosniff",
    ),
    "no CORS": (
        about(JSON, header("Access-Control-Allow-Origin", None)),
        "has lost its Access-Control-Allow-Origin: *, so no other site's page can show it",
    ),
}


def test_of_an_honest_server_it_says_that_all_is_well(check: Checked) -> None:
    assert check(status=0) == []
    assert check(status=0) == []


@pytest.mark.parametrize("front", [nginx, caddy])
def test_of_the_servers_that_we_configure_it_says_that_all_is_well(
    check: Checked, front: Callable[..., AbstractContextManager[int]], tmp_path: Path
) -> None:
    site, proxy = check.site, check.proxy
    with front(tmp_path, site.folder, site.port, site=proxy.url) as port:
        proxy.target = port
        try:
            assert check(status=0) == []
        finally:
            proxy.target = site.port


def test_archives_that_are_there_are_well(check: Checked) -> None:
    lie = about(ATOM, archive("SITE/feeds/harbour/atom.xml"))
    assert check(lie, status=0) == []


@pytest.mark.parametrize("name", LIES)
def test_each_lie_gives_its_sentence(check: Checked, name: str) -> None:
    lie, sentence = LIES[name]
    (said,) = check(lie, status=1)
    address, _, found = said.removeprefix(f"publisher: {check.proxy.url}").partition(": ")
    assert address in (RSS, ATOM, JSON)
    assert found.startswith(sentence.replace("SITE", check.proxy.url))


@pytest.mark.parametrize("name", HINTS)
def test_what_does_no_harm_is_a_hint(check: Checked, name: str) -> None:
    lie, sentence = HINTS[name]
    (said,) = check(lie, status=0)
    assert said.removeprefix(f"hint  {check.proxy.url}").partition(": ")[2] == sentence


# what may not change


def test_an_id_that_changed_is_said_once(check: Checked) -> None:
    lie = body(r"2026:article:(\w+)", r"2026:story:\1")
    assert check(status=0) == []
    crane, ferry = check(lie, status=1)
    assert crane.startswith(f"publisher: {check.proxy.url}{RSS} (and 5 more): ")
    assert 'gives "The crane stays" another id than before (tag:127.0.0.1,2026:article:' in crane
    assert crane.endswith("): readers show it twice")
    assert "The ferry is <b>back</b>" in ferry
    assert check(lie, status=0) == []


def test_a_date_that_moved_is_said(check: Checked) -> None:
    assert check(status=0) == []
    (said,) = check(about(JSON, body("2026-11-21T12:00:00", "2026-11-22T00:00:00")), status=1)
    assert said == (
        f'publisher: {check.proxy.url}{JSON}: gives "The crane stays" another date than before '
        "(2026-11-21 12:00:00 UTC, now 2026-11-22 00:00:00 UTC)"
    )


def test_a_feed_that_changed_its_id_is_said(check: Checked) -> None:
    assert check(status=0) == []
    (said,) = check(about(ATOM, body("<id>[^<]*", "<id>urn:x", 1)), status=1)
    assert re.search(rf"{ATOM}: had another id before: \S+, now urn:x$", said)


def test_what_was_seen_outlives_a_day_without_feeds(check: Checked) -> None:
    assert check(status=0) == []
    away = answer(502, "text/plain")
    (said,) = check(lambda each: away(each) if "opml" not in each.path else None, status=1)
    assert said.endswith(f"{RSS} (and 5 more): is answered with 502")
    assert len(check(body(r"2026:article:(\w+)", r"2026:story:\1"), status=1)) == 2


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"feeds": {}, "entries": [{"id": "x"}]}'])
def test_a_memory_that_cannot_be_read_is_begun_anew(check: Checked, text: str) -> None:
    memory = check.site.folder / "var" / "feeds-seen.json"
    memory.write_text(text)
    assert check(status=0) == []
    assert {each["link"] for each in json.loads(memory.read_text())["entries"]} == {
        f"{check.proxy.url}/feeds/articles/{name.removesuffix('.md')}/" for name, _, _ in ARTICLES
    }


# what hides them all


def test_a_list_that_is_elsewhere(check: Checked) -> None:
    lie = answer(308, "text/plain", Location="https://new.example/feeds/feeds.opml")
    (said,) = check(about("/feeds/feeds.opml", lie), status=1)
    assert said == (
        f"publisher: {check.proxy.url}/feeds/feeds.opml: leads elsewhere "
        "(308, https://new.example/feeds/feeds.opml): site.url is to be where the feeds are"
    )


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        (answer(200, "text/html", b"<p>Parked"), "is answered with a web page (text/html)"),
        (answer(200, "text/x-opml", b"<opml/>"), "lists no feeds"),
        (answer(200, "text/x-opml", b"<opml"), "is no XML: "),
    ],
)
def test_a_list_that_is_none(check: Checked, lie: Lie, sentence: str) -> None:
    (said,) = check(about("/feeds/feeds.opml", lie), status=1)
    assert said.startswith(f"publisher: {check.proxy.url}/feeds/feeds.opml: {sentence}")


def test_an_address_that_nobody_answers_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = Site(tmp_path)
    config = str(tmp_path / "config" / "publisher.toml")
    assert main(["--config", config, "check", "--feeds"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert (
        f"http://127.0.0.1:{site.port}/feeds/feeds.opml: 127.0.0.1:{site.port} cannot" in said.err
    )


def test_a_feed_that_changes_while_it_is_looked_at_is_not_blamed(check: Checked) -> None:
    first = iter([True])

    def once_old(exchange: Exchange) -> None:
        if next(first, False):
            body("crane", "clock")(exchange)
            header("ETag", '"old"')(exchange)
            header("Last-Modified", "Tue, 01 Jan 2019 00:00:00 GMT")(exchange)

    assert check(about(RSS, once_old), status=0) == []
    assert next(first, None) is None
