"""Which archive document (RFC 5005) of its feed holds an article: given once, and for good.

Documents are numbered from 1 as they are closed. What no document holds yet is among the newest of
its feed, so that every article is in the feed itself or in one of its archive documents.
"""

from collections.abc import Iterator

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from publisher.core.links import ALL
from publisher.store import categories, counter
from publisher.store.tables import article, category, membership

_AT_ONCE = 20  # documents closed in a transaction of at most 50 ms


def overdue(conn: Connection, size: int, since: int) -> list[str]:
    """Feeds, among those changed after `since`, of which something is neither among the newest
    `size` articles nor in an archive document."""
    changed = select(category.c.slug).where(
        category.c.change > since, category.c.moved_to.is_(None), category.c.retired.is_(False)
    )
    slugs = [ALL, *conn.execute(changed.order_by(category.c.slug)).scalars()]
    return [slug for slug in slugs if any(_fallen_out(conn, slug, size, 1))]


def close(conn: Connection, slug: str, size: int) -> bool:
    """Put what has fallen out of the newest `size` into new documents of as many articles.

    The newer ones beside it go with it, so that documents are full. Whether there may be more.
    """
    number = _last(conn, slug)
    closed = 0
    for members in _fallen_out(conn, slug, size, _AT_ONCE):
        closed += 1
        _keep(conn, slug, [row.id for row in members], number + closed)
    if closed:
        # The newest document is named in the feed and in the one before it.
        change = counter.take(conn)
        if slug != ALL:
            categories.stamp(conn, [slug], change)
    return closed == _AT_ONCE


def forget(conn: Connection, slug: str) -> None:
    """For a category that becomes part of another: there its articles are in no document yet."""
    conn.execute(update(membership).where(membership.c.category == slug).values(archive=None))


def _fallen_out(
    conn: Connection, slug: str, size: int, most: int
) -> Iterator[list[Row[tuple[str, int]]]]:
    """Articles for the next documents, at most so many; what was withdrawn goes along."""
    place, archive, in_feed = _columns(slug)
    live = and_(in_feed, article.c.withdrawn_at.is_(None))
    if slug != ALL:
        live = and_(live, membership.c.removed_at.is_(None))
    joined = article.join(membership, membership.c.article_id == article.c.id)
    tables = article if slug == ALL else joined
    edge = (
        select(place)
        .select_from(tables)
        .where(live)
        .order_by(place.desc())
        .offset(size - 1)
        .limit(1)
    )
    lowest_shown = conn.execute(edge).scalar()
    if lowest_shown is None:
        return
    rows = conn.execute(
        select(article.c.id, place.label("place"))
        .select_from(tables)
        .where(in_feed, archive.is_(None))
        .order_by(place, article.c.id)
        .limit(size * most)
    ).all()
    for start in range(0, len(rows), size):
        members = rows[start : start + size]
        if members[0].place >= lowest_shown:
            return
        yield list(members)


def _columns(
    slug: str,
) -> tuple[ColumnElement[int], ColumnElement[int | None], ColumnElement[bool]]:
    """Place and archive document of an article in a feed, and what has or had a place there."""
    if slug == ALL:
        return article.c.seq, article.c.archive, article.c.seq.is_not(None)
    here = and_(membership.c.category == slug, membership.c.place.is_not(None))
    return membership.c.place, membership.c.archive, here


def _last(conn: Connection, slug: str) -> int:
    column = article.c.archive if slug == ALL else membership.c.archive
    statement = select(func.max(column))
    if slug != ALL:
        statement = statement.where(membership.c.category == slug)
    return conn.execute(statement).scalar() or 0


def _keep(conn: Connection, slug: str, ids: list[str], number: int) -> None:
    if slug == ALL:
        conn.execute(update(article).where(article.c.id.in_(ids)).values(archive=number))
        return
    conn.execute(
        update(membership)
        .where(membership.c.category == slug, membership.c.article_id.in_(ids))
        .values(archive=number)
    )
