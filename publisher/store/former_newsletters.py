"""A newsletter's former slug: all that was kept under it becomes the newsletter's own."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from publisher.core.merging import Merged, Standing, merge
from publisher.core.model import SubscriptionState
from publisher.core.selection import united
from publisher.store import slots
from publisher.store.tables import edition, newsletter, subscription


def take_over(conn: Connection, former: str, slug: str, wake_at: datetime) -> None:
    """Let readers, slots, editions and open mails of the newsletter `former` be those of `slug`.

    Readers keep their places in the order, so that nobody misses or gets anything twice; of both
    newsletters they keep one subscription. Slots and subscriptions keep their ids: what is planned
    in part goes on, and links in mails already sent lead where they should. `wake_at`: when
    immediate readers get what came out while neither slug was configured.
    """
    row = conn.execute(select(newsletter).where(newsletter.c.slug == former)).first()
    if row is None:
        return
    _offer(conn, row, slug)
    _merge_readers(conn, former, slug)
    for table in (subscription, edition):
        conn.execute(update(table).where(table.c.newsletter == former).values(newsletter=slug))
    slots.take_over(conn, former, slug)
    slots.wake_all(conn, slug, wake_at)
    conn.execute(delete(newsletter).where(newsletter.c.slug == former))


def _offer(conn: Connection, row: Row[Any], slug: str) -> None:
    """The newsletter `slug`, made of the former one or joined by it."""
    known = conn.execute(select(newsletter.c.categories).where(newsletter.c.slug == slug)).scalar()
    if known is None:
        kept = {**row._mapping, "slug": slug, "retired_at": None}
        conn.execute(insert(newsletter).values(kept))
        return
    conn.execute(
        update(newsletter)
        .where(newsletter.c.slug == slug)
        # No timing: the slots of those who came may be other than their new newsletter's.
        .values(categories=united(known, row.categories), timing={})
    )


def _merge_readers(conn: Connection, former: str, slug: str) -> None:
    """Let the readers of both newsletters have one subscription."""
    merged = _merged(conn, former, slug)
    if not merged:
        return
    conn.execute(
        update(subscription)
        .where(subscription.c.id == bindparam("b_id"))
        .values(after_seq=bindparam("b_after")),
        [{"b_id": each.stays, "b_after": each.after_seq} for each in merged],
    )
    # It stays as a signpost: its id is signed into links, and its consent is on record.
    conn.execute(
        update(subscription)
        .where(subscription.c.id == bindparam("b_id"))
        .values(
            newsletter=None,
            slot_id=None,
            state=SubscriptionState.UNSUBSCRIBED,
            became=bindparam("b_became"),
        ),
        [{"b_id": each.goes, "b_became": each.stays} for each in merged],
    )


def _merged(conn: Connection, former: str, slug: str) -> list[Merged]:
    theirs, own = subscription.alias("theirs"), subscription.alias("own")
    names = ("id", "state", "consent", "after_seq")
    rows = conn.execute(
        select(*(each.c[name] for each in (theirs, own) for name in names))
        .join_from(theirs, own, own.c.subscriber_id == theirs.c.subscriber_id)
        .where(theirs.c.newsletter == former, own.c.newsletter == slug)
    )
    return [merge(_standing(*row[:4]), _standing(*row[4:])) for row in rows]


def _standing(number: int, state: str, consent: dict[str, str], after_seq: int) -> Standing:
    return Standing(
        id=number,
        state=SubscriptionState(state),
        chosen_at=max(consent.get("given_at", ""), consent.get("ended_at", "")),
        after_seq=after_seq,
    )
