"""Categories in the store: made by the first article that names them, stamped when they change."""

from collections.abc import Iterable

from sqlalchemy import Connection, insert, select, update

from publisher.core.identity import category_key, unique_slug
from publisher.store.tables import category


def slug_for(conn: Connection, name: str) -> str:
    """The slug of the category of this name, made now if it is the first to bear it."""
    key = category_key(name)
    found = conn.execute(select(category.c.slug).where(category.c.name_key == key)).scalar()
    if found is not None:
        return str(found)
    slug = unique_slug(name, lambda wish: _taken(conn, wish))
    conn.execute(insert(category).values(slug=slug, name_key=key, title=name))
    return slug


def stamp(conn: Connection, slugs: Iterable[str], change: int) -> None:
    """Note that something public in these categories changed."""
    wanted = sorted(set(slugs))
    if wanted:
        conn.execute(update(category).where(category.c.slug.in_(wanted)).values(change=change))


def _taken(conn: Connection, slug: str) -> bool:
    return conn.execute(select(category.c.slug).where(category.c.slug == slug)).first() is not None
