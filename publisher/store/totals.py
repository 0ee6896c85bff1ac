"""Editions that ended long ago become totals: how many mails ended in which state, no more whose.

A chunk's rows are counted and deleted in one transaction. So totals and rows add up to what was
enqueued at every moment, wherever a kill cuts in, and nothing is counted twice.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from publisher.core.model import OPEN_STATES, EditionState
from publisher.store import ledger
from publisher.store.tables import (
    delivery,
    edition,
    rendering,
    slot,
    variant,
    variant_article,
    variant_correction,
)

CHUNK = 1_000
"""Mails made totals in one transaction: some 10 ms."""

_VARIANTS = 20  # in one transaction, with all their mails' bodies


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """An edition and what became of its mails."""

    edition: int
    slot: str
    planned_at: datetime
    state: EditionState
    enqueued: int
    mails: Mapping[str, int]
    """By state; together as many as were enqueued."""


def due(conn: Connection, ended_before: datetime) -> list[int]:
    """The editions that ended before then and of which more than totals is kept, oldest first."""
    more = select(variant.c.id).where(variant.c.edition_id == edition.c.id).exists()
    statement = select(edition.c.id).where(_ended(ended_before), more).order_by(edition.c.id)
    return list(conn.execute(statement).scalars())


def clear(conn: Connection, edition_id: int, ended_before: datetime, chunk: int = CHUNK) -> bool:
    """Make the next mails of an edition totals; False when there is no more to do in it.

    A mail that is still open stays, and with it what it is made of, until somebody settles it.
    """
    held = conn.execute(
        select(edition.c.totals)
        .where(edition.c.id == edition_id, _ended(ended_before))
        .with_for_update()
    ).first()
    if held is None:  # it goes on, or another has just cleared it
        return False
    settled = delivery.c.state.not_in(OPEN_STATES)
    some = select(delivery.c.id).where(delivery.c.edition_id == edition_id, settled).limit(chunk)
    gone = Counter(
        conn.execute(
            delete(delivery).where(delivery.c.id.in_(some), settled).returning(delivery.c.state)
        ).scalars()
    )
    if gone:
        totals = dict(gone + Counter(held.totals or {}))
        conn.execute(update(edition).where(edition.c.id == edition_id).values(totals=totals))
        return True
    still_open = select(delivery.c.id).where(delivery.c.edition_id == edition_id).limit(1)
    if conn.execute(still_open).first() is not None:
        return False
    return _clear_contents(conn, edition_id)


def counts(conn: Connection, edition_id: int | None = None) -> Mapping[str, int]:
    """Mails by state, of one edition or of all, with those of which only totals are kept."""
    statement = select(edition.c.totals).where(edition.c.totals.is_not(None))
    if edition_id is not None:
        statement = statement.where(edition.c.id == edition_id)
    found = Counter(ledger.counts(conn, edition_id))
    for totals in conn.execute(statement).scalars():
        found.update(totals)
    return dict(found)


def books(conn: Connection, newsletter_slug: str, limit: int) -> list[Book]:
    """A newsletter's last editions, the newest first."""
    rows = conn.execute(
        select(edition, slot.c.key)
        .join(slot, slot.c.id == edition.c.slot_id)
        .where(edition.c.newsletter == newsletter_slug)
        .order_by(edition.c.id.desc())
        .limit(limit)
    )
    return [
        Book(
            edition=row.id,
            slot=row.key,
            planned_at=row.planned_at,
            state=EditionState(row.state),
            enqueued=row.enqueued,
            mails=counts(conn, row.id),
        )
        for row in rows.all()
    ]


def last_cleared(conn: Connection) -> int:
    """The place in the order up to which editions may have been made totals; 0 for none."""
    found = conn.execute(
        select(edition.c.upto_seq)
        .where(edition.c.totals.is_not(None))
        .order_by(edition.c.id.desc())
        .limit(1)
    ).scalar()
    return int(found or 0)


def _ended(before: datetime) -> ColumnElement[bool]:
    return and_(
        edition.c.state.in_([EditionState.FINISHED, EditionState.CANCELLED]),
        edition.c.finished_at < before,
    )


def _clear_contents(conn: Connection, edition_id: int) -> bool:
    """Delete the next of an edition's variants, which no mail needs any more."""
    ids = list(
        conn.execute(
            select(variant.c.id).where(variant.c.edition_id == edition_id).limit(_VARIANTS)
        ).scalars()
    )
    if ids:
        conn.execute(delete(rendering).where(rendering.c.variant_id.in_(ids)))
        for held in (variant_article, variant_correction):
            conn.execute(delete(held).where(held.c.variant_id.in_(ids)))
        conn.execute(delete(variant).where(variant.c.id.in_(ids)))
    return bool(ids)
