"""Feed readers that people use, at our running server: what they show of what our feeds say."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha512
from pathlib import Path

import pytest

from tests.flow.feed_readers import (
    Fastfeedparser,
    Feedparser,
    FeedReader,
    Feedsmith,
    Newsboat,
    Reader,
    Rss2email,
    Shown,
)
from tests.flow.proxy import Exchange, Proxy
from tests.flow.site import CONFIG, Site, until
from tests.flow.smtp import SmtpServer

RSS, ATOM, JSON = "rss.xml", "atom.xml", "feed.json"
FORMATS: dict[str, tuple[str, ...]] = {
    "feedparser": (RSS, ATOM),
    "fastfeedparser": (RSS, ATOM, JSON),
    "reader": (RSS, ATOM, JSON),
    "newsboat": (RSS, ATOM),
    "rss2email": (RSS, ATOM),
    "feedsmith": (RSS, ATOM, JSON),
}
"""Of each reader, what it reads."""


@dataclass
class Paper:
    """The daemon behind a proxy that writes down who asked it for what."""

    site: Site
    proxy: Proxy

    def url(self, category: str, name: str) -> str:
        return f"{self.proxy.url}/feeds/{category}/{name}"

    def last(self, category: str, name: str) -> Exchange:
        return self.proxy.about(f"/feeds/{category}/{name}")[-1]

    def has(self, category: str, *titles: str) -> None:
        """Waits until these are in the category's feeds, and no others."""
        words = [word for title in titles for word in re.findall(r"[^\W\d_]{3,}", title)]

        def has(name: str, entry: bytes) -> bool:
            _, body = self.site.get(f"/feeds/{category}/{name}")
            told = body.decode()
            return body.count(entry) == len(titles) and all(word in told for word in words)

        until(
            lambda: (
                set(self.site.feed(category)) == set(titles)
                and has(RSS, b"<item>")
                and has(JSON, b'"date_published"')
            ),
            f"{category}: {titles}",
        )


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    with Proxy().running() as proxy:
        config = CONFIG.replace("http://127.0.0.1:{port}", proxy.url)
        site = Site(tmp_path_factory.mktemp("paper"), config=config)
        proxy.target = site.port
        for article in ARTICLES:
            article.write(site)
        with site.daemon():
            paper = Paper(site, proxy)
            paper.has("harbour", *(each.title for each in ARTICLES))
            yield paper


@contextmanager
def opened(name: str, url: str, folder: Path) -> Iterator[FeedReader]:
    """A reader that was just told of the feed at `url`."""
    if name == "rss2email":
        with SmtpServer().running() as server:
            yield Rss2email(url, folder, server)
        return
    kinds: dict[str, Callable[[str, Path], FeedReader]] = {
        "feedparser": Feedparser,
        "fastfeedparser": Fastfeedparser,
        "reader": Reader,
        "newsboat": Newsboat,
        "feedsmith": Feedsmith,
    }
    yield kinds[name](url, folder)


# what arrives


@dataclass(frozen=True, kw_only=True)
class Written:
    file: str
    title: str
    front: dict[str, str]
    text: str
    published: datetime
    updated: datetime
    content: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("Harbour",)
    enclosures: tuple[tuple[str, str, str], ...] = ()
    picture: str = ""

    def write(self, site: Site) -> None:
        site.write(self.file, self.title, self.text, **self.front)


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


ARTICLES = [
    Written(
        file="sums.md",
        title='Is 3 < 4 & "<b>bold</b>" &amp; so on?',
        front={
            "date": "2026-11-18 07:30",
            "authors": "[Ada Moor, Ben Quay]",
            "categories": "[Harbour]",
        },
        text="The **sum** was &lt;checked&gt; & found right.",
        published=at(18, 6, 30),
        updated=at(18, 6, 30),
        authors=("Ada Moor", "Ben Quay"),
        content="<p>The <strong>sum</strong> was &lt;checked&gt; &amp; found right.</p>",
    ),
    Written(
        file="ferry.md",
        title="Ferry 🛳️ is back – “at last”",
        front={
            "date": "2026-11-19T08:30:00+01:00",
            "lastmod": "2026-11-19T09:45:00+01:00",
            "author": "Cleo Ünal",
            "categories": "[Harbour, Sea & Sky]",
            "summary": "All on board & <well>.",
            "enclosures": '[{url: "https://media.news.example/horn.mp3?a=1&b=2", '
            "type: audio/mpeg, length: 12345}]",
        },
        text="It left at dawn.\n\nNobody saw it.",
        published=at(19, 7, 30),
        updated=at(19, 8, 45),
        authors=("Cleo Ünal",),
        categories=("Harbour", "Sea & Sky"),
        enclosures=(("https://media.news.example/horn.mp3?a=1&b=2", "audio/mpeg", "12345"),),
        content="<p>It left at dawn.</p>\n<p>Nobody saw it.</p>",
    ),
    Written(
        file="pier.md",
        title="הספינה חזרה (לבסוף!) אל הנמל",
        front={
            "date": "2026-11-20",
            "author": "דנה לוי",
            "language": "he",
            "categories": "[Harbour]",
            "image": "https://media.news.example/pier.jpg",
        },
        text="שלום לכולם.",
        published=at(19, 23),
        updated=at(19, 23),
        authors=("דנה לוי",),
        picture="https://media.news.example/pier.jpg",
        content="<p>שלום לכולם.</p>",
    ),
    Written(
        file="quiet.md",
        title="Nothing but words",
        front={"date": "2026-11-21T00:00:00Z", "categories": "[Harbour]"},
        text="Quiet.",
        published=at(21),
        updated=at(21),
        content="<p>Quiet.</p>",
    ),
]


EVERY = [(name, feed) for name, formats in FORMATS.items() for feed in formats]


@pytest.mark.parametrize(("name", "feed"), EVERY)
def test_all_that_a_feed_says_arrives(paper: Paper, name: str, feed: str, tmp_path: Path) -> None:
    with opened(name, paper.url("harbour", feed), tmp_path) as reader:
        reader.poll()
        shown = {legible(each.title): each for each in reader.shown()}
    ids = paper.site.feed("harbour")
    assert {title: each.id for title, each in shown.items()} == ids
    for article in ARTICLES:
        authors = ", ".join(article.authors)
        if (name, feed) == ("fastfeedparser", JSON):  # it takes the first of them
            authors = authors.partition(", ")[0]
        if (name, feed) == ("rss2email", ATOM):  # RFC 4287, 4.2.1: else the feed's own
            authors = authors or "Example News"
        assert shown[article.title].authors == authors
        compare(shown[article.title], article, paper)


def legible(title: str) -> str:
    """As people see it: nobody sees a word joiner."""
    return title.replace("\u2060", "")


def compare(shown: Shown, article: Written, paper: Paper) -> None:
    """What a reader shows is what was written, as far as it keeps it."""
    assert shown.link == f"{paper.proxy.url}/feeds/articles/{Path(article.file).stem}/"
    assert shown.published == article.published
    assert shown.content.strip().replace("\r\n", "\n") == article.content
    if shown.updated is not None:
        assert shown.updated.replace(microsecond=0) == article.updated
    if shown.categories is not None:
        assert shown.categories == article.categories
    if shown.picture is not None:
        assert shown.picture == article.picture
    if shown.enclosures is not None:
        assert len(shown.enclosures) == len(article.enclosures)
        for kept, given in zip(shown.enclosures, article.enclosures, strict=True):
            assert all(part in (None, whole) for part, whole in zip(kept, given, strict=True))


# what comes of a later poll

POLLING = ("feedparser", "reader", "newsboat", "rss2email")
"""Those that ask again with what they got; the others are parsers."""
DELTAS = ("newsboat", "reader")
"""Those that are known to take 226 for what it is (RFC 3229)."""
FOLLOWED = [(name, feed) for name in POLLING for feed in FORMATS[name]]


@pytest.mark.parametrize(("name", "feed"), FOLLOWED)
def test_what_changes_reaches_who_asks_again(
    paper: Paper, name: str, feed: str, tmp_path: Path
) -> None:
    category = f"{name}-{feed.partition('.')[0]}"
    site = paper.site

    def write(number: int, title: str) -> Path:
        day = f"2026-11-0{number}T08:00:00Z"
        return site.write(f"{category}-{number}.md", title, date=day, categories=f"[{category}]")

    write(1, "One")
    second = write(2, "Two")
    paper.has(category, "One", "Two")
    ids = site.feed(category)
    with opened(name, paper.url(category, feed), tmp_path) as reader:
        reader.poll()
        first = reader.shown()
        assert titles(first) == ["One", "Two"]
        if name == "newsboat":
            reader.poll()

        reader.poll()
        asked = paper.last(category, feed)
        assert asked.status == 304
        assert asked.asked["If-None-Match"]
        assert reader.shown() == first

        write(1, "One, mended")
        paper.has(category, "One, mended", "Two")
        reader.poll()
        assert paper.last(category, feed).status in (200, 226)
        # A mail that was sent stays as it is; nobody gets another.
        mended = "One" if name == "rss2email" else "One, mended"
        assert titles(reader.shown()) == [mended, "Two"]
        assert {each.id for each in reader.shown()} == set(ids.values())

        second.unlink()
        paper.has(category, "One, mended")
        reader.poll()
        assert paper.last(category, feed).status in (200, 226)
        # The others keep what they once had.
        left = [mended] if name == "feedparser" else [mended, "Two"]
        assert titles(reader.shown()) == left

        write(3, "Three")
        paper.has(category, "One, mended", "Three")
        reader.poll()
        assert titles(reader.shown()) == sorted([*left, "Three"])
        reader.poll()
        assert paper.last(category, feed).status == 304
        assert titles(reader.shown()) == sorted([*left, "Three"])


def titles(shown: list[Shown]) -> list[str]:
    return sorted(each.title for each in shown)


@pytest.mark.parametrize(("name", "feed"), [(name, ATOM) for name in DELTAS])
def test_who_takes_a_delta_gets_what_is_new_alone(
    paper: Paper, name: str, feed: str, tmp_path: Path
) -> None:
    asked = news(paper, name, feed, tmp_path)
    assert asked.status == 226
    assert asked.headers["IM"] == "feed"
    assert b"<title>Old" not in asked.body
    assert asked.body.count(b"<entry>") == 1


@pytest.mark.parametrize(("name", "feed"), [("feedparser", ATOM), ("rss2email", RSS)])
def test_who_asks_for_deltas_and_cannot_read_them_gets_the_whole_feed(
    paper: Paper, name: str, feed: str, tmp_path: Path
) -> None:
    assert news(paper, name, feed, tmp_path).status == 200


def news(paper: Paper, name: str, feed: str, folder: Path) -> Exchange:
    """The answer to who has a feed of many articles, once there is a new one."""
    category = f"delta-{name}"
    old = [f"Old {number}" for number in range(12)]  # so many that the whole feed is longer

    def write(title: str) -> None:
        file = f"{category}-{title.replace(' ', '-')}.md"
        text = sha512(title.encode()).hexdigest()
        paper.site.write(file, title, text, categories=f"[{category}]")

    for title in old:
        write(title)
    paper.has(category, *old)
    with opened(name, paper.url(category, feed), folder) as reader:
        reader.poll()
        reader.poll()
        write("New")
        paper.has(category, *old, "New")
        reader.poll()
        assert titles(reader.shown()) == sorted([*old, "New"])
    asked = paper.last(category, feed)
    assert "feed" in asked.asked["A-IM"]
    return asked
