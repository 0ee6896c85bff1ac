"""Renderings in the store: what a variant holds now, and the mails made of it."""

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, func, insert, select

from publisher.core.edition import VariantContent
from publisher.core.model import Cadence, Rendering
from publisher.core.notice import Notice
from publisher.errors import PermanentError
from publisher.store import counter, notices, shelf
from publisher.store.tables import article, edition, rendering, slot, variant, variant_article


def content(conn: Connection, variant_id: int) -> VariantContent | Notice | None:
    """None where it is no more: its reader was erased, or its edition became totals."""
    its = select(variant.c.notice_id).where(variant.c.id == variant_id)
    found = conn.execute(its).first()
    if found is None:
        return None
    notice_id = found.notice_id
    return notices.find(conn, notice_id) if notice_id is not None else _edition(conn, variant_id)


def add(
    conn: Connection,
    variant_id: int,
    made: Rendering,
    *,
    fingerprint: str,
    change: int,
    now: datetime,
) -> None:
    """Keep a rendering as the variant's newest; rows already tried keep the one they have.

    Nothing is kept for a variant that is no more.
    """
    if conn.execute(select(variant.c.id).where(variant.c.id == variant_id)).first() is None:
        return
    values = asdict(made)
    body = values.pop("body")
    number = conn.execute(
        select(func.coalesce(func.max(rendering.c.number), 0) + 1).where(
            rendering.c.variant_id == variant_id
        )
    ).scalar_one()
    conn.execute(
        insert(rendering).values(
            variant_id=variant_id,
            number=number,
            fingerprint=fingerprint,
            change=change,
            content=values,
            body=body,
            created_at=now,
        )
    )


def current(
    conn: Connection, variant_ids: Collection[int], fingerprints: Collection[str]
) -> dict[int, int]:
    """The newest rendering of each variant, unless an article or the templates changed since."""
    if not variant_ids:
        return {}
    changed = (
        select(func.max(article.c.change))
        .join(variant_article, variant_article.c.article_id == article.c.id)
        .where(variant_article.c.variant_id == rendering.c.variant_id)
        .scalar_subquery()
    )
    rows = conn.execute(
        select(rendering.c.variant_id, rendering.c.id)
        .where(
            rendering.c.variant_id.in_(sorted(variant_ids)),
            rendering.c.fingerprint.in_(sorted(fingerprints)),
            rendering.c.change >= func.coalesce(changed, 0),
        )
        .order_by(rendering.c.number)
    )
    return {row.variant_id: row.id for row in rows}


def find(conn: Connection, rendering_id: int) -> Rendering:
    """Raises PermanentError where it is no more: its reader was erased."""
    row = conn.execute(
        select(rendering.c.content, rendering.c.body).where(rendering.c.id == rendering_id)
    ).first()
    if row is None:
        raise PermanentError("this mail is no more")
    return Rendering(**row.content, body=bytes(row.body))


def key_ids(conn: Connection, newest: int = 200) -> set[str]:
    """Which signing keys the links of the newest renderings were made with."""
    rows = conn.execute(
        select(rendering.c.content).order_by(rendering.c.id.desc()).limit(newest)
    ).scalars()
    return {str(content["key_id"]) for content in rows}


def _edition(conn: Connection, variant_id: int) -> VariantContent:
    row = conn.execute(
        select(variant.c.locale, edition.c.newsletter, edition.c.planned_at, slot)
        .join(edition, edition.c.id == variant.c.edition_id)
        .join(slot, slot.c.id == edition.c.slot_id)
        .where(variant.c.id == variant_id)
    ).one()
    ids = list(
        conn.execute(
            select(variant_article.c.article_id)
            .where(variant_article.c.variant_id == variant_id)
            .order_by(variant_article.c.position)
        ).scalars()
    )
    found = shelf.by_ids(conn, ids)
    articles = tuple(
        found[article_id] for article_id in ids if found[article_id].withdrawn_at is None
    )
    return VariantContent(
        newsletter=row.newsletter,
        cadence=Cadence(row.cadence),
        zone=row.zone,
        locale=row.locale,
        planned_at=row.planned_at,
        articles=articles,
        categories={each.slug: each for each in shelf.categories(conn)},
        change=counter.head(conn),
    )
