"""Newsletters in the store: what the configuration offers, noted so that changes have a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from publisher.core.model import Newsletter
from publisher.core.selection import choose
from publisher.store import counter, editions
from publisher.store.tables import newsletter


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A newsletter as the store knows it."""

    slug: str
    title: str
    categories: dict[str, int]


def is_settled(conn: Connection, configured: Sequence[Newsletter]) -> bool:
    """Whether the store holds what the configuration says, so that nothing need be written."""
    stored = {row.slug: row for row in conn.execute(select(newsletter)) if row.retired_at is None}
    return stored.keys() == {each.slug for each in configured} and all(
        stored[each.slug].title == each.title
        and stored[each.slug].categories == choose(each.categories, stored[each.slug].categories, 0)
        for each in configured
    )


def settle(conn: Connection, configured: Sequence[Newsletter], now: datetime) -> None:
    """Let the store hold what the configuration says; what is no longer there is retired.

    A category that a newsletter gains counts from the head of this moment.
    """
    rows = {row.slug: row for row in conn.execute(select(newsletter)).all()}
    for each in configured:
        row = rows.pop(each.slug, None)
        if row is None:
            conn.execute(
                insert(newsletter).values(
                    slug=each.slug, title=each.title, categories=choose(each.categories, None, 0)
                )
            )
            continue
        categories = choose(each.categories, row.categories, counter.head(conn))
        conn.execute(
            update(newsletter)
            .where(newsletter.c.slug == each.slug)
            .values(title=each.title, categories=categories, retired_at=None)
        )
    for row in rows.values():
        if row.retired_at is None:
            _retire(conn, row.slug, now)


def find(conn: Connection, slug: str) -> Offer | None:
    """The newsletter, unless there is none or it is retired."""
    row = conn.execute(
        select(newsletter).where(newsletter.c.slug == slug, newsletter.c.retired_at.is_(None))
    ).first()
    if row is None:
        return None
    return Offer(slug=row.slug, title=row.title, categories=row.categories)


def title(conn: Connection, slug: str) -> str:
    found = conn.execute(select(newsletter.c.title).where(newsletter.c.slug == slug)).scalar()
    return str(found or "")


def _retire(conn: Connection, slug: str, now: datetime) -> None:
    """Plan nothing more and cancel what is open; consent stays."""
    conn.execute(update(newsletter).where(newsletter.c.slug == slug).values(retired_at=now))
    editions.cancel(conn, slug, now)
