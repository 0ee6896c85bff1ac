"""Makes the feeds folder agree with what is public, touching only the files that change."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from publisher import __version__
from publisher.core.links import ALL, has_own_page
from publisher.core.model import Article, Category, Site
from publisher.core.text import clean_line
from publisher.errors import ConfigurationError, TransientError
from publisher.feeds import archive, manifest
from publisher.feeds.documents import FORMATS, Documents
from publisher.feeds.feed import Entry, Feed, Naming, entry_of, feed_of, left_out
from publisher.feeds.front import front
from publisher.feeds.manifest import Manifest, Record
from publisher.feeds.navigation import MOST, Navigation
from publisher.feeds.opml import opml
from publisher.feeds.output_folder import OutputFolder
from publisher.feeds.pages import Family, Link, Pages
from publisher.feeds.port import Shelf
from publisher.feeds.tree import Tree
from publisher.kit import translations
from publisher.kit.files import locked
from publisher.kit.resources import folder

_log = structlog.get_logger()

_PAGES = ("index.html", "follow/index.html")
_PACKED = {".css", ".svg", ".txt"}  # what else lies in static/ is compressed as it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What is to be built, and where."""

    directory: Path
    site: Site
    entries: int = 50
    """Articles in a feed."""
    templates: tuple[Path, ...] = ()
    """The operator's own template folders, looked into before ours."""
    hubs: tuple[str, ...] = ()
    """Where readers can have themselves told of new entries (WebSub)."""
    subscribe: str = ""
    """Where readers sign up for newsletters; empty where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build did."""

    feeds: int
    """How many there are: one a category, and that of all together."""
    pages: int
    """Pages of articles made anew or taken away."""
    written: int
    """Files written or removed, each compressed twin counted."""
    problems: tuple[tuple[str, str], ...] = ()
    """What could not be built (a category's slug) and why: its old files stay till it can."""


def build(conn: Connection, shelf: Shelf, output: Output) -> Built:
    """Bring the folder up to date with what `conn` reads; another build under way is waited for.

    `conn` is to be one snapshot from which nothing has been read yet: who waited reads afterwards.
    Raises TransientError when the folder cannot be written, ConfigurationError for a template
    that cannot be used.
    """
    with locked(output.directory / ".built.lock"):
        return _Build(conn, shelf, output).run()


class _Build:
    def __init__(self, conn: Connection, shelf: Shelf, output: Output) -> None:
        self._conn = conn
        self._shelf = shelf
        self._site = output.site
        self._folder = OutputFolder(output.directory)
        host, year = shelf.naming(conn)
        self._naming = Naming(host=host, year=year)
        self._entries = output.entries
        self._hubs = output.hubs
        self._subscribe = output.subscribe
        self._templates = (*output.templates, folder("templates/web"))
        self._head = shelf.head(conn)
        self._categories = {each.slug: each for each in shelf.categories(conn)}
        self._titles = {slug: clean_line(each.title) for slug, each in self._categories.items()}
        self._tree = Tree(list(self._categories.values()))
        self._abouts = {
            slug: manifest.mark(replace(each, change=0)) for slug, each in self._categories.items()
        }
        self._abouts[ALL] = ""
        self._then = self._remembered()
        self._problems: list[tuple[str, str]] = []
        self._article_pages = 0

    def run(self) -> Built:
        self._static()
        self._articles()
        records = {}
        for category in (None, *self._categories.values()):
            slug = category.slug if category else ALL
            with self._set_apart(slug):
                records[slug] = self._category(slug, category)
        with self._set_apart("index"):
            self._front()
        manifest.save(
            self._folder.root,
            Manifest(
                fingerprint=self._then.fingerprint,
                head=self._then.head if self._problems else self._head,
                article_pages=self._folder.folders_in("articles"),
                categories=records,
            ),
        )
        return Built(
            feeds=len(self._categories) + 1,
            pages=self._article_pages,
            written=self._folder.written,
            problems=tuple(self._problems),
        )

    def _remembered(self) -> Manifest:
        """What was built before, as far as it still holds."""
        files = manifest.mark_of_files(self._templates)
        kept = (self._site, self._naming, self._entries, self._hubs, self._subscribe)
        gone = self._shelf.gone(self._conn)  # one that comes back stands on pages of old articles
        facts = (__version__, *kept, gone, archive.PAGE, files, translations.fingerprint())
        fingerprint = manifest.mark(*facts)
        then = manifest.load(self._folder.root, fingerprint)
        # A category's title stands on pages of articles too, and with their entries in other
        # categories. A new category stands on none yet.
        renamed = any(
            self._abouts.get(slug) != record.about for slug, record in then.categories.items()
        )
        return Manifest(fingerprint=fingerprint) if renamed else then

    @cached_property
    def _documents(self) -> Documents:
        return Documents(
            conn=self._conn,
            shelf=self._shelf,
            site=self._site,
            naming=self._naming,
            entries=self._entries,
            hubs=self._hubs,
            entry=self._entry,
        )

    @cached_property
    def _pages(self) -> Pages:
        return Pages(self._site, self._templates, self._subscribe)

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        """How many articles stand in each category."""
        sizes = {}
        for slug, category in self._categories.items():
            then = self._then.categories.get(slug)
            known = then is not None and then.change == category.change
            sizes[slug] = then.count if then and known else self._shelf.count(self._conn, slug)
        return sizes

    @cached_property
    def _navigation(self) -> Navigation:
        return Navigation(self._tree, self._sizes)

    def _nav(self, category: Category | None = None) -> list[Link]:
        return [self._pages.link(each) for each in self._navigation.sections(category)]

    def _static(self) -> None:
        """The style sheet and the like; of two of a name the operator's."""
        found: dict[str, Path] = {}
        for each in reversed(self._templates):
            found |= {path.name: path for path in each.glob("static/*") if path.is_file()}
        for name, path in sorted(found.items()):
            self._folder.write(path.read_bytes(), "static", name, packed=path.suffix in _PACKED)

    def _articles(self) -> None:
        """The pages of articles that have no address of their own; those of the withdrawn go."""
        since = self._then.head
        if self._folder.folders_in("articles") < self._then.article_pages:
            since = -1
        for batch in self._shelf.changed_since(self._conn, since):
            for article in batch:
                with self._set_apart(f"articles/{article.slug}"):
                    self._article(article)

    def _article(self, article: Article) -> None:
        path = ("articles", article.slug, "index.html")
        if article.withdrawn_at is None and (unfit := left_out(article)):
            _log.warning("left out of the feeds", article=article.slug, what=unfit)
        if article.withdrawn_at is not None or not has_own_page(article):
            self._article_pages += self._folder.remove(*path)
            return
        standing = (self._categories.get(slug) for slug in article.categories)
        categories = [category for category in standing if category]
        page = self._pages.article(self._entry(article), categories, categories[:MOST])
        self._folder.write(page, *path)
        self._article_pages += 1

    def _category(self, slug: str, category: Category | None) -> Record:
        """All files of a category; what was built from the same facts and is there is left be."""
        change = category.change if category else self._head
        then = self._then.categories.get(slug)
        if then and not self._there(slug, then):
            then = None
        around = self._navigation.mark(category)
        if then and then.change == change and then.around == around:
            return then
        key = category.slug if category else None
        count = self._sizes[slug] if category else self._shelf.count(self._conn, None)
        last, index = archive.full_pages(count), archive.on_index(count)
        newest = self._shelf.newest(self._conn, key, max(self._entries, index))
        entries = [self._entry(article) for article in newest]
        archives = self._documents.count(category)
        built, since = (then.archives, then.change) if then else (0, -1)
        for number, old in self._documents.archived(category, archives, built=built, since=since):
            self._write_feed(old, slug, "archive", str(number))
        feeds = self._write_feed(self._documents.newest(category, entries, archives), slug)
        touched = self._pages_touched(key, then, last)
        months = [*(then.months if then else ())[: touched.start - 1]]
        months += self._archive(slug, category, touched, last)
        page = self._pages.category(
            category, self._family(category), entries[:index], months=months
        )
        self._folder.write(page, slug, "index.html")
        self._folder.write(self._pages.follow(category), slug, "follow", "index.html")
        self._remove_pages(slug, last)
        about = self._abouts[slug]
        return Record(
            change=change,
            count=count,
            about=about,
            last=last,
            around=around,
            archives=archives,
            months=months,
            feeds=feeds,
        )

    def _write_feed(self, feed: Feed, *folders: str) -> dict[str, str]:
        """In every format; a hash of each file."""
        files = {name: made(feed) for name, made in FORMATS.items()}
        for name, data in files.items():
            self._folder.write(data, *folders, name)
        return {name: manifest.mark_of_bytes(data) for name, data in files.items()}

    def _family(self, category: Category | None) -> Family:
        link = self._pages.link
        return Family(
            nav=self._nav(category),
            above=[link(each) for each in self._tree.above(category)] if category else [],
            below=[link(each) for each in self._tree.below(category)] if category else [],
        )

    def _pages_touched(self, key: str | None, then: Record | None, last: int) -> range:
        """The numbered pages that may read differently than before."""
        if then is None:
            return range(1, last + 1)
        first = last + 1
        lowest = self._shelf.lowest_touched(self._conn, key, then.change)
        if lowest is not None:
            first = archive.page_of(self._shelf.count(self._conn, key, below=lowest))
        if last != then.last:  # the newest numbered page says where the newer articles are
            first = min(first, last, then.last)
        return range(max(first, 1), last + 1)

    def _archive(
        self, slug: str, category: Category | None, numbers: range, last: int
    ) -> list[str]:
        """Writes the numbered pages of a run, each with its newest article on top; their months."""
        months: list[str] = []
        if not numbers:
            return months
        key = category.slug if category else None
        start = (numbers[0] - 1) * archive.PAGE
        batches = self._shelf.oldest_first(self._conn, key, start, archive.PAGE)
        for number, articles in zip(numbers, batches, strict=False):  # the rest is on the index
            entries = [self._entry(article) for article in reversed(articles)]
            page = self._pages.archive_page(category, entries, number, last)
            self._folder.write(page, slug, "page", str(number), "index.html")
            moments = (entry.published for entry in entries)
            months.append(archive.months_on(moments, self._site.zone))
        return months

    def _remove_pages(self, slug: str, last: int) -> None:
        for name in self._folder.names_in(slug, "page"):
            if name.isdecimal() and int(name) > last:
                self._folder.remove(slug, "page", name, "index.html")

    def _front(self) -> None:
        """The front page and the list of feeds."""
        if self._then.head == self._head and self._folder.has("index.html", "feeds.opml"):
            return
        everything = self._tree.by_title
        chosen = front(self._conn, self._shelf, self._navigation.by_size(everything))
        page = self._pages.front(
            self._tree.branches(),
            self._nav(),
            list(map(self._entry, chosen.top)),
            [(category, list(map(self._entry, fresh))) for category, fresh in chosen.sections],
        )
        self._folder.write(page, "index.html")
        feeds = [feed_of(self._site, self._naming, each, ()) for each in (None, *everything)]
        self._folder.write(opml(clean_line(self._site.title), feeds), "feeds.opml")

    def _entry(self, article: Article) -> Entry:
        return entry_of(article, self._site, self._titles)

    def _there(self, slug: str, then: Record) -> bool:
        pages = (f"{slug}/page/{number}/index.html" for number in range(1, then.last + 1))
        feeds = (f"{slug}/{name}" for name in (*FORMATS, *_PAGES))
        archives = (
            f"{slug}/archive/{number}/{name}"
            for number in range(1, then.archives + 1)
            for name in FORMATS
        )
        return self._folder.has(*feeds, *pages, *archives)

    @contextmanager
    def _set_apart(self, what: str) -> Iterator[None]:
        """A fault here is said and must not keep the rest from being built."""
        try:
            yield
        except (ConfigurationError, TransientError, SQLAlchemyError):
            raise  # these would come again with every category
        except Exception as error:
            _log.exception("feed not built", feed=what)
            self._problems.append((what, str(error) or type(error).__name__))
