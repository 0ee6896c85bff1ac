"""Whether a claimed mail may still go out: asked of the books right before its message begins."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, literal_column, select

from publisher.core.delivery import Job
from publisher.core.model import MAILABLE_STATES, DeliveryState, EditionState, SubscriptionState
from publisher.core.notice import NoticeKind
from publisher.store import suppressions
from publisher.store.ledger import GOING_OUT
from publisher.store.tables import (
    delivery,
    edition,
    notice,
    subscriber,
    subscription,
    suppression,
)


def unwanted(conn: Connection, jobs: Collection[Job], now: datetime) -> Mapping[int, DeliveryState]:
    """Which of the claimed mails may not go out any more, and the state their rows should have.

    Asked right before DATA: after the row was claimed the reader may have left or paused, an
    operator may have paused the edition, or another worker may have taken the row over.
    """
    found: dict[int, DeliveryState | None] = {}
    claims = {job.delivery_id: job.claim for job in jobs}
    mails = [job.delivery_id for job in jobs if job.notice_id is None]
    notices = [job.delivery_id for job in jobs if job.notice_id is not None]
    for ids, facts, decide in (
        (mails, _standing_of_mails, _instead_of_mail),
        (notices, _standing_of_notices, _instead_of_notice),
    ):
        for row in conn.execute(facts(ids)) if ids else ():
            is_ours = row.claim == claims[row.id]
            found[row.id] = decide(row, now) if is_ours else DeliveryState.CANCELLED
    instead = {id_: found.get(id_, DeliveryState.CANCELLED) for id_ in claims}
    return {id_: state for id_, state in instead.items() if state is not None}


def _standing_of_mails(ids: Collection[int]) -> Select[Any]:  # Any: the columns below
    return (
        select(
            delivery.c.id,
            delivery.c.claim,
            edition.c.state.label("edition_state"),
            subscription.c.state.label("subscription_state"),
            subscription.c.paused_until,
            subscriber.c.state.label("subscriber_state"),
        )
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .join(
            subscription,
            (subscription.c.subscriber_id == subscriber.c.id)
            & (subscription.c.newsletter == edition.c.newsletter),
        )
        .where(delivery.c.id.in_(ids))
    )


def _instead_of_mail(row: Row[Any], now: datetime) -> DeliveryState | None:
    if row.subscriber_state not in MAILABLE_STATES:
        return DeliveryState.SUPPRESSED
    if row.subscription_state != SubscriptionState.CONFIRMED:
        return DeliveryState.CANCELLED
    if row.paused_until is not None and row.paused_until > now:
        return DeliveryState.CANCELLED
    if row.edition_state == EditionState.PAUSED:
        return DeliveryState.PENDING
    return None if row.edition_state in GOING_OUT else DeliveryState.CANCELLED


def _standing_of_notices(ids: Collection[int]) -> Select[Any]:  # Any: the columns below
    suppressed = select(suppression.c.since).where(
        suppression.c.address_hash == notice.c.address_hash, suppressions.FOREVER
    )
    return (
        select(
            delivery.c.id,
            delivery.c.claim,
            delivery.c.subscription_id,
            notice.c.kind,
            suppressed.exists().label("is_suppressed"),
            subscription.c.state.label("subscription_state"),
            subscriber.c.state.label("subscriber_state"),
        )
        .join(notice, notice.c.id == delivery.c.notice_id)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .outerjoin(subscription, subscription.c.id == delivery.c.subscription_id)
        .where(delivery.c.id.in_(ids))
    )


def _instead_of_notice(row: Row[Any], _: datetime) -> DeliveryState | None:
    may_be_mailed = row.subscriber_state in (None, *MAILABLE_STATES)
    goes_elsewhere = row.kind == NoticeKind.ADDRESS_CHANGE
    if row.is_suppressed or not (may_be_mailed or goes_elsewhere):
        return DeliveryState.SUPPRESSED
    if row.subscription_id and row.subscription_state != SubscriptionState.CONFIRMED:
        return DeliveryState.CANCELLED
    return None


def is_in_flight(conn: Connection, subscription_id: int) -> bool:
    """Whether a mail of this subscription, or a notice of it, is in the hands of a worker now."""
    row = conn.execute(
        select(delivery.c.id)
        .join(subscription, subscription.c.subscriber_id == delivery.c.subscriber_id)
        .outerjoin(edition, edition.c.id == delivery.c.edition_id)
        .where(
            subscription.c.id == subscription_id,
            (subscription.c.newsletter == edition.c.newsletter)
            | (subscription.c.id == delivery.c.subscription_id),
            delivery.c.state == literal_column("'sending'"),  # for the partial index
        )
        .limit(1)
    ).first()
    return row is not None
