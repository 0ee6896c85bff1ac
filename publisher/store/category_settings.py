"""What the configuration says of categories, brought to the store: names, moves, retirements."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, Table, delete, insert, select, update

from publisher.core.identity import category_key
from publisher.core.model import ConfiguredCategory
from publisher.store import categories, counter, feed_archives, subscriptions
from publisher.store.tables import category, membership, newsletter, subscription


def is_settled(conn: Connection, configured: Sequence[ConfiguredCategory]) -> bool:
    """Whether the store says of categories what the configuration says."""
    rows = {row.slug: row for row in conn.execute(select(category))}
    return all(_agrees(rows, each) for each in configured) and not _returned(rows, configured)


def settle(conn: Connection, configured: Sequence[ConfiguredCategory]) -> None:
    """Let the store say what the configuration says.

    The articles of a slug that a category had formerly become its own, and so do the choices of
    readers and newsletters, so that nobody misses anything.
    """
    said = {each.slug for each in configured}
    for each in configured:
        namesake = _write(conn, each)
        formerly = {*each.formerly, namesake} if namesake not in said else each.formerly
        for former in sorted(filter(None, formerly)):
            _move(conn, former, each.slug)
    rows = {row.slug: row for row in conn.execute(select(category))}
    for slug in _returned(rows, configured):
        _change(conn, slug, {"retired": False})


def now(conn: Connection, former_slug: str) -> str | None:
    """The slug of the category that once had this one."""
    found: str | None = conn.execute(
        select(category.c.moved_to).where(category.c.slug == former_slug)
    ).scalar()
    return found


def is_retired(conn: Connection, slug: str) -> bool:
    return bool(conn.execute(select(category.c.retired).where(category.c.slug == slug)).scalar())


def _values(each: ConfiguredCategory) -> dict[str, object]:
    # What it leaves open a source may know: to clear that would be undone at the next intake.
    told = {"description": each.description, "parent": each.parent}
    return {
        "title": each.title,
        "language": each.language,
        "retired": each.retired,
        "configured": True,
        **{name: value for name, value in told.items() if value},
    }


def _agrees(rows: Mapping[str, Row[tuple[object, ...]]], each: ConfiguredCategory) -> bool:
    row = rows.get(each.slug)
    if row is None or row.moved_to is not None:
        return False
    said = _values(each)
    return {name: row._mapping[name] for name in said} == said and all(
        former in rows and rows[former].moved_to == each.slug for former in each.formerly
    )


def _returned(
    rows: Mapping[str, Row[tuple[object, ...]]], configured: Sequence[ConfiguredCategory]
) -> list[str]:
    """Retired once, and no longer said to be."""
    said = {each.slug for each in configured}
    return [slug for slug, row in rows.items() if row.retired and slug not in said]


def _write(conn: Connection, each: ConfiguredCategory) -> str | None:
    """Keep what is said of a category; the slug under which its title was known, if another."""
    key = category_key(each.title)
    row = conn.execute(select(category).where(category.c.slug == each.slug)).first()
    namesake: str | None = conn.execute(
        select(category.c.slug).where(category.c.name_key == key, category.c.slug != each.slug)
    ).scalar()
    if row is None:
        conn.execute(
            insert(category).values(
                slug=each.slug,
                name_key=key if namesake is None else f"{key}\n{each.slug}",
                **_values(each),
            )
        )
    else:
        _change(conn, each.slug, {**_values(each), "moved_to": None})
    return namesake


def _move(conn: Connection, former: str, slug: str) -> None:
    """Everything of the category `former` becomes that of `slug`."""
    row = conn.execute(select(category).where(category.c.slug == former)).first()
    if row is None:
        # Never seen here: its addresses are known to the world all the same.
        conn.execute(
            insert(category).values(
                slug=former, name_key=f"{former}\nformerly", title=former, moved_to=slug
            )
        )
        return
    if row.moved_to == slug:
        return
    subscriptions.catch_up(conn)
    if _is_empty(conn, slug):
        _take_over_feed(conn, former, slug)
    else:
        feed_archives.forget(conn, former)
    theirs = select(membership.c.article_id).where(membership.c.category == slug)
    conn.execute(
        delete(membership).where(
            membership.c.category == former, membership.c.article_id.in_(theirs)
        )
    )
    conn.execute(update(membership).where(membership.c.category == former).values(category=slug))
    for table in (newsletter, subscription):
        _rename_in_choices(conn, table, former, slug)
    conn.execute(update(category).where(category.c.slug == former).values(moved_to=slug))
    conn.execute(update(category).where(category.c.moved_to == former).values(moved_to=slug))
    categories.stamp(conn, [former, slug], counter.take(conn))


def _is_empty(conn: Connection, slug: str) -> bool:
    return (
        conn.execute(select(membership.c.category).where(membership.c.category == slug)).first()
        is None
    )


def _take_over_feed(conn: Connection, former: str, slug: str) -> None:
    """To a feed reader it is the same feed under another address.

    They exchange their first slugs, so that no two feeds ever have one id.
    """
    rows = conn.execute(select(category).where(category.c.slug.in_([former, slug])))
    first = {row.slug: row.first_slug or row.slug for row in rows}
    for each, other in ((former, slug), (slug, former)):
        conn.execute(
            update(category).where(category.c.slug == each).values(first_slug=first[other])
        )


def _rename_in_choices(conn: Connection, table: Table, former: str, slug: str) -> None:
    key = next(iter(table.primary_key))
    rows = conn.execute(select(key, table.c.categories).where(table.c.categories.is_not(None)))
    for number, choice in rows.all():
        if former in choice:
            floor = min(choice[former], choice.get(slug, choice[former]))
            kept = {name: at for name, at in choice.items() if name != former}
            conn.execute(
                update(table).where(key == number).values(categories={**kept, slug: floor})
            )


def _change(conn: Connection, slug: str, values: Mapping[str, object]) -> None:
    row = conn.execute(select(category).where(category.c.slug == slug)).one()
    if all(row._mapping[name] == value for name, value in values.items()):
        return
    conn.execute(update(category).where(category.c.slug == slug).values(**values))
    if row.change:
        categories.stamp(conn, [slug], counter.take(conn))
