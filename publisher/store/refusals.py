"""Who refuses our mail: receiving domains by relay, and relays, each until it is tried again."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from publisher.core.refusal import Refusal, next_try
from publisher.store.tables import refusal, subscriber


def listing(conn: Connection) -> Sequence[Refusal]:
    """Those whose wait is over too: until a mail is taken, they may refuse the next one."""
    rows = conn.execute(select(refusal).order_by(refusal.c.domain, refusal.c.relay))
    return [Refusal(**row._mapping) for row in rows]


def note(
    conn: Connection,
    relay: str,
    domain: str,
    reason: str,
    now: datetime,
    until: datetime | None = None,
) -> None:
    """Leave the domain in peace for a while; one that refuses several mails at once only once.

    `until`: what the caller knows of the moment to try again.
    """
    known = conn.execute(
        select(refusal)
        .where(refusal.c.relay == relay, refusal.c.domain == domain)
        .with_for_update()
    ).first()
    if known is None:
        first = insert(refusal).values(
            relay=relay,
            domain=domain,
            reason=reason,
            since=now,
            until=until or next_try(now, now),
        )
        # Another worker may find out the same at the same moment; its word is as good.
        with suppress(IntegrityError), conn.begin_nested():
            conn.execute(first)
    elif known.until <= now or until is not None:
        conn.execute(
            update(refusal)
            .where(refusal.c.relay == relay, refusal.c.domain == domain)
            .values(reason=reason, until=until or next_try(known.since, now))
        )


def lift(conn: Connection, relay: str, domain: str) -> None:
    """It took a mail."""
    conn.execute(delete(refusal).where(refusal.c.relay == relay, refusal.c.domain == domain))


def forget_domain(conn: Connection, domain: str, subscriber_id: int) -> None:
    """One that nobody but this reader has, and so may be called like them."""
    another = select(subscriber.c.id).where(
        subscriber.c.id != subscriber_id,
        subscriber.c.address_key.endswith(f"@{domain}", autoescape=True),
    )
    conn.execute(delete(refusal).where(refusal.c.domain == domain, ~another.exists()))


def hasten(conn: Connection, now: datetime) -> None:
    """Try them all again at once: the operator says that the cause is mended.

    That a domain refused us stays known until it takes a mail: else its next refusal would be held
    against the reader.
    """
    forget_relays(conn)
    conn.execute(update(refusal).where(refusal.c.until > now).values(until=now))


def forget_relays(conn: Connection) -> None:
    """A worker that starts finds out by itself which relays can be used."""
    conn.execute(delete(refusal).where(refusal.c.domain == ""))
