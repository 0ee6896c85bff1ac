"""Forgetting a reader: what tells who they were goes, what the books count stays without a name."""

from datetime import datetime

from sqlalchemy import Connection, case, delete, func, literal_column, select, update

from publisher.core.identity import address_hash
from publisher.core.model import DeliveryState, SubscriberState, SubscriptionState
from publisher.store import notices, suppressions
from publisher.store.ledger import GIVEN_UP
from publisher.store.tables import bounce, delivery, notice, subscriber, subscription

_CLAIMABLE = (DeliveryState.PENDING, DeliveryState.DEFERRED)


def erase(conn: Connection, subscriber_id: int, key: bytes, now: datetime) -> tuple[str, ...]:
    """Forget the reader; the ways in which their address was written, () where they are no more.

    What stays is a keyed hash (`suppression`), and rows under a number: so many mails were sent, of
    which edition, with which outcome. Deleted text may stand in the database's files for a while:
    see `Database.scrub`. `key` hashes addresses.
    """
    reader = conn.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).first()
    if reader is None or reader.state == SubscriberState.ERASED:
        return ()
    hashed = address_hash(reader.address_key, key)
    suppressions.note_erased(conn, hashed, now)
    _forget_notices(conn, subscriber_id, hashed)
    _forget_subscriptions(conn, subscriber_id, now)
    its = delivery.c.subscriber_id == subscriber_id
    is_open = delivery.c.state.in_(_CLAIMABLE)
    conn.execute(
        update(delivery)
        .where(its)
        # The domain, too: it may be the reader's own.
        .values(domain="", reply="", state=case((is_open, GIVEN_UP), else_=delivery.c.state))
    )
    conn.execute(
        update(bounce)
        .where(bounce.c.subscriber_id == subscriber_id)
        .values(diagnostic="", subscriber_id=None)
    )
    conn.execute(
        update(subscriber)
        .where(subscriber.c.id == subscriber_id)
        .values(
            address="",
            address_key=f"erased {subscriber_id}",  # no address has a space and no @
            name="",
            locale="",
            zone="",
            max_per_day=None,
            state=SubscriberState.ERASED,
            token_version=subscriber.c.token_version + 1,
        )
    )
    return tuple(dict.fromkeys((reader.address, reader.address_key)))


def is_in_flight(conn: Connection, subscriber_id: int) -> bool:
    """Whether a mail to the reader is in the hands of a worker now."""
    sending = delivery.c.state == literal_column("'sending'")  # for the partial index
    its = select(func.count()).where(delivery.c.subscriber_id == subscriber_id, sending)
    return bool(conn.execute(its).scalar_one())


def _forget_notices(conn: Connection, subscriber_id: int, hashed: str) -> None:
    """Also those that are under way: whoever has them in hand asks the books once more."""
    theirs = select(delivery.c.notice_id).where(
        delivery.c.subscriber_id == subscriber_id, delivery.c.notice_id.is_not(None)
    )
    ids = select(notice.c.id).where(notice.c.id.in_(theirs) | (notice.c.address_hash == hashed))
    notices.delete_all(conn, list(conn.execute(ids).scalars()))


def _forget_subscriptions(conn: Connection, subscriber_id: int, now: datetime) -> None:
    its = subscription.c.subscriber_id == subscriber_id
    conn.execute(delete(subscription).where(its, subscription.c.state == SubscriptionState.PENDING))
    conn.execute(
        update(subscription)
        .where(its)
        .values(
            state=SubscriptionState.UNSUBSCRIBED,
            consent={"ended_at": now.isoformat(), "ended_by": "erased"},
            asked_at=None,
            categories=None,
            cadence=None,
            at=None,
            weekday=None,
            zone=None,
            slot_id=None,
            paused_until=None,
        )
    )
