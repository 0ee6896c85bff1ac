"""What feeds need of the store; `publisher.store.shelf` is it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.model import Article, Category, Removal


class Shelf(Protocol):
    """What is public, read over a connection; a slug of None stands for all categories together."""

    def head(self, conn: Connection) -> int:
        """The last number the counter gave: equal heads, equal public content."""

    def categories(self, conn: Connection) -> list[Category]:
        """Those that have had a public article."""

    def gone(self, conn: Connection) -> list[tuple[str, str | None]]:
        """Slugs that have no feed, as they moved or were given up, with where they moved to."""

    def newest(self, conn: Connection, slug: str | None, limit: int) -> list[Article]:
        """The last `limit` articles by place, the newest first."""

    def oldest_first(
        self, conn: Connection, slug: str | None, offset: int, size: int
    ) -> Iterator[list[Article]]:
        """All articles from the `offset`th on, counted from the oldest place, in batches."""

    def count(self, conn: Connection, slug: str | None, *, below: int | None = None) -> int:
        """How many articles there are, or how many below a place."""

    def lowest_touched(self, conn: Connection, slug: str | None, since: int) -> int | None:
        """The lowest place that may read differently than at change `since`; None for none."""

    def last_removal(self, conn: Connection, slug: str | None) -> datetime | None:
        """When an article was last withdrawn or taken out."""

    def removals(
        self, conn: Connection, slug: str | None, *, archive: int | None, limit: int
    ) -> list[Removal]:
        """What left an archive document; for None, what would else be among the newest."""

    def archives(self, conn: Connection, slug: str | None) -> int:
        """How many archive documents a feed has: they are numbered from 1."""

    def archives_touched(self, conn: Connection, slug: str | None, since: int) -> set[int]:
        """Those that may read differently than at change `since`."""

    def in_archive(self, conn: Connection, slug: str | None, number: int) -> list[Article]:
        """The articles of an archive document that are still public, the newest first."""

    def naming(self, conn: Connection) -> tuple[str, int]:
        """Host and year in the ids of articles and feeds."""

    def changed_since(self, conn: Connection, since: int) -> Iterator[list[Article]]:
        """What was or is public and changed after `since`, in batches; also the withdrawn."""
