"""A site whose feeds are served where they say they are, and what validators find in them."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlsplit

import jsonschema
from lxml import etree

from publisher import settings
from publisher.app import App
from publisher.core.model import Candidate
from publisher.readerstore import ReaderStore
from publisher.sources.port import Document, Unusable
from publisher.web.app import create_app
from publisher.web.server import Server, bind
from publisher.webstore import WebStore
from tests.flow.site import Site
from tests.programs import feedvalidator, lacking, node_package, real

_RUN = Path(__file__).with_name("feedvalidator_run.py")
_MARKUP = re.compile(r"</?[A-Za-z!?]|&#?\w")
_TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"


@dataclass(frozen=True)
class Offering:
    """A source that offers these candidates, in one document."""

    items: Sequence[Candidate | Unusable]
    name: str = "offering"
    base_url: str = "https://source.example/deep/page.html"
    path: Path = Path()
    scope: str = ""

    def changed(self) -> Iterator[Document]:
        yield Document(key="offering", base_url=self.base_url, items=tuple(self.items))

    def holds(self, key: str) -> bool:
        return key == "offering"

    def again(self, key: str) -> None:
        raise AssertionError("the document was not finished")

    def present(self) -> None:
        return None


@dataclass
class Served:
    site: Site
    app: App

    @property
    def feeds(self) -> Path:
        return self.app.output.directory

    def publish(self) -> int:
        """How many articles became public; nothing may go wrong with any feed."""
        published = self.app.publish()
        assert published.built.problems == ()
        return published.articles

    def files(self, name: str) -> list[Path]:
        """Of all feeds, those of this name."""
        return sorted(self.feeds.rglob(name))

    def address(self, file: Path) -> str:
        return f"{self.app.site.url}/feeds/{quote(file.relative_to(self.feeds).as_posix())}"


@contextmanager
def served(
    folder: Path, entries: int = 1000, now: datetime | None = None, hubs: str = ""
) -> Iterator[Served]:
    """A site of its own, answering on loopback by the real web side at the address it says."""
    listening = bind("127.0.0.1", 0)
    port = listening.getsockname()[1]
    site = Site(folder, port=port, more=f"[feeds]\nentries = {entries}\nhubs = [{hubs}]")
    loaded = settings.load(folder / "config" / "publisher.toml", {})
    app = App(loaded, (lambda: now) if now else lambda: datetime.now(UTC))
    web = create_app(
        site=app.site,
        feeds=app.output.directory,
        store=ReaderStore(app.db, {}, app.suppression_key),
        past=WebStore(app.db),
        keys=app.keys.all,
        clock=app.clock,
        ready=lambda: None,
    )
    server = Server(web, [listening])
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), name="web")
    thread.start()
    try:
        yield Served(site, app)
    finally:
        server.stop()
        thread.join(20)
        app.close()


@dataclass(frozen=True)
class Message:
    url: str
    kinds: tuple[str, ...]
    """Its class and those above it."""
    params: dict[str, str]
    line: str
    """Of the feed, which is where it stands."""

    def __str__(self) -> str:
        said = {key: self.params[key] for key in self.params if key not in _PLACES}
        return f"{urlsplit(self.url).path}: {self.kinds[0]} {said} in {self.line.strip()[:300]!r}"

    @property
    def excused(self) -> bool:
        """Whether it says of an article what is true and as it must be."""
        if self.kinds[0] == "ImplausibleDate":
            return _year(self.params["value"]) < 1990
        if self.kinds[0] == "UnknownNamespace":
            return self.params["namespace"] == _TOMBSTONES
        if "ContainsHTML" in self.kinds:  # CharacterData is one
            return bool(_MARKUP.search(_title(self.line, self.params["element"])))
        return False


_PLACES = ("line", "column", "backupline", "backupcolumn")


def _year(date: str) -> int:
    found = re.search(r"\b\d{4}\b", date)
    assert found, date
    return int(found[0])


_TITLES = {
    "title": re.compile(r"<title>(.*?)</title>"),
    "category": re.compile(r"<category>(.*?)</category>"),
    "label": re.compile(r"<category [^>]*label=\"([^\"]*)\""),
    "link": re.compile(r"<link [^>]*rel=\"related\" title=\"([^\"]*)\""),
}
"""Of an article or a feed, of categories in RSS and Atom, of something related."""


def _title(line: str, element: str) -> str:
    """The title in a line of a feed, if that is a title; feedgen writes one element a line."""
    found = _TITLES[element].search(line) if element in _TITLES else None
    return unescape(found[1]) if found else ""


@lru_cache
def _interpreter() -> str:
    """A Python that has html5lib, of which feedvalidator is made."""
    for python in (sys.executable, "/usr/bin/python3"):
        look = [python, "-c", "import html5lib"]
        if subprocess.run(look, capture_output=True, check=False).returncode == 0:
            return python
    return lacking("needs html5lib for W3C's feedvalidator (Debian: python3-html5lib)")


def validated(urls: Iterable[str]) -> list[Message]:
    """What W3C's validator says of these feeds, errors, warnings and mere advice (level AAA)."""
    urls = list(urls)
    assert urls
    package = str(feedvalidator())
    command = [_interpreter(), "-W", "ignore", str(_RUN), package]
    done = subprocess.run(
        command, input=json.dumps(urls), capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return [
        Message(url, tuple(each["kinds"]), each["params"], each["line"])
        for url, said in zip(urls, json.loads(done.stdout), strict=True)
        for each in said
    ]


def atom_faults(data: bytes) -> list[str]:
    """What the schema of RFC 4287 has against a document."""
    schema = etree.RelaxNG(etree.parse(real("schemas/atom.rng")))
    document = etree.fromstring(data, etree.XMLParser(huge_tree=True))
    return [] if schema.validate(document) else [str(each) for each in schema.error_log]


def json_faults(data: bytes) -> list[str]:
    """What the schema of JSON Feed 1.1 has against a document, its formats too."""
    path = node_package("jsonfeed-schema") / "schema-v1.1.json"
    validator = jsonschema.Draft7Validator(
        json.loads(path.read_text()), format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
    )
    return [
        f"{each.json_path}: {each.message[:300]}"
        for each in validator.iter_errors(json.loads(data))
    ]
