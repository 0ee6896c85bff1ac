"""What feeds need of the store; `publisher.store.shelf` is it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.model import Article, Category


class Shelf(Protocol):
    """What is public, read over a connection; a slug of None stands for all categories together."""

    def head(self, conn: Connection) -> int:
        """The last number the counter gave: equal heads, equal public content."""

    def categories(self, conn: Connection) -> list[Category]:
        """Those that have had a public article."""

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

    def changed_since(self, conn: Connection, since: int) -> Iterator[list[Article]]:
        """What was or is public and changed after `since`, in batches; also the withdrawn."""
