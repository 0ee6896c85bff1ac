"""The feeds folder over the days of a small paper: what appears, what changes, what stays."""

import gzip
import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import feedparser
import pytest
from babel.support import NullTranslations
from lxml import html
from sqlalchemy import Connection, create_engine, insert, select, update

from publisher.core.model import Article, Enclosure, Image, Related, Site
from publisher.errors import ConfigurationError, TransientError
from publisher.feeds import documents
from publisher.feeds.build import Built, Output, build
from publisher.feeds.rss import rss
from publisher.kit import translations
from publisher.kit.resources import folder
from publisher.store import articles, naming, publication, shelf
from publisher.store.tables import article, category, counter, membership, metadata


def article_values(article: Article) -> dict[str, object]:
    """The columns of `tables.article` for an article; its categories are rows of `membership`."""
    return {
        "id": article.id,
        "source": article.source,
        "source_key": article.source_key,
        "slug": article.slug,
        "url": article.url,
        "title": article.title,
        "summary": article.summary,
        "body_html": article.body_html,
        "authors": list(article.authors),
        "image": asdict(article.image) if article.image else None,
        "enclosures": [asdict(each) for each in article.enclosures],
        "related": [asdict(each) for each in article.related],
        "language": article.language,
        "correction": article.correction,
        "published_at": article.published_at,
        "updated_at": article.updated_at,
        "received_at": article.received_at,
        "revision": article.revision,
        "content_hash": article.content_hash,
        "seq": article.seq,
        "change": article.change,
        "withdrawn_at": article.withdrawn_at,
    }


DAWN = datetime(2026, 11, 18, 6, tzinfo=UTC)
SITE = Site(title="The Example Courier", url="https://news.example", zone="Europe/Berlin")
PAPER = Path(__file__).parents[1] / "data" / "feeds" / "paper.toml"


@dataclass
class Paper:
    """A newsroom: writes to the database what intake and publication would, and builds."""

    conn: Connection
    folder: Path
    n: int = 0
    articles: dict[str, Article] = field(default_factory=dict)
    site: Site = SITE
    templates: tuple[Path, ...] = ()
    subscribe: str = ""

    def section(self, slug: str, **values: str) -> None:
        row = {"title": slug.title(), **values}
        self.conn.execute(insert(category).values(slug=slug, name_key=slug, **row))

    def publish(self, slug: str, *sections: str, **values: object) -> Article:
        self._step()
        moment = DAWN + timedelta(hours=self.n)
        made = Article(
            id=f"tag:news.example,2026:article:{slug}",
            source="folder",
            source_key=slug,
            slug=slug,
            received_at=moment,
            content_hash=slug,
            **(
                {"seq": self.n, "change": self.n, "title": f"About {slug}"}
                | {"published_at": moment, "updated_at": moment}
                | values
            ),
        )
        self.conn.execute(insert(article).values(**article_values(made)))
        for position, each in enumerate(sections):
            known = self.conn.execute(select(category).where(category.c.slug == each)).first()
            if known is None:
                self.section(each)
            place = {"article_id": made.id, "category": each, "place": made.seq}
            self.conn.execute(insert(membership).values(position=position, **place))
        self._stamp(*sections)
        self.articles[slug] = replace(made, categories=sections)
        return self.articles[slug]

    def edit(self, slug: str, **values: object) -> None:
        self._step()
        made = self.articles[slug]
        self.conn.execute(
            update(article).where(article.c.id == made.id).values(change=self.n, **values)
        )
        self._stamp(*made.categories)

    def withdraw(self, slug: str) -> None:
        self.edit(slug, withdrawn_at=DAWN + timedelta(days=9))

    def move(self, slug: str, *, out_of: str = "", into: str = "") -> None:
        self.edit(slug)
        ours = membership.c.article_id == self.articles[slug].id
        if out_of:
            gone = {"removed_at": DAWN + timedelta(days=8)}
            self.conn.execute(
                update(membership).where(ours, membership.c.category == out_of).values(**gone)
            )
            self._stamp(out_of)
        if into:
            back = {"removed_at": None, "place": self.n}
            self.conn.execute(
                update(membership).where(ours, membership.c.category == into).values(**back)
            )
            self._stamp(into)

    def build(self, entries: int = 50) -> Built:
        output = Output(
            directory=self.folder,
            site=self.site,
            entries=entries,
            templates=self.templates,
            subscribe=self.subscribe,
        )
        return build(self.conn, shelf, output)

    def read(self, path: str) -> str:
        data = (self.folder / path).read_bytes()
        assert gzip.decompress((self.folder / f"{path}.gz").read_bytes()) == data
        return data.decode()

    def titles(self, path: str) -> list[str]:
        found = feedparser.parse(self.read(path))
        assert not found.bozo
        return [entry.title for entry in found.entries]

    def _step(self) -> None:
        self.n += 1
        self.conn.execute(update(counter).values(n=self.n))

    def _stamp(self, *sections: str) -> None:
        self.conn.execute(
            update(category).where(category.c.slug.in_(sections)).values(change=self.n)
        )


def headlines(text: str) -> list[str]:
    """The stories of a page in the order in which they are read."""
    page = html.fromstring(text)
    return page.xpath("//main//article//*[self::h2 or self::h3]/a/text()")


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every file but the memory of the build itself."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".built")
    }


def touched(before: dict[str, tuple[int, int]], folder: Path) -> set[str]:
    """The files that appeared, changed or went, compressed twins left out."""
    after = state(folder)
    names = {name for name in before.keys() | after if before.get(name) != after.get(name)}
    assert {name for name in names if name.endswith(".gz")} == {
        f"{name}.gz" for name in names if not name.endswith(".gz")
    }
    return {name for name in names if not name.endswith(".gz")}


RUNNING = "//script[not(@type='application/ld+json')]"
"""Scripts that a browser would run: data are none."""


def data_of(text: str) -> dict[str, object]:
    """What a page tells search engines of its article."""
    [data] = html.fromstring(text).xpath("//script[@type='application/ld+json']/text()")
    return json.loads(data)


def properties(text: str) -> dict[str, str]:
    """Of the Open Graph."""
    found = html.fromstring(text).xpath("//meta[@property]")
    return {each.get("property"): each.get("content") for each in found}


FEED = {"rss.xml", "atom.xml", "feed.json", "index.html"}


def feed_files(*slugs: str) -> set[str]:
    return {f"{slug}/{name}" for slug in slugs for name in FEED}


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    engine = create_engine(f"sqlite:///{tmp_path / 'paper.db'}")
    metadata.create_all(engine)
    with engine.begin() as conn:
        conn.execute(insert(counter).values(id=1, n=0, low=0, texts=0))
        naming.ensure(conn, "news.example", DAWN)
        yield Paper(conn, tmp_path / "feeds")
    engine.dispose()


@pytest.fixture
def printed(paper: Paper) -> Paper:
    """The paper of tests/data/feeds, built once."""
    written = tomllib.loads(PAPER.read_text())
    for slug, values in written["categories"].items():
        paper.section(slug, **values)
    for each in written["articles"]:
        slug, sections = each.pop("slug"), each.pop("categories")
        image = each.pop("image", None)
        paper.publish(
            slug,
            *sections,
            title=each.pop("title", ""),
            body_html=each.pop("body"),
            authors=tuple(each.pop("authors", ())),
            image=Image(**image) if image else None,
            enclosures=tuple(Enclosure(**one) for one in each.pop("enclosures", ())),
            related=tuple(Related(**one) for one in each.pop("related", ())),
            **each,
        )
    paper.build()
    return paper


def test_every_category_gets_its_files_and_every_own_article_its_page(printed):
    slugs = ["all", "harbour", "city", "science", "новости", "العالم", "文化"]
    pages = {f"articles/{slug}/index.html" for slug in printed.articles if slug != "elsewhere"}
    static = {f"static/{each.name}" for each in folder("templates/web/static").iterdir()}
    names = {name for name in state(printed.folder) if not name.endswith(".gz")}
    follow = {f"{slug}/follow/index.html" for slug in slugs}
    assert names == feed_files(*slugs) | follow | pages | static | {"index.html", "feeds.opml"}
    assert printed.titles("science/rss.xml") == [
        "A comet nobody had asked for",
        "Küstenwache zählt so viele Schweinswale wie nie zuvor",
        "A moss that counts the frosts",
    ]
    assert len(printed.titles("all/atom.xml")) == len(printed.articles)
    outlines = html.fromstring(printed.read("feeds.opml").encode()).xpath("//outline/@xmlurl")
    assert len(outlines) == len(slugs)


def test_the_second_build_writes_nothing(printed):
    before = state(printed.folder)
    memory = (printed.folder / ".built.json").stat().st_ino
    assert printed.build() == Built(feeds=7, pages=0, written=0)
    assert state(printed.folder) == before
    assert (printed.folder / ".built.json").stat().st_ino == memory


def test_a_lost_memory_means_work_but_no_writing(printed):
    before = state(printed.folder)
    for spoiled in (b"", b"[]", b'{"categories": {"x": {}}}', b"\xff"):
        (printed.folder / ".built.json").write_bytes(spoiled)
        assert printed.build().written == 0
    assert state(printed.folder) == before


def test_a_new_article_touches_only_what_shows_it(printed):
    before = state(printed.folder)
    printed.publish("new-quay", "harbour")
    printed.build()
    assert touched(before, printed.folder) == feed_files("harbour", "all") | {
        "index.html",
        "articles/new-quay/index.html",
    }


def test_a_new_category_leaves_the_feeds_and_pages_of_the_others(printed):
    before = state(printed.folder)
    printed.publish("goal", "sport")
    printed.build()
    changed = touched(before, printed.folder)
    assert feed_files("sport", "all") <= changed
    assert "feeds.opml" in changed
    assert {name for name in changed if name.startswith(("city/", "articles/"))} == {
        "city/index.html",  # it names the sections at its top
        "articles/goal/index.html",
    }


def test_an_edit_and_a_move_show_in_both_categories(printed):
    before = state(printed.folder)
    printed.edit("moss", title="A moss that counts")
    printed.build()
    assert touched(before, printed.folder) == feed_files("science", "all") | {
        "index.html",
        "articles/moss/index.html",
    }
    printed.move("kuestenwache", out_of="science")
    printed.build()
    assert "Küstenwache" not in printed.read("science/rss.xml")
    assert "Küstenwache" in printed.read("harbour/rss.xml")


def test_a_withdrawn_article_goes_from_everywhere(printed):
    printed.withdraw("moss")
    printed.build()
    assert not (printed.folder / "articles" / "moss").exists()
    for path in ("science/rss.xml", "science/atom.xml", "science/feed.json", "science/index.html"):
        assert "A moss" not in printed.read(path)
    assert "A moss" not in printed.read("index.html")
    printed.edit("moss", withdrawn_at=None)
    printed.build()
    assert "A moss" in printed.read("articles/moss/index.html")
    assert printed.titles("science/rss.xml")[-1] == "A moss that counts the frosts"


def test_a_category_whose_articles_are_gone_keeps_a_valid_feed(printed):
    printed.withdraw("茶室")
    printed.build()
    assert printed.titles("文化/atom.xml") == []
    found = feedparser.parse(printed.read("文化/atom.xml"))
    assert found.feed.updated == "2026-11-27T06:00:00+00:00"
    assert "nothing here" in printed.read("文化/index.html")


def test_before_the_first_article_there_is_a_front_page_and_an_empty_feed(paper):
    assert paper.build().feeds == 1
    assert "Nothing has been published yet" in paper.read("index.html")
    assert paper.titles("all/rss.xml") == []


@pytest.mark.parametrize("lost", ["city/rss.xml", "city/rss.xml.gz", "index.html", "feeds.opml"])
def test_a_file_that_was_deleted_comes_back(printed, lost):
    before = state(printed.folder).keys()
    (printed.folder / lost).unlink()
    assert printed.build().written == 1
    assert state(printed.folder).keys() == before


def test_the_page_of_an_article_that_was_deleted_comes_back(printed):
    page = printed.folder / "articles" / "moss"
    for each in page.iterdir():
        each.unlink()
    page.rmdir()
    assert printed.build().written == 2
    assert (page / "index.html").is_file()


def test_changed_settings_and_templates_are_seen(printed, tmp_path):
    before = state(printed.folder)
    printed.site = replace(SITE, title="The Evening Courier")
    printed.build()
    assert touched(before, printed.folder) > feed_files("city")
    own = tmp_path / "own"
    own.mkdir()
    (own / "front.html").write_text("Sold out. {{ site.title }}")
    (own / "static").mkdir()
    (own / "static" / "paper.css").write_text("body { color: green }")
    printed.templates = (own,)
    printed.build()
    assert printed.read("index.html") == "Sold out. The Evening Courier"
    assert printed.read("static/paper.css") == "body { color: green }"
    assert "Sections" in printed.read("city/index.html")


def test_a_renamed_category_is_renamed_on_the_pages_of_its_articles(printed):
    printed.conn.execute(update(category).where(category.c.slug == "city").values(title="Town"))
    printed.build()
    assert "Town" in printed.read("articles/bus-nine/index.html")
    assert "City &amp; Council" not in printed.read("articles/bus-nine/index.html")


def test_a_template_that_cannot_be_used_is_named(printed, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "front.html").write_text("{% if %}")
    printed.templates = (own,)
    with pytest.raises(ConfigurationError, match=r"front\.html, line 1"):
        printed.build()


def test_a_template_that_fails_on_one_page_does_not_stop_the_others(printed, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "article.html").write_text("\n{{ 1 / (story.entry.slug == 'fog') }}")
    printed.templates = (own,)
    printed.publish("fog", "city")
    built = printed.build()
    assert printed.read("articles/fog/index.html") == "\n1.0"
    assert built.problems
    for what, why in built.problems:
        assert what.startswith("articles/")
        assert why == "template article.html, line 2: division by zero"


def test_an_article_is_read_where_its_address_leads_or_else_here(paper):
    paper.publish("ships", "city", url="https://www.порт.example/суда")
    paper.publish("fog", "city", url="https://[broken/")
    paper.build()
    assert not (paper.folder / "articles" / "ships").exists()
    assert "About fog" in paper.read("articles/fog/index.html")
    page = html.fromstring(paper.read("city/index.html"))
    assert page.xpath("//main//article//h2/a/@href") == [
        "/feeds/articles/fog/",
        "https://www.xn--n1abei.example/%D1%81%D1%83%D0%B4%D0%B0",
    ]
    assert page.xpath("//main//*[@class='elsewhere']/text()") == ["порт.example"]


def test_one_category_that_fails_does_not_stop_the_others(printed, monkeypatch):
    def broken(feed):
        if feed.slug == "city":
            raise ValueError("no such luck")
        return rss(feed)

    before = state(printed.folder)
    printed.publish("new-quay", "harbour", "city")
    with monkeypatch.context() as patch:
        patch.setitem(documents.FORMATS, "rss.xml", broken)
        built = printed.build()
    assert built.problems == (("city", "no such luck"),)
    assert "About new-quay" in printed.titles("harbour/rss.xml")
    assert not any(name.startswith("city/") for name in touched(before, printed.folder))
    assert printed.build().problems == ()
    assert "About new-quay" in printed.titles("city/rss.xml")


def test_a_category_folder_that_leads_elsewhere_is_not_written_through(paper, tmp_path):
    paper.publish("one", "city")
    paper.publish("two", "harbour")
    outside = tmp_path / "outside"
    outside.mkdir()
    paper.folder.mkdir()
    (paper.folder / "city").symlink_to(outside)
    built = paper.build()
    assert [slug for slug, _ in built.problems] == ["city"]
    assert list(outside.iterdir()) == []
    assert paper.titles("harbour/rss.xml") == ["About two"]


def test_a_folder_that_cannot_be_made_is_named(paper, tmp_path):
    (tmp_path / "file").write_text("")
    paper.folder = tmp_path / "file" / "feeds"
    with pytest.raises(TransientError, match="file/feeds"):
        paper.build()


def test_a_feed_holds_the_newest_entries(paper):
    for number in range(9):
        paper.publish(f"a{number}", "city")
    paper.build(entries=3)
    newest = ["About a8", "About a7", "About a6"]
    assert paper.titles("city/rss.xml") == paper.titles("all/atom.xml") == newest
    items = json.loads(paper.read("city/feed.json"))["items"]
    assert [item["title"] for item in items] == newest


def archive(paper: Paper, slug: str = "city") -> list[str]:
    """Every headline of a category, following the pager from its first page to the oldest."""
    found, path = [], f"/feeds/{slug}/"
    while path:
        page = paper.read(path.removeprefix("/feeds/") + "index.html")
        found += headlines(page)
        older = html.fromstring(page).xpath("//a[@class='older']/@href")
        path = older[0] if older else ""
    return found


def test_full_archive_pages_stay_as_they_are(paper):
    for number in range(1, 64):
        paper.publish(f"a{number:02}", "city")
    paper.build()
    assert archive(paper) == [f"About a{number:02}" for number in range(63, 0, -1)]
    assert len(headlines(paper.read("city/page/1/index.html"))) == 20
    before = state(paper.folder)
    for number in range(64, 90):
        paper.publish(f"a{number:02}", "city")
    paper.build()
    assert archive(paper) == [f"About a{number:02}" for number in range(89, 0, -1)]
    pages = {name for name in touched(before, paper.folder) if "city/page/" in name}
    # Page 2 was the newest full one: its way to the newer articles now leads to page 3.
    assert pages == {"city/page/2/index.html", "city/page/3/index.html"}


def test_an_old_article_that_changes_or_goes_moves_the_pages_from_its_own_on(paper):
    for number in range(1, 64):
        paper.publish(f"a{number:02}", "city", "other")
    paper.build()
    before = state(paper.folder)
    paper.edit("a30", title="Mended")
    paper.build()
    assert {name for name in touched(before, paper.folder) if "city/page/" in name} == {
        "city/page/2/index.html"
    }
    before = state(paper.folder)
    paper.withdraw("a05")
    paper.move("a10", out_of="city")
    paper.build()
    wanted = [f"About a{n:02}" for n in range(63, 0, -1) if n not in (5, 10, 30)]
    wanted.insert(33, "Mended")
    assert archive(paper) == wanted
    paper.move("a10", into="city")  # it comes back on top
    paper.move("a50", out_of="city")
    paper.move("a50", into="city")  # out and back between two builds: its old place is forgotten
    paper.build()
    wanted.remove("About a50")
    assert archive(paper) == ["About a50", "About a10", *wanted]


def test_an_article_that_was_missed_while_it_was_away_comes_back_on_top(paper):
    for number in range(1, 64):
        paper.publish(f"a{number:02}", "city")
    paper.build()
    gone = paper.articles["a05"].id
    articles.withdraw(paper.conn, [gone], by="source", now=DAWN)
    paper.conn.execute(update(article).where(article.c.id == gone).values(missed=True))
    articles.revive(paper.conn, gone, too_old=False)
    publication.publish_due(paper.conn, now=DAWN + timedelta(days=30))
    paper.build()  # the first since
    wanted = [5, *(number for number in range(63, 0, -1) if number != 5)]
    assert archive(paper) == archive(paper, "all") == [f"About a{n:02}" for n in wanted]


def test_articles_of_an_import_go_below_all_others(paper):
    for number in range(1, 42):
        paper.publish(f"a{number:02}", "city")
    paper.build()
    for number in range(1, 4):
        paper.publish(f"old{number}", "city", seq=-number)
    paper.build()
    assert archive(paper)[-4:] == ["About a01", "About old1", "About old2", "About old3"]
    assert archive(paper, "all") == archive(paper)


def test_pages_that_are_no_longer_needed_go(paper):
    for number in range(1, 42):
        paper.publish(f"a{number:02}", "city")
    paper.build()
    assert (paper.folder / "city" / "page" / "1").exists()
    for number in range(1, 5):
        paper.withdraw(f"a{number:02}")
    paper.build()
    assert not (paper.folder / "city" / "page" / "1").exists()
    assert archive(paper) == [f"About a{number:02}" for number in range(41, 4, -1)]


def test_pages_load_nothing_from_elsewhere_and_run_nothing(printed):
    for path in printed.folder.rglob("*.html"):
        page = html.fromstring(path.read_bytes())
        assert page.xpath(f"{RUNNING} | //style | //iframe | //@style | //@onload") == []
        loaded = page.xpath("//link[@rel='stylesheet' or @rel='icon']/@href")
        assert loaded == [
            "/feeds/static/paper.css",
            "/feeds/static/icon.png",
            "/feeds/static/favicon.svg",
        ]
        assert len(page.xpath("//link[@rel='canonical']")) == 1
        assert len(page.xpath("//h1")) == 1
        kinds = page.xpath("//link[@rel='alternate']/@type")
        assert {"application/rss+xml", "application/atom+xml", "application/feed+json"} <= set(
            kinds
        )


def test_every_link_between_our_pages_leads_somewhere(printed):
    for path in printed.folder.rglob("*.html"):
        page = html.fromstring(path.read_bytes())
        ours = [
            urlsplit(each).path
            for each in page.xpath("//a/@href | //link/@href")
            if each.startswith(("/", "https://news.example/"))
        ]
        assert ours
        for each in ours:
            target = printed.folder / unquote(each).removeprefix("/feeds/")
            assert target.is_file() or (target / "index.html").is_file(), (path, each)


def test_a_site_below_a_path_links_below_that_path(printed):
    printed.site = replace(SITE, url="https://news.example/paper")
    printed.build()
    page = html.fromstring(printed.read("city/index.html"))
    assert all(each.startswith("/paper/feeds/") for each in page.xpath("//nav//a/@href"))
    assert printed.read("city/rss.xml").count("https://news.example/paper/feeds/city/rss.xml") == 1


def test_an_article_page_shows_its_words_its_dates_and_its_related_reading(printed):
    page = html.fromstring(printed.read("articles/moss/index.html"))
    assert page.xpath("string(//h1)") == "A moss that counts the frosts"
    assert "diary" in page.xpath("string(//*[@class='body'])")
    assert page.xpath("//aside//li/a/@href") == ["https://weather.example/station"]
    assert "How old is the observatory" in page.xpath("string(//aside)")
    assert "How old is the observatory" not in page.xpath("string(//*[@class='body'])")
    assert "November 18, 2026" in page.xpath("string(//time)")


PAGES = ("index.html", "city/index.html", "city/follow/index.html", "articles/bus-nine/index.html")


def test_every_page_leads_to_the_newsletters_where_there_are_some(printed):
    def links() -> dict[str, list[str]]:
        return {
            path: html.fromstring(printed.read(path)).xpath(
                "//a[contains(@href, 'subscribe')]/@href"
            )
            for path in PAGES
        }

    assert links() == {path: [] for path in PAGES}
    printed.subscribe = "https://news.example/subscribe"
    printed.build()
    assert {path: set(found) for path, found in links().items()} == {
        path: {"https://news.example/subscribe"} for path in PAGES
    }
    assert [len(found) for found in links().values()] == [2, 2, 2, 1]  # at the foot of each, too
    before = state(printed.folder)
    printed.build()
    assert touched(before, printed.folder) == set()
    printed.subscribe = ""
    printed.build()
    assert links() == {path: [] for path in PAGES}


@pytest.mark.parametrize(
    ("language", "way", "words"),
    [
        ("de-AT", "ltr", ("Zum Inhalt springen", "Startseite", "Alle Artikel", "Ressorts")),
        ("ar", "rtl", ("الانتقال إلى المحتوى", "الصفحة الرئيسية", "كل المقالات", "الأقسام")),
        ("pt", "ltr", ("Skip to the content", "Front page", "All articles", "Sections")),
    ],
)
def test_pages_speak_the_language_of_the_site(printed, language, way, words):
    printed.site = replace(SITE, language=language)
    printed.build()
    for path in PAGES:
        page = html.fromstring(printed.read(path))
        assert (page.get("lang"), page.get("dir")) == (language, way)
        told = "".join((*page.itertext(), *page.xpath("//@aria-label")))
        assert [word for word in words if word not in told] == [], path


def test_pages_are_built_anew_when_their_words_change(printed, monkeypatch):
    before = state(printed.folder)
    monkeypatch.setattr(translations, "fingerprint", lambda: "another")
    monkeypatch.setattr(translations, "of", lambda locale: Shouting())
    printed.build()
    assert touched(before, printed.folder) >= set(PAGES)
    assert "FRONT PAGE" in printed.read("index.html")


class Shouting(NullTranslations):
    def gettext(self, message: str) -> str:
        return message.upper().replace("%(NAME)S", "%(name)s").replace("%(PAGE)S", "%(page)s")


def test_a_foreign_section_does_not_turn_the_article_beneath_its_name(printed):
    printed.section("عالم")
    printed.publish("tide", "عالم", title="High tide at noon", language="")
    printed.build()
    page = html.fromstring(printed.read("articles/tide/index.html"))
    [article] = page.xpath("//article")
    assert article.get("dir") == "auto"
    own = [each for each in article.iter() if each.text and not each.xpath("ancestor-or-self::bdi")]
    assert own[0].text.strip() in ("", "High tide at noon")


def test_each_language_is_marked_and_runs_its_own_way(printed):
    page = html.fromstring(printed.read("articles/المنارة/index.html"))
    assert page.xpath("//html/@dir") == ["ltr"]
    assert page.xpath("//article/@lang") == ["ar"]
    assert page.xpath("//article/@dir") == ["rtl"]
    front = html.fromstring(printed.read("index.html"))
    assert {"ru", "ar", "ja", "de"} <= set(front.xpath("//article/@lang"))
    unknown = html.fromstring(printed.read("articles/moss/index.html"))
    assert unknown.xpath("//article/@dir") == ["auto"]


def test_titles_cannot_bring_markup_into_a_page(paper):
    title = '</script><script>alert("x")</script><!--\u2028'
    image = Image(url="https://media.example/a.jpg", alt=title, caption=title)
    words = {"title": title, "summary": title, "correction": title, "authors": (title,)}
    paper.publish("bad", "city", image=image, **words)
    paper.build()
    for path in paper.folder.rglob("*.html"):
        assert html.fromstring(path.read_bytes()).xpath(RUNNING) == []
    facts = data_of(paper.read("articles/bad/index.html"))
    assert facts["correction"] == facts["headline"] == title.strip()


def test_the_front_page_shows_each_story_once(printed):
    shown = headlines(printed.read("index.html"))
    assert len(shown) == len(set(shown)) == len(printed.articles)
    assert shown[0].startswith("After the flood")


def test_the_front_page_bears_the_date_of_its_newest_story(paper):
    paper.publish("new", "city", published_at=DAWN)
    paper.publish("old", "city", published_at=DAWN - timedelta(days=3))
    paper.build()
    [day] = html.fromstring(paper.read("index.html")).xpath("//p[@class='dateline']/span[1]/text()")
    assert str(DAWN.day) in day
    assert str((DAWN - timedelta(days=3)).day) not in day


def test_an_article_tells_search_engines_and_networks_what_it_is(paper):
    paper.publish(
        "depot",
        "city",
        "harbour",
        title="Who pays?",
        summary="The bank asks.",
        authors=("Ida Morell",),
        language="de",
        image=Image(url="https://media.example/depot.jpg", alt="A hall", caption="In October"),
        updated_at=DAWN + timedelta(days=1),
    )
    paper.publish("plain", "city")
    paper.build()
    text = paper.read("articles/depot/index.html")
    address = "https://news.example/feeds/articles/depot/"
    assert html.fromstring(text).xpath("//link[@rel='canonical']/@href") == [address]
    assert properties(text) == {
        "og:site_name": "The Example Courier",
        "og:type": "article",
        "og:title": "Who pays?",
        "og:description": "The bank asks.",
        "og:url": address,
        "og:locale": "de_DE",
        "og:image": "https://media.example/depot.jpg",
        "og:image:alt": "A hall",
        "article:published_time": "2026-11-18T07:00:00+00:00",
        "article:modified_time": "2026-11-19T06:00:00+00:00",
        "article:section": "City",
    }
    facts = data_of(text)
    assert facts["@type"] == "NewsArticle"
    assert facts["author"] == [{"@type": "Person", "name": "Ida Morell"}]
    assert facts["articleSection"] == ["City", "Harbour"]
    assert facts["dateModified"] == "2026-11-19T06:00:00+00:00"
    plain = properties(paper.read("articles/plain/index.html"))
    assert plain["og:image"] == "https://news.example/feeds/static/icon.png"
    assert "article:modified_time" not in plain
    assert properties(paper.read("index.html"))["og:type"] == "website"
    assert properties(paper.read("city/index.html"))["og:title"] == "City"


def test_a_correction_stands_on_the_page_and_in_every_feed(paper):
    paper.publish("scales", "city", body_html="<p>Nine tons.</p>")
    paper.build()
    paper.edit("scales", correction="It was nine <pounds> & a half.")
    paper.build()
    page = html.fromstring(paper.read("articles/scales/index.html"))
    assert "nine <pounds> & a half" in page.xpath("string(//p[@class='correction'])")
    for name in ("rss.xml", "atom.xml"):
        [entry] = feedparser.parse(paper.read(f"city/{name}"), sanitize_html=False).entries
        assert entry.content[0].value.startswith(
            '<p class="correction"><strong>Correction:</strong> '
            "It was nine &lt;pounds&gt; &amp; a half.</p>"
        )


def test_an_article_in_many_categories_names_them_all_once(paper):
    names = [f"c{number:02}" for number in range(30)]
    paper.publish("everywhere", *names)
    paper.build()
    page = html.fromstring(paper.read("articles/everywhere/index.html"))
    assert page.xpath("//*[@class='kicker']/a/bdi/text()") == ["C00"]
    assert page.xpath("//*[@class='filed']/a/text()") == [name.title() for name in names]
    assert len(page.xpath("//nav//a")) < 15


def test_parents_and_children_lead_to_each_other(paper):
    paper.section("city", title="City")
    paper.section("council", title="Council", parent="city")
    paper.section("budget", title="Budget", parent="council")
    for number in range(45):
        paper.publish(f"a{number}", "city")
    paper.publish("b", "council")
    paper.build()
    before = state(paper.folder)
    paper.publish("c", "budget")
    paper.build()
    changed = touched(before, paper.folder)
    assert {name for name in changed if name.startswith(("city/", "council/"))} == {
        "council/index.html"  # the new category is its child
    }
    council = html.fromstring(paper.read("council/index.html"))
    assert council.xpath("//main//*[@class='kicker']/a/@href") == ["/feeds/city/"]
    assert council.xpath("//nav[@class='children']//a/@href") == ["/feeds/budget/"]
    budget = html.fromstring(paper.read("budget/index.html"))
    assert budget.xpath("//main//*[@class='kicker']/a/text()") == ["City", "Council"]


def jumps(paper: Paper, slug: str) -> dict[str, str]:
    """Where the months named on a category's first page lead: to which headline."""
    page = html.fromstring(paper.read(f"{slug}/index.html"))
    found = {}
    for link in page.xpath("//nav[@class='months']//li/a"):
        path, _, mark = link.get("href").partition("#")
        target = path.removeprefix("/feeds/") or f"{slug}/"
        [story] = html.fromstring(paper.read(f"{target}index.html")).xpath(f"//*[@id='{mark}']")
        found[link.text_content()] = story.xpath("string(.//*[self::h2 or self::h3]/a)")
    return found


def test_years_and_months_to_jump_to(paper):
    start = datetime(2025, 10, 1, 12, tzinfo=UTC)
    for number in range(100):
        paper.publish(f"a{number:03}", "city", published_at=start + timedelta(days=number))
    paper.build()
    assert jumps(paper, "city") == {
        "January 2026": "About a099",
        "October 2025": "About a030",
        "November 2025": "About a060",
        "December 2025": "About a091",
    }
    page = html.fromstring(paper.read("city/page/2/index.html"))
    assert "October 21, 2025 – November 9, 2025" in page.text_content()
    before = state(paper.folder)
    paper.publish("new", "city", published_at=datetime(2026, 2, 1, tzinfo=UTC))
    paper.build()
    assert jumps(paper, "city")["February 2026"] == "About new"
    assert jumps(paper, "city")["October 2025"] == "About a030"
    assert not any("city/page/" in name for name in touched(before, paper.folder))
    paper.withdraw("a030")
    paper.build()
    assert jumps(paper, "city")["October 2025"] == "About a029"
    assert jumps(paper, "city") == {
        key: value for key, value in jumps(paper, "all").items() if key in jumps(paper, "city")
    }


def test_months_follow_the_clock_of_the_site(paper):
    moments = (datetime(2026, 9, 30, 22, 30, tzinfo=UTC), datetime(2026, 9, 30, 21, tzinfo=UTC))
    for number, moment in enumerate(moments):
        paper.publish(f"a{number}", "city", published_at=moment)
    paper.build()
    # In Berlin the first of them came out on 1 October, half an hour after midnight.
    assert jumps(paper, "city") == {"September 2026": "About a1", "October 2026": "About a0"}


def test_a_category_of_one_month_has_no_months_to_jump_to(printed):
    assert html.fromstring(printed.read("city/index.html")).xpath("//nav[@class='months']") == []


def test_each_category_says_how_to_follow_it(printed):
    page = html.fromstring(printed.read("новости/follow/index.html"))
    assert page.xpath("//input[@readonly]/@value") == [
        f"https://news.example/feeds/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/{name}"
        for name in ("rss.xml", "atom.xml", "feed.json")
    ]
    for each in page.xpath("//input/@id"):
        assert page.xpath(f"//label[@for='{each}']")
    shown = html.fromstring(printed.read("новости/index.html"))
    assert "/feeds/%D0%BD%D0%BE%D0%B2%D0%BE%D1%81%D1%82%D0%B8/follow/" in shown.xpath(
        "//p[@class='formats']/a/@href"
    )


def test_a_category_that_is_given_up_leaves_the_pages_and_feeds_of_others(paper):
    paper.publish("both", "city", "harbour")
    paper.build()
    assert "City" in paper.read("articles/both/index.html")
    paper.conn.execute(update(category).where(category.c.slug == "city").values(retired=True))
    paper.build()
    for path in ("articles/both/index.html", "harbour/rss.xml", "harbour/index.html", "index.html"):
        assert "City" not in paper.read(path), path


def navigation(paper: Paper, path: str) -> list[str]:
    page = html.fromstring(paper.read(path))
    return page.xpath("//nav[@class='sections']//a/text()")[1:-1]


def test_the_top_of_a_page_names_the_largest_sections_and_the_own_one(paper):
    for number in range(12):
        paper.publish(f"s{number}", f"s{number:02}")
    paper.publish("again", "s11")
    paper.publish("deep", "below")
    paper.conn.execute(update(category).where(category.c.slug == "below").values(parent="s10"))
    paper.build()
    largest = [f"S{number:02}" for number in (*range(9), 11)]
    assert navigation(paper, "index.html") == largest
    assert navigation(paper, "s03/index.html") == largest
    assert navigation(paper, "s10/index.html") == [*largest, "S10"]
    assert navigation(paper, "below/index.html") == [*largest, "S10"]


def test_the_section_with_the_latest_news_stands_first(paper):
    for section in ("zoo", "art", "moon"):
        for number in range(9):
            paper.publish(f"{section}-{number}", section)
    paper.build()
    page = html.fromstring(paper.read("index.html"))
    assert page.xpath("//section[@class='section']/h2/a/text()") == ["Moon", "Art", "Zoo"]


def test_what_a_text_shows_is_not_shown_twice(paper):
    url = "https://media.example/boat"
    sound = Enclosure(url=f"{url}.mp3?a=1&b=2", type="audio/mpeg", length=9_000)
    both = {"image": Image(url=f"{url}.jpg"), "enclosures": (sound,)}
    text = f'<img src="{url}-300x200.jpg" alt=""><audio src="{url}.mp3?a=1&amp;b=2"></audio>'
    paper.publish("without", "city", **both)
    paper.publish("within", "city", body_html=text, **both)
    paper.build()
    without, within = (
        html.fromstring(paper.read(f"articles/{slug}/index.html")) for slug in ("without", "within")
    )
    for what in ("//figure[@class='hero']", "//ul[@class='attached']"):
        assert len(without.xpath(what)) == 1
        assert within.xpath(what) == []


def test_an_article_without_a_title_does_not_say_its_first_words_twice(paper):
    paper.publish("note", "city", title="", body_html="<p>The ferry is late.</p><p>Again.</p>")
    paper.build()
    page = html.fromstring(paper.read("articles/note/index.html"))
    assert page.xpath("//h1[@class='unseen']/text()") == ["The ferry is late. Again."]
    assert page.xpath("//*[@class='body']/p/text()") == ["The ferry is late.", "Again."]
