"""In which categories articles stand, in which order, and since when."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, insert, select, update

from publisher.core.model import CategoryName
from publisher.store import categories, counter
from publisher.store.tables import article, membership

Names = Sequence[str | CategoryName]


def begin(conn: Connection, named: Mapping[str, Names]) -> None:
    """Let new articles, by id, stand in the categories that they name."""
    slugs = _slugs(conn, named.values())
    rows = [
        {"article_id": article_id, "category": slug, "position": position}
        for article_id, names in named.items()
        for position, slug in enumerate(dict.fromkeys(slugs[name] for name in names))
    ]
    if rows:
        conn.execute(insert(membership), rows)


def place_in(
    conn: Connection,
    wanted: Mapping[str, Names],
    *,
    now: datetime,
    only_add: bool = False,
) -> set[str]:
    """Let articles, by id, stand in exactly the categories named, in this order.

    The ids of those for which that is news are returned. `only_add`: what is not named stays, since
    an archive page speaks for its own category alone.
    """
    if not wanted:
        return set()
    slugs = _slugs(conn, wanted.values())
    standing: dict[str, list[Row[Any]]] = defaultdict(list)
    statement = select(membership).where(membership.c.article_id.in_(sorted(wanted)))
    for row in conn.execute(statement.order_by(membership.c.position, membership.c.category)):
        standing[row.article_id].append(row)
    return {
        article_id
        for article_id, names in wanted.items()
        if _place(
            conn,
            article_id,
            list(dict.fromkeys(slugs[name] for name in names)),
            standing[article_id],
            now=now,
            only_add=only_add,
        )
    }


def _place(
    conn: Connection,
    article_id: str,
    wanted: list[str],
    rows: Sequence[Row[Any]],
    *,
    now: datetime,
    only_add: bool,
) -> bool:
    """`rows`: its memberships, former ones too, in their order. Whether anything was to be done."""
    current = {row.category: row.position for row in rows if row.removed_at is None}
    if only_add:
        wanted = list(dict.fromkeys([*current, *wanted]))
    added = [slug for slug in wanted if slug not in current]
    removed = sorted(current.keys() - set(wanted))
    shifted = [slug for n, slug in enumerate(wanted) if current.get(slug, n) != n]
    if not added and not removed and not shifted:
        return False
    seq = conn.execute(select(article.c.seq).where(article.c.id == article_id)).scalar()
    change = None if seq is None else counter.take(conn)
    former = {row.category for row in rows}
    for slug in added:
        values = {"position": wanted.index(slug), "place": change, "removed_at": None}
        if slug in former:
            conn.execute(_membership(article_id, slug).values(**values))
        else:
            conn.execute(insert(membership).values(article_id=article_id, category=slug, **values))
    for slug in shifted:
        conn.execute(_membership(article_id, slug).values(position=wanted.index(slug)))
    for slug in removed:
        conn.execute(_membership(article_id, slug).values(removed_at=now))
    if change is not None:
        conn.execute(update(article).where(article.c.id == article_id).values(change=change))
        categories.stamp(conn, {*current, *added}, change)
    return True


def _slugs(conn: Connection, named: Iterable[Names]) -> dict[str | CategoryName, str]:
    return categories.slugs_for(conn, (name for names in named for name in names))


def _membership(article_id: str, slug: str) -> Update:
    return update(membership).where(
        membership.c.article_id == article_id, membership.c.category == slug
    )
