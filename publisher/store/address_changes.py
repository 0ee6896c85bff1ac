"""A reader's change of address: asked for at the new one, confirmed there, told to the old one.

Until it is confirmed the new address stands in its notice alone, which is forgotten after two days.
"""

from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from publisher.core.addresses import normalise
from publisher.core.identity import address_hash
from publisher.core.model import MAILABLE_STATES, SubscriberState
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.preferences import ONE_CHANGE_IN, ChangeLink, change_payload
from publisher.core.tokens import Purpose
from publisher.store import notices, subscribers, suppressions
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
    if owner is None:
        kind = NoticeKind.ADDRESS_CHANGE
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
    )


def waiting(conn: Connection, link: ChangeLink) -> str | None:
    """The address that the link confirms; None where it has served, or was forgotten."""
    found = _asked(conn, link)
    return str(found.address) if found else None


def confirm(conn: Connection, link: ChangeLink, key: bytes, now: datetime) -> bool:
    """Change the address; False where the link confirms nothing, or another reader has it now.

    What has not gone out goes to the new one. Links made before do less from now on: see
    `core.preferences.ReaderLink`.
    """
    found, reader = _asked(conn, link), subscribers.by_id(conn, link.subscriber_id)
    if found is None or reader is None or subscribers.find(conn, found.address) is not None:
        return False
    conn.execute(
        update(subscriber)
        .where(subscriber.c.id == reader.id)
        .values(
            address=found.address,
            address_key=normalise(found.address),
            token_version=subscriber.c.token_version + 1,
            state=SubscriberState.ACTIVE,
        )
    )
    suppressions.come_back(conn, address_hash(normalise(found.address), key))
    # What bounced before counts for its newsletter, and no more against the reader.
    conn.execute(
        update(bounce)
        .where(bounce.c.subscriber_id == reader.id)
        .values(subscriber_id=None, diagnostic="")
    )
    conn.execute(
        update(delivery)
        .where(delivery.c.subscriber_id == reader.id, delivery.c.notice_id.is_(None))
        .values(domain=found.address.rpartition("@")[2], reply="")
    )
    notices.enqueue(
        conn,
        NoticeKind.ADDRESS_CHANGED,
        reader.address,
        address_hash(normalise(reader.address), key),
        reader.locale,
        NoticeContent(),
        now,
        subscriber_id=reader.id,
    )
    return True


def _asked(conn: Connection, link: ChangeLink) -> Row[tuple[str]] | None:
    return conn.execute(
        select(notice.c.address)
        .join(delivery, delivery.c.notice_id == notice.c.id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(
            notice.c.kind == NoticeKind.ADDRESS_CHANGE,
            notice.c.created_at == link.asked_at,
            subscriber.c.id == link.subscriber_id,
            subscriber.c.token_version == link.token_version,
            subscriber.c.state.in_(MAILABLE_STATES),
        )
    ).first()
