"""The composition root of a site with feeds alone: from sources to articles to feeds.

The stages know nothing of each other; what flows between them are rows, and here is where the
functions of the store are given to the stages that asked for them.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from publisher.core.links import ALL, category_url, subscribe_url
from publisher.core.model import Newsletter, Site
from publisher.errors import UnreadableError
from publisher.feeds import websub
from publisher.feeds.build import Built, Output, build
from publisher.feeds.removal import remove
from publisher.settings import Kind, Settings
from publisher.settings import Source as SourceSettings
from publisher.sources.archive_page import ArchivePageSource
from publisher.sources.books import Books
from publisher.sources.folder import FolderSource
from publisher.sources.intake import Intake
from publisher.sources.keeping import Tally
from publisher.sources.port import Source
from publisher.sources.wordpress.source import WordPressSource
from publisher.store import (
    articles,
    category_settings,
    feed_archives,
    memberships,
    naming,
    newsletters,
    pings,
    publication,
    quarantine,
    schema,
    shelf,
    slots,
    texts,
)
from publisher.store.engine import Database

_KINDS: dict[str, Kind] = {".txt": "archive-page", ".xml": "wordpress"}
"""Of files named by hand, by their endings; else they are articles of a folder."""

_KIND_OF: dict[str, Kind] = {
    FolderSource.name: "folder",
    ArchivePageSource.name: "archive-page",
    WordPressSource.name: "wordpress",
}

_OTHERS_BUILD = timedelta(seconds=5)
"""In which every machine has noticed what is new and built its feeds."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    articles: int
    built: Built


class FeedApp:
    """The parts that turn articles into feeds; every method is one step of the data's way."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = utc_now) -> None:
        """Opens the database, making it if it is new.

        Raises ConfigurationError when the settings cannot work on this machine.
        """
        self.settings = settings
        self.clock = clock
        self.site: Site = settings.site_facts()
        self.newsletters: dict[str, Newsletter] = {
            each.slug: each for each in settings.newsletter_facts()
        }
        self.db = Database(settings.database_url())
        schema.prepare(self.db)
        self._archives_closed_at = -1
        self._settle()

    def _settle(self) -> None:
        """Bring the store what the configuration says; an unchanged one writes nothing."""
        offered, sections = self.settings.newsletter_facts(), self.settings.category_facts()
        with self.db.read() as conn:
            settled = (
                newsletters.is_settled(conn, offered)
                and category_settings.is_settled(conn, sections)
                and naming.find(conn) is not None
            )
        if not settled:
            with self.db.write() as conn:
                naming.ensure(conn, urlsplit(self.site.url).hostname or "localhost", self.clock())
                # The sections first: what a newsletter carried under a former slug goes along.
                category_settings.settle(conn, sections)
                newsletters.settle(conn, offered, self.clock())
        with self.db.read() as conn:
            slugs = [ALL, *(each.slug for each in shelf.categories(conn))]
            folders = [category_url(self.site, slug) for slug in slugs]
            strangers = pings.strangers(conn, self.settings.feeds.hubs, folders)
        if strangers:
            with self.db.write() as conn:
                pings.forget(conn, strangers)

    def close(self) -> None:
        self.db.close()

    # sources → articles

    @cached_property
    def intake(self) -> Intake:
        books = Books(
            articles=articles, memberships=memberships, texts=texts, quarantine=quarantine
        )
        return Intake(db=self.db, books=books, site=self.site)

    def sources(self) -> list[Source]:
        """The configured ones."""
        return [self._source(each) for each in self.settings.sources]

    def source_at(
        self,
        path: Path,
        *,
        kind: Kind | None,
        category: str,
        progress: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> Source:
        """A source for a path that was named by hand; `kind` None is told from the file.

        The same file is the same article, whether a configured source or a hand names it.
        `progress` is told of large files how much of them has been read.
        """
        kind = kind or _KINDS.get(path.suffix.lower(), "folder")
        if kind == "archive-page":
            return ArchivePageSource(path, self.settings.base, category)
        if kind == "wordpress":
            return WordPressSource(path, self.settings.base, self.site.zone, category, progress)
        if path.is_dir():
            return self._folder(path, category, "")
        return FolderSource.of_file(
            path, self.settings.base, self.site.zone, self.site.url + "/", category
        )

    def take_in(self, source: Source) -> Tally:
        """Raises UnreadableError when the source as a whole cannot be read."""
        return self.intake.take(source, self.clock())

    def retry(self) -> Tally:
        """Read again every document that has something in quarantine."""
        with self.db.read() as conn:
            waiting = {
                each.document: each.source for each in quarantine.listing(conn, limit=10_000)
            }
        total = Tally()
        for source in self.sources():
            its = {
                key for key, name in waiting.items() if name == source.name and source.holds(key)
            }
            if its:
                self._take_again(source, its, total)
            for key in its:
                del waiting[key]
        for key, name in sorted(waiting.items()):  # what was named by hand
            path = self.settings.path(key)
            if path.exists():
                source = self.source_at(path, kind=_KIND_OF[name], category="")
                self._take_again(source, {key}, total)
            else:
                with self.db.write() as conn:
                    quarantine.settle(conn, name, key, {}, self.clock())
        return total

    def _take_again(self, source: Source, documents: Collection[str], total: Tally) -> None:
        try:
            total.add(self.intake.take(source, self.clock(), only=documents))
        except UnreadableError as error:
            total.quarantined += 1
            total.reasons.append(error.reason)

    def _source(self, configured: SourceSettings) -> Source:
        path = self.settings.path(configured.path)
        if configured.kind == "archive-page":
            return ArchivePageSource(path, self.settings.base, configured.category)
        if configured.kind == "wordpress":
            return WordPressSource(path, self.settings.base, self.site.zone, configured.category)
        return self._folder(path, configured.category, configured.url)

    def _folder(self, path: Path, category: str, url: str) -> Source:
        base_url = url or self.site.url + "/"
        return FolderSource(path, self.settings.base, self.site.zone, base_url, category)

    # articles → feeds

    def publish(self) -> Published:
        """Make public what is due and bring the feeds' files up to date."""
        return Published(articles=self.make_public(), built=self.build_feeds())

    def make_public(self, *, archive: bool = True) -> int:
        """Give what is due its place in the order; how many articles.

        Without `archive`, what was too old on arrival waits: while an archive is being taken in,
        its newest articles may still be to come, and they stand above the others.
        """
        now = self.clock()
        wake = {
            slug: now + timedelta(seconds=each.window) for slug, each in self.newsletters.items()
        }
        count = 0
        while True:
            with self.db.write() as conn:
                placed = publication.publish_due(conn, now=now, archive=archive)
                if placed.live:
                    slots.wake_immediate(conn, wake, now)
            if not placed:
                return count
            count += placed.live + placed.old

    def head(self) -> int:
        """The last change: feeds built at an equal head are up to date."""
        with self.db.read() as conn:
            return shelf.head(conn)

    def build_feeds(self) -> Built:
        """Raises TransientError when a file cannot be written."""
        self._close_archives()
        with self.db.read() as conn:
            built = build(conn, shelf, self.output)
        with self.db.read() as conn:
            remove(self.output.directory, [slug for slug, _ in shelf.gone(conn)])
        self._note_pings()
        return built

    def _close_archives(self) -> None:
        """What is no longer among a feed's newest articles goes into its archive documents."""
        size = self.settings.feeds.entries
        with self.db.read() as conn:
            overdue = feed_archives.overdue(conn, size, self._archives_closed_at)
            head = shelf.head(conn)
        for slug in overdue:
            more = True
            while more:
                with self.db.write() as conn:
                    more = feed_archives.close(conn, slug, size)
        self._archives_closed_at = head

    def _note_pings(self) -> None:
        """Let the hubs be told of the feeds that changed, also by a build that was killed.

        Elsewhere the same feeds may be built a moment later, and a hub may ask there.
        """
        hubs = self.settings.feeds.hubs
        feeds = websub.feeds_in(self.output.directory, self.site) if hubs else {}
        with self.db.read() as conn:
            if pings.is_noted(conn, hubs, feeds):
                return
        delay = timedelta() if self.db.is_sqlite else _OTHERS_BUILD
        with self.db.write() as conn:
            pings.note(conn, hubs, feeds, self.clock() + delay)

    @cached_property
    def pinger(self) -> websub.Pinger:
        return websub.Pinger(db=self.db, book=pings, clock=self.clock)

    @cached_property
    def output(self) -> Output:
        return Output(
            directory=self.settings.path(self.settings.feeds.directory),
            entries=self.settings.feeds.entries,
            site=self.site,
            templates=(self.settings.path("templates/web"),),
            hubs=self.settings.feeds.hubs,
            subscribe=subscribe_url(self.site) if self.newsletters else "",
        )
