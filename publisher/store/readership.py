"""Who shares an edition's slot, whom it passes over and why, and what they were given before.

Planning and dry run ask the same here.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    case,
    func,
    or_,
    select,
    true,
)

from publisher.core.edition import Edition, Reader
from publisher.core.model import MAILABLE_STATES, DeliveryState, SubscriptionState
from publisher.core.planning import LeftOut
from publisher.core.schedule import day_begins
from publisher.core.selection import Item
from publisher.store.tables import (
    article,
    delivery,
    edition,
    membership,
    rendering,
    rendering_without,
    subscriber,
    subscription,
    variant,
    variant_article,
    variant_correction,
)

_NOT_GIVEN = (DeliveryState.CANCELLED, DeliveryState.SUPPRESSED, DeliveryState.FAILED)
_ARRIVED = delivery.c.in_doubt | delivery.c.state.in_([DeliveryState.SENT, DeliveryState.UNCERTAIN])
CORRECTED_FOR = timedelta(days=60)
"""How long after a mail its readers are told of corrections."""


def given(row: FromClause = delivery) -> ColumnElement[bool]:
    """Of a delivery: its reader has, or will have, or may have what it holds."""
    return row.c.in_doubt | row.c.state.not_in(_NOT_GIVEN)


def holds(held: FromClause = variant_article, row: FromClause = delivery) -> ColumnElement[bool]:
    """Of a delivery and an article of its variant: the mail was not made without it, being
    withdrawn then. One that was not tried yet holds all that is there when it is."""
    dropped = select(rendering_without.c.article_id).where(
        rendering_without.c.rendering_id == row.c.rendering_id,
        rendering_without.c.article_id == held.c.article_id,
    )
    return ~dropped.exists()


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
    today = (
        select(func.count())
        .select_from(delivery.join(edition, edition.c.id == delivery.c.edition_id))
        .where(
            delivery.c.subscriber_id == subscriber.c.id,
            edition.c.planned_at >= day_begins(of.planned_at, of.zone),
            given(),
        )
        .scalar_subquery()
    )
    return {
        LeftOut.UNSUBSCRIBED: subscription.c.state != SubscriptionState.UNSUBSCRIBED,
        LeftOut.NOT_CONFIRMED: subscription.c.state == SubscriptionState.CONFIRMED,
        LeftOut.SUPPRESSED: subscriber.c.state.in_(MAILABLE_STATES),
        LeftOut.PAUSED: or_(
            subscription.c.paused_until.is_(None), subscription.c.paused_until <= of.planned_at
        ),
        LeftOut.NOTHING_NEW: place <= of.upto_seq if all_given else place < of.upto_seq,
        LeftOut.OVER_CAP: or_(subscriber.c.max_per_day.is_(None), today < subscriber.c.max_per_day),
    }


def given_before(
    conn: Connection, of: Edition, readers: Sequence[Reader], *, by_itself: bool
) -> Mapping[int, frozenset[str]]:
    """What lies after these readers' places and yet was given to them, by subscriber id.

    By another newsletter; by this one, before the reader asked for earlier articles (`since`); or
    by either, before an article was withdrawn and came back at a new place. `by_itself`: what
    others gave does not count.
    """
    floor = min(reader.after_seq for reader in readers)
    theirs = (
        select(delivery.c.subscriber_id, variant_article.c.article_id)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscription, subscription.c.subscriber_id == delivery.c.subscriber_id)
        .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
        .where(
            subscription.c.slot_id == of.slot_id,
            subscription.c.id > of.cursor,
            subscription.c.id <= readers[-1].subscription_id,
            given(),
            holds(),
            edition.c.newsletter == of.newsletter if by_itself else true(),
        )
    )
    pairs = _pairs(
        conn,
        theirs.where(edition.c.upto_seq > floor, edition.c.upto_seq > subscription.c.after_seq),
    )
    came_back = select(article.c.id).where(
        article.c.first_seq.is_not(None), article.c.seq > floor, article.c.seq <= of.upto_seq
    )
    if back := conn.execute(came_back).scalars().all():
        pairs |= _pairs(conn, theirs.where(variant_article.c.article_id.in_(back)))
    found: dict[int, set[str]] = {}
    for reader, article_id in pairs:
        found.setdefault(reader, set()).add(article_id)
    return {reader: frozenset(ids) for reader, ids in found.items()}


def corrected(
    conn: Connection, of: Edition, readers: Sequence[Reader]
) -> Mapping[int, tuple[str, ...]]:
    """Articles that this newsletter gave these readers in the last 60 days as they were before
    their last correction, of which they have not been told; by subscriber id, the last first.
    """
    since = of.planned_at - CORRECTED_FOR
    changes = {
        row.id: row.corrected
        for row in conn.execute(
            select(article.c.id, article.c.corrected).where(
                article.c.corrected_at >= since, article.c.correction != ""
            )
        )
    }
    if not changes:
        return {}
    held = variant_article.c.article_id.in_(sorted(changes))
    first, last = conn.execute(
        select(func.min(edition.c.id), func.max(edition.c.id))
        .join(variant, variant.c.edition_id == edition.c.id)
        .join(variant_article, variant_article.c.variant_id == variant.c.id)
        .where(held, edition.c.newsletter == of.newsletter, edition.c.planned_at >= since)
    ).one()
    if first is None:
        return {}
    theirs = (
        subscription.c.slot_id == of.slot_id,
        subscription.c.id > of.cursor,
        subscription.c.id <= readers[-1].subscription_id,
        edition.c.newsletter == of.newsletter,
        delivery.c.edition_id >= first,
    )
    old = _mailed(variant_article).where(
        *theirs,
        held,
        delivery.c.edition_id <= last,
        edition.c.planned_at >= since,
        _ARRIVED,
        rendering.c.change < article.c.corrected,
    )
    told = _mailed(variant_correction).where(
        *theirs,
        variant_correction.c.article_id.in_(sorted(changes)),
        given(),
        # What has no rendering yet will say what the article says then.
        rendering.c.id.is_(None) | (rendering.c.change >= article.c.corrected),
    )
    pairs = _pairs(conn, old) - _pairs(conn, told)
    due: dict[int, list[str]] = {}
    for reader, article_id in sorted(pairs, key=lambda pair: (-changes[pair[1]], pair[1])):
        due.setdefault(reader, []).append(article_id)
    return {reader: tuple(ids) for reader, ids in due.items()}


def _pairs(conn: Connection, statement: Select[int, str]) -> set[tuple[int, str]]:
    return {(reader, article_id) for reader, article_id in conn.execute(statement)}


def _mailed(held: Table) -> Select[int, str]:
    """Readers, and the articles that a mail to them holds."""
    return (
        select(delivery.c.subscriber_id, held.c.article_id)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(subscription, subscription.c.subscriber_id == delivery.c.subscriber_id)
        .join(held, held.c.variant_id == delivery.c.variant_id)
        .join(article, article.c.id == held.c.article_id)
        .outerjoin(rendering, rendering.c.id == delivery.c.rendering_id)
        .where(holds(held))
    )


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
