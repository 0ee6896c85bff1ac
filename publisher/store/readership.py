"""Who shares an edition's slot, whom it passes over and why, and what they were given before.

Planning and dry run ask the same here.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, case, func, or_, select

from publisher.core.edition import Edition, Reader
from publisher.core.model import DeliveryState, SubscriberState, SubscriptionState
from publisher.core.planning import LeftOut
from publisher.core.selection import Item
from publisher.store.tables import (
    article,
    delivery,
    edition,
    membership,
    subscriber,
    subscription,
    variant_article,
)

NOT_GIVEN = (DeliveryState.CANCELLED, DeliveryState.SUPPRESSED, DeliveryState.FAILED)
"""A delivery that ended so has given its reader nothing."""


def next_readers(conn: Connection, of: Edition, limit: int, *, all_given: bool) -> Sequence[Reader]:
    """The next readers after the edition's cursor who may be given something.

    `all_given`: also those who have been given everything up to here.

    Not read, and so not moved along: who is paused, over the daily cap, or may not be mailed.
    What comes out meanwhile folds into the next edition they get.
    """
    rows = conn.execute(
        select(
            subscription.c.id,
            subscription.c.subscriber_id,
            subscription.c.after_seq,
            subscription.c.categories,
            subscriber.c.locale,
            subscriber.c.address_key,
        )
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(
            subscription.c.slot_id == of.slot_id,
            subscription.c.id > of.cursor,
            *_conditions(of, all_given).values(),
        )
        .order_by(subscription.c.id)
        .limit(limit)
    )
    return [
        Reader(
            subscription_id=row.id,
            subscriber_id=row.subscriber_id,
            after_seq=row.after_seq,
            choice=row.categories,
            locale=row.locale,
            domain=row.address_key.rpartition("@")[2],
        )
        for row in rows
    ]


def left_out(
    conn: Connection, of: Edition, limit: int, *, all_given: bool
) -> tuple[Mapping[LeftOut, int], int | None]:
    """Whom `next_readers` passes over, by reason, among the next `limit` of the slot after the
    edition's cursor; and where the cursor is then, None after the last.
    """
    reason = case(
        *((~holds, reason.value) for reason, holds in _conditions(of, all_given).items()), else_=""
    )
    page = (
        select(subscription.c.id, reason.label("reason"))
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(subscription.c.slot_id == of.slot_id, subscription.c.id > of.cursor)
        .order_by(subscription.c.id)
        .limit(limit)
        .subquery()
    )
    rows = conn.execute(
        select(page.c.reason, func.count().label("many"), func.max(page.c.id).label("last"))
        .group_by(page.c.reason)
        .order_by(page.c.reason)
    ).all()
    counts = {LeftOut(row.reason): int(row.many) for row in rows if row.reason}
    return counts, max((int(row.last) for row in rows), default=None)


def _conditions(of: Edition, all_given: bool) -> Mapping[LeftOut, ColumnElement[bool]]:
    """What must hold for a reader to be looked at, by what they are where it does not."""
    place = subscription.c.after_seq
    since_midnight = of.planned_at.replace(hour=0, minute=0, second=0, microsecond=0)
    today = (
        select(func.count())
        .select_from(delivery.join(edition, edition.c.id == delivery.c.edition_id))
        .where(
            delivery.c.subscriber_id == subscriber.c.id,
            edition.c.planned_at >= since_midnight,
            delivery.c.state.not_in(NOT_GIVEN),
        )
        .scalar_subquery()
    )
    return {
        LeftOut.UNSUBSCRIBED: subscription.c.state != SubscriptionState.UNSUBSCRIBED,
        LeftOut.NOT_CONFIRMED: subscription.c.state == SubscriptionState.CONFIRMED,
        LeftOut.SUPPRESSED: subscriber.c.state.in_(
            [SubscriberState.ACTIVE, SubscriberState.BOUNCING]
        ),
        LeftOut.PAUSED: or_(
            subscription.c.paused_until.is_(None), subscription.c.paused_until <= of.planned_at
        ),
        LeftOut.NOTHING_NEW: place <= of.upto_seq if all_given else place < of.upto_seq,
        LeftOut.OVER_CAP: or_(subscriber.c.max_per_day.is_(None), today < subscriber.c.max_per_day),
    }


def given_before(
    conn: Connection, of: Edition, readers: Sequence[Reader]
) -> Mapping[int, frozenset[str]]:
    """What lies after these readers' places and yet was given to them, by subscriber id.

    By another newsletter; or by this one, before the reader asked for earlier articles (`since`).
    """
    floor = min(reader.after_seq for reader in readers)
    rows = conn.execute(
        select(delivery.c.subscriber_id, variant_article.c.article_id)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscription, subscription.c.subscriber_id == delivery.c.subscriber_id)
        .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
        .where(
            subscription.c.slot_id == of.slot_id,
            subscription.c.id > of.cursor,
            subscription.c.id <= readers[-1].subscription_id,
            edition.c.upto_seq > floor,
            edition.c.upto_seq > subscription.c.after_seq,
            delivery.c.state.not_in(NOT_GIVEN),
        )
    )
    given: dict[int, set[str]] = {}
    for row in rows:
        given.setdefault(row.subscriber_id, set()).add(row.article_id)
    return {reader: frozenset(ids) for reader, ids in given.items()}


def items(conn: Connection, after_seq: int, upto_seq: int) -> Sequence[Item]:
    """The public articles of a stretch of the order, without the withdrawn."""
    rows = conn.execute(
        select(article.c.id, article.c.seq, membership.c.category)
        .join(membership, membership.c.article_id == article.c.id)
        .where(
            article.c.seq > max(after_seq, 0),
            article.c.seq <= upto_seq,
            article.c.withdrawn_at.is_(None),
            membership.c.removed_at.is_(None),
        )
        .order_by(article.c.seq, membership.c.position)
    )
    found: dict[str, tuple[int, list[str]]] = {}
    for row in rows:
        found.setdefault(row.id, (row.seq, []))[1].append(row.category)
    return [
        Item(id=article_id, seq=seq, categories=tuple(categories))
        for article_id, (seq, categories) in found.items()
    ]
