"""What could not be taken, and why: where the operator sees it until it can."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from publisher.core.identity import indexable
from publisher.store.keys import below
from publisher.store.tables import quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    source: str
    document: str
    item: str
    reason: str
    first_seen: datetime
    last_seen: datetime


def settle(
    conn: Connection, source: str, document: str, reasons: Mapping[str, str], now: datetime
) -> None:
    """Let exactly these items of a document stand in quarantine, with their reasons."""
    document = indexable(document)
    reasons = {indexable(item): reason for item, reason in reasons.items()}
    of_document = (quarantine.c.source == source, quarantine.c.document == document)
    present = set(conn.execute(select(quarantine.c.item).where(*of_document)).scalars())
    if gone := present.difference(reasons):
        conn.execute(delete(quarantine).where(*of_document, quarantine.c.item.in_(sorted(gone))))
    for item, reason in reasons.items():
        if item in present:
            conn.execute(
                update(quarantine)
                .where(*of_document, quarantine.c.item == item)
                .values(reason=reason, last_seen=now)
            )
        else:
            conn.execute(
                insert(quarantine).values(
                    source=source,
                    document=document,
                    item=item,
                    reason=reason,
                    first_seen=now,
                    last_seen=now,
                )
            )


def forget_absent(conn: Connection, source: str, scope: str, present: Collection[str]) -> None:
    """A document that is gone cannot be retried: drop what it had in quarantine."""
    known = conn.execute(
        select(quarantine.c.document).where(
            quarantine.c.source == source, below(quarantine.c.document, scope)
        )
    ).scalars()
    gone = set(known).difference(present)
    if gone and (gone := gone.difference(map(indexable, present))):
        conn.execute(
            delete(quarantine).where(
                quarantine.c.source == source, quarantine.c.document.in_(sorted(gone))
            )
        )


def listing(conn: Connection, limit: int = 100) -> list[Quarantined]:
    """The newest first."""
    rows = conn.execute(select(quarantine).order_by(quarantine.c.last_seen.desc()).limit(limit))
    return [
        Quarantined(
            source=row.source,
            document=row.document,
            item=row.item,
            reason=row.reason,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
        )
        for row in rows
    ]


def count(conn: Connection) -> int:
    return int(conn.execute(select(func.count()).select_from(quarantine)).scalar_one())
