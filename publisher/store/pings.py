"""What WebSub hubs are to be told: a due row for each feed and hub."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from publisher.core.ping import Ping, Verdict, Version
from publisher.store.tables import ping

_ROW = (ping.c.hub == bindparam("b_hub"), ping.c.topic == bindparam("b_topic"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unannounced:
    """A hub that does not know of every feed as it is now."""

    hub: str
    waiting: int
    """Feeds of which it will be told."""
    next_attempt_at: datetime | None
    given_up: int
    """Feeds whose present version it will not be told of any more."""
    reply: str
    """What it said instead of taking one."""


def is_noted(conn: Connection, hubs: Collection[str], feeds: Mapping[str, Version]) -> bool:
    """Whether `note` would write nothing."""
    return not any(_news(conn, hubs, feeds))


def note(
    conn: Connection, hubs: Collection[str], feeds: Mapping[str, Version], due: datetime
) -> None:
    """Let each hub be told, from `due` on, of the feeds that it does not know as they are now.

    `feeds` by address. One that was built from less than what is known here is passed over: it
    comes from another machine, which is behind.
    """
    new, changed = _news(conn, hubs, feeds)
    if new:
        values = [
            {
                "hub": hub,
                "topic": topic,
                "version": feeds[topic].mark,
                "change": feeds[topic].change,
                "next_attempt_at": due,
            }
            for hub, topic in new
        ]
        conn.execute(insert(ping), values)
    if changed:
        replaced = update(ping).where(*_ROW)
        conn.execute(
            replaced.values(
                version=bindparam("b_version"),
                change=bindparam("b_change"),
                attempts=0,
                next_attempt_at=bindparam("b_due"),
                reply="",
            ),
            [
                {
                    "b_hub": row.hub,
                    "b_topic": row.topic,
                    "b_version": feeds[row.topic].mark,
                    "b_change": feeds[row.topic].change,
                    "b_due": None if feeds[row.topic].mark == row.announced else due,
                }
                for row in changed
            ],
        )


def _news(
    conn: Connection, hubs: Collection[str], feeds: Mapping[str, Version]
) -> tuple[Sequence[tuple[str, str]], Sequence[Row[Any]]]:
    """Hubs and feeds without a row, and the rows of feeds that changed."""
    rows = {(row.hub, row.topic): row for row in conn.execute(select(ping))}
    keys = [(hub, topic) for hub in hubs for topic in feeds]
    changed = [
        row
        for key in keys
        if (row := rows.get(key))
        and row.version != feeds[row.topic].mark
        and row.change <= feeds[row.topic].change
    ]
    return [key for key in keys if key not in rows], changed


def next_due(conn: Connection, hub: str, now: datetime) -> Ping | None:
    """What the hub is to be told first: what failed least often, so that one holds up no other."""
    row = conn.execute(
        select(ping.c.hub, ping.c.topic, ping.c.version, ping.c.attempts, ping.c.next_attempt_at)
        .where(ping.c.hub == hub, ping.c.next_attempt_at <= now)
        .order_by(ping.c.attempts, ping.c.next_attempt_at, ping.c.topic)
        .limit(1)
    ).first()
    return row and Ping(**row._mapping)


def claim(conn: Connection, seen: Ping, until: datetime) -> Ping | None:
    """Take what was seen to be due; it is due again at `until` unless an answer is written.

    None where another process took it, or there is a newer version. What the hub knows of the feed
    is not known from now on.
    """
    result = conn.execute(
        _of(seen).values(attempts=ping.c.attempts + 1, next_attempt_at=until, announced="")
    )
    taken = replace(seen, attempts=seen.attempts + 1, next_attempt_at=until)
    return taken if result.rowcount else None


def answer(conn: Connection, claimed: Ping, verdict: Verdict, said: str, now: datetime) -> None:
    """Write down what the hub said; nothing where the claim was lost or the feed changed since."""
    if verdict.taken:
        taken = {"announced": claimed.version, "attempts": 0, "reply": ""}
        conn.execute(_of(claimed).values(**taken, next_attempt_at=None))
    else:
        conn.execute(_of(claimed).values(next_attempt_at=verdict.next_attempt_at, reply=said))
    if verdict.rest_until is not None:
        due = (ping.c.hub == claimed.hub, ping.c.next_attempt_at <= now)
        conn.execute(update(ping).where(*due).values(next_attempt_at=verdict.rest_until))


def _of(seen: Ping) -> Any:  # Any: an UPDATE, as SQLAlchemy types it
    """On exactly what was seen."""
    return update(ping).where(
        ping.c.hub == seen.hub,
        ping.c.topic == seen.topic,
        ping.c.version == seen.version,
        ping.c.next_attempt_at == seen.next_attempt_at,
    )


def strangers(
    conn: Connection, hubs: Collection[str], folders: Collection[str]
) -> Sequence[tuple[str, str]]:
    """Rows of other hubs, or of feeds whose address begins with none of `folders`."""
    rows = conn.execute(select(ping.c.hub, ping.c.topic))
    return [
        (hub, topic)
        for hub, topic in rows
        if hub not in hubs or f"{topic.rpartition('/')[0]}/" not in folders
    ]


def forget(conn: Connection, rows: Sequence[tuple[str, str]]) -> None:
    """Rows by hub and topic; some at least."""
    keys = [{"b_hub": hub, "b_topic": topic} for hub, topic in rows]
    conn.execute(delete(ping).where(*_ROW), keys)


def unannounced(conn: Connection) -> Sequence[Unannounced]:
    """Hubs that wait for something, or got something never; by address."""
    rows = conn.execute(
        select(ping)
        .where(ping.c.next_attempt_at.is_not(None) | (ping.c.version != ping.c.announced))
        .order_by(ping.c.hub, ping.c.next_attempt_at)
    )
    return [_summed(hub, list(its)) for hub, its in groupby(rows, lambda row: str(row.hub))]


def _summed(hub: str, rows: Sequence[Row[Any]]) -> Unannounced:
    dues = [row.next_attempt_at for row in rows if row.next_attempt_at is not None]
    return Unannounced(
        hub=hub,
        waiting=len(dues),
        next_attempt_at=min(dues, default=None),
        given_up=len(rows) - len(dues),
        reply=next((row.reply for row in rows if row.reply), ""),
    )
