"""Slots: the due rows of newsletters, each shared by all readers of the same cadence and hour."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    Update,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from publisher.core.edition import Slot
from publisher.core.model import MAILABLE_STATES, Cadence, SlotTime, SubscriptionState
from publisher.core.schedule import day_begins, next_due, slot_key
from publisher.store import counter
from publisher.store.tables import edition, newsletter, slot, subscriber, subscription


def ensure(conn: Connection, wanted: SlotTime, now: datetime) -> int:
    """The id of the slot with these times, made now if nobody shares it yet."""
    key = slot_key(wanted)
    found = conn.execute(select(slot.c.id).where(slot.c.key == key)).scalar()
    if found is not None:
        return int(found)
    row = conn.execute(
        insert(slot)
        .values(
            key=key,
            newsletter=wanted.newsletter,
            cadence=wanted.cadence,
            at=wanted.at.strftime("%H:%M"),
            weekday=wanted.weekday,
            zone=wanted.zone,
            next_due_at=next_due(wanted, now),
        )
        .returning(slot.c.id)
    )
    return int(row.scalar_one())


def find(conn: Connection, slot_id: int) -> Slot:
    return _slot(conn.execute(select(slot).where(slot.c.id == slot_id)).one())


def due(conn: Connection, now: datetime, of: str | None = None) -> Sequence[Slot]:
    """The slots whose time has come, the longest due first."""
    statement = _offered().where(slot.c.next_due_at <= now).order_by(slot.c.next_due_at)
    if of is not None:
        statement = statement.where(slot.c.newsletter == of)
    return [_slot(row) for row in conn.execute(statement)]


def with_readers(conn: Connection, of: str) -> Sequence[Slot]:
    """The slots of a newsletter that confirmed subscriptions share."""
    statement = select(slot).where(slot.c.newsletter == of, _has_readers()).order_by(slot.c.id)
    return [_slot(row) for row in conn.execute(statement)]


def next_dues(conn: Connection, limit: int = 10) -> Sequence[Slot]:
    """The slots that are due next and have readers, for the operator to see."""
    statement = (
        _offered()
        .where(slot.c.next_due_at.is_not(None), _has_readers())
        .order_by(slot.c.next_due_at)
        .limit(limit)
    )
    return [_slot(row) for row in conn.execute(statement)]


def next_look(conn: Connection, of: Slot, now: datetime) -> datetime | None:
    """When somebody may be given what came out before: a pause ends, or the day does on which they
    have had as many mails as they want. Asked for slots that no hour makes due."""
    ends = [_next_end_of_pause(conn, of.id, now)]
    if _has_capped(conn, of.id):
        ends.append(day_begins(now, of.time.zone, after=1))
    return min(filter(None, ends), default=None)


def _has_capped(conn: Connection, slot_id: int) -> bool:
    """Whether who wants but so many mails a day has not been given all that there is."""
    behind = (
        select(subscription.c.id)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(
            subscriber.c.max_per_day.is_not(None),
            subscriber.c.state.in_(MAILABLE_STATES),
            subscription.c.slot_id == slot_id,
            subscription.c.state == SubscriptionState.CONFIRMED,
            subscription.c.after_seq < counter.head(conn),
        )
    )
    return conn.execute(behind.limit(1)).first() is not None


def _next_end_of_pause(conn: Connection, slot_id: int, now: datetime) -> datetime | None:
    end: datetime | None = conn.execute(
        select(func.min(subscription.c.paused_until)).where(
            subscription.c.slot_id == slot_id, subscription.c.paused_until > now
        )
    ).scalar()
    return end


def claim(
    conn: Connection, slot_id: int, seen_due_at: datetime, next_due_at: datetime | None
) -> bool:
    """Take the due moment that was seen; False when another took it before."""
    result = conn.execute(
        update(slot)
        .where(slot.c.id == slot_id, slot.c.next_due_at == seen_due_at)
        .values(next_due_at=next_due_at)
    )
    return result.rowcount == 1


def wake(conn: Connection, slot_id: int, due_at: datetime) -> None:
    """Make one immediate slot due, unless it is already."""
    conn.execute(_made_due(due_at).where(slot.c.id == slot_id))


def wake_immediate(conn: Connection, due_at: Mapping[str, datetime], otherwise: datetime) -> None:
    """Make immediate slots due, each at its newsletter's moment, or at the other one.

    A newsletter that is not known here may be in a newer configuration, with which the next
    process starts: its readers must not wait for the article after that.
    """
    for slug, moment in due_at.items():
        wake_all(conn, slug, moment)
    conn.execute(_made_due(otherwise).where(slot.c.newsletter.not_in(due_at)))


def wake_all(conn: Connection, of: str, due_at: datetime) -> None:
    """Make a newsletter's immediate slots due, unless they are already."""
    conn.execute(_made_due(due_at).where(slot.c.newsletter == of))


def take_over(conn: Connection, former: str, slug: str) -> None:
    """Let the slots of one newsletter be another's; two of the same times become one."""
    for row in conn.execute(select(slot).where(slot.c.newsletter == former)).all():
        key = slot_key(replace(_slot(row).time, newsletter=slug))
        twin = conn.execute(select(slot).where(slot.c.key == key)).first()
        if twin is None:
            conn.execute(update(slot).where(slot.c.id == row.id).values(key=key, newsletter=slug))
        else:
            _join(conn, row, twin)


def _made_due(due_at: datetime) -> Update:
    """Of immediate slots, which are idle, or wait for the end of a reader's pause."""
    is_later = or_(slot.c.next_due_at.is_(None), slot.c.next_due_at > due_at)
    return (
        update(slot).where(slot.c.cadence == Cadence.IMMEDIATE, is_later).values(next_due_at=due_at)
    )


def _join(conn: Connection, row: Row[Any], twin: Row[Any]) -> None:
    """Readers and editions of a slot go to its twin, also one that is planned in part."""
    own = update(subscription).where(subscription.c.slot_id == row.id)
    conn.execute(own.values(slot_id=twin.id))
    occasion = edition.c.occasion + "#" + cast(edition.c.id, String)  # the twin may have had it too
    theirs = update(edition).where(edition.c.slot_id == row.id)
    conn.execute(theirs.values(slot_id=twin.id, occasion=occasion))
    dues = [due for due in (row.next_due_at, twin.next_due_at) if due is not None]
    conn.execute(
        update(slot).where(slot.c.id == twin.id).values(next_due_at=min(dues, default=None))
    )
    conn.execute(delete(slot).where(slot.c.id == row.id))


def _has_readers() -> ColumnElement[bool]:
    return (
        select(subscription.c.id)
        .where(
            subscription.c.slot_id == slot.c.id,
            subscription.c.state == SubscriptionState.CONFIRMED,
        )
        .exists()
    )


def _offered() -> Select[Any]:  # Any: a row of `slot`
    """The slots of newsletters that are neither retired nor paused."""
    return (
        select(slot)
        .join(newsletter, newsletter.c.slug == slot.c.newsletter)
        .where(newsletter.c.retired_at.is_(None), newsletter.c.paused_at.is_(None))
    )


def _slot(row: Row[Any]) -> Slot:
    hour, minute = row.at.split(":")
    return Slot(
        id=row.id,
        time=SlotTime(
            newsletter=row.newsletter,
            cadence=Cadence(row.cadence),
            at=time(int(hour), int(minute)),
            weekday=row.weekday,
            zone=row.zone,
        ),
        next_due_at=row.next_due_at,
    )
