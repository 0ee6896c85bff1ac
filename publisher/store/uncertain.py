"""Mails of which nobody knows whether they arrived, held until an operator says what becomes of
them (`mail.after_crash = "hold"`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from publisher.core.model import DeliveryState, EditionState
from publisher.store.tables import delivery, edition, subscriber

# Nobody is asked about a notice: who still waits for it asks for another one.
_OPEN = (
    (delivery.c.state == DeliveryState.UNCERTAIN)
    & delivery.c.answered_at.is_(None)
    & delivery.c.edition_id.is_not(None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    delivery_id: int
    newsletter: str
    edition_id: int
    address: str
    first_attempt_at: datetime | None
    reply: str
    """What is known of the last attempt."""


def listing(conn: Connection, newsletter: str | None = None) -> Sequence[Uncertain]:
    """Those nobody has decided about, the oldest first."""
    statement = (
        select(
            delivery.c.id.label("delivery_id"),
            edition.c.newsletter,
            delivery.c.edition_id,
            subscriber.c.address,
            delivery.c.first_attempt_at,
            delivery.c.reply,
        )
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(_OPEN)
        .order_by(delivery.c.id)
    )
    if newsletter is not None:
        statement = statement.where(edition.c.newsletter == newsletter)
    return [Uncertain(**row._mapping) for row in conn.execute(statement)]


def count(conn: Connection) -> int:
    statement = select(func.count()).select_from(delivery).where(_OPEN)
    return int(conn.execute(statement).scalar_one())


def release(conn: Connection, newsletter: str, subscriber_id: int | None = None) -> int:
    """Send them again, byte for byte: who had got theirs gets it twice. Returns how many.

    Not those of a cancelled edition.
    """
    chosen = _chosen(newsletter, subscriber_id)
    in_question = (
        select(delivery.c.edition_id)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .where(chosen, edition.c.state != EditionState.CANCELLED)
    )
    editions = list(conn.execute(in_question.distinct()).scalars())
    result = conn.execute(
        update(delivery)
        .where(chosen, delivery.c.edition_id.in_(editions))
        .values(state=DeliveryState.PENDING, next_attempt_at=None)
    )
    conn.execute(
        update(edition)
        .where(edition.c.id.in_(editions), edition.c.state == EditionState.FINISHED)
        .values(state=EditionState.SENDING, finished_at=None)
    )
    return int(result.rowcount)


def drop(conn: Connection, newsletter: str, now: datetime, subscriber_id: int | None = None) -> int:
    """Leave them be: they stay uncertain in the books and are not asked about again."""
    result = conn.execute(
        update(delivery).where(_chosen(newsletter, subscriber_id)).values(answered_at=now)
    )
    return int(result.rowcount)


def _chosen(newsletter: str, subscriber_id: int | None) -> ColumnElement[bool]:
    editions = select(edition.c.id).where(edition.c.newsletter == newsletter)
    chosen = _OPEN & delivery.c.edition_id.in_(editions)
    return chosen if subscriber_id is None else chosen & (delivery.c.subscriber_id == subscriber_id)
