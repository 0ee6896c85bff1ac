"""Categories in the store: made by the first article that names them, stamped when they change."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from publisher.core.identity import category_key, indexable, kept_slug, unique_slug
from publisher.core.model import CategoryName
from publisher.store import counter
from publisher.store.tables import category

_Rows = Mapping[str, Row[Any]]  # Any: the columns' types are those of tables.category


def slugs_for(
    conn: Connection, names: Iterable[str | CategoryName]
) -> dict[str | CategoryName, str]:
    """As `slug_for`, of many: one question for all that are known already."""
    wanted = {each: _named(each) for each in names}
    rows = _rows(conn, wanted.values())
    slugs: dict[str | CategoryName, str] = {}
    for name, named in wanted.items():
        found = _find(rows, named)
        if found is None or (not found.moved_to and _told_first(found, named)):
            slugs[name] = slug_for(conn, named)
        else:
            slugs[name] = _leads_to(found)
    return slugs


def slug_for(conn: Connection, name: str | CategoryName) -> str:
    """The slug of the category of this name, made now if it is the first to bear it.

    What is known of it beside its name is kept where nothing was known before.
    """
    named = _named(name)
    found = _find(_rows(conn, [named]), named)
    if found is None:
        return _make(conn, named)
    if not found.moved_to:
        _complete(conn, found, named)
    return _leads_to(found)


def stamp(conn: Connection, slugs: Iterable[str], change: int) -> None:
    """Note that something public in these categories changed."""
    wanted = sorted(set(slugs))
    if wanted:
        conn.execute(update(category).where(category.c.slug.in_(wanted)).values(change=change))


def _named(name: str | CategoryName) -> CategoryName:
    return name if isinstance(name, CategoryName) else CategoryName(title=name)


def _keys(named: CategoryName) -> tuple[str, str]:
    """Under which of its names a category may be kept: by its title, or by title and slug."""
    by_title = category_key(named.title)
    return by_title, f"{by_title}\n{indexable(named.slug)}"


def _rows(conn: Connection, names: Iterable[CategoryName]) -> _Rows:
    keys = sorted({key for each in names for key in _keys(each)})
    found = conn.execute(select(category).where(category.c.name_key.in_(keys)))
    return {row.name_key: row for row in found}


def _find(rows: _Rows, named: CategoryName) -> Row[Any] | None:
    by_title, by_both = _keys(named)
    namesake = rows.get(by_title)
    same = namesake is not None and (not named.shared or namesake.slug == named.slug)
    return rows.get(by_both) or (namesake if same else None)


def _leads_to(found: Row[Any]) -> str:
    return str(found.moved_to or found.slug)


def _make(conn: Connection, named: CategoryName) -> str:
    parent = slug_for(conn, named.parent) if named.parent else None
    rows = _rows(conn, [named])  # by now its parent stands there, which may bear the same title
    if namesake := _find(rows, named):
        return _leads_to(namesake)
    if not named.slug and (known := _called(conn, named.title)):
        return _leads_to(known)
    if named.slug:
        slug = kept_slug(named.slug, lambda wish: _taken(conn, wish))
    else:
        slug = unique_slug(named.title, lambda wish: _taken(conn, wish))
    # One that shares its title is found again by it only if its slug could be kept.
    by_title, by_both = _keys(named)
    is_first = by_title not in rows
    key = by_title if is_first and not (named.shared and slug != named.slug) else by_both
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


def _called(conn: Connection, title: str) -> Row[Any] | None:
    """The category that the configuration gave this title, or that has, or had, this as its slug.

    Looked for only where a category would be made: most are found by their first name.
    """
    key = category_key(title)
    configured = category.c.configured | category.c.moved_to.is_not(None)
    rows = conn.execute(select(category).where(configured).order_by(category.c.slug)).all()
    found = [row for row in rows if not row.moved_to and category_key(row.title) == key]
    found += [row for row in rows if row.slug == key]
    return found[0] if found else None


def _told_first(found: Row[Any], named: CategoryName) -> bool:
    """Whether more is told of a category than was known."""
    described = bool(named.description) and not found.description
    return described or (named.parent is not None and found.parent is None)


def _complete(conn: Connection, found: Row[Any], named: CategoryName) -> None:
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
