"""Addresses that get no mail, known by a keyed hash alone: which, and why."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from publisher.core.addresses import normalise
from publisher.core.identity import address_hash
from publisher.errors import PermanentError
from publisher.store.tables import suppression

ERASED = "erased"
"""Its owner wanted to be forgotten: nobody may enter it but its owner, by confirming a sign-up."""

BOUNCED = "bounced"
"""Its mails came back again and again, until its reader gave another address."""

FOREVER: ColumnElement[bool] = suppression.c.reason != ERASED
"""Of those to which not even the mail goes that asks to confirm."""


def reason(conn: Connection, address_hash: str) -> str | None:
    its = select(suppression.c.reason).where(suppression.c.address_hash == address_hash)
    return conn.execute(its).scalar()


def refuse_erased(conn: Connection, address: str, key: bytes) -> None:
    """For whoever enters others' addresses. Raises PermanentError; `key` hashes addresses."""
    if reason(conn, address_hash(normalise(address), key)) == ERASED:
        raise PermanentError(
            "the owner of this address had themselves forgotten; only they can come back, by "
            "signing up and confirming it"
        )


def note(conn: Connection, address_hash: str, why: str, now: datetime) -> None:
    """What is noted already stays, but for an erasing, which is the least of reasons."""
    if why != ERASED:
        come_back(conn, address_hash)
    if reason(conn, address_hash) is None:
        row = {"address_hash": address_hash, "reason": why, "since": now}
        conn.execute(insert(suppression).values(**row))


def come_back(conn: Connection, address_hash: str) -> None:
    """The owner of an erased address has confirmed that they want mail again."""
    its = suppression.c.address_hash == address_hash
    conn.execute(delete(suppression).where(its, suppression.c.reason == ERASED))
