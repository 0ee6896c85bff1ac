"""Articles in the store: found, written, revised, moved, withdrawn."""

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from publisher.core.identity import RESERVED, mint_article_id, possible_slugs
from publisher.core.intake import Known, Version
from publisher.core.links import web_address
from publisher.core.model import DeliveryState
from publisher.errors import NotFoundError
from publisher.store import categories, counter, memberships, naming, totals
from publisher.store.keys import below
from publisher.store.tables import (
    UtcDateTime,
    article,
    delivery,
    membership,
    rendering,
    rendering_without,
    variant_article,
)

_AT_ONCE = 500  # names in one question
_KNOWN: Select[Any] = select(  # Any: the columns' types are those of tables.article
    article.c.id,
    article.c.source_key,
    article.c.content_hash,
    article.c.published_at,
    article.c.updated_at,
    article.c.seq,
    article.c.first_seq,
    article.c.withdrawn_at,
    article.c.withdrawn_by,
)
_WAS_PUBLIC = article.c.seq.is_not(None) | article.c.first_seq.is_not(None)


def find(conn: Connection, source: str, source_keys: Collection[str]) -> dict[str, Known]:
    """Those that are known of a source's articles, by their keys there."""
    of_source = article.c.source == source
    return {
        row.source_key: _known(row)
        for some in _some(source_keys)
        for row in conn.execute(_KNOWN.where(of_source, article.c.source_key.in_(some)))
    }


def find_by_id(conn: Connection, article_ids: Collection[str]) -> dict[str, Known]:
    return {
        row.id: _known(row)
        for some in _some(article_ids)
        for row in conn.execute(_KNOWN.where(article.c.id.in_(some)))
    }


def find_moved(
    conn: Connection, source: str, content_hash: str, scope: str, present: Collection[str]
) -> Known | None:
    """The article that says exactly this and whose own document below `scope` is gone."""
    rows = conn.execute(
        _KNOWN.where(
            article.c.source == source,
            article.c.content_hash == content_hash,
            below(article.c.source_key, scope),
        ).order_by(article.c.id)
    )
    return next((_known(row) for row in rows if row.source_key not in present), None)


def is_withdrawn(conn: Connection, slug: str) -> bool:
    """Whether the article with this page was public and was withdrawn."""
    its = article.c.slug == slug
    gone = select(article.c.id).where(its, _WAS_PUBLIC, article.c.withdrawn_at.is_not(None))
    return conn.execute(gone).first() is not None


def elsewhere(conn: Connection, slug: str) -> str:
    """The address that a public article with this slug has elsewhere; empty without one."""
    its = article.c.slug == slug
    public = article.c.seq.is_not(None) & article.c.withdrawn_at.is_(None)
    found = conn.execute(select(article.c.url).where(its, public)).scalar()
    return web_address(found or "")


def keys_below(conn: Connection, source: str, scope: str) -> set[str]:
    """Keys of a source's articles below `scope`, without the withdrawn."""
    found = select(article.c.source_key).where(
        article.c.source == source,
        below(article.c.source_key, scope),
        article.c.withdrawn_at.is_(None),
    )
    return set(conn.execute(found).scalars())


def add(
    conn: Connection,
    new: Sequence[tuple[str, Version]],
    *,
    source: str,
    host: str,
    now: datetime,
) -> list[str]:
    """Keep new articles under their keys, not yet public; their ids are minted here.

    An empty key becomes the id.
    """
    if not new:
        return []
    host_and_year = naming.ensure(conn, host, now)
    ids = [mint_article_id(*host_and_year, secrets.token_hex(8)) for _ in new]
    rows = [
        {
            "id": article_id,
            "source": source,
            "source_key": key or article_id,
            "slug": page,
            "received_at": now,
            **_content(version),
        }
        for article_id, page, (key, version) in zip(ids, _slugs(conn, new), new, strict=True)
    ]
    conn.execute(insert(article), rows)
    memberships.begin(
        conn,
        {id_: version.offered.categories for id_, (_, version) in zip(ids, new, strict=True)},
    )
    return ids


def revise(conn: Connection, revised: Mapping[str, Version], now: datetime) -> None:
    """Replace what articles, by id, say; their ids, slugs and places stay.

    Who was given one of them before it got another correction is to be told.
    """
    if not revised:
        return
    noted = _noted(conn, {id_: each.offered.correction for id_, each in revised.items()})
    rows = [{"b_id": article_id, **_content(each)} for article_id, each in revised.items()]
    replaced: dict[str, object] = {name: bindparam(name) for name in rows[0] if name != "b_id"}
    conn.execute(
        update(article)
        .where(article.c.id == bindparam("b_id"))
        .values(revision=article.c.revision + 1, **replaced),
        rows,
    )
    _stamp(conn, list(revised), noted, now)


def rekey(conn: Connection, keys: Mapping[str, str]) -> None:
    """The documents of these articles, by id, now have other names, be it each other's."""
    statement = (
        update(article)
        .where(article.c.id == bindparam("b_id"))
        .values(source_key=bindparam("b_key"))
    )
    # A name is free for the next only when whoever bore it has let go of it.
    conn.execute(statement, [{"b_id": each, "b_key": each} for each in keys])
    conn.execute(statement, [{"b_id": each, "b_key": key} for each, key in keys.items()])


def withdraw(
    conn: Connection,
    article_ids: Sequence[str],
    *,
    by: str,
    now: datetime,
    corrections: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Take articles back: gone from feeds, lists and unsent mails. `by`: source or operator.

    `corrections`, by id: what those who were given one of them are to be told. Raises NotFoundError
    naming an id that is not there.
    """
    known = find_by_id(conn, article_ids)
    if unknown := [each for each in article_ids if each not in known]:
        raise NotFoundError(f"there is no article {unknown[0]}")
    since = func.coalesce(article.c.withdrawn_at, literal(now, UtcDateTime()))
    for some in _some(article_ids):
        conn.execute(
            update(article)
            .where(article.c.id.in_(some))
            .values(withdrawn_at=since, withdrawn_by=by)
        )
    noted = _noted(conn, corrections)
    for article_id in noted:
        conn.execute(
            update(article)
            .where(article.c.id == article_id)
            .values(correction=corrections[article_id])
        )
    _stamp(conn, article_ids, noted, now)


def revive(conn: Connection, article_id: str, *, too_old: bool) -> None:
    """It is there again: at its old place, or soon at a new one if mails went out without it.

    Readers who have been given all up to a place are given nothing below it any more. `too_old`:
    it would be mailed to nobody at a new one.
    """
    back: dict[str, object] = {"withdrawn_at": None, "withdrawn_by": "", "missed": False}
    if not too_old and _was_missed(conn, article_id):
        back |= {"seq": None, "first_seq": func.coalesce(article.c.first_seq, article.c.seq)}
    conn.execute(update(article).where(article.c.id == article_id).values(**back))
    _stamp(conn, [article_id])


def _was_missed(conn: Connection, article_id: str) -> bool:
    """Whether readers passed its place while it was away, or got a mail without it, or none."""
    row = conn.execute(
        select(article.c.seq, article.c.missed, article.c.withdrawn_at).where(
            article.c.id == article_id
        )
    ).one()
    # Who was given what has been made totals by and by: then it counts as given.
    if row.seq is None or row.seq <= max(0, totals.last_cleared(conn)):
        return False
    went_without = (
        select(delivery.c.id)
        .join(rendering, rendering.c.id == delivery.c.rendering_id)
        .join(rendering_without, rendering_without.c.rendering_id == rendering.c.id)
        .where(
            rendering_without.c.article_id == article_id,
            rendering.c.created_at >= row.withdrawn_at,
        )
        .limit(1)
    )
    held_nothing_else = (
        select(delivery.c.id)
        .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
        .where(
            variant_article.c.article_id == article_id,
            delivery.c.state == DeliveryState.CANCELLED,
            delivery.c.answered_at >= row.withdrawn_at,
        )
        .limit(1)
    )
    return bool(row.missed) or any(
        conn.execute(each).first() is not None for each in (went_without, held_nothing_else)
    )


def _content(version: Version) -> dict[str, object]:
    offered = version.offered
    return {
        "published_at": version.published_at,
        "updated_at": version.updated_at,
        "too_old": version.too_old,
        "title": offered.title,
        "summary": offered.summary,
        "body_html": offered.body_html,
        "paragraphs": list(offered.paragraphs) or None,
        "authors": list(offered.authors),
        "image": asdict(offered.image) if offered.image else None,
        "enclosures": [asdict(each) for each in offered.enclosures],
        "related": [asdict(each) for each in offered.related],
        "language": offered.language,
        "correction": offered.correction,
        "url": offered.url,
        "content_hash": offered.content_hash,
    }


def _known(row: Row[Any]) -> Known:
    return Known(
        id=row.id,
        content_hash=row.content_hash,
        published_at=row.published_at,
        updated_at=row.updated_at,
        public=row.seq is not None or row.first_seq is not None,
        withdrawn=row.withdrawn_at is not None,
        withdrawn_by=row.withdrawn_by,
    )


def _noted(conn: Connection, corrections: Mapping[str, str]) -> list[str]:
    """The articles that say something else in their correction than before."""
    told = {article_id: note for article_id, note in corrections.items() if note}
    rows = [
        row
        for some in _some(told)
        for row in conn.execute(
            select(article.c.id, article.c.correction).where(article.c.id.in_(some))
        )
    ]
    return [row.id for row in rows if row.correction != told[row.id]]


def _stamp(
    conn: Connection,
    article_ids: Sequence[str],
    noted: Sequence[str] = (),
    now: datetime | None = None,
) -> None:
    """Number a change of articles and of the categories they stand in, if they are public.

    `noted`: those of them that got another correction, `now`.
    """
    public = list(
        conn.execute(
            select(article.c.id).where(article.c.id.in_(article_ids), _WAS_PUBLIC)
        ).scalars()
    )
    if not public:
        return
    change = counter.take(conn)
    conn.execute(update(article).where(article.c.id.in_(public)).values(change=change))
    if corrected := sorted({*noted} & {*public}):
        conn.execute(
            update(article)
            .where(article.c.id.in_(corrected))
            .values(corrected=change, corrected_at=now)
        )
    touched = conn.execute(
        select(membership.c.category).where(
            membership.c.article_id.in_(public), membership.c.removed_at.is_(None)
        )
    )
    categories.stamp(conn, touched.scalars(), change)


def _slugs(conn: Connection, new: Sequence[tuple[str, Version]]) -> list[str]:
    """Of the pages of new articles; one question tells which of the likely ones are taken."""
    wishes = [
        partial(
            possible_slugs,
            version.offered.slug or version.offered.title,
            key or version.offered.content_hash,
        )
        for key, version in new
    ]
    likely = {wish for each in wishes for wish in islice(each(), 2)}
    taken = {*RESERVED, *_taken(conn, likely)}

    def is_free(wish: str) -> bool:
        return wish not in taken and (wish in likely or not _taken(conn, [wish]))

    given: list[str] = []
    for each in wishes:
        given.append(next(filter(is_free, each())))
        taken.add(given[-1])
    return given


def _taken(conn: Connection, slugs: Collection[str]) -> set[str]:
    return set(conn.execute(select(article.c.slug).where(article.c.slug.in_(slugs))).scalars())


def _some(values: Iterable[str]) -> Iterator[list[str]]:
    """As many at a time as one question may name."""
    ordered = sorted(values)
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
