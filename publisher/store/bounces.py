"""Bounces: which mail came back, why, and what that makes of its reader."""

from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from publisher.core.bounce import REMEMBERED, after_hard_bounces
from publisher.core.delivery import Verdict
from publisher.core.model import MAILABLE_STATES, SubscriberState
from publisher.store.tables import bounce, delivery, subscriber


def note_hard(conn: Connection, verdict: Verdict, now: datetime) -> None:
    """A server that says at once that there is no such address has bounced the mail as well.

    Nothing happens where the claim is not ours any more. A notice that bounces is noted, but does
    not count against its reader, if it has one: anybody may have given the address.
    """
    row = conn.execute(
        select(delivery.c.subscriber_id, delivery.c.edition_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(
            delivery.c.id == verdict.delivery_id,
            delivery.c.claim == verdict.claim,
            subscriber.c.state != SubscriberState.ERASED,
        )
    ).first()
    if row is None:
        return
    conn.execute(
        insert(bounce).values(
            subscriber_id=row.subscriber_id,
            edition_id=row.edition_id,
            kind="hard",
            status=verdict.outcome.enhanced_status,
            diagnostic=verdict.outcome.reply,
            received_at=now,
        )
    )
    if row.edition_id is None:
        return
    editions = conn.execute(
        select(func.count(bounce.c.edition_id.distinct())).where(
            bounce.c.subscriber_id == row.subscriber_id,
            bounce.c.kind == "hard",
            bounce.c.received_at > now - REMEMBERED,
        )
    ).scalar_one()
    conn.execute(
        update(subscriber)
        .where(
            subscriber.c.id == row.subscriber_id,
            subscriber.c.state.in_(MAILABLE_STATES),
        )
        .values(state=after_hard_bounces(int(editions)))
    )


def have_suppressed(conn: Connection, subscriber_id: int) -> bool:
    """Whether it is for its bounces alone that a suppressed reader's address gets no mail."""
    editions, complaints = conn.execute(
        select(
            func.count(bounce.c.edition_id.distinct()).filter(bounce.c.kind == "hard"),
            func.count().filter(bounce.c.kind == "complaint"),
        ).where(bounce.c.subscriber_id == subscriber_id)
    ).one()
    is_enough = after_hard_bounces(int(editions)) is SubscriberState.SUPPRESSED
    return is_enough and not complaints


def count(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(bounce)).scalar_one())
