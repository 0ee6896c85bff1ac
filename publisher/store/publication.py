"""Makes articles public: gives those whose time has come their places in the one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from publisher.store import categories, counter
from publisher.store.tables import article, membership

_AT_ONCE = 100  # articles made public in a transaction of at most 50 ms


@dataclass(frozen=True, slots=True)
class Placed:
    """How many articles became public."""

    live: int = 0
    old: int = 0
    """Too old on arrival to be mailed."""

    def __bool__(self) -> bool:
        return bool(self.live or self.old)


def publish_due(
    conn: Connection, *, now: datetime, archive: bool = True, limit: int = _AT_ONCE
) -> Placed:
    """Make public up to `limit` articles that are due.

    The oldest comes first and so lowest; files of the same moment go by their names. What was too
    old on arrival goes below all others, the last of it first; without `archive` it waits.
    """
    live = _waiting(conn, now, limit, too_old=False)
    if live:
        last = counter.take(conn, len(live))
        _place(conn, live, range(last - len(live) + 1, last + 1), change=last)
        return Placed(live=len(live))
    old = _waiting(conn, now, limit, too_old=True) if archive else []
    if old:
        lowest = counter.take_low(conn, len(old))
        places = range(lowest + len(old) - 1, lowest - 1, -1)
        _place(conn, old, places, change=counter.take(conn))
    return Placed(old=len(old))


def next_due_at(conn: Connection) -> datetime | None:
    """When the next article that waits becomes public; None if none waits."""
    found: datetime | None = conn.execute(
        select(article.c.published_at)
        .where(article.c.seq.is_(None), article.c.withdrawn_at.is_(None))
        .order_by(article.c.published_at)
        .limit(1)
    ).scalar()
    return found


def _waiting(conn: Connection, now: datetime, limit: int, *, too_old: bool) -> list[str]:
    """The first of those that are due, or the last of those too old, as their index has them."""
    order = (article.c.published_at, article.c.received_at, article.c.source_key, article.c.id)
    statement = (
        select(article.c.id)
        .where(
            article.c.seq.is_(None),
            article.c.withdrawn_at.is_(None),
            article.c.too_old == too_old,
            article.c.published_at <= now,
        )
        .order_by(*(each.desc() if too_old else each for each in order))
        .limit(limit)
    )
    return list(conn.execute(statement).scalars())


def _place(conn: Connection, ids: Sequence[str], places: Sequence[int], *, change: int) -> None:
    rows = [{"b_id": each, "b_seq": seq} for each, seq in zip(ids, places, strict=True)]
    conn.execute(
        update(article)
        .where(article.c.id == bindparam("b_id"))
        .values(seq=bindparam("b_seq"), change=change),
        rows,
    )
    conn.execute(
        update(membership)
        .where(membership.c.article_id == bindparam("b_id"))
        .values(place=bindparam("b_seq")),
        rows,
    )
    touched = conn.execute(
        select(membership.c.category)
        .where(membership.c.article_id.in_(ids), membership.c.removed_at.is_(None))
        .distinct()
    )
    categories.stamp(conn, touched.scalars(), change)
