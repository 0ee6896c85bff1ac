"""Categories in the store: made by the first article that names them, stamped when they change."""

from collections.abc import Iterable

from sqlalchemy import Connection, Row, insert, select, update

from publisher.core.identity import category_key, indexable, kept_slug, unique_slug
from publisher.core.model import CategoryName
from publisher.store import counter
from publisher.store.tables import category


def slug_for(conn: Connection, name: str | CategoryName) -> str:
    """The slug of the category of this name, made now if it is the first to bear it.

    What is known of it beside its name is kept where nothing was known before.
    """
    named = name if isinstance(name, CategoryName) else CategoryName(title=name)
    by_title = category_key(named.title)
    by_both = f"{by_title}\n{indexable(named.slug)}"
    rows = {
        row.name_key: row
        for row in conn.execute(
            select(category).where(category.c.name_key.in_([by_title, by_both]))
        )
    }
    namesake = rows.get(by_title)
    same = namesake is not None and (not named.shared or namesake.slug == named.slug)
    found = rows.get(by_both) or (namesake if same else None)
    if found is None:
        return _make(conn, named, by_title if namesake is None else None, by_both)
    if found.moved_to:
        return str(found.moved_to)
    _complete(conn, found, named)
    return str(found.slug)


def stamp(conn: Connection, slugs: Iterable[str], change: int) -> None:
    """Note that something public in these categories changed."""
    wanted = sorted(set(slugs))
    if wanted:
        conn.execute(update(category).where(category.c.slug.in_(wanted)).values(change=change))


def _make(conn: Connection, named: CategoryName, by_title: str | None, by_both: str) -> str:
    parent = slug_for(conn, named.parent) if named.parent else None
    if named.slug:
        slug = kept_slug(named.slug, lambda wish: _taken(conn, wish))
    else:
        slug = unique_slug(named.title, lambda wish: _taken(conn, wish))
    # One that shares its title is found again by it only if its slug could be kept.
    key = by_both if by_title is None or (named.shared and slug != named.slug) else by_title
    conn.execute(
        insert(category).values(
            slug=slug,
            name_key=key,
            title=named.title,
            description=named.description,
            parent=parent,
        )
    )
    return slug


def _complete(conn: Connection, found: Row[tuple[object, ...]], named: CategoryName) -> None:
    """Write down what is told of a category that was only a name so far."""
    news: dict[str, object] = {}
    if named.description and not found.description:
        news["description"] = named.description
    if named.parent and found.parent is None:
        parent = slug_for(conn, named.parent)
        if found.slug not in _upwards(conn, parent):
            news["parent"] = parent
    if news:
        if found.change:
            news["change"] = counter.take(conn)
        conn.execute(update(category).where(category.c.slug == found.slug).values(news))


def _upwards(conn: Connection, slug: str | None) -> list[str]:
    """A category and those above it."""
    way: list[str] = []
    while slug is not None and slug not in way:
        way.append(slug)
        slug = conn.execute(select(category.c.parent).where(category.c.slug == slug)).scalar()
    return way


def _taken(conn: Connection, slug: str) -> bool:
    return conn.execute(select(category.c.slug).where(category.c.slug == slug)).first() is not None
