"""Articles in the store: found, written, revised, moved, withdrawn."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    Update,
    func,
    insert,
    literal,
    select,
    update,
)

from publisher.core.identity import mint_article_id, unique_slug
from publisher.core.intake import Known, Offered
from publisher.core.model import CategoryName, DeliveryState
from publisher.errors import NotFoundError
from publisher.store import categories, counter, totals
from publisher.store.keys import below
from publisher.store.tables import (
    UtcDateTime,
    article,
    delivery,
    membership,
    meta,
    subscription,
    variant_article,
)


def find(conn: Connection, source: str, source_key: str) -> Known | None:
    return _known(conn, article.c.source == source, article.c.source_key == source_key)


def find_by_id(conn: Connection, article_id: str) -> Known | None:
    return _known(conn, article.c.id == article_id)


def find_moved(
    conn: Connection, source: str, content_hash: str, scope: str, present: Collection[str]
) -> Known | None:
    """The article that says exactly this and whose own document below `scope` is gone."""
    rows = conn.execute(
        select(article.c.id, article.c.source_key).where(
            article.c.source == source,
            article.c.content_hash == content_hash,
            below(article.c.source_key, scope),
        )
    )
    gone = sorted(row.id for row in rows if row.source_key not in present)
    return find_by_id(conn, gone[0]) if gone else None


def is_withdrawn(conn: Connection, slug: str) -> bool:
    """Whether the article with this page was public and was withdrawn."""
    row = conn.execute(
        select(article.c.seq, article.c.withdrawn_at).where(article.c.slug == slug)
    ).first()
    return row is not None and row.seq is not None and row.withdrawn_at is not None


def keys_below(conn: Connection, source: str, scope: str) -> dict[str, str]:
    """Keys below `scope` and the ids of their articles, without the withdrawn."""
    rows = conn.execute(
        select(article.c.source_key, article.c.id).where(
            article.c.source == source,
            below(article.c.source_key, scope),
            article.c.withdrawn_at.is_(None),
        )
    )
    return {row.source_key: row.id for row in rows}


def add(
    conn: Connection,
    offered: Offered,
    *,
    source: str,
    source_key: str,
    host: str,
    published_at: datetime,
    updated_at: datetime,
    now: datetime,
    too_old: bool,
) -> str:
    """Keep a new article, not yet public; its id is minted here. An empty key becomes the id."""
    article_id = mint_article_id(*_naming(conn, host, now), secrets.token_hex(8))
    conn.execute(
        insert(article).values(
            id=article_id,
            source=source,
            source_key=source_key or article_id,
            slug=unique_slug(offered.slug or offered.title, lambda wish: _slug_taken(conn, wish)),
            published_at=published_at,
            updated_at=updated_at,
            received_at=now,
            **_content(offered, too_old=too_old),
        )
    )
    place_in(conn, article_id, offered.categories, now=now)
    return article_id


def revise(
    conn: Connection,
    known: Known,
    offered: Offered,
    *,
    published_at: datetime,
    updated_at: datetime,
    too_old: bool,
) -> None:
    """Replace what an article says; its id, slug and place stay."""
    conn.execute(
        update(article)
        .where(article.c.id == known.id)
        .values(
            revision=article.c.revision + 1,
            published_at=published_at,
            updated_at=updated_at,
            **_content(offered, too_old=too_old),
        )
    )
    _stamp(conn, [known.id])


def rekey(conn: Connection, article_id: str, source_key: str) -> None:
    """The same article's document now has another name."""
    conn.execute(update(article).where(article.c.id == article_id).values(source_key=source_key))


def place_in(
    conn: Connection,
    article_id: str,
    names: Sequence[str | CategoryName],
    *,
    now: datetime,
    only_add: bool = False,
) -> bool:
    """Let the article stand in exactly the categories named, in this order; True if that is news.

    `only_add`: what is not named stays, since an archive page speaks for its own category alone.
    """
    wanted = list(dict.fromkeys(categories.slug_for(conn, name) for name in names))
    statement = select(membership).where(membership.c.article_id == article_id)
    rows = conn.execute(statement.order_by(membership.c.position, membership.c.category)).all()
    current = {row.category: row.position for row in rows if row.removed_at is None}
    if only_add:
        wanted = list(dict.fromkeys([*current, *wanted]))
    added = [slug for slug in wanted if slug not in current]
    removed = sorted(current.keys() - set(wanted))
    shifted = [slug for n, slug in enumerate(wanted) if current.get(slug, n) != n]
    if not added and not removed and not shifted:
        return False
    known = find_by_id(conn, article_id)
    change = counter.take(conn) if known and known.public else None
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


def withdraw(conn: Connection, article_ids: Sequence[str], *, by: str, now: datetime) -> None:
    """Take articles back: gone from feeds, lists and unsent mails. `by`: source or operator.

    Raises NotFoundError naming an id that is not there.
    """
    for article_id in article_ids:
        result = conn.execute(
            update(article)
            .where(article.c.id == article_id)
            .values(
                withdrawn_at=func.coalesce(article.c.withdrawn_at, literal(now, UtcDateTime())),
                withdrawn_by=by,
            )
        )
        if result.rowcount == 0:
            raise NotFoundError(f"there is no article {article_id}")
    _stamp(conn, article_ids)


def revive(conn: Connection, article_id: str) -> None:
    """It is there again: at its old place, or at a new one if mails went out without it.

    Readers who have been given all up to a place are given nothing below it any more.
    """
    back: dict[str, object] = {"withdrawn_at": None, "withdrawn_by": ""}
    if _was_missed(conn, article_id):
        back["seq"] = None
    conn.execute(update(article).where(article.c.id == article_id).values(**back))
    _stamp(conn, [article_id])


def _was_missed(conn: Connection, article_id: str) -> bool:
    """Whether readers passed its place, and nobody was given it."""
    seq = select(article.c.seq).where(article.c.id == article_id).scalar_subquery()
    passed = select(subscription.c.id).where(seq > 0, subscription.c.after_seq >= seq).limit(1)
    given = (
        select(delivery.c.id)
        .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
        .where(
            variant_article.c.article_id == article_id,
            delivery.c.state.not_in([DeliveryState.CANCELLED, DeliveryState.SUPPRESSED]),
        )
        .limit(1)
    )
    if conn.execute(passed).first() is None or conn.execute(given).first() is not None:
        return False
    # Who was given what has been made totals by and by: then it counts as given.
    place: int = conn.execute(select(seq)).scalar_one()
    return place > totals.last_cleared(conn)


def _content(offered: Offered, *, too_old: bool) -> dict[str, object]:
    return {
        "title": offered.title,
        "summary": offered.summary,
        "body_html": offered.body_html,
        "paragraphs": list(offered.paragraphs) or None,
        "authors": list(offered.authors),
        "image": asdict(offered.image) if offered.image else None,
        "enclosures": [asdict(each) for each in offered.enclosures],
        "related": [asdict(each) for each in offered.related],
        "aliases": list(offered.aliases),
        "language": offered.language,
        "correction": offered.correction,
        "url": offered.url,
        "content_hash": offered.content_hash,
        "too_old": too_old,
    }


def _known(conn: Connection, *where: ColumnElement[bool]) -> Known | None:
    row = conn.execute(select(article).where(*where)).first()
    if row is None:
        return None
    return Known(
        id=row.id,
        content_hash=row.content_hash,
        published_at=row.published_at,
        updated_at=row.updated_at,
        public=row.seq is not None,
        withdrawn=row.withdrawn_at is not None,
        withdrawn_by=row.withdrawn_by,
    )


def _stamp(conn: Connection, article_ids: Sequence[str]) -> None:
    """Number a change of articles and of the categories they stand in, if they are public."""
    public = list(
        conn.execute(
            select(article.c.id).where(article.c.id.in_(article_ids), article.c.seq.is_not(None))
        ).scalars()
    )
    if not public:
        return
    change = counter.take(conn)
    conn.execute(update(article).where(article.c.id.in_(public)).values(change=change))
    touched = conn.execute(
        select(membership.c.category).where(
            membership.c.article_id.in_(public), membership.c.removed_at.is_(None)
        )
    )
    categories.stamp(conn, touched.scalars(), change)


def _membership(article_id: str, slug: str) -> Update:
    return update(membership).where(
        membership.c.article_id == article_id, membership.c.category == slug
    )


def _slug_taken(conn: Connection, slug: str) -> bool:
    return conn.execute(select(article.c.id).where(article.c.slug == slug)).first() is not None


def _naming(conn: Connection, host: str, now: datetime) -> tuple[str, int]:
    """Host and year of all ids: those of the first use, so that a change of domain moves none."""
    stored = dict(
        conn.execute(select(meta.c.key, meta.c.value).where(meta.c.key.in_(["host", "year"]))).all()
    )
    if not stored:
        stored = {"host": host, "year": str(now.year)}
        conn.execute(insert(meta), [{"key": key, "value": stored[key]} for key in stored])
    return stored["host"], int(stored["year"])
