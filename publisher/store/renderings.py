"""Renderings in the store: what a variant holds now, and the mails made of it."""

import re
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, func, insert, select

from publisher.core.edition import VariantContent
from publisher.core.model import Article, Cadence, Rendering
from publisher.core.notice import Notice
from publisher.errors import NotFoundError, PermanentError
from publisher.store import counter, notices, shelf
from publisher.store.tables import (
    article,
    edition,
    rendering,
    rendering_without,
    slot,
    variant,
    variant_article,
    variant_correction,
)

_OF_HASH = 12  # of its digits: enough that nobody comes upon another's
_NAME = re.compile(rf"([0-9]{{1,15}})-([0-9a-f]{{{_OF_HASH}}})")


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
    without: Collection[str] = (),
    now: datetime,
) -> None:
    """Keep a rendering as the variant's newest; rows already tried keep the one they have.

    `without`: articles of the variant that it does not hold. Nothing is kept for a variant that is
    no more.
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
    its_id = conn.execute(
        insert(rendering)
        .values(
            variant_id=variant_id,
            number=number,
            fingerprint=fingerprint,
            change=change,
            content=values,
            body=body,
            created_at=now,
        )
        .returning(rendering.c.id)
    ).scalar_one()
    if without:
        rows = [{"rendering_id": its_id, "article_id": each} for each in without]
        conn.execute(insert(rendering_without), rows)


def current(
    conn: Connection, variant_ids: Collection[int], fingerprints: Collection[str]
) -> dict[int, int]:
    """The newest rendering of each variant, unless an article or the templates changed since."""
    if not variant_ids:
        return {}
    rows = conn.execute(
        select(rendering.c.variant_id, rendering.c.id)
        .where(
            rendering.c.variant_id.in_(sorted(variant_ids)),
            rendering.c.fingerprint.in_(sorted(fingerprints)),
            _is_as_its_articles(),
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


def newest(conn: Connection, variant_id: int) -> Rendering | None:
    """The newest rendering of a variant, unless one of its articles changed since."""
    found = conn.execute(
        select(rendering.c.id)
        .where(rendering.c.variant_id == variant_id, _is_as_its_articles())
        .order_by(rendering.c.number.desc())
        .limit(1)
    ).scalar()
    return None if found is None else find(conn, found)


def variant_named(conn: Connection, name: str) -> int | None:
    """The variant with this `VariantContent.name`; None where only totals are kept of its edition.

    Raises NotFoundError when there never was one.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise NotFoundError(f"there is no edition {name!r}")
    found = conn.execute(
        select(variant.c.id).where(
            variant.c.edition_id == int(parts[1]), variant.c.hash.startswith(parts[2])
        )
    ).scalar()
    if found is None:
        of_it = select(edition.c.totals).where(edition.c.id == int(parts[1]))
        if conn.execute(of_it).scalar() is None:
            raise NotFoundError(f"there is no edition {name!r}")
    return found


def key_ids(conn: Connection, newest: int = 200) -> set[str]:
    """Which signing keys the links of the newest renderings were made with."""
    rows = conn.execute(
        select(rendering.c.content).order_by(rendering.c.id.desc()).limit(newest)
    ).scalars()
    return {str(content["key_id"]) for content in rows}


def _edition(conn: Connection, variant_id: int) -> VariantContent:
    row = conn.execute(
        select(variant, edition.c.newsletter, edition.c.planned_at, slot.c.cadence, slot.c.zone)
        .join(edition, edition.c.id == variant.c.edition_id)
        .join(slot, slot.c.id == edition.c.slot_id)
        .where(variant.c.id == variant_id)
    ).one()
    given = _held(conn, variant_article, variant_id)
    corrected = _held(conn, variant_correction, variant_id)
    return VariantContent(
        name=f"{row.edition_id}-{row.hash[:_OF_HASH]}",
        newsletter=row.newsletter,
        cadence=Cadence(row.cadence),
        zone=row.zone,
        locale=row.locale,
        planned_at=row.planned_at,
        articles=tuple(each for each in given if each.withdrawn_at is None),
        withdrawn=tuple(each.id for each in given if each.withdrawn_at is not None),
        corrections=tuple(each for each in corrected if each.correction),
        categories={each.slug: each for each in shelf.categories(conn)},
        change=counter.head(conn),
    )


def _is_as_its_articles() -> ColumnElement[bool]:
    """Those that it gives and those that it tells a correction of."""
    changes = (
        select(func.coalesce(func.max(article.c.change), 0))
        .join(held, held.c.article_id == article.c.id)
        .where(held.c.variant_id == rendering.c.variant_id)
        .scalar_subquery()
        for held in (variant_article, variant_correction)
    )
    return and_(*(rendering.c.change >= change for change in changes))


def _held(conn: Connection, table: Table, variant_id: int) -> list[Article]:
    ids = list(
        conn.execute(
            select(table.c.article_id)
            .where(table.c.variant_id == variant_id)
            .order_by(table.c.position)
        ).scalars()
    )
    found = shelf.by_ids(conn, ids)
    return [found[article_id] for article_id in ids]
