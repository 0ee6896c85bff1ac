"""Forgetting a reader: what tells who they were goes, what the books count stays without a name."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, case, delete, func, insert, literal_column, select, update

from publisher.core.identity import address_hash
from publisher.core.model import DeliveryState, SubscriberState, SubscriptionState
from publisher.store import notices, refusals, suppressions
from publisher.store.ledger import GIVEN_UP
from publisher.store.tables import bounce, delivery, meta, notice, subscriber, subscription

_UNCLEAN = "unclean"
_CLAIMABLE = (DeliveryState.PENDING, DeliveryState.DEFERRED)


def erase(conn: Connection, subscriber_id: int, key: bytes, now: datetime) -> Sequence[str] | None:
    """Forget the reader; the ways in which their addresses were written, None where they are no
    more.

    What stays is a keyed hash (`suppression`), and rows under a number: so many mails were sent, of
    which edition, with which outcome. Deleted text may stand in the database's files until they are
    cleaned of it (`Database.scrub`): that is noted (`unclean`). Where that is not all of what is to
    be cleaned (a former address; a reader erased before) nothing is named. `key` hashes addresses.
    """
    reader = conn.execute(select(subscriber).where(subscriber.c.id == subscriber_id)).first()
    if reader is None or reader.state == SubscriberState.ERASED:
        return None
    hashed = address_hash(reader.address_key, key)
    suppressions.note(conn, hashed, suppressions.ERASED, now)
    texts = [reader.address, reader.address_key, *_forget_notices(conn, subscriber_id, hashed)]
    has_changed_address = reader.token_version > 1
    if _note_unclean(conn, subscriber_id) or has_changed_address:
        texts = []
    _forget_subscriptions(conn, subscriber_id, now)
    refusals.forget_domain(conn, reader.address_key.rpartition("@")[2], subscriber_id)
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
    return texts


def unclean(conn: Connection) -> str | None:
    """Of whom, the last one erased, deleted text may still stand in the database's files; None
    where they have been cleaned since."""
    value: str | None = conn.execute(select(meta.c.value).where(meta.c.key == _UNCLEAN)).scalar()
    return value


def note_clean(conn: Connection, seen: str) -> None:
    """The files have been cleaned after that was `seen`; who was erased meanwhile stays noted."""
    conn.execute(delete(meta).where(meta.c.key == _UNCLEAN, meta.c.value == seen))


def _note_unclean(conn: Connection, subscriber_id: int) -> bool:
    """Whether it was noted already."""
    was = unclean(conn) is not None
    conn.execute(delete(meta).where(meta.c.key == _UNCLEAN))
    conn.execute(insert(meta).values(key=_UNCLEAN, value=str(subscriber_id)))
    return was


def is_in_flight(conn: Connection, subscriber_id: int) -> bool:
    """Whether a mail to the reader is in the hands of a worker now."""
    sending = delivery.c.state == literal_column("'sending'")  # for the partial index
    its = select(func.count()).where(delivery.c.subscriber_id == subscriber_id, sending)
    return bool(conn.execute(its).scalar_one())


def _forget_notices(conn: Connection, subscriber_id: int, hashed: str) -> Sequence[str]:
    """Also those that are under way: whoever has them in hand asks the books once more. Returns
    the addresses that they were for."""
    theirs = select(delivery.c.notice_id).where(
        delivery.c.subscriber_id == subscriber_id, delivery.c.notice_id.is_not(None)
    )
    its = notice.c.id.in_(theirs) | (notice.c.address_hash == hashed)
    rows = conn.execute(select(notice.c.id, notice.c.address).where(its)).all()
    notices.delete_all(conn, [row.id for row in rows])
    return [row.address for row in rows]


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
