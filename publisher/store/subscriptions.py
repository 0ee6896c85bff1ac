"""What readers subscribed to: begun, changed, paused, left."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from publisher.core.model import (
    EVERYTHING,
    MAILABLE_STATES,
    Cadence,
    EditionState,
    Newsletter,
    SubscriptionState,
)
from publisher.core.selection import choose
from publisher.core.wishes import Wishes, slot_for
from publisher.store import counter, ledger, newsletters, slots
from publisher.store.tables import article, edition, slot, subscriber, subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    id: int
    subscriber_id: int
    newsletter: str
    state: SubscriptionState
    consent: Mapping[str, str]
    categories: Mapping[str, int] | None
    cadence: Cadence | None
    at: time | None
    weekday: int | None
    zone: str | None
    slot: str
    slot_id: int | None
    paused_until: datetime | None
    after_seq: int

    def is_paused(self, now: datetime) -> bool:
        return self.paused_until is not None and self.paused_until > now

    @property
    def _chosen(self) -> tuple[str, ...] | None:
        """None for all: what was chosen before stands in there still, each with its beginning."""
        if self.categories is None or EVERYTHING in self.categories:
            return None
        return tuple(self.categories)

    @property
    def wishes(self) -> Wishes:
        return Wishes(
            categories=self._chosen,
            cadence=self.cadence,
            at=self.at,
            weekday=self.weekday,
            zone=self.zone,
        )


def find(conn: Connection, subscriber_id: int, newsletter: str) -> Subscription | None:
    return next(
        (each for each in of_reader(conn, subscriber_id) if each.newsletter == newsletter),
        None,
    )


def of_reader(conn: Connection, subscriber_id: int) -> list[Subscription]:
    rows = conn.execute(
        select(subscription, slot.c.key)
        .outerjoin(slot, slot.c.id == subscription.c.slot_id)
        .where(subscription.c.subscriber_id == subscriber_id, subscription.c.became.is_(None))
        .order_by(subscription.c.newsletter)
    )
    return [
        Subscription(
            id=row.id,
            subscriber_id=row.subscriber_id,
            newsletter=row.newsletter,
            state=SubscriptionState(row.state),
            consent=row.consent,
            categories=row.categories,
            cadence=Cadence(row.cadence) if row.cadence else None,
            at=time.fromisoformat(row.at) if row.at else None,
            weekday=row.weekday,
            zone=row.zone,
            slot=row.key or "",
            slot_id=row.slot_id,
            paused_until=row.paused_until,
            after_seq=row.after_seq,
        )
        for row in rows
    ]


def subscribe(
    conn: Connection,
    subscriber_id: int,
    to: Newsletter,
    wishes: Wishes,
    *,
    consent: Mapping[str, str],
    now: datetime,
    since: datetime | None = None,
) -> bool:
    """Confirm a subscription, or change the wishes of one; True when it is a new one or a return.

    A new one starts with what becomes public from now on, or with what was published after
    `since`. A change of cadence, hour, zone or categories keeps the reader's place in the order,
    so nothing is missed and nothing comes twice; an added category counts from now on. It changes
    what is wished for by name; what is None stays as it was.

    Raises PermanentError when the newsletter does not come in the cadence wished for.
    """
    head = counter.head(conn)
    known = find(conn, subscriber_id, to.slug)
    if known is not None and known.state is SubscriptionState.CONFIRMED:
        _change(conn, known, to, wishes.over(known.wishes), now, since)
        return False
    slot_id = slots.ensure(conn, slot_for(to, wishes), now)
    newsletters.look_again(conn, to)
    values: dict[str, object] = {
        **timing_of(wishes),
        "slot_id": slot_id,
        "paused_until": None,
        "state": SubscriptionState.CONFIRMED,
        "consent": dict(consent),
        "categories": choose(wishes.categories, None, head) if wishes.categories else None,
        "after_seq": head if since is None else _seq_before(conn, since),
    }
    if known is None:
        values |= {"subscriber_id": subscriber_id, "newsletter": to.slug}
        made = conn.execute(insert(subscription).values(**values).returning(subscription.c.id))
        subscription_id = int(made.scalar_one())
    else:
        subscription_id = known.id
        conn.execute(update(subscription).where(subscription.c.id == known.id).values(**values))
    _wake(conn, subscription_id, to, head, now)
    return True


def choose_anew(
    conn: Connection, known: Subscription, to: Newsletter, wishes: Wishes, now: datetime
) -> None:
    """Give a confirmed subscription exactly these wishes; what is None is as the newsletter has it.

    Otherwise as `subscribe`, which says more. Raises PermanentError as that does.
    """
    if wishes.categories is None and known.categories is not None:
        wishes = replace(wishes, categories=(EVERYTHING,))
    _change(conn, known, to, wishes, now, None)


def pause(
    conn: Connection, known: Subscription, to: Newsletter, until: datetime | None, now: datetime
) -> None:
    """Give nothing till then, or go on (None); what comes out meanwhile folds into what follows.

    So does what has been planned for them and not been sent. What a worker has in hand it drops
    (`store.last_look`); should it have gone out nevertheless, the ledger knows.
    """
    its = update(subscription).where(subscription.c.id == known.id)
    conn.execute(its.values(paused_until=until))
    head = counter.head(conn)
    if until is None:
        _wake(conn, known.id, to, head, now)
        return
    first = ledger.first_open(conn, known.subscriber_id, known.newsletter)
    if first is not None and first <= known.after_seq:
        conn.execute(its.values(after_seq=first - 1))
    ledger.cancel_open(conn, known.subscriber_id, known.newsletter)
    _wake(conn, known.id, to, head, until)


def wake_all(conn: Connection, subscriber_id: int, now: datetime) -> None:
    """What a reader may have from now on must not wait for the next alert."""
    for each in of_reader(conn, subscriber_id):
        if each.slot_id is not None and each.state is SubscriptionState.CONFIRMED:
            slots.wake(conn, each.slot_id, now)


def catch_up(conn: Connection) -> None:
    """Bring readers of idle immediate slots to the head of the order.

    What lies before them did not concern them; were categories to change hands, it would. Who is
    paused or has had enough mails for a day waits for what lies before them.
    """
    head = counter.head(conn)
    being_planned = select(edition.c.slot_id).where(edition.c.state == EditionState.PLANNING)
    idle = select(slot.c.id).where(
        slot.c.cadence == Cadence.IMMEDIATE,
        slot.c.next_due_at.is_(None),
        slot.c.id.not_in(being_planned),
    )
    taking_all = select(subscriber.c.id).where(
        subscriber.c.state.in_(MAILABLE_STATES), subscriber.c.max_per_day.is_(None)
    )
    conn.execute(
        update(subscription)
        .where(
            subscription.c.slot_id.in_(idle),
            subscription.c.state == SubscriptionState.CONFIRMED,
            subscription.c.paused_until.is_(None),
            subscription.c.subscriber_id.in_(taking_all),
            subscription.c.after_seq < head,
        )
        .values(after_seq=head)
    )


def unsubscribe(conn: Connection, subscription_id: int, *, by: str, now: datetime) -> bool:
    """End a subscription and cancel what was not sent yet; False when it had ended before."""
    row = _row(conn, subscription_id)
    if row is None or row.state == SubscriptionState.UNSUBSCRIBED:
        return False
    conn.execute(
        update(subscription)
        .where(subscription.c.id == row.id)
        .values(
            state=SubscriptionState.UNSUBSCRIBED,
            consent={**row.consent, "ended_at": now.isoformat(), "ended_by": by},
        )
    )
    ledger.cancel_open(conn, row.subscriber_id, row.newsletter)
    return True


def timing_of(wishes: Wishes) -> dict[str, object]:
    """What a row says of the cadence and hour wished for."""
    return {
        "cadence": wishes.cadence,
        "at": wishes.at.strftime("%H:%M") if wishes.at else None,
        "weekday": wishes.weekday,
        "zone": wishes.zone,
    }


def newsletter_of(conn: Connection, subscription_id: int) -> str | None:
    """The slug of the newsletter that a subscription is to now, whatever its state."""
    row = _row(conn, subscription_id)
    return str(row.newsletter) if row is not None else None


def now_of(conn: Connection, subscription_id: int) -> Subscription | None:
    """The subscription of this id, or the one that it became."""
    row = _row(conn, subscription_id)
    return find(conn, row.subscriber_id, row.newsletter) if row is not None else None


def counts(conn: Connection) -> Mapping[str, int]:
    """Confirmed subscriptions by newsletter."""
    rows = conn.execute(
        select(subscription.c.newsletter, func.count())
        .where(subscription.c.state == SubscriptionState.CONFIRMED)
        .group_by(subscription.c.newsletter)
    )
    return dict(rows.all())


def _row(conn: Connection, subscription_id: int) -> Row[Any] | None:
    """The subscription of this id, or the one that it became."""
    row = conn.execute(select(subscription).where(subscription.c.id == subscription_id)).first()
    return row if row is None or row.became is None else _row(conn, row.became)


def _change(
    conn: Connection,
    known: Subscription,
    to: Newsletter,
    wishes: Wishes,
    now: datetime,
    since: datetime | None,
) -> None:
    head = counter.head(conn)
    newsletters.look_again(conn, to)
    values: dict[str, object] = {
        **timing_of(wishes),
        "slot_id": slots.ensure(conn, slot_for(to, wishes), now),
        "categories": _changed_choice(known, wishes, head),
    }
    if since is not None:
        values["after_seq"] = min(known.after_seq, _seq_before(conn, since))
    conn.execute(update(subscription).where(subscription.c.id == known.id).values(**values))
    _wake(conn, known.id, to, head, now)


def _wake(conn: Connection, subscription_id: int, to: Newsletter, head: int, now: datetime) -> None:
    """What a reader has not been given yet must not wait for the next article to come out."""
    row = conn.execute(
        select(subscription.c.slot_id, subscription.c.after_seq).where(
            subscription.c.id == subscription_id
        )
    ).one()
    if row.after_seq < head:
        slots.wake(conn, row.slot_id, now + timedelta(seconds=to.window))


def _changed_choice(known: Subscription, wishes: Wishes, head: int) -> dict[str, int] | None:
    if wishes.categories is None:
        return dict(known.categories) if known.categories is not None else None
    return choose(wishes.categories, known.categories, head)


def _seq_before(conn: Connection, since: datetime) -> int:
    """The place in the order before the first article published after `since`."""
    first = conn.execute(
        select(func.min(article.c.seq)).where(article.c.seq > 0, article.c.published_at >= since)
    ).scalar()
    return int(first) - 1 if first is not None else counter.head(conn)
