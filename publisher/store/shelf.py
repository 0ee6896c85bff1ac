"""What is public, in the orders in which feeds and pages show it: reading only."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    or_,
    select,
)

from publisher.core.model import Article, Category, Removal
from publisher.store import counter
from publisher.store import naming as naming_of_ids
from publisher.store.rows import article_from_row
from publisher.store.tables import article, category, membership

_PUBLIC = and_(article.c.seq.is_not(None), article.c.withdrawn_at.is_(None))
_BATCH = 500  # articles held in memory at once, and ids named in one question


def head(conn: Connection) -> int:
    """The last number the counter gave: equal heads, equal public content."""
    return counter.head(conn)


def categories(conn: Connection) -> list[Category]:
    """Those that have had a public article, by slug; they keep their feeds from then on."""
    statement = (
        select(category)
        .where(category.c.change > 0, category.c.moved_to.is_(None), category.c.retired.is_(False))
        .order_by(category.c.slug)
    )
    rows = conn.execute(statement).all()
    now = {slug: there for slug, there in gone(conn) if there}
    return [
        Category(
            slug=row.slug,
            title=row.title,
            description=row.description,
            language=row.language,
            parent=now.get(row.parent, row.parent),
            first_slug=row.first_slug or "",
            change=row.change,
        )
        for row in rows
    ]


def gone(conn: Connection) -> list[tuple[str, str | None]]:
    """Slugs that have no feed, as they moved or were given up, with where they moved to."""
    statement = (
        select(category.c.slug, category.c.moved_to)
        .where(category.c.moved_to.is_not(None) | category.c.retired.is_(True))
        .order_by(category.c.slug)
    )
    return [(row.slug, row.moved_to) for row in conn.execute(statement)]


def newest(conn: Connection, slug: str | None, limit: int) -> list[Article]:
    """The last `limit` articles of a category by their places in it, of all for None."""
    place = _place(slug)
    return _read(conn, _members(slug).order_by(place.desc(), article.c.id.desc()).limit(limit))


def oldest_first(
    conn: Connection, slug: str | None, offset: int, size: int
) -> Iterator[list[Article]]:
    """All articles from the `offset`th on, counted from the oldest place, `size` at a time."""
    place = _place(slug)
    ordered = _members(slug).add_columns(place.label("place")).order_by(place, article.c.id)
    statement = ordered.offset(offset).limit(size)
    while rows := conn.execute(statement).all():
        yield _articles(conn, rows)
        last = rows[-1]
        # By key from here on: an offset would read again all that it passes over.
        beyond = or_(place > last.place, and_(place == last.place, article.c.id > last.id))
        statement = ordered.where(place >= last.place, beyond).limit(size)


def count(conn: Connection, slug: str | None, *, below: int | None = None) -> int:
    """How many articles stand in a category (in all for None), or how many below a place."""
    statement = _members(slug)
    if below is not None:
        statement = statement.where(_place(slug) < below)
    counted = statement.with_only_columns(func.count(), maintain_column_froms=True)
    return int(conn.execute(counted).scalar_one())


def lowest_touched(conn: Connection, slug: str | None, since: int) -> int | None:
    """The lowest place at which a category may read differently than at change `since`.

    None: nothing changed. An article that was public then and was moved to a place since may have
    left an older one, which is not kept: then the answer is the lowest place there is.
    """
    place = _place(slug)
    first = func.coalesce(article.c.first_seq, article.c.seq)
    moved = func.max(case((and_(first <= since, place > since), 1), else_=0))
    statement = select(func.min(place), moved).where(
        article.c.change > since, article.c.seq.is_not(None)
    )
    if slug is not None:
        statement = statement.join_from(article, membership).where(
            membership.c.category == slug, place.is_not(None)
        )
    lowest, some_moved = conn.execute(statement).one()
    return _lowest(conn, slug) if some_moved else lowest


def last_removal(conn: Connection, slug: str | None) -> datetime | None:
    """When an article last left a category, or was withdrawn: what dates an empty feed."""
    if slug is None:
        statement = select(func.max(article.c.withdrawn_at)).where(article.c.seq.is_not(None))
        withdrawn: datetime | None = conn.execute(statement).scalar()
        return withdrawn
    left_at = func.coalesce(membership.c.removed_at, article.c.withdrawn_at)
    found: datetime | None = conn.execute(_with_places(slug, func.max(left_at))).scalar()
    return found


def removals(
    conn: Connection, slug: str | None, *, archive: int | None, limit: int
) -> list[Removal]:
    """What left an archive document, the latest first; for None, what would be among the newest
    `limit` articles if it had not left."""
    place = _place(slug)
    gone_at = (
        article.c.withdrawn_at
        if slug is None
        else func.coalesce(membership.c.removed_at, article.c.withdrawn_at)
    )
    columns = (article.c.id, gone_at.label("at"), place.label("place"))
    statement = _with_places(slug, *columns).where(gone_at.is_not(None))
    if archive is not None:
        statement = statement.where(_archive(slug) == archive)
    else:
        live = _members(slug).with_only_columns(place.label("place"))
        edge = conn.execute(live.order_by(place.desc()).offset(limit - 1).limit(1)).scalar()
        if edge is not None:
            statement = statement.where(place > edge)
        statement = statement.limit(limit)
    rows = conn.execute(statement.order_by(place.desc(), article.c.id.desc()))
    return [Removal(id=row.id, at=row.at) for row in rows]


def archives(conn: Connection, slug: str | None) -> int:
    """How many archive documents a feed has: they are numbered from 1."""
    archive = _archive(slug)
    found = conn.execute(_with_places(slug, func.max(archive))).scalar()
    return int(found or 0)


def archives_touched(conn: Connection, slug: str | None, since: int) -> set[int]:
    """Those that may read differently than at change `since`."""
    archive = _archive(slug)
    touched = _with_places(slug, archive).where(article.c.change > since, archive.is_not(None))
    return set(conn.execute(touched.distinct()).scalars())


def in_archive(conn: Connection, slug: str | None, number: int) -> list[Article]:
    """The articles of an archive document that are still public, by place, the newest first."""
    place = _place(slug)
    held = _members(slug).where(_archive(slug) == number)
    return _read(conn, held.order_by(place.desc(), article.c.id.desc()))


def naming(conn: Connection) -> tuple[str, int]:
    """Host and year in the ids of articles and feeds."""
    known = naming_of_ids.find(conn)
    assert known is not None  # kept when the program first opened the database
    return known


def by_ids(conn: Connection, ids: Sequence[str]) -> dict[str, Article]:
    """These articles, public or not, by id."""
    return {each.id: each for each in _read(conn, select(article).where(article.c.id.in_(ids)))}


def titles(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """By id."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _BATCH):
        rows = conn.execute(
            select(article.c.id, article.c.title).where(
                article.c.id.in_(ids[start : start + _BATCH])
            )
        )
        found.update((row.id, row.title) for row in rows)
    return found


def changed_since(conn: Connection, since: int) -> Iterator[list[Article]]:
    """What was or is public and changed after `since`, the withdrawn too, in batches."""
    beyond = article.c.change > since
    while True:
        statement = select(article).where(article.c.seq.is_not(None), beyond)
        batch = _read(conn, statement.order_by(article.c.change, article.c.id).limit(_BATCH))
        if not batch:
            return
        yield batch
        last = batch[-1]
        beyond = or_(
            article.c.change > last.change,
            and_(article.c.change == last.change, article.c.id > last.id),
        )


def _members(slug: str | None) -> Select[Any]:  # Any: a row of `article`
    statement = select(article).where(_PUBLIC)
    if slug is None:
        return statement
    return statement.join_from(article, membership).where(
        membership.c.category == slug,
        membership.c.place.is_not(None),
        membership.c.removed_at.is_(None),
    )


def _with_places(slug: str | None, *columns: ColumnElement[Any]) -> Select[Any]:  # Any: those
    """Of all that has or had a place in a category (in all for None)."""
    if slug is None:
        return select(*columns).where(article.c.seq.is_not(None))
    return (
        select(*columns)
        .join_from(article, membership)
        .where(membership.c.category == slug, membership.c.place.is_not(None))
    )


def _archive(slug: str | None) -> ColumnElement[int | None]:
    return article.c.archive if slug is None else membership.c.archive


def _place(slug: str | None) -> ColumnElement[int]:
    return article.c.seq if slug is None else membership.c.place


def _lowest(conn: Connection, slug: str | None) -> int | None:
    lowest: int | None = conn.execute(_with_places(slug, func.min(_place(slug)))).scalar()
    return lowest


def _read(conn: Connection, statement: Select[Any]) -> list[Article]:
    return _articles(conn, conn.execute(statement).all())


def _articles(conn: Connection, rows: Sequence[Row[Any]]) -> list[Article]:
    standing = _standing(conn, rows)
    return [article_from_row(row, standing[row.id]) for row in rows]


def _standing(conn: Connection, rows: Sequence[Row[Any]]) -> dict[str, list[str]]:
    """The categories of each article, one question for all of a batch."""
    standing: dict[str, list[str]] = defaultdict(list)
    for start in range(0, len(rows), _BATCH):
        ids = [row.id for row in rows[start : start + _BATCH]]
        found = conn.execute(
            select(membership.c.article_id, membership.c.category)
            .where(membership.c.article_id.in_(ids), membership.c.removed_at.is_(None))
            .order_by(membership.c.position, membership.c.category)
        )
        for article_id, slug in found:
            standing[article_id].append(slug)
    return standing
