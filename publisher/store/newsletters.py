"""Newsletters in the store: what the configuration offers, noted so that changes have a moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import Connection, insert, select, update

from publisher.core.model import Cadence, Newsletter, SlotTime
from publisher.core.schedule import slot_key
from publisher.core.selection import choose
from publisher.core.wishes import Wishes, slot_for
from publisher.errors import PermanentError
from publisher.store import control, counter, slots
from publisher.store.tables import newsletter, slot, subscription

GRACE = timedelta(days=1)


def is_settled(conn: Connection, configured: Sequence[Newsletter]) -> bool:
    """Whether the store holds what the configuration says, so that nothing need be written."""
    stored = {row.slug: row for row in conn.execute(select(newsletter)) if row.retired_at is None}
    return stored.keys() == {each.slug for each in configured} and all(
        stored[each.slug].title == each.title
        and stored[each.slug].categories == choose(each.categories, stored[each.slug].categories, 0)
        and not any(_drifted(conn, each))
        for each in configured
    )


def settle(conn: Connection, configured: Sequence[Newsletter], now: datetime) -> None:
    """Let the store hold what the configuration says; what is no longer there is retired.

    What is retired is neither planned nor sent, and consent stays (see also `give_up`). A category
    that a newsletter gains counts from the head of this moment.
    """
    rows = {row.slug: row for row in conn.execute(select(newsletter)).all()}
    for each in configured:
        row = rows.pop(each.slug, None)
        if row is None:
            conn.execute(
                insert(newsletter).values(
                    slug=each.slug, title=each.title, categories=choose(each.categories, None, 0)
                )
            )
            continue
        categories = choose(each.categories, row.categories, counter.head(conn))
        conn.execute(
            update(newsletter)
            .where(newsletter.c.slug == each.slug)
            .values(title=each.title, categories=categories, retired_at=None)
        )
    _move_slots(conn, configured, now)
    for row in rows.values():
        if row.retired_at is None:
            conn.execute(
                update(newsletter).where(newsletter.c.slug == row.slug).values(retired_at=now)
            )


def title(conn: Connection, slug: str) -> str:
    found = conn.execute(select(newsletter.c.title).where(newsletter.c.slug == slug)).scalar()
    return str(found or "")


def give_up(conn: Connection, now: datetime) -> int:
    """Cancel the open mails of what was retired a day ago or more; how many editions.

    Not at once: a slug mistyped in the configuration must lose nobody's mail.
    """
    retired = conn.execute(
        select(newsletter.c.slug).where(newsletter.c.retired_at <= now - GRACE)
    ).scalars()
    return sum(control.cancel(conn, slug, now) for slug in retired.all())


def _move_slots(conn: Connection, configured: Sequence[Newsletter], now: datetime) -> None:
    """Let readers follow the newsletter where they chose nothing of their own.

    Their place in the order goes along, so nobody misses or gets anything twice.
    """
    for offered in configured:
        for wishes, slot_id, wanted in _drifted(conn, offered):
            new_id = slots.ensure(conn, wanted, now)
            chose_so = (
                subscription.c[name].is_not_distinct_from(value) for name, value in wishes.items()
            )
            conn.execute(
                update(subscription)
                .where(
                    subscription.c.newsletter == offered.slug,
                    subscription.c.slot_id == slot_id,
                    *chose_so,
                )
                .values(slot_id=new_id)
            )
            # What they have not been given yet must not wait for the next article.
            slots.wake(conn, new_id, now + timedelta(seconds=offered.window))


def _drifted(
    conn: Connection, offered: Newsletter
) -> Iterator[tuple[dict[str, object], int, SlotTime]]:
    """Wishes whose slot is not the one that follows from them and the newsletter as it is now."""
    rows = conn.execute(
        select(
            subscription.c.cadence,
            subscription.c.at,
            subscription.c.weekday,
            subscription.c.zone,
            subscription.c.slot_id,
            slot.c.key,
        )
        .join(slot, slot.c.id == subscription.c.slot_id)
        .where(subscription.c.newsletter == offered.slug)
        .distinct()
    ).all()
    for row in rows:
        wishes = Wishes(
            cadence=Cadence(row.cadence) if row.cadence else None,
            at=time.fromisoformat(row.at) if row.at else None,
            weekday=row.weekday,
            zone=row.zone,
        )
        try:
            wanted = slot_for(offered, wishes)
        except PermanentError:
            continue  # a cadence no longer offered, once chosen: its reader keeps it
        if slot_key(wanted) != row.key:
            chosen = {name: row._mapping[name] for name in ("cadence", "at", "weekday", "zone")}
            yield chosen, row.slot_id, wanted
