"""A reader's change of address: asked for at the new one, confirmed there, told to the old one.

Until it is confirmed the new address stands in its notice alone, which is forgotten after two days.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, select, update

from publisher.core.addresses import normalise
from publisher.core.identity import address_hash
from publisher.core.model import MAILABLE_STATES, SubscriberState
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.preferences import ONE_CHANGE_IN, ChangeLink, change_payload
from publisher.core.tokens import Purpose
from publisher.store import bounces, notices, subscribers, subscriptions, suppressions
from publisher.store.subscribers import Subscriber
from publisher.store.tables import bounce, delivery, notice, subscriber


def ask(conn: Connection, subscriber_id: int, address: str, key: bytes, now: datetime) -> bool:
    """Have a checked address asked whether it is the reader's new one; False when no mail goes out.

    Where it is another reader's, that one is told, and nothing can be confirmed.
    """
    reader = subscribers.by_id(conn, subscriber_id)
    if reader is None or normalise(address) == normalise(reader.address):
        return False
    owner = subscribers.find(conn, address)
    kind, links = NoticeKind.ADDRESS_TAKEN, {}
    states: Collection[SubscriberState] = MAILABLE_STATES
    if owner is None:
        kind = NoticeKind.ADDRESS_CHANGE
        if is_cure(conn, reader, key):
            states = (*states, reader.state)
        signed = change_payload(reader.id, reader.token_version, now)
        links = {Purpose.ADDRESS.value: signed}
    return notices.enqueue(
        conn,
        kind,
        owner.address if owner else address,
        address_hash(normalise(address), key),
        owner.locale if owner else reader.locale,
        NoticeContent(links=links),
        now,
        within=ONE_CHANGE_IN,
        subscriber_id=owner.id if owner else reader.id,
        states=states,
    )


def is_cure(conn: Connection, reader: Subscriber, key: bytes) -> bool:
    """Whether mails came to an end for a reader only as those to their address came back: then they
    begin again with another one. `key` hashes addresses."""
    return (
        reader.state is SubscriberState.SUPPRESSED
        and bounces.have_suppressed(conn, reader.id)
        and suppressions.reason(conn, address_hash(normalise(reader.address), key)) is None
    )


def waiting(conn: Connection, link: ChangeLink, key: bytes) -> str | None:
    """The address that the link confirms; None where it has served, or was forgotten."""
    found = _asked(conn, link, key)
    return found[0] if found else None


def confirm(conn: Connection, link: ChangeLink, key: bytes, now: datetime) -> bool:
    """Change the address; False where the link confirms nothing, or another reader has it now.

    What has not gone out goes to the new one. Links made before do less from now on: see
    `core.preferences.ReaderLink`.
    """
    found = _asked(conn, link, key)
    if found is None or subscribers.find(conn, found[0]) is not None:
        return False
    address, reader = found
    former_hash = address_hash(normalise(reader.address), key)
    if reader.state is SubscriberState.SUPPRESSED:
        suppressions.note(conn, former_hash, suppressions.BOUNCED, now)
        subscriptions.wake_all(conn, reader.id, now)
    conn.execute(
        update(subscriber)
        .where(subscriber.c.id == reader.id)
        .values(
            address=address,
            address_key=normalise(address),
            token_version=subscriber.c.token_version + 1,
            state=SubscriberState.ACTIVE,
        )
    )
    suppressions.come_back(conn, address_hash(normalise(address), key))
    # What bounced before counts for its newsletter, and no more against the reader.
    conn.execute(
        update(bounce)
        .where(bounce.c.subscriber_id == reader.id)
        .values(subscriber_id=None, diagnostic="")
    )
    conn.execute(
        update(delivery)
        .where(delivery.c.subscriber_id == reader.id, delivery.c.notice_id.is_(None))
        .values(domain=address.rpartition("@")[2], reply="")
    )
    notices.enqueue(
        conn,
        NoticeKind.ADDRESS_CHANGED,
        reader.address,
        former_hash,
        reader.locale,
        NoticeContent(),
        now,
        subscriber_id=reader.id,
    )
    return True


def _asked(conn: Connection, link: ChangeLink, key: bytes) -> tuple[str, Subscriber] | None:
    """The address that the link confirms, and whose it is to be."""
    reader = subscribers.by_id(conn, link.subscriber_id)
    if reader is None or not (reader.state in MAILABLE_STATES or is_cure(conn, reader, key)):
        return None
    address: str | None = conn.execute(
        select(notice.c.address)
        .join(delivery, delivery.c.notice_id == notice.c.id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(
            notice.c.kind == NoticeKind.ADDRESS_CHANGE,
            notice.c.created_at == link.asked_at,
            subscriber.c.id == link.subscriber_id,
            subscriber.c.token_version == link.token_version,
        )
    ).scalar()
    return (address, reader) if address is not None else None
