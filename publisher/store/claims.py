"""Which mails a worker takes in hand next, for as long as its lease runs; and taking them back."""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    select,
    update,
)

from publisher.core.delivery import Claimed, Job
from publisher.core.model import (
    Cadence,
    DeliveryState,
    EditionState,
)
from publisher.core.notice import NOTICES
from publisher.core.room import Room
from publisher.store import control, refusals, renderings
from publisher.store.ledger import GOING_OUT, OF_CANCELLED
from publisher.store.tables import delivery, edition, notice, slot, subscriber

MOST_UNRENDERED = 200
"""Variants without a rendering that are looked for at a time, and as many notices."""

# Written out: SQLite uses a partial index only for a condition that it can read.
_PENDING = delivery.c.state == literal_column("'pending'")
_DEFERRED = delivery.c.state == literal_column("'deferred'")
_SENDING = delivery.c.state == literal_column("'sending'")


def claim(
    conn: Connection,
    *,
    now: datetime,
    due_by: datetime,
    room: Room,
    lease: timedelta,
    fingerprints: Mapping[str, str],
    without: Collection[int] = (),
) -> Claimed:
    """Take as many due mails as there is room for, of notices and of editions that go out.

    Deferred mails that are due by `due_by` come first, then notices, then alerts, then digests;
    none of these takes more than half of what is left while others wait. A row takes the current
    rendering of its variant at its first attempt and keeps it. `fingerprints`, by newsletter, tell
    renderings made with other templates or settings from current ones; a newsletter without one is
    not sent. `without`: variants whose rendering is being made.
    """
    taking = _Taking(conn, now, lease, fingerprints, room, set(without))
    # Digests that wait for their renderings, be they ever so many, hold up no notice.
    sources = [(_deferred(due_by), MOST_UNRENDERED), (_notices(), 2 * MOST_UNRENDERED)]
    editions = map(_pending, _with_pending(conn, fingerprints))
    sources.extend((each, MOST_UNRENDERED) for each in editions)
    not_exhausted = [each for each in sources if taking.take(*each, (room.free + 1) // 2)]
    for source in not_exhausted:
        taking.take(*source, room.free)
    return Claimed(
        jobs=taking.jobs,
        to_render=sorted(taking.unrendered.difference(without)),
        urgent=taking.urgent,
        rates=control.rates(conn),
        refusals=refusals.listing(conn),
    )


class _Taking:
    def __init__(
        self,
        conn: Connection,
        now: datetime,
        lease: timedelta,
        fingerprints: Mapping[str, str],
        room: Room,
        unrendered: set[int],
    ) -> None:
        self._conn = conn
        self._now = now
        self._lease_until = now + lease
        self._fingerprints = fingerprints
        self._room = room
        self._token = secrets.token_hex(8)
        self.unrendered = unrendered
        self.urgent: set[int] = set()
        self.jobs: list[Job] = []

    def take(self, source: Select[Any], most_unrendered: int, limit: int) -> bool:
        """Claim up to so many rows of the source, as far as there is room; False when there are
        no more."""
        while limit > 0 and self._room.free > 0 and len(self.unrendered) < most_unrendered:
            ids = list(self._conn.execute(self._narrowed(source).limit(limit)).scalars())
            taken = self._claim(self._ready(self._conn.execute(_facts(ids)).all()))
            if len(ids) < limit:
                return False
            if taken == len(ids):
                return True
            limit -= taken
        return True

    def _narrowed(self, source: Select[Any]) -> Select[Any]:
        """Without what there is no room for, or no rendering yet."""
        if full := self._room.full_domains:
            source = source.where(delivery.c.domain.not_in(full))
        if self.unrendered:
            # A row that has its rendering does not wait for another.
            source = source.where(
                delivery.c.rendering_id.is_not(None)
                | delivery.c.variant_id.not_in(sorted(self.unrendered))
            )
        unsendable: ColumnElement[bool] = edition.c.newsletter.not_in(sorted(self._fingerprints))
        if full := self._room.full_newsletters:
            unsendable = unsendable | edition.c.newsletter.in_(full)
        held = select(edition.c.id).where(
            (edition.c.state == EditionState.PAUSED) | (edition.c.state.in_(GOING_OUT) & unsendable)
        )
        return source.where(delivery.c.edition_id.is_(None) | delivery.c.edition_id.not_in(held))

    def _ready(self, rows: Sequence[Row[Any]]) -> Iterator[tuple[Row[Any], int]]:
        """Those for which there is room and a rendering, and which rendering."""
        fresh = {row.variant_id for row in rows if row.rendering_id is None}
        current = renderings.current(self._conn, fresh, set(self._fingerprints.values()))
        self.unrendered |= fresh.difference(current)
        notices = {row.variant_id for row in rows if row.notice_id is not None}
        self.urgent |= notices & fresh.difference(current)
        for row in rows:
            rendering_id = row.rendering_id or current.get(row.variant_id)
            if rendering_id is not None and self._room.admit(row.domain, row.newsletter):
                yield row, rendering_id

    def _claim(self, ready: Iterator[tuple[Row[Any], int]]) -> int:
        jobs = [
            Job(
                delivery_id=row.id,
                claim=self._token,
                lease_until=self._lease_until,
                attempt=row.attempt + 1,
                first_attempt_at=row.first_attempt_at or self._now,
                rendering_id=rendering_id,
                edition_id=row.edition_id,
                notice_id=row.notice_id,
                newsletter=row.newsletter,
                planned_at=row.planned_at,
                subscriber_id=row.subscriber_id,
                subscription_id=row.subscription_id,
                token_version=row.token_version or 1,
                address=row.address,
                name=row.name,
                domain=row.domain,
                refused_before=(row.smtp_status or 0) >= 500,
            )
            for row, rendering_id in ready
        ]
        if jobs:
            self._conn.execute(
                update(delivery)
                .where(delivery.c.id == bindparam("b_id"))
                .values(
                    state=DeliveryState.SENDING,
                    claim=self._token,
                    lease_until=self._lease_until,
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
        self.jobs += jobs
        return len(jobs)


def reclaim(conn: Connection, now: datetime, *, all_workers: bool, resend: bool) -> int:
    """Take back rows whose worker is gone; returns how many: each may have been sent or not.

    With `resend` they are sent again, byte for byte, else they stay uncertain until an operator
    says; as does what was cancelled meanwhile. `all_workers`: no other worker can be alive (the
    caller holds the lock), so no lease counts.
    """
    left = _SENDING if all_workers else _SENDING & (delivery.c.lease_until < now)
    # Locked ones have a worker after all, which is writing their answers just now.
    ids = select(delivery.c.id).where(left).with_for_update(skip_locked=True)
    gone = delivery.c.id.in_(list(conn.execute(ids).scalars()))
    held = gone & OF_CANCELLED if resend else gone
    uncertain = conn.execute(
        update(delivery)
        .where(held)
        .values(
            state=DeliveryState.UNCERTAIN,
            in_doubt=True,
            reply="the sender ended before the server's answer",
            claim=None,
            lease_until=None,
        )
    )
    once_more = conn.execute(
        update(delivery)
        .where(gone, _SENDING)
        .values(state=DeliveryState.PENDING, in_doubt=True, claim=None, lease_until=None)
    )
    return int(uncertain.rowcount + once_more.rowcount)


def _with_pending(conn: Connection, fingerprints: Collection[str]) -> Sequence[int]:
    """Editions that go out and have something pending: alerts before digests, the oldest first."""
    # From one edition of the index to the next, or a million pending rows would be read each time.
    first = select(func.min(delivery.c.edition_id).label("id")).where(_PENDING)
    walk = first.cte("pending_edition", recursive=True)
    following = (
        select(func.min(delivery.c.edition_id))
        .where(_PENDING, delivery.c.edition_id > walk.c.id)
        .scalar_subquery()
    )
    walk = walk.union_all(select(following).where(walk.c.id.is_not(None)))
    rows = conn.execute(
        select(edition.c.id)
        .join(walk, walk.c.id == edition.c.id)
        .join(slot, slot.c.id == edition.c.slot_id)
        .where(edition.c.state.in_(GOING_OUT), edition.c.newsletter.in_(sorted(fingerprints)))
        .order_by(slot.c.cadence != Cadence.IMMEDIATE, edition.c.id)
    )
    return list(rows.scalars())


def _deferred(due_by: datetime) -> Select[Any]:
    due = _ids().where(_DEFERRED, delivery.c.next_attempt_at <= due_by)
    return due.order_by(delivery.c.next_attempt_at, delivery.c.id)


def _pending(edition_id: int) -> Select[Any]:
    return _ids().where(_PENDING, delivery.c.edition_id == edition_id).order_by(delivery.c.id)


def _notices() -> Select[Any]:
    return _ids().where(_PENDING, delivery.c.edition_id.is_(None)).order_by(delivery.c.id)


def _ids() -> Select[Any]:
    """Locked, and never those that another worker looks at."""
    return select(delivery.c.id).with_for_update(skip_locked=True)


def _facts(ids: Collection[int]) -> Select[Any]:  # Any: the columns below
    """What jobs are made of, the first planned first."""
    return (
        select(
            delivery.c.id,
            delivery.c.variant_id,
            delivery.c.rendering_id,
            delivery.c.attempt,
            delivery.c.first_attempt_at,
            delivery.c.edition_id,
            delivery.c.notice_id,
            delivery.c.domain,
            delivery.c.smtp_status,
            func.coalesce(edition.c.newsletter, NOTICES).label("newsletter"),
            func.coalesce(edition.c.planned_at, notice.c.created_at).label("planned_at"),
            delivery.c.subscriber_id,
            func.coalesce(notice.c.address, subscriber.c.address).label("address"),
            # Anybody may have given a name together with another's address: no notice repeats it.
            case((delivery.c.notice_id.is_(None), subscriber.c.name), else_="").label("name"),
            delivery.c.subscription_id,
            subscriber.c.token_version,
        )
        .outerjoin(edition, edition.c.id == delivery.c.edition_id)
        .outerjoin(notice, notice.c.id == delivery.c.notice_id)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.id.in_(ids))
        .order_by(delivery.c.id)
    )
