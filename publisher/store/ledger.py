"""The delivery ledger: which mail to whom is open, claimed or settled, and what the server said.

Workers claim and record beside all other writers (`Database.write(alone=False)`). So a claim passes
over rows that are locked, and what is given back holds on to its edition, lest that be cancelled
without it.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import BindParameter, Connection, bindparam, case, func, or_, select, update

from publisher.core.delivery import Claimed, Job, Verdict
from publisher.core.model import (
    OPEN_STATES,
    DeliveryState,
    EditionState,
    SubscriberState,
    SubscriptionState,
)
from publisher.store import renderings
from publisher.store.tables import delivery, edition, subscriber, subscription

_CLAIMABLE = (DeliveryState.PENDING, DeliveryState.DEFERRED)
_UNTRIED = (DeliveryState.PENDING, DeliveryState.CANCELLED, DeliveryState.SUPPRESSED)
_GOING_OUT = (EditionState.PLANNING, EditionState.SENDING)
_CANCELLED = select(edition.c.id).where(edition.c.state == EditionState.CANCELLED)


def claim(
    conn: Connection,
    *,
    now: datetime,
    due_by: datetime,
    limit: int,
    lease: timedelta,
    fingerprints: Mapping[str, str],
) -> Claimed:
    """Take up to `limit` rows due by then of editions that go out, for as long as the lease runs.

    A row takes the current rendering of its variant at its first attempt and keeps it.
    `fingerprints`, by newsletter, tell renderings made with other templates or settings from
    current ones; a newsletter without one is not sent.
    """
    rows = conn.execute(
        select(
            delivery.c.id,
            delivery.c.variant_id,
            delivery.c.rendering_id,
            delivery.c.attempt,
            delivery.c.first_attempt_at,
            delivery.c.edition_id,
            edition.c.newsletter,
            edition.c.planned_at,
            subscriber.c.id.label("subscriber_id"),
            subscriber.c.address,
            subscriber.c.name,
            subscription.c.id.label("subscription_id"),
        )
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .join(
            subscription,
            (subscription.c.subscriber_id == subscriber.c.id)
            & (subscription.c.newsletter == edition.c.newsletter),
        )
        .where(delivery.c.id.in_(_due(conn, due_by, limit, fingerprints)))
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
    ).all()
    fresh = {row.variant_id for row in rows if row.rendering_id is None}
    current = renderings.current(conn, fresh, set(fingerprints.values()))
    token = secrets.token_hex(8)
    lease_until = now + lease
    jobs = [
        Job(
            delivery_id=row.id,
            claim=token,
            lease_until=lease_until,
            attempt=row.attempt + 1,
            first_attempt_at=row.first_attempt_at or now,
            rendering_id=row.rendering_id or current[row.variant_id],
            edition_id=row.edition_id,
            newsletter=row.newsletter,
            planned_at=row.planned_at,
            subscriber_id=row.subscriber_id,
            subscription_id=row.subscription_id,
            address=row.address,
            name=row.name,
        )
        for row in rows
        if row.rendering_id is not None or row.variant_id in current
    ]
    if jobs:
        conn.execute(
            update(delivery)
            .where(delivery.c.id == bindparam("b_id"))
            .values(
                state=DeliveryState.SENDING,
                claim=token,
                lease_until=lease_until,
                attempt=bindparam("b_attempt"),
                first_attempt_at=bindparam("b_first"),
                rendering_id=bindparam("b_rendering"),
            ),
            [
                {
                    "b_id": job.delivery_id,
                    "b_attempt": job.attempt,
                    "b_first": job.first_attempt_at,
                    "b_rendering": job.rendering_id,
                }
                for job in jobs
            ],
        )
    return Claimed(jobs=jobs, to_render=sorted(fresh.difference(current)))


def record(conn: Connection, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Write down what came of claimed rows; returns how many were still ours.

    A worker that woke up after its lease was taken over changes nothing. A row that was given
    back, or turned out to be wanted no more, was not attempted: the claim leaves no trace in it.
    """
    untried = [each for each in verdicts if each.outcome.state in _UNTRIED]
    tried = [each for each in verdicts if each.outcome.state not in _UNTRIED]
    still_open = [each.delivery_id for each in verdicts if each.outcome.state in _CLAIMABLE]
    if still_open:
        theirs = select(delivery.c.edition_id).where(delivery.c.id.in_(still_open))
        held = select(edition.c.id).where(edition.c.id.in_(theirs)).order_by(edition.c.id)
        conn.execute(held.with_for_update(read=True))
    count = _let_go(conn, untried) + _write_answers(conn, tried, now)
    if still_open:  # by a worker that had them when an operator cancelled the edition
        conn.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(still_open),
                delivery.c.state.in_(_CLAIMABLE),
                delivery.c.edition_id.in_(_CANCELLED),
            )
            .values(state=DeliveryState.CANCELLED)
        )
    return count


def still_wanted(conn: Connection, job: Job) -> DeliveryState | None:
    """None while the mail may go out; else the state its row should have instead.

    Asked right before MAIL, since the reader may have left, or an operator paused the edition,
    after the row was claimed.
    """
    row = conn.execute(
        select(
            delivery.c.claim,
            edition.c.state.label("edition_state"),
            subscription.c.state.label("subscription_state"),
            subscriber.c.state.label("subscriber_state"),
        )
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .join(
            subscription,
            (subscription.c.subscriber_id == subscriber.c.id)
            & (subscription.c.newsletter == edition.c.newsletter),
        )
        .where(delivery.c.id == job.delivery_id)
    ).first()
    if row is None or row.claim != job.claim:
        return DeliveryState.CANCELLED
    if row.subscriber_state in (SubscriberState.SUPPRESSED, SubscriberState.ERASED):
        return DeliveryState.SUPPRESSED
    if row.subscription_state != SubscriptionState.CONFIRMED:
        return DeliveryState.CANCELLED
    if row.edition_state == EditionState.PAUSED:
        return DeliveryState.PENDING
    return None if row.edition_state in _GOING_OUT else DeliveryState.CANCELLED


def reclaim(conn: Connection, now: datetime, *, all_workers: bool) -> int:
    """Take back rows whose worker is gone; returns how many: each may have been sent or not.

    They are sent again; what was cancelled meanwhile stays uncertain. `all_workers`: no other
    worker can be alive (the caller holds the lock), so no lease counts.
    """
    left = delivery.c.state == DeliveryState.SENDING
    if not all_workers:
        left &= delivery.c.lease_until < now
    # Locked ones have a worker after all, which is writing their answers just now.
    ids = select(delivery.c.id).where(left).with_for_update(skip_locked=True)
    gone = delivery.c.id.in_(list(conn.execute(ids).scalars()))
    never_again = conn.execute(
        update(delivery)
        .where(gone, delivery.c.edition_id.in_(_CANCELLED))
        .values(state=DeliveryState.UNCERTAIN, claim=None, lease_until=None)
    )
    once_more = conn.execute(
        update(delivery)
        .where(gone, delivery.c.state == DeliveryState.SENDING)
        .values(state=DeliveryState.PENDING, next_attempt_at=now, claim=None, lease_until=None)
    )
    return int(never_again.rowcount + once_more.rowcount)


def hasten(conn: Connection, now: datetime) -> int:
    """Let what is deferred be tried now, without waiting for its back-off."""
    result = conn.execute(
        update(delivery)
        .where(delivery.c.state == DeliveryState.DEFERRED, delivery.c.next_attempt_at > now)
        .values(next_attempt_at=now)
    )
    return int(result.rowcount)


def settle_variant(
    conn: Connection,
    variant_id: int,
    state: DeliveryState,
    reason: str,
    *,
    now: datetime,
    next_attempt_at: datetime | None = None,
) -> None:
    """Set aside the rows not yet tried of a variant that cannot be rendered, or holds nothing."""
    conn.execute(
        update(delivery)
        .where(
            delivery.c.variant_id == variant_id,
            delivery.c.state.in_(_CLAIMABLE),
            delivery.c.rendering_id.is_(None),
        )
        .values(
            state=state,
            reply=reason,
            answered_at=now,
            next_attempt_at=next_attempt_at or delivery.c.next_attempt_at,
        )
    )


def cancel_open(conn: Connection, subscriber_id: int, newsletter: str, state: DeliveryState) -> int:
    """Settle what a reader of a newsletter has not been sent yet (a claimed row: its worker)."""
    editions = select(edition.c.id).where(edition.c.newsletter == newsletter)
    result = conn.execute(
        update(delivery)
        .where(
            delivery.c.subscriber_id == subscriber_id,
            delivery.c.edition_id.in_(editions),
            delivery.c.state.in_(_CLAIMABLE),
        )
        .values(state=state)
    )
    return int(result.rowcount)


def counts(conn: Connection, edition_id: int | None = None) -> Mapping[str, int]:
    """Deliveries by state, of one edition or of all."""
    statement = select(delivery.c.state, func.count()).group_by(delivery.c.state)
    if edition_id is not None:
        statement = statement.where(delivery.c.edition_id == edition_id)
    return dict(conn.execute(statement).all())


def open_count(conn: Connection) -> int:
    """How many mails are still to go out, those of paused editions not counted."""
    return int(
        conn.execute(
            select(func.count())
            .select_from(delivery.join(edition, edition.c.id == delivery.c.edition_id))
            .where(delivery.c.state.in_(OPEN_STATES), edition.c.state.in_(_GOING_OUT))
        ).scalar_one()
    )


def _due(
    conn: Connection, due_by: datetime, limit: int, newsletters: Collection[str]
) -> Sequence[int]:
    """The next rows to be claimed, locked.

    One table alone, in the order of its index. Joined, PostgreSQL would look up and sort every open
    row for each claim: it learns how many rows a new edition has when it is nearly sent.
    """
    held = select(edition.c.id).where(
        or_(
            edition.c.state == EditionState.PAUSED,
            edition.c.newsletter.not_in(sorted(newsletters)),
        )
    )
    # Written out, as in the index: of a parameter nobody knows whether the index has it.
    claimable: BindParameter[Sequence[str]] = bindparam(
        "claimable", _CLAIMABLE, expanding=True, literal_execute=True
    )
    statement = (
        select(delivery.c.id)
        .where(
            delivery.c.state.in_(claimable),
            delivery.c.next_attempt_at <= due_by,
            delivery.c.edition_id.is_not(None),
            delivery.c.edition_id.not_in(held),
        )
        .order_by(delivery.c.next_attempt_at, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return conn.execute(statement).scalars().all()


def _let_go(conn: Connection, verdicts: Sequence[Verdict]) -> int:
    if not verdicts:
        return 0
    first = delivery.c.attempt == 1
    result = conn.execute(
        update(delivery)
        .where(delivery.c.id == bindparam("b_id"), delivery.c.claim == bindparam("b_claim"))
        .values(
            state=bindparam("b_state"),
            attempt=delivery.c.attempt - 1,
            first_attempt_at=case((first, None), else_=delivery.c.first_attempt_at),
            rendering_id=case((first, None), else_=delivery.c.rendering_id),
            claim=None,
            lease_until=None,
        ),
        [
            {"b_id": each.delivery_id, "b_claim": each.claim, "b_state": each.outcome.state}
            for each in verdicts
        ],
    )
    return int(result.rowcount)


def _write_answers(conn: Connection, verdicts: Sequence[Verdict], now: datetime) -> int:
    if not verdicts:
        return 0
    result = conn.execute(
        update(delivery)
        .where(delivery.c.id == bindparam("b_id"), delivery.c.claim == bindparam("b_claim"))
        .values(
            state=bindparam("b_state"),
            next_attempt_at=func.coalesce(bindparam("b_next"), delivery.c.next_attempt_at),
            smtp_status=bindparam("b_status"),
            enhanced_status=bindparam("b_enhanced"),
            reply=bindparam("b_reply"),
            relay=bindparam("b_relay"),
            answered_at=now,
            claim=None,
            lease_until=None,
        ),
        [
            {
                "b_id": each.delivery_id,
                "b_claim": each.claim,
                "b_state": each.outcome.state,
                "b_next": each.outcome.next_attempt_at,
                "b_status": each.outcome.smtp_status,
                "b_enhanced": each.outcome.enhanced_status,
                "b_reply": each.outcome.reply,
                "b_relay": each.relay,
            }
            for each in verdicts
        ],
    )
    return int(result.rowcount)
