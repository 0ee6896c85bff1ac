"""Readers: who they are, and where their mail goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from publisher.core.addresses import normalise
from publisher.core.model import SubscriberState
from publisher.store.tables import subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    id: int
    address: str
    name: str
    locale: str
    zone: str
    max_per_day: int | None
    state: SubscriberState
    token_version: int
    """Raised with each change of address: see `core.preferences.ReaderLink`."""
    created_at: datetime


def ensure(
    conn: Connection, address: str, *, name: str, zone: str, locale: str, now: datetime
) -> Subscriber:
    """The reader of this address, made now if unknown. Raises PermanentError for a bad address.

    What is given replaces what was known; what is empty leaves it.
    """
    key = normalise(address)
    found = conn.execute(select(subscriber.c.id).where(subscriber.c.address_key == key)).scalar()
    if found is None:
        conn.execute(
            insert(subscriber).values(
                address=address.strip(),
                address_key=key,
                name=name,
                locale=locale,
                zone=zone,
                state=SubscriberState.ACTIVE,
                created_at=now,
            )
        )
    else:
        given = {"name": name, "zone": zone, "locale": locale}
        if values := {column: value for column, value in given.items() if value}:
            conn.execute(update(subscriber).where(subscriber.c.id == found).values(**values))
    reader = find(conn, address)
    assert reader is not None  # it was there or has just been made
    return reader


def find(conn: Connection, address: str) -> Subscriber | None:
    """Raises PermanentError for an address that can be nobody's."""
    its = select(subscriber).where(subscriber.c.address_key == normalise(address))
    return _reader(conn.execute(its).first())


def by_id(conn: Connection, subscriber_id: int) -> Subscriber | None:
    its = select(subscriber).where(subscriber.c.id == subscriber_id)
    return _reader(conn.execute(its).first())


def cap(conn: Connection, subscriber_id: int, max_per_day: int | None) -> None:
    """None: as many mails a day as there are."""
    its = update(subscriber).where(subscriber.c.id == subscriber_id)
    conn.execute(its.values(max_per_day=max_per_day))


def addresses(conn: Connection, subscriber_ids: Sequence[int]) -> list[str]:
    """The addresses of these readers, in the order asked for; a thousand or so at a time."""
    rows = conn.execute(
        select(subscriber.c.id, subscriber.c.address).where(subscriber.c.id.in_(subscriber_ids))
    )
    found = {row.id: row.address for row in rows}
    return [found[each] for each in subscriber_ids if each in found]


def _reader(row: Row[Any] | None) -> Subscriber | None:
    if row is None:
        return None
    return Subscriber(
        id=row.id,
        address=row.address,
        name=row.name,
        locale=row.locale,
        zone=row.zone,
        max_per_day=row.max_per_day,
        state=SubscriberState(row.state),
        token_version=row.token_version,
        created_at=row.created_at,
    )
