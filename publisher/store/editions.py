"""Editions in the store: planned slot by slot, chunk by chunk, for the readers who share a slot."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, insert, or_, select, update

from publisher.core.edition import Edition, Reader
from publisher.core.identity import stable_hash
from publisher.core.model import (
    OPEN_STATES,
    Cadence,
    DeliveryState,
    EditionState,
    SubscriberState,
    SubscriptionState,
)
from publisher.core.selection import Item
from publisher.store import counter
from publisher.store.tables import (
    article,
    delivery,
    edition,
    membership,
    newsletter,
    slot,
    subscriber,
    subscription,
    variant,
    variant_article,
)

_GOING_OUT = (EditionState.PLANNING, EditionState.SENDING)
_AT_ONCE = 1000  # ids in one statement
NOT_GIVEN = (DeliveryState.CANCELLED, DeliveryState.SUPPRESSED, DeliveryState.FAILED)
"""A delivery that ended so has given its reader nothing."""


def start(
    conn: Connection, slot_id: int, newsletter_slug: str, occasion: str, now: datetime
) -> bool:
    """Begin the edition of this occasion at the head of the order; False when there is one.

    Without an occasion it always is another: since the last at this head, readers may have come
    into the slot. It holds nothing for those who have been given all up to here.
    """
    head = counter.head(conn)
    name = occasion or f"now:{head}"
    known = select(edition.c.occasion).where(edition.c.slot_id == slot_id)
    number = 1
    while conn.execute(known.where(edition.c.occasion == name)).first() is not None:
        if occasion:
            return False
        number += 1
        name = f"now:{head}.{number}"
    conn.execute(
        insert(edition).values(
            slot_id=slot_id,
            newsletter=newsletter_slug,
            occasion=name,
            upto_seq=head,
            planned_at=now,
            state=EditionState.PLANNING,
        )
    )
    return True


def unplanned(conn: Connection) -> Sequence[int]:
    """Editions of which some readers have not been looked at yet, the oldest first."""
    statement = select(edition.c.id).where(edition.c.state == EditionState.PLANNING)
    return list(conn.execute(statement.order_by(edition.c.id)).scalars())


def find(conn: Connection, edition_id: int) -> Edition:
    row = conn.execute(
        select(edition, slot.c.cadence, slot.c.zone, newsletter.c.categories)
        .join(slot, slot.c.id == edition.c.slot_id)
        .join(newsletter, newsletter.c.slug == edition.c.newsletter)
        .where(edition.c.id == edition_id)
        .with_for_update(of=edition)
    ).one()
    return Edition(
        id=row.id,
        newsletter=row.newsletter,
        slot_id=row.slot_id,
        cadence=Cadence(row.cadence),
        zone=row.zone,
        upto_seq=row.upto_seq,
        planned_at=row.planned_at,
        enqueued=row.enqueued,
        cursor=row.cursor,
        state=EditionState(row.state),
        choice=row.categories,
    )


def next_readers(
    conn: Connection, of: Edition, limit: int, *, all_given: bool = False
) -> Sequence[Reader]:
    """The next readers after the edition's cursor who may be given something, locked.

    `all_given`: also those who have been given everything up to here.

    Not read, and so not moved along: who is paused, over the daily cap, or may not be mailed.
    What comes out meanwhile folds into the next edition they get.
    """
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
    rows = conn.execute(
        select(
            subscription.c.id,
            subscription.c.subscriber_id,
            subscription.c.after_seq,
            subscription.c.categories,
            subscriber.c.locale,
        )
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(
            subscription.c.slot_id == of.slot_id,
            subscription.c.id > of.cursor,
            subscription.c.state == SubscriptionState.CONFIRMED,
            place <= of.upto_seq if all_given else place < of.upto_seq,
            or_(
                subscription.c.paused_until.is_(None),
                subscription.c.paused_until <= of.planned_at,
            ),
            subscriber.c.state.in_([SubscriberState.ACTIVE, SubscriberState.BOUNCING]),
            or_(subscriber.c.max_per_day.is_(None), today < subscriber.c.max_per_day),
        )
        .order_by(subscription.c.id)
        .limit(limit)
        .with_for_update(of=subscription)
    )
    return [
        Reader(
            subscription_id=row.id,
            subscriber_id=row.subscriber_id,
            after_seq=row.after_seq,
            choice=row.categories,
            locale=row.locale,
        )
        for row in rows
    ]


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


def enqueue(
    conn: Connection, of: Edition, contents: Mapping[tuple[tuple[str, ...], str], Sequence[Reader]]
) -> int:
    """A delivery for each reader, by (article ids, locale) of what they get; how many."""
    count = 0
    for (article_ids, locale), readers in contents.items():
        variant_id = _variant(conn, of.id, article_ids, locale)
        conn.execute(
            insert(delivery),
            [
                {
                    "edition_id": of.id,
                    "subscriber_id": reader.subscriber_id,
                    "subscription_id": reader.subscription_id,
                    "variant_id": variant_id,
                    "state": DeliveryState.PENDING,
                    "next_attempt_at": of.planned_at,
                }
                for reader in readers
            ],
        )
        count += len(readers)
    return count


def move_along(conn: Connection, subscription_ids: Collection[int], upto_seq: int) -> None:
    """Note that exactly these readers have been given all up to here."""
    ids = sorted(subscription_ids)
    for start_at in range(0, len(ids), _AT_ONCE):
        conn.execute(
            update(subscription)
            .where(subscription.c.id.in_(ids[start_at : start_at + _AT_ONCE]))
            .values(after_seq=upto_seq)
        )


def advance(conn: Connection, edition_id: int, cursor: int, enqueued: int) -> None:
    """All readers up to `cursor` have been looked at, `enqueued` more are to get a mail."""
    conn.execute(
        update(edition)
        .where(edition.c.id == edition_id)
        .values(cursor=cursor, enqueued=edition.c.enqueued + enqueued)
    )


def planned(conn: Connection, of: Edition) -> None:
    """Every reader has been looked at. An edition that nobody gets leaves no trace."""
    if of.enqueued == 0:
        conn.execute(delete(edition).where(edition.c.id == of.id))
        return
    conn.execute(
        update(edition)
        .where(edition.c.id == of.id)
        .values(planned=True, state=EditionState.SENDING)
    )


def finish(conn: Connection, now: datetime) -> int:
    """Close the editions that have nothing pending, sending or deferred any more."""
    still_open = (
        select(delivery.c.id)
        .where(delivery.c.edition_id == edition.c.id, delivery.c.state.in_(OPEN_STATES))
        .exists()
    )
    result = conn.execute(
        update(edition)
        .where(edition.c.state == EditionState.SENDING, ~still_open)
        .values(state=EditionState.FINISHED, finished_at=now)
    )
    return int(result.rowcount)


def pause(conn: Connection, newsletter_slug: str) -> int:
    """Hold what goes out; returns how many editions."""
    return _set_state(conn, newsletter_slug, _GOING_OUT, {"state": EditionState.PAUSED})


def resume(conn: Connection, newsletter_slug: str) -> int:
    """Let paused editions go on where they were held."""
    state = case((edition.c.planned, EditionState.SENDING.value), else_=EditionState.PLANNING.value)
    return _set_state(conn, newsletter_slug, (EditionState.PAUSED,), {"state": state})


def cancel(conn: Connection, newsletter_slug: str, now: datetime) -> int:
    """Give up what has not gone out; a mail being handed over is settled by its worker."""
    former = (*_GOING_OUT, EditionState.PAUSED)
    ids = select(edition.c.id).where(
        edition.c.newsletter == newsletter_slug, edition.c.state.in_(former)
    )
    conn.execute(
        update(delivery)
        .where(
            delivery.c.edition_id.in_(ids),
            delivery.c.state.in_([DeliveryState.PENDING, DeliveryState.DEFERRED]),
        )
        .values(state=DeliveryState.CANCELLED, answered_at=now)
    )
    ended = {"state": EditionState.CANCELLED, "finished_at": now}
    return _set_state(conn, newsletter_slug, former, ended)


def _set_state(
    conn: Connection,
    newsletter_slug: str,
    former: Collection[EditionState],
    values: Mapping[str, object],
) -> int:
    result = conn.execute(
        update(edition)
        .where(edition.c.newsletter == newsletter_slug, edition.c.state.in_(list(former)))
        .values(**values)
    )
    return int(result.rowcount)


def _variant(conn: Connection, edition_id: int, article_ids: tuple[str, ...], locale: str) -> int:
    content = stable_hash(list(article_ids), locale)
    found = conn.execute(
        select(variant.c.id).where(variant.c.edition_id == edition_id, variant.c.hash == content)
    ).scalar()
    if found is not None:
        return int(found)
    row = conn.execute(
        insert(variant)
        .values(edition_id=edition_id, hash=content, locale=locale)
        .returning(variant.c.id)
    )
    variant_id = int(row.scalar_one())
    if not article_ids:
        return variant_id
    conn.execute(
        insert(variant_article),
        [
            {"variant_id": variant_id, "position": position, "article_id": article_id}
            for position, article_id in enumerate(article_ids)
        ],
    )
    return variant_id
