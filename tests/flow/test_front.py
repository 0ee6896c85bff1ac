"""nginx and Caddy with our configurations answer as the daemon does, header by header."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.flow.front import caddy, nginx
from tests.flow.site import Site, free_port, until

HUB = "https://hub.example/"
MEDIA = "https://pictures.example"
MORE = """
[[categories]]
slug = "harbour"
title = "Harbour"
formerly = ["docks"]

[[categories]]
slug = "circus"
title = "Circus"
retired = true
"""
# What is each server's own; Caddy does not tell the length of what is packed.
OWN = {"date", "server", "connection", "accept-ranges", "etag"}
OWN |= {"content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Front:
    site: Site
    port: int


@dataclass(frozen=True)
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def common(self) -> dict[str, str]:
        """What is not a server's own; `%d0` is as good as `%D0`."""
        common = {name: value for name, value in self.headers.items() if name not in OWN}
        if self.status == 304:
            common.pop("last-modified", None)  # may be left out beside a tag (RFC 9110, 15.4.5)
        if "link" in common:
            common["link"] = common["link"].lower()
        return common


def ask(port: int, path: str, method: str = "GET", /, **headers: str) -> Said:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        reply = connection.getresponse()
        found = {name.lower(): value for name, value in reply.headers.items()}
        assert len(found) == len(reply.headers), "no header stands there twice"
        said = Said(reply.status, found, reply.read())
        if method == "GET" and "content-length" in found:
            assert int(found["content-length"]) == len(said.body)
        return said
    finally:
        connection.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"), more=MORE)
    site.environ = {
        "PUBLISHER_WEB__MEDIA_FROM": f'["{MEDIA}"]',
    }
    for number in range(30):
        site.write(
            f"{number}.md", f"Ferry {number}", "It left. " * 50, categories="[Harbour, Вода]"
        )
    site.call("ingest", str(site.folder / "articles"))
    site.call("publish")
    with site.daemon():
        feeds = site.folder / "feeds"
        (feeds / "static" / "notes.js").write_text("// an operator's own")
        (feeds / "static" / "unknown.kind").write_text("x")
        (feeds / "static" / "small.png").write_bytes(b"\x89PNG")
        (feeds / "empty").mkdir()
        (feeds / "link.txt").symlink_to(site.folder / "config" / "publisher.toml")
        yield site


@pytest.fixture(autouse=True)
def _an_hour_later(site: Site) -> None:
    """The daemon gives files no date that are being written at this moment."""
    hour_ago = int(time.time()) - 3600
    for path in (site.folder / "feeds").rglob("*"):
        os.utime(path, (hour_ago, hour_ago))


@pytest.fixture(scope="module", params=[nginx, caddy])
def front(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    serving: Callable[..., AbstractContextManager[int]] = request.param
    with serving(
        tmp_path_factory.mktemp("front"),
        site.folder,
        site.port,
        site=f"http://127.0.0.1:{site.port}",
        media_from=(f"http://127.0.0.1:{site.port}", MEDIA),
    ) as port:
        yield Front(site, port)


def files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and not path.is_symlink():
            name = quote(str(path.relative_to(folder)))
            yield name
            if path.name == "index.html":
                yield name.removesuffix("index.html")


@pytest.mark.parametrize("encoding", ["identity", "gzip", "gzip;q=0, *;q=0.1", "br, gzip"])
def test_every_file_is_served_alike(front: Front, encoding: str) -> None:
    names = list(files(front.site.folder / "feeds"))
    assert len(names) > 100
    for name in names:
        for method in ("GET", "HEAD"):
            ours, theirs = (
                ask(port, f"/feeds/{name}", method, Accept_Encoding=encoding)
                for port in (front.site.port, front.port)
            )
            assert theirs.status == ours.status == 200, name
            assert theirs.common == ours.common, name
            assert theirs.body == ours.body, name
            assert is_strong(theirs.headers["etag"])


def is_strong(etag: str) -> bool:
    return etag.startswith('"') and etag.endswith('"')


ALIKE: list[tuple[int, str, str, dict[str, str]]] = [
    # addresses that lead on, and what is not there
    (308, "GET", "/feeds/harbour", {}),
    (308, "GET", "/feeds/harbour?a=b", {}),
    (308, "GET", "/feeds/%d0%b2%d0%be%d0%b4%d0%b0", {}),
    (308, "GET", "/feeds/docks/rss.xml", {}),
    (308, "HEAD", "/rss.xml", {}),
    (307, "GET", "/feeds", {}),
    (307, "GET", "/", {}),
    (410, "GET", "/feeds/circus/rss.xml", {}),
    (404, "GET", "/feeds/nowhere/rss.xml", {}),
    (404, "GET", "/feeds/empty/", {}),
    (404, "GET", "/feeds/.built.json", {}),
    (404, "GET", "/feeds/.built.lock", {}),
    (404, "GET", "/feeds/harbour/.rss.xml.tmp", {}),
    (404, "GET", "/feeds/harbour/rss.xml/", {}),
    (404, "GET", "/feedsharbour", {}),
    (404, "GET", "/config/publisher.toml", {}),
    # the rest of the daemon
    (200, "GET", "/healthz", {}),
    (200, "GET", "/readyz", {}),
    (400, "GET", "/unsubscribe/x", {}),
    (405, "DELETE", "/unsubscribe/x", {}),
    # other methods
    (405, "POST", "/feeds/harbour/rss.xml", {}),
    (405, "PUT", "/feeds/harbour/", {}),
    (204, "OPTIONS", "/feeds/harbour/", {}),
    (204, "OPTIONS", "/feeds/all/rss.xml", {"Access_Control_Request_Method": "GET"}),
    # preconditions and parts
    (304, "GET", "/feeds/all/rss.xml", {"If_None_Match": "*"}),
    (304, "GET", "/feeds/all/rss.xml", {"If_Modified_Since": "DATE"}),
    (200, "GET", "/feeds/all/rss.xml", {"If_None_Match": '"a, b", W/"c"'}),
    (200, "GET", "/feeds/all/rss.xml", {"If_None_Match": '"a"', "If_Modified_Since": "DATE"}),
    (200, "GET", "/feeds/all/rss.xml", {"Range": "bytes=10-20"}),
    # what a reader of deltas asks for the first time
    (200, "GET", "/feeds/all/rss.xml", {"A_IM": "feed", "User_Agent": "newsboat/2.21.0"}),
]


@pytest.mark.parametrize(("status", "method", "path", "headers"), ALIKE)
def test_what_else_is_asked_is_answered_alike(
    front: Front, status: int, method: str, path: str, headers: dict[str, str]
) -> None:
    date = ask(front.site.port, "/feeds/all/rss.xml").headers["last-modified"]
    headers = {name: value.replace("DATE", date) for name, value in headers.items()}
    ours, theirs = (ask(port, path, method, **headers) for port in (front.site.port, front.port))
    assert (ours.status, theirs.status) == (status, status)
    assert theirs.common == ours.common
    assert theirs.body == ours.body


@pytest.mark.parametrize("path", ["/feeds/all/atom.xml", "/feeds/all/"])
def test_a_tag_is_known_again_and_means_one_encoding(front: Front, path: str) -> None:
    tags = {
        encoding: ask(front.port, path, Accept_Encoding=encoding).headers["etag"]
        for encoding in ("identity", "gzip")
    }
    assert tags["identity"] != tags["gzip"]
    for encoding, own in tags.items():
        for tag in (own, f"W/{own}", f'"a,b", {own}'):
            for method in ("GET", "HEAD"):
                again = ask(front.port, path, method, Accept_Encoding=encoding, If_None_Match=tag)
                assert (again.status, again.body) == (304, b"")
                assert again.headers["etag"] == own
        for other in set(tags.values()) - {own}:
            again = ask(front.port, path, Accept_Encoding=encoding, If_None_Match=other)
            assert again.status == 200


def test_who_takes_deltas_gets_them(front: Front) -> None:
    def look(tag: str) -> Said:
        headers = {"A_IM": "feed", "User_Agent": "newsboat/2.21.0"}
        return ask(front.port, "/feeds/all/atom.xml", If_None_Match=tag, **headers)

    built = front.site.folder / "feeds" / ".built.json"
    before, built_before = look('"none"'), built.stat().st_mtime
    title = f"Late {front.port}"
    front.site.write(f"late-{front.port}.md", title, categories="[Late]")
    until(lambda: built.stat().st_mtime > built_before, "the late one")
    delta = look(before.headers["etag"])
    assert (delta.status, delta.headers["im"]) == (226, "feed")
    assert delta.body.count(b"<entry") == 1
    assert look(delta.headers["etag"]).status == 304


def test_nginx_follows_no_links_out_of_the_folder(site: Site, tmp_path: Path) -> None:
    with nginx(tmp_path, site.folder, site.port) as port:  # Caddy cannot be told not to
        for each in (site.port, port):
            assert ask(each, "/feeds/link.txt").status == 404


@pytest.mark.parametrize("serving", [nginx, caddy])
def test_hubs_and_a_site_below_a_path(
    serving: Callable[..., AbstractContextManager[int]], site: Site, tmp_path: Path
) -> None:
    own = "https://news.example/news"
    with serving(tmp_path, site.folder, site.port, site=own, hubs=(HUB, f"{HUB}2")) as port:
        for path, name in [
            ("/feeds/all/rss.xml", "/feeds/all/rss.xml"),
            ("/feeds/all/feed.json?a=<b>", "/feeds/all/feed.json"),
            ("/feeds/%61ll/atom.xml", "/feeds/%61ll/atom.xml"),
            ("/news/feeds/all/atom.xml", "/feeds/all/atom.xml"),
        ]:
            link = ask(port, path).headers["link"]
            assert link == (f'<{own}{name}>; rel="self", <{HUB}>; rel="hub", <{HUB}2>; rel="hub"')
        for path in ("/feeds/all/%0d%0aSet-Cookie:a=b/rss.xml", "/feeds/all/x%22%3e/../rss.xml"):
            assert "set-cookie" not in ask(port, path).headers
        assert ask(port, "/news/feeds/all/").headers["cache-control"] == "no-cache"
        assert ask(port, "/news/feeds/all").headers["location"] == "./all/"
        assert ask(port, "/news/healthz").status == 200


@pytest.mark.parametrize("serving", [nginx, caddy])
def test_feeds_go_on_while_the_daemon_is_away(
    serving: Callable[..., AbstractContextManager[int]], site: Site, tmp_path: Path
) -> None:
    with serving(tmp_path, site.folder, free_port()) as port:
        assert ask(port, "/feeds/all/rss.xml").status == 200
        assert ask(port, "/feeds/all/").status == 200
        assert ask(port, "/healthz").status == 502
