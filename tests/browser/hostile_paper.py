"""A newspaper all of whose words strangers wrote: its articles, its editions and their readers."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import unquote, urlencode

from publisher.core.addresses import check
from publisher.core.text import clean_line, without_controls
from publisher.errors import PermanentError
from publisher.kit.html import from_markdown
from publisher.web.server import Server, bind
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import Mail, SmtpServer
from tests.flow.test_hostile_names import key
from tests.flow.test_signup import visitor

EDITION = 10
"""Articles in each."""

_MORE = """
[feeds]
entries = 40

[[newsletters]]
slug = "alerts"
title = "Alerts"
cadences = ["immediate"]
window = 1

[[newsletters]]
slug = "letters"
title = "Letters"
template = "letter"
categories = ["news", "addresses"]
"""
_LETTER = """\
{% extends "digest.html" %}
{% block ear %}<p class="to">Dear {{ reader.name }} ({{ reader.address }})</p>{% endblock %}
"""


@dataclass
class Paper:
    room: Newsroom
    server: SmtpServer
    words: Sequence[str]
    """What a stranger wrote, by number."""
    home: str = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.room.app.site.url

    @property
    def feeds(self) -> Path:
        return self.room.site.folder / "feeds"

    def get(self, path: str) -> bytes:
        return self.room.site.get(path)[1]

    def post(self, path: str, **fields: str) -> bytes:
        return self.room.site.get(path, urlencode(fields, errors="replace").encode())[1]

    def deliver(self) -> None:
        # In a thread: while a browser is open, this one has an event loop already.
        with ThreadPoolExecutor(1) as other:
            other.submit(self.room.deliver).result()

    def title(self, number: int) -> str:
        words = self.words[number]
        return line(words) or line(f"{words} in short")

    def category(self, number: int) -> str:
        """Of those that readers take for one the first."""
        names = [clean_line(each) or "news" for each in self.words]
        return next(line(each) for each in names if key(each) == key(names[number]))

    def last_mail(self, address: str) -> Mail:
        return self.server.to(address)[-1]


@contextmanager
def paper_of(folder: Path, words: Sequence[str]) -> Iterator[Paper]:
    """Articles `a-<number>` and `b-<number>` for each of the words; their editions are out."""
    with SmtpServer().running() as server, newsroom(folder, server, more=_MORE) as room:
        templates = folder / "templates" / "email"
        templates.mkdir(parents=True)
        (templates / "letter.html").write_text(_LETTER)
        (templates / "letter.txt").write_text('{% extends "digest.txt" %}')
        paper = Paper(room, server, words)
        _publish(paper)
        room.app.build_feeds()
        with _served(room):
            yield paper


def _publish(paper: Paper) -> None:
    """In the daily and as alerts; what was wrong in each edition is told in the next."""
    room = paper.room
    room.join("ada")
    room.join("bo", newsletter="alerts")
    [source] = room.app.sources()
    before: Sequence[int] = ()
    for start in (*range(0, len(paper.words), EDITION), len(paper.words)):
        numbers = range(start, min(start + EDITION, len(paper.words)))
        for number in numbers:
            write(room, number, paper.words[number])
        for number in before:
            write(room, number, paper.words[number], corrected=True)
        if not numbers:
            room.site.write("last.md", "The last one", category="News")
        tally = room.app.take_in(source)
        assert tally.reasons == []
        room.app.make_public()
        for newsletter in ("daily", "alerts"):
            assert room.plan(newsletter) == 1
        paper.deliver()
        before = numbers


def write(room: Newsroom, number: int, words: str, *, corrected: bool = False) -> None:
    """The two articles of what a stranger wrote: as words everywhere, and as addresses."""
    folder = room.site.folder / "articles"
    as_words = {
        "slug": f"a-{number}",
        "title": words,
        "summary": f"{words} in short",
        "author": words,
        "category": words,
        "image": {"url": "https://pictures.example/a.jpg", "alt": words, "caption": words},
        "related": [{"title": words, "url": "https://else.example/"}],
        "correction": words if corrected else "",
    }
    (folder / f"{number:04}-a.html").write_text(
        f"{json.dumps(as_words)}\n\n{body(number, words)}\n", "utf-8", "replace"
    )
    as_addresses = {
        "slug": f"b-{number}",
        "title": f"Addresses {number}",
        "category": "Addresses",
        "url": words,
        "image": {"url": words, "alt": "A picture"},
        "enclosures": [{"url": words, "type": words}],
        "related": [{"title": "Elsewhere", "url": words, "caption": words}],
    }
    (folder / f"{number:04}-b.md").write_text(
        f"{json.dumps(as_addresses)}\n\n{markdown(number, words)}\n", "utf-8", "replace"
    )


def body(number: int, words: str) -> str:
    """Of the article `a-<number>`: HTML."""
    return f"<p>Piece {number} begins.</p>\n{_storable(words)}\n<p>It ends.</p>"


def markdown(number: int, words: str) -> str:
    """Of the article `b-<number>`."""
    words = _storable(words)
    quoted = escape(words)
    return (
        f"Piece {number} begins.\n\n[a link]({words}) <{words}>\n\n{words}\n\n"
        f'<a href="{quoted}" title="{quoted}">here</a> <blockquote cite="{quoted}">said'
        f'</blockquote><img src="{quoted}" srcset="{quoted} 2x" alt="{quoted}" title="{quoted}">'
        f'<video src="{quoted}" poster="{quoted}"></video><time datetime="{quoted}">then</time>\n\n'
        "It ends."
    )


def markdown_shown(number: int, words: str) -> str:
    return from_markdown(markdown(number, words))


def mailbox(number: int, words: str, host: str = "reader.example") -> str:
    """An address whose name are these words, where there can be one; as it is known here."""
    quoted = words.replace("\\", "\\\\").replace('"', '\\"')
    try:
        return check(f'"{quoted}"@{host}')
    except PermanentError:
        return f"reader{number}@{host}"


def html_of(mail: Mail) -> bytes:
    part = message_from_bytes(mail.data, policy=policy.default).get_body(("html",))
    assert part is not None
    return str(part.get_content()).encode()


def links_of(mail: Mail) -> Mapping[str, str]:
    """The paths of our own pages that it leads to, by kind."""
    found = re.findall(r"http://127\.0\.0\.1:\d+(/([a-z]+)/[^\s\"<>]*)", html_of(mail).decode())
    return {kind: path for path, kind in found}


def slug_of(url: str) -> str:
    return unquote(url.rstrip("/").rpartition("/")[2])


def number_of(url: str) -> int:
    return int(slug_of(url).rpartition("-")[2])


def line(words: str) -> str:
    return clean_line(words).replace("\ufffd", "□")


def trim(text: str) -> str:
    return " ".join(text.split())


def bare(text: str) -> str:
    """Without spaces and what a page does not carry."""
    return "".join(without_controls(text.replace("\ufffd", "□")).split())


def survives(said: str, shown: str) -> bool:
    """Whether it is all there, in its order. More may be: of markup that makes no sense, one parser
    leaves out what another shows."""
    rest = bare(shown)
    for word in said.split():
        _, found, rest = rest.partition(bare(word))
        if not found and bare(word):
            return False
    return True


def _storable(words: str) -> str:
    """What a text file can hold."""
    return words.replace("\0", "")


@contextmanager
def _served(room: Newsroom) -> Iterator[None]:
    """All that the daemon answers, with as many sign-ups as are wanted."""
    served = visitor(room).app
    server = Server(served, [bind("127.0.0.1", room.site.port)])
    thread = threading.Thread(target=partial(asyncio.run, server.serve()))
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(15)
