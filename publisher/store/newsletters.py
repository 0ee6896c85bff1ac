"""Newsletters in the store: what the configuration offers, noted so that changes have a moment."""

from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import Connection, insert, select, update

from publisher.core.model import Cadence, Newsletter, SlotTime
from publisher.core.schedule import slot_key
from publisher.core.selection import choose
from publisher.core.wishes import Wishes, slot_for
from publisher.errors import PermanentError
from publisher.store import control, counter, former_newsletters, slots
from publisher.store.tables import newsletter, slot, subscription

GRACE = timedelta(days=1)


def is_settled(conn: Connection, configured: Sequence[Newsletter]) -> bool:
    """Whether the store holds what the configuration says, so that nothing need be written."""
    rows = {row.slug: row for row in conn.execute(select(newsletter))}
    offered = {slug for slug, row in rows.items() if row.retired_at is None}
    return offered == {each.slug for each in configured} and all(
        rows[each.slug].title == each.title
        and rows[each.slug].categories == choose(each.categories, rows[each.slug].categories, 0)
        and rows[each.slug].timing == _timing(each)
        and rows.keys().isdisjoint(each.formerly)
        for each in configured
    )


def settle(conn: Connection, configured: Sequence[Newsletter], now: datetime) -> None:
    """Let the store hold what the configuration says; what is no longer there is retired.

    What is retired is neither planned nor sent, and consent stays (see also `give_up`). A category
    that a newsletter gains counts from the head of this moment.
    """
    for each in configured:
        for former in each.formerly:
            wake_at = now + timedelta(seconds=each.window)
            former_newsletters.take_over(conn, former, each.slug, wake_at)
    rows = {row.slug: row for row in conn.execute(select(newsletter)).all()}
    for each in configured:
        row = rows.pop(each.slug, None)
        timing = _timing(each)
        values: dict[str, object] = {"title": each.title, "timing": timing, "retired_at": None}
        if row is None:
            values["categories"] = choose(each.categories, None, 0)
            conn.execute(insert(newsletter).values(slug=each.slug, **values))
            continue
        values["categories"] = choose(each.categories, row.categories, counter.head(conn))
        conn.execute(update(newsletter).where(newsletter.c.slug == each.slug).values(**values))
        if row.timing != timing:
            _move_slots(conn, each, now)
    for row in rows.values():
        if row.retired_at is None:
            conn.execute(
                update(newsletter).where(newsletter.c.slug == row.slug).values(retired_at=now)
            )


def title(conn: Connection, slug: str) -> str:
    found = conn.execute(select(newsletter.c.title).where(newsletter.c.slug == slug)).scalar()
    return str(found or "")


def look_again(conn: Connection, offered: Newsletter) -> None:
    """Have the next `settle` look over the slots if this process knows other times than the store.

    A daemon that began with an earlier configuration gives readers the slots of that one.
    """
    mine = newsletter.c.slug == offered.slug
    if conn.execute(select(newsletter.c.timing).where(mine)).scalar() != _timing(offered):
        conn.execute(update(newsletter).where(mine).values(timing={}))


def give_up(conn: Connection, now: datetime) -> int:
    """Cancel the open mails of what was retired a day ago or more; how many editions.

    Not at once: a slug mistyped in the configuration must lose nobody's mail.
    """
    retired = conn.execute(
        select(newsletter.c.slug).where(newsletter.c.retired_at <= now - GRACE)
    ).scalars()
    return sum(control.cancel(conn, slug, now) for slug in retired.all())


def _timing(offered: Newsletter) -> dict[str, object]:
    """All that a reader's slot follows from besides their wishes."""
    return {
        "cadences": list(offered.cadences),
        "at": offered.at.strftime("%H:%M"),
        "weekday": offered.weekday,
        "zone": offered.zone,
    }


def _move_slots(conn: Connection, offered: Newsletter, now: datetime) -> None:
    """Let readers follow the newsletter where they chose nothing of their own.

    Their place in the order goes along, so nobody misses or gets anything twice.
    """
    at_once = slot.c.cadence == Cadence.IMMEDIATE
    conn.execute(
        update(slot).where(slot.c.newsletter == offered.slug, at_once).values(zone=offered.zone)
    )
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
