"""What articles of text pages say, findable by hashes, since only their words identify them."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, insert, select, update

from publisher.core.matching import KnownText
from publisher.core.model import Related
from publisher.store.tables import article, counter, text_key

_AT_ONCE = 500  # keys in one query


def sharing(conn: Connection, wanted: Collection[int]) -> list[KnownText]:
    """The articles of text pages that share a key with these: all that the matcher can pair."""
    ids: set[str] = set()
    ordered = sorted(wanted)
    for start in range(0, len(ordered), _AT_ONCE):
        chunk = ordered[start : start + _AT_ONCE]
        statement = select(text_key.c.article_id).where(text_key.c.key.in_(chunk)).distinct()
        ids.update(conn.execute(statement).scalars())
    found: list[KnownText] = []
    ordered_ids = sorted(ids)
    for start in range(0, len(ordered_ids), _AT_ONCE):
        rows = conn.execute(
            select(article.c.id, article.c.title, article.c.paragraphs, article.c.related)
            .where(article.c.id.in_(ordered_ids[start : start + _AT_ONCE]))
            .order_by(article.c.received_at, article.c.id)
        )
        found.extend(
            KnownText(
                id=row.id,
                title=row.title,
                paragraphs=tuple(row.paragraphs or ()),
                related=tuple(Related(**each) for each in row.related),
            )
            for row in rows
        )
    return found


def remember(conn: Connection, said: Mapping[str, Collection[int]]) -> None:
    """Make articles, by id, findable by the keys of what they say now."""
    if not said:
        return
    conn.execute(delete(text_key).where(text_key.c.article_id.in_(sorted(said))))
    conn.execute(
        insert(text_key),
        [{"key": key, "article_id": id_} for id_, keys in said.items() for key in sorted(keys)],
    )


def state(conn: Connection) -> int:
    """A number that is another after each article of a text page that was written."""
    return int(conn.execute(select(counter.c.texts)).scalar_one())


def advance(conn: Connection, seen: int) -> bool:
    """Go on to the state after `seen`; False if another writer did so first.

    Then what was found in that state may not hold any more.
    """
    statement = update(counter).where(counter.c.texts == seen).values(texts=seen + 1)
    return conn.execute(statement).rowcount == 1
