"""The documents of a category's feed: its newest entries, and archives of all others (RFC 5005)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from publisher.core.model import Article, Category, Site
from publisher.feeds import atom, json_feed, rss
from publisher.feeds.feed import Entry, Feed, Naming, feed_of
from publisher.feeds.port import Shelf

FORMATS: Mapping[str, Callable[[Feed], bytes]] = {
    rss.FILE: rss.rss,
    atom.FILE: atom.atom,
    json_feed.FILE: json_feed.json_feed,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Makes them from what `conn` reads."""

    conn: Connection
    shelf: Shelf
    site: Site
    naming: Naming
    entries: int
    """In the feed of the newest."""
    hubs: tuple[str, ...]
    entry: Callable[[Article], Entry]

    def count(self, category: Category | None) -> int:
        """How many archive documents there are."""
        return self.shelf.archives(self.conn, _key(category))

    def newest(self, category: Category | None, entries: Sequence[Entry], archives: int) -> Feed:
        """What readers subscribe to."""
        key = _key(category)
        return feed_of(
            self.site,
            self.naming,
            category,
            entries[: self.entries],
            archives=archives,
            removals=self.shelf.removals(self.conn, key, archive=None, limit=self.entries),
            removed=self.shelf.last_removal(self.conn, key),
            hubs=self.hubs,
        )

    def archived(
        self, category: Category | None, archives: int, *, built: int, since: int
    ) -> Iterator[tuple[int, Feed]]:
        """The archive documents, with their numbers, that may read differently than at change
        `since`, when there were `built` of them."""
        key = _key(category)
        numbers = set(range(1, archives + 1))
        if built:
            numbers = self.shelf.archives_touched(self.conn, key, since)
            if archives != built:  # the last one now says where the newer articles are
                numbers.update(range(built, archives + 1))
        for number in sorted(numbers):
            articles = self.shelf.in_archive(self.conn, key, number)
            removals = self.shelf.removals(self.conn, key, archive=number, limit=self.entries)
            yield (
                number,
                feed_of(
                    self.site,
                    self.naming,
                    category,
                    [self.entry(article) for article in articles],
                    archives=archives,
                    number=number,
                    removals=removals,
                    removed=max((each.at for each in removals), default=None),
                ),
            )


def _key(category: Category | None) -> str | None:
    return category.slug if category else None
