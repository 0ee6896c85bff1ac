"""Feed readers that people use, each asked for one feed as its users would, and what it then shows.

Every reader keeps its state in a folder of its own, so that a second poll is what it is for a user.
"""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.request import urlopen

import fastfeedparser
import feedparser
import reader

from tests.flow.smtp import SmtpServer
from tests.programs import needs, node_package

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An article as a reader shows it; None is what it does not keep."""

    id: str
    title: str
    link: str
    published: datetime
    content: str
    authors: str
    """All of them, as one line."""
    updated: datetime | None = None
    categories: tuple[str, ...] | None = None
    enclosures: tuple[tuple[str | None, ...], ...] | None = None
    """Address, type and length, as far as it keeps them."""
    picture: str | None = None


class FeedReader(Protocol):
    def poll(self) -> None:
        """Ask for the feed; fails where the reader would tell its user of an error."""

    def shown(self) -> list[Shown]: ...


class Feedparser:
    """The library under most readers in Python; who uses it keeps the validators."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._etag = self._modified = None
        self._entries: list[Any] = []

    def poll(self) -> None:
        told = feedparser.parse(self._url, etag=self._etag, modified=self._modified)
        assert not told.bozo, told.bozo_exception
        assert told.status in (200, 304), told.status
        if told.status == 200:
            self._etag, self._modified = told.get("etag"), told.get("modified")
            self._entries = told.entries

    def shown(self) -> list[Shown]:
        return [
            Shown(
                id=each.id,
                title=each.title,
                link=each.link,
                published=_moment(each.published_parsed),
                updated=_moment(each.updated_parsed) if "updated_parsed" in each else None,
                authors=each.get("author", ""),
                categories=tuple(tag.label or tag.term for tag in each.tags),
                enclosures=tuple((one.href, one.type, one.length) for one in each.enclosures),
                picture=_first_url(each.get("media_content")),
                content=each.content[0].value,
            )
            for each in self._entries
        ]


class Fastfeedparser:
    """It asks without validators and has one enclosure's length in RSS and JSON Feed alone."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._entries: list[Any] = []

    def poll(self) -> None:
        self._entries = fastfeedparser.parse(self._url).entries

    def shown(self) -> list[Shown]:
        return [
            Shown(
                id=each["id"],
                title=each["title"],
                link=each["link"],
                published=datetime.fromisoformat(each["published"]),
                updated=datetime.fromisoformat(each["updated"]) if "updated" in each else None,
                authors=each.get("author", ""),
                categories=tuple(tag["label"] or tag["term"] for tag in each["tags"]),
                enclosures=tuple(
                    (one["url"], one["type"], str(one["length"]))
                    for one in each.get("enclosures", [])
                )
                or tuple(
                    (one["href"], one["type"], None)
                    for one in each["links"]
                    if one["rel"] == "enclosure"
                ),
                picture=each.get("image") or _first_url(each.get("media_content")),
                content=each["content"][0]["value"],
            )
            for each in self._entries
        ]


class Reader:
    """lemon24's reader, a library with a database of its own."""

    def __init__(self, url: str, folder: Path) -> None:
        self._database = str(folder / "reader.sqlite")
        with closing(reader.make_reader(self._database)) as own:
            own.add_feed(url)

    def poll(self) -> None:
        with closing(reader.make_reader(self._database)) as own:
            for each in own.update_feeds_iter(scheduled=False):  # else it asks once an hour
                assert not isinstance(each.value, Exception), each.value

    def shown(self) -> list[Shown]:
        with closing(reader.make_reader(self._database)) as own:
            return [
                Shown(
                    id=each.id,
                    title=each.title or "",
                    link=each.link or "",
                    published=each.published or _NEVER,
                    updated=each.updated,
                    authors=", ".join(author.name or "" for author in each.authors),
                    enclosures=tuple(
                        (one.href, one.type, str(one.length)) for one in each.enclosures
                    ),
                    content=each.content[0].value,
                )
                for each in own.get_entries()
            ]


class Newsboat:
    """A reader in the terminal; what it keeps of an article is a row.

    It keeps the validators of a feed that it knows, so from the second poll on.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._program = needs("newsboat")
        self._folder = folder
        (folder / "urls").write_text(f"{url}\n")
        (folder / "config").write_text("error-log errors\n")

    def poll(self) -> None:
        files = ("-u", "urls", "-c", "cache.db", "-C", "config")
        _run(self._folder, self._program, *files, "-x", "reload")
        errors = self._folder / "errors"
        assert not errors.exists() or not errors.read_text(), errors.read_text()

    def shown(self) -> list[Shown]:
        with closing(sqlite3.connect(self._folder / "cache.db")) as conn:
            conn.row_factory = sqlite3.Row
            rows = conn.execute("SELECT * FROM rss_item WHERE deleted = 0").fetchall()
        return [
            Shown(
                id=row["guid"],
                title=row["title"],
                link=row["url"],
                published=datetime.fromtimestamp(row["pubDate"], UTC),
                authors=row["author"],
                enclosures=((row["enclosure_url"], row["enclosure_type"], None),)
                if row["enclosure_url"]
                else (),
                content=row["content"],
            )
            for row in rows
        ]


_R2E = """\
[DEFAULT]
from = r2e@reader.example
to = ada@reader.example
email-protocol = smtp
smtp-server = 127.0.0.1
smtp-port = {port}
html-mail = True
date-header = True
date-header-order = issued
name-format = {{author}}
use-8bit = True
verbose = warning
"""


class Rss2email:
    """It sends a mail for each article that it has not seen."""

    def __init__(self, url: str, folder: Path, server: SmtpServer) -> None:
        self._program = needs("r2e")
        self._folder = folder
        self.server = server
        (folder / "r2e.cfg").write_text(_R2E.format(port=server.port))
        self._r2e("add", "paper", url)

    def poll(self) -> None:
        said = self._r2e("run")
        assert not said, said

    def _r2e(self, *arguments: str) -> str:
        return _run(self._folder, self._program, "-c", "r2e.cfg", "-d", "r2e.json", *arguments)

    def shown(self) -> list[Shown]:
        return [self._of_mail(each.data) for each in self.server.mails]

    def _of_mail(self, data: bytes) -> Shown:
        mail = message_from_bytes(data, policy=default)
        html = str(mail.get_content())
        return Shown(
            id=mail["X-RSS-ID"],
            title=mail["Subject"],
            link=mail["X-RSS-URL"],
            published=parsedate_to_datetime(mail["Date"]).replace(tzinfo=UTC),  # it says -0000
            authors=parseaddr(mail["From"])[0].replace("<author>", ""),
            enclosures=tuple(
                (found.replace("&amp;", "&"), None, None)
                for found in re.findall(r'<p>Enclosure: <a href="([^"]*)', html)
            ),
            content=html.partition('<div id="body">')[2].partition("</div>")[0],
        )


_FEEDSMITH = """\
import { parseFeed } from "feedsmith";
import { readFileSync } from "node:fs";
console.log(JSON.stringify(parseFeed(readFileSync(0, "utf8"))));
"""


class Feedsmith:
    """A parser for node, given the bytes."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._packages = node_package("feedsmith").parent
        self._feed: dict[str, Any] = {}

    def poll(self) -> None:
        with urlopen(self._url, timeout=10) as answer:
            body = answer.read()
        done = subprocess.run(
            [needs("node"), "--input-type=module", "--eval", _FEEDSMITH],
            cwd=self._packages.parent,
            input=body,
            capture_output=True,
            timeout=30,
            check=True,
        )
        self._feed = json.loads(done.stdout)

    def shown(self) -> list[Shown]:
        feed = self._feed["feed"]
        read = {"rss": _of_rss, "atom": _of_atom, "json": _of_json}[self._feed["format"]]
        return [read(each) for each in feed.get("items") or feed["entries"]]


def _of_rss(item: dict[str, Any]) -> Shown:
    return Shown(
        id=item["guid"]["value"],
        title=item["title"],
        link=item["link"],
        published=parsedate_to_datetime(item["pubDate"]),
        authors=", ".join(item.get("dc", {}).get("creators", [])),
        categories=tuple(each["name"] for each in item["categories"]),
        enclosures=tuple(
            (each["url"], each["type"], str(each["length"])) for each in item.get("enclosures", [])
        ),
        picture=_first_url(item.get("media", {}).get("contents")),
        content=item["content"]["encoded"],
    )


def _of_atom(entry: dict[str, Any]) -> Shown:
    links: Sequence[dict[str, Any]] = entry["links"]
    return Shown(
        id=entry["id"],
        title=entry["title"]["value"],
        link=next(each["href"] for each in links if each["rel"] == "alternate"),
        published=datetime.fromisoformat(entry["published"]),
        updated=datetime.fromisoformat(entry["updated"]),
        authors=", ".join(each["name"] for each in entry.get("authors", [])),
        categories=tuple(each["label"] for each in entry["categories"]),
        enclosures=tuple(
            (each["href"], each["type"], str(each["length"]))
            for each in links
            if each["rel"] == "enclosure"
        ),
        picture=_first_url(entry.get("media", {}).get("contents")),
        content=entry["content"]["value"],
    )


def _of_json(item: dict[str, Any]) -> Shown:
    return Shown(
        id=item["id"],
        title=item["title"],
        link=item["url"],
        published=datetime.fromisoformat(item["date_published"]),
        updated=datetime.fromisoformat(item["date_modified"]),
        authors=", ".join(each["name"] for each in item.get("authors", [])),
        categories=tuple(item["tags"]),
        enclosures=tuple(
            (each["url"], each["mime_type"], str(each["size_in_bytes"]))
            for each in item.get("attachments", [])
        ),
        picture=item.get("image", ""),
        content=item["content_html"],
    )


def _first_url(pictures: Sequence[dict[str, str]] | None) -> str:
    return pictures[0]["url"] if pictures else ""


def _moment(parsed: Any) -> datetime:
    return datetime(*parsed[:6], tzinfo=UTC)


def _run(folder: Path, *command: str) -> str:
    """What a program says that lives in `folder`; fails where it does."""
    environment = {
        "HOME": str(folder), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm",
    }  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
