"""The main job by the real commands: a page comes in, feeds are written, readers get a digest.

Each test runs on a page of our own invention and on a real one, where that is at hand.
"""

import asyncio
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import feedparser
import pytest
from lxml import etree
from lxml import html as lxml_html

from publisher import settings
from publisher.app import App
from publisher.core.model import Cadence
from publisher.core.wishes import Wishes
from publisher.demo.catcher import Catcher
from publisher.store import subscribers, subscriptions
from tests.flow.site import CONFIG, Site, catching
from tests.programs import real

OWN = Path(__file__).parents[1] / "data" / "main_job"
ADDRESS = "https://news.example"
READER = "reader@reader.example"


@dataclass(frozen=True)
class Page:
    text: str
    category: str
    titles: Sequence[str]
    captioned: Sequence[tuple[str, str]]
    """Caption and headline of each."""
    read_more: Sequence[str]

    @property
    def related_lines(self) -> set[str]:
        lines = [line for pair in self.captioned for line in pair] + list(self.read_more)
        return {plain(line) for line in lines}


MORE = (OWN / "more.txt").read_text()
MORE_TITLE = MORE.split("\n")[0]


def own_page() -> Page:
    known = json.loads((OWN / "page.json").read_text())
    known["captioned"] = [(caption, headline) for caption, headline in known["captioned"]]
    return Page((OWN / "page.txt").read_text(), **known)


def real_page() -> Page:
    """Read here by what one sees in this one file, not by the program's rules."""
    text = real("real/category-archive-russia.txt").read_text()
    blocks = [block.strip("\n") for block in re.split(r"\n\s*\n", text)]
    captioned = [
        (caption, headline)
        for before, block in pairwise(blocks)
        if before == "Read more"
        for caption, headline in [block.split("\n")]
    ]
    lines = [block for block in blocks if "\n" not in block]
    return Page(
        text=text,
        category="russia",
        titles=[
            line
            for line in lines[1:]
            if line != "Read more" and not re.search(r"^READ MORE:|[.!?…”\"]\s*$", line)
        ],
        captioned=captioned,
        read_more=[line.removeprefix("READ MORE: ") for line in lines if "READ MORE:" in line],
    )


@pytest.fixture(params=[own_page, real_page], ids=["own", "real"], scope="module")
def page(request: pytest.FixtureRequest) -> Page:
    read: Page = request.param()
    return read


@pytest.fixture
def post() -> Iterator[Catcher]:
    with catching() as catcher:
        yield catcher


def site_in(folder: Path, smtp_port: int | None = None) -> Site:
    config = CONFIG.replace("http://127.0.0.1:{port}", ADDRESS)
    return Site(folder, port=1, smtp_port=smtp_port, config=config)


@pytest.fixture
def site(tmp_path: Path, post: Catcher) -> Site:
    return site_in(tmp_path, post.port)


@pytest.fixture(scope="module")
def published(page: Page, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The page has come in and is public; to be looked at, not altered."""
    site = site_in(tmp_path_factory.mktemp("published"))
    assert take_in(site, page.text) == {"new": len(page.titles)}
    assert asked(site, "publish")["articles"] == len(page.titles)
    return site


def plain(text: str) -> str:
    return " ".join(text.split())


def paragraphs(html: str) -> list[str]:
    tree = lxml_html.document_fromstring(f"<html>{html}</html>")
    return [plain(each.text_content()) for each in tree.iter("p")]


def mail(catcher: Catcher, number: int) -> EmailMessage:
    caught = message_from_bytes(catcher.messages[number].data, policy=default)
    assert isinstance(caught, EmailMessage)
    return caught


def part(message: EmailMessage, kind: str) -> str:
    found = message.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def headlines(message: EmailMessage) -> list[str]:
    """What its HTML part has as headings that link to articles, in order."""
    tree = lxml_html.document_fromstring(part(message, "html"))
    links = tree.xpath("//h2//a | //h3//a")
    return [plain(link.text_content()) for link in links]


def text_blocks(message: EmailMessage) -> list[str]:
    return [plain(block) for block in re.split(r"\n\s*\n", part(message, "plain"))]


def atom_schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(str(real("schemas/atom.rng"))))


def asked(site: Site, *arguments: str) -> Any:
    return json.loads(site.run(*arguments, "--json"))


def take_in(site: Site, text: str) -> dict[str, int]:
    (site.folder / "page.txt").write_text(text)
    tally = asked(site, "ingest", "page.txt")
    return {name: count for name, count in tally.items() if count}


def with_one_more(text: str) -> str:
    heading, rest = text.split("\n", 1)
    return f"{heading}\n\n{MORE}\n{rest}"


def written(site: Site) -> dict[str, tuple[int, int]]:
    """Inode and time of change of every file of the feeds."""
    files = (each for each in (site.folder / "feeds").rglob("*") if each.is_file())
    return {str(each): ((status := each.stat()).st_ino, status.st_mtime_ns) for each in files}


def test_the_pages_are_what_they_should_be() -> None:
    page = own_page()
    assert (len(page.titles), len(page.captioned), len(page.read_more)) == (5, 4, 3)
    assert all(line in page.text for line in (*page.titles, *page.read_more))
    assert "\u00a0" in page.text


def test_the_real_page_is_what_it_should_be() -> None:
    page = real_page()
    assert (len(page.titles), len(page.captioned), len(page.read_more)) == (10, 8, 4)


def test_a_page_becomes_articles_with_their_relations(published: Site, page: Page) -> None:
    found = asked(published, "articles", "list")
    assert [each["title"] for each in found] == [plain(title) for title in page.titles]
    assert {tuple(each["categories"]) for each in found} == {(page.category,)}
    related = [each for article in found for each in article["related"]]
    with_caption = Counter((each["caption"], each["title"]) for each in related if each["caption"])
    without = Counter(each["title"] for each in related if not each["caption"])
    assert with_caption == Counter(page.captioned)
    assert without == Counter(page.read_more)


def test_feeds_parse_hold_all_titles_in_order_and_no_related_line(
    published: Site, page: Page
) -> None:
    titles = [plain(title) for title in page.titles]
    feeds = published.folder / "feeds"
    for folder in (feeds / page.category, feeds / "all"):
        bodies: list[str] = []
        for name in ("rss.xml", "atom.xml"):
            parsed = feedparser.parse((folder / name).read_bytes())
            assert parsed.bozo is False, parsed.get("bozo_exception")
            assert [plain(each.title) for each in parsed.entries] == titles
            assert len({each.id for each in parsed.entries}) == len(titles)
            contents = [each.content[0].value for each in parsed.entries]
            assert all(contents)
            bodies += contents + [each.get("summary", "") for each in parsed.entries]
        items = json.loads((folder / "feed.json").read_text())["items"]
        assert [plain(each["title"]) for each in items] == titles
        bodies += [each["content_html"] for each in items]
        for body in bodies:
            assert not page.related_lines.intersection(paragraphs(body))
            assert not any(f"READ MORE: {escape(line)}" in body for line in page.read_more)


def test_pages_show_relations_beside_the_text_only(published: Site, page: Page) -> None:
    feeds = published.folder / "feeds"
    pages = [path.read_text() for path in feeds.rglob("*.html")]
    assert len(pages) > len(page.titles)
    for html in pages:
        assert not page.related_lines.intersection(paragraphs(html))
    shown = {
        plain(line.text_content())
        for path in (feeds / "articles").rglob("*.html")
        for line in lxml_html.parse(str(path)).iterfind(".//aside//li")
    }
    headlines = [headline for _, headline in page.captioned]
    assert shown.issuperset(map(plain, (*headlines, *page.read_more)))


def test_the_atom_feeds_hold_against_the_schema(published: Site, page: Page) -> None:
    schema = atom_schema()
    for folder in (page.category, "all"):
        tree = etree.parse(str(published.folder / "feeds" / folder / "atom.xml"))
        assert schema.validate(tree), schema.error_log


def test_a_reader_gets_each_article_in_one_digest(site: Site, page: Page, post: Catcher) -> None:
    said = site.run("subscribers", "add", READER, "--newsletter", "daily")
    assert said == f"added: {READER} gets daily/daily@07:00[Europe/Berlin]\n"
    take_in(site, page.text)
    assert site.call("newsletters", "send", "daily", "--now") == "0 mails planned\n"
    site.run("publish")
    assert site.run("newsletters", "send", "daily", "--now") == "1 mail planned\n"
    assert post.count == 0
    assert site.run("deliver") == "1 sent, 0 deferred, 0 failed\n"
    assert post.messages[0].recipients == (READER,)
    digest = mail(post, 0)
    titles = [plain(title) for title in page.titles]
    assert sorted(headlines(digest)) == sorted(titles)
    blocks = text_blocks(digest)
    assert [title for title in titles if blocks.count(title) != 1] == []
    assert not page.related_lines.intersection(paragraphs(part(digest, "html")))
    assert not page.related_lines.intersection(blocks)
    assert "READ MORE:" not in part(digest, "plain") + part(digest, "html")
    # Asked again, there is nothing to send.
    assert site.call("newsletters", "send", "daily", "--now") == "0 mails planned\n"
    assert site.run("deliver") == "0 sent, 0 deferred, 0 failed\n"


def test_a_page_with_one_more_brings_a_digest_of_exactly_that_one(
    site: Site, page: Page, post: Catcher
) -> None:
    site.call("subscribers", "add", READER, "--newsletter", "daily")
    take_in(site, page.text)
    site.call("publish")
    site.call("newsletters", "send", "daily", "--now")
    site.call("deliver")
    assert take_in(site, with_one_more(page.text)) == {"new": 1, "same": len(page.titles)}
    site.run("publish")
    assert site.run("newsletters", "send", "daily", "--now") == "1 mail planned\n"
    assert site.run("deliver") == "1 sent, 0 deferred, 0 failed\n"
    assert headlines(mail(post, 1)) == [MORE_TITLE]
    assert post.count == 2


def test_a_second_publish_updates_nothing(site: Site, page: Page) -> None:
    take_in(site, page.text)
    site.call("publish")
    files = written(site)
    database = sqlite3.connect(site.folder / "var" / "publisher.db")
    try:
        [version] = database.execute("PRAGMA data_version").fetchone()
        rows = dump(database)
        again = asked(site, "publish")
        assert (again["articles"], again["built"]["written"]) == (0, 0)
        assert written(site) == files
        # It tells whether another connection has committed a change, be it to the same values.
        assert database.execute("PRAGMA data_version").fetchone() == (version,)
        assert take_in(site, page.text) == {"same": len(page.titles)}
        site.call("newsletters", "list")
        site.call("status")
        assert database.execute("PRAGMA data_version").fetchone() == (version,)
        assert dump(database) == rows
    finally:
        database.close()
    # A feed that was lost comes back, and touches no other.
    lost = site.folder / "feeds" / page.category / "rss.xml"
    lost.unlink()
    site.call("publish")
    now = written(site)
    assert now.keys() == files.keys()
    assert {path for path in now if now[path] != files[path]} <= {str(lost), f"{lost}.gz"}


def dump(database: sqlite3.Connection) -> str:
    return "\n".join(database.iterdump())


@dataclass
class Clock:
    now: datetime

    def __call__(self) -> datetime:
        return self.now


def test_a_reader_who_keeps_changing_misses_none_and_gets_none_twice(
    site: Site, post: Catcher
) -> None:
    """Daily 07:00 Berlin, then weekly, immediate, New York: articles come out at every stage."""
    clock = Clock(datetime(2026, 11, 2, 9, 0, tzinfo=UTC))  # a Monday
    app = App(settings.load(site.folder / "config" / "publisher.toml", {}), clock)
    published: list[str] = []
    received_after: dict[str, int] = {}

    def wish(**wishes: object) -> None:
        with app.db.write() as conn:
            reader = subscribers.ensure(conn, READER, name="", zone="", locale="", now=clock.now)
            subscriptions.subscribe(
                conn,
                reader.id,
                app.newsletter("daily"),
                Wishes(**wishes),  # type: ignore[arg-type]  # each by its name
                consent={},
                now=clock.now,
            )

    def hours(count: int) -> None:
        """As the daemon does, but an hour at a time."""
        for _ in range(count):
            clock.now += timedelta(hours=1)
            app.make_public()
            app.planner.plan_due(clock.now)
            asyncio.run(app.deliver())

    def article(stage: str) -> None:
        title = f"Story {len(published) + 1}, {stage}"
        published.append(title)
        site.write(f"{len(published)}.md", title, date=clock.now.isoformat())
        for source in app.sources():
            app.take_in(source)

    def received() -> list[str]:
        return [each for number in range(post.count) for each in headlines(mail(post, number))]

    stages: Mapping[str, Mapping[str, object]] = {
        "daily": {},
        "weekly": {"cadence": Cadence.WEEKLY},
        "immediate": {"cadence": Cadence.IMMEDIATE},
        "New York": {"cadence": Cadence.DAILY, "zone": "America/New_York"},
        "late": {"zone": "Pacific/Kiritimati"},
    }
    try:
        for stage, wishes in stages.items():
            wish(**wishes)
            for _ in range(3):
                article(stage)
                hours(8)
            article(f"{stage}, just before the change")
            app.make_public()
            received_after[stage] = len(received())
        hours(48)
    finally:
        app.close()
    assert Counter(received()) == Counter(published)
    # Each stage is told apart by what came when: a digest, none yet, all at once.
    assert received_after["weekly"] == received_after["daily"] > 0
    assert received_after["immediate"] == 11
    sizes = [len(headlines(mail(post, number))) for number in range(post.count)]
    assert max(sizes) > 4
    assert sizes.count(1) >= 2
