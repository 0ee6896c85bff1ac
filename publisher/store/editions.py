"""Editions in the store: planned slot by slot, chunk by chunk, for the readers who share a slot."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from publisher.core.edition import Edition
from publisher.core.identity import stable_hash
from publisher.core.model import OPEN_STATES, Cadence, DeliveryState, EditionState
from publisher.core.planning import Content, Contents
from publisher.store import counter
from publisher.store.tables import (
    article,
    delivery,
    edition,
    newsletter,
    slot,
    subscription,
    variant,
    variant_article,
    variant_correction,
)

_AT_ONCE = 1000  # ids in one statement


def start(
    conn: Connection, slot_id: int, newsletter_slug: str, occasion: str, now: datetime
) -> int | None:
    """Begin the edition of this occasion at the head of the order: its id; None when there is one.

    Without an occasion it always is another: since the last at this head, readers may have come
    into the slot. It holds nothing for those who have been given all up to here.
    """
    head = counter.head(conn)
    name = occasion or f"now:{head}"
    number = 1
    while is_there(conn, slot_id, name):
        if occasion:
            return None
        number += 1
        name = f"now:{head}.{number}"
    begun = conn.execute(
        insert(edition)
        .values(
            slot_id=slot_id,
            newsletter=newsletter_slug,
            occasion=name,
            upto_seq=head,
            planned_at=now,
            state=EditionState.PLANNING,
        )
        .returning(edition.c.id)
    )
    return int(begun.scalar_one())


def unplanned(conn: Connection) -> Sequence[int]:
    """Editions of which some readers have not been looked at yet, the oldest first."""
    statement = select(edition.c.id).where(edition.c.state == EditionState.PLANNING)
    return list(conn.execute(statement.order_by(edition.c.id)).scalars())


def is_there(conn: Connection, slot_id: int, occasion: str) -> bool:
    statement = select(edition.c.id).where(
        edition.c.slot_id == slot_id, edition.c.occasion == occasion
    )
    return conn.execute(statement).first() is not None


def foreseen(conn: Connection, slot_id: int, now: datetime) -> Edition:
    """The edition that would begin now in this slot."""
    row = conn.execute(
        select(slot.c.newsletter, slot.c.cadence, slot.c.zone, newsletter.c.categories)
        .join(newsletter, newsletter.c.slug == slot.c.newsletter)
        .where(slot.c.id == slot_id)
    ).one()
    return Edition(
        id=0,
        newsletter=row.newsletter,
        slot_id=slot_id,
        cadence=Cadence(row.cadence),
        zone=row.zone,
        upto_seq=counter.head(conn),
        planned_at=now,
        enqueued=0,
        cursor=0,
        state=EditionState.PLANNING,
        choice=row.categories,
    )


def find(conn: Connection, edition_id: int) -> Edition | None:
    """None when another process found that nobody gets it (see `planned`)."""
    row = conn.execute(
        select(edition, slot.c.cadence, slot.c.zone, newsletter.c.categories)
        .join(slot, slot.c.id == edition.c.slot_id)
        .join(newsletter, newsletter.c.slug == edition.c.newsletter)
        .where(edition.c.id == edition_id)
    ).first()
    if row is None:
        return None
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


def enqueue(conn: Connection, of: Edition, contents: Contents) -> int:
    """A delivery for each reader, of what they get; how many."""
    count = 0
    for content, readers in contents.items():
        variant_id = _variant(conn, of.id, content)
        conn.execute(
            insert(delivery),
            [
                {
                    "edition_id": of.id,
                    "subscriber_id": reader.subscriber_id,
                    "subscription_id": reader.subscription_id,
                    "variant_id": variant_id,
                    "domain": reader.domain,
                    "state": DeliveryState.PENDING,
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


def note_missed(conn: Connection, after_seq: int, upto_seq: int) -> None:
    """Readers moved along this stretch: what is withdrawn in it just now they have missed, should
    it come back."""
    conn.execute(
        update(article)
        .where(
            article.c.seq > after_seq,
            article.c.seq <= upto_seq,
            article.c.withdrawn_at.is_not(None),
            article.c.missed.is_(False),
        )
        .values(missed=True)
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


def variant_without(
    conn: Connection, edition_id: int, variant_id: int, given: Collection[str]
) -> int | None:
    """The variant that holds the same but for some articles; None when nothing is left."""
    locale = conn.execute(select(variant.c.locale).where(variant.c.id == variant_id)).scalar_one()
    articles, corrections = (
        conn.execute(
            select(held.c.article_id)
            .where(held.c.variant_id == variant_id)
            .order_by(held.c.position)
        ).scalars()
        for held in (variant_article, variant_correction)
    )
    left = tuple(each for each in articles if each not in given)
    content = Content(article_ids=left, correction_ids=tuple(corrections), locale=locale)
    return _variant(conn, edition_id, content) if left else None


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


def _variant(conn: Connection, edition_id: int, content: Content) -> int:
    its_hash = stable_hash(list(content.article_ids), list(content.correction_ids), content.locale)
    found = conn.execute(
        select(variant.c.id).where(variant.c.edition_id == edition_id, variant.c.hash == its_hash)
    ).scalar()
    if found is not None:
        return int(found)
    row = conn.execute(
        insert(variant)
        .values(edition_id=edition_id, hash=its_hash, locale=content.locale)
        .returning(variant.c.id)
    )
    variant_id = int(row.scalar_one())
    for table, article_ids in (
        (variant_article, content.article_ids),
        (variant_correction, content.correction_ids),
    ):
        if article_ids:
            conn.execute(
                insert(table),
                [
                    {"variant_id": variant_id, "position": position, "article_id": article_id}
                    for position, article_id in enumerate(article_ids)
                ],
            )
    return variant_id
