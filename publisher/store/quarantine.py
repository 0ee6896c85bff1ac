"""What could not be taken, and why: where the operator sees it until it can."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

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
    this = (*of_document, quarantine.c.item == bindparam("b_item"))
    gone = [{"b_item": item} for item in sorted(present.difference(reasons))]
    still = [{"b_item": item, "b_reason": reasons[item]} for item in reasons if item in present]
    first = [{"item": item, "reason": reasons[item]} for item in reasons if item not in present]
    if gone:
        conn.execute(delete(quarantine).where(*this), gone)
    if still:
        mended = update(quarantine).values(reason=bindparam("b_reason"), last_seen=now)
        conn.execute(mended.where(*this), still)
    if first:
        values = {"source": source, "document": document, "first_seen": now, "last_seen": now}
        conn.execute(insert(quarantine), [{**values, **each} for each in first])


def documents_below(conn: Connection, source: str, scope: str) -> set[str]:
    """Keys, below `scope`, of the documents that have something here."""
    found = select(quarantine.c.document).where(
        quarantine.c.source == source, below(quarantine.c.document, scope)
    )
    return set(conn.execute(found).scalars())


def forget(conn: Connection, source: str, documents: Collection[str]) -> None:
    """Drop what these documents have here: what is gone cannot be retried."""
    this = (quarantine.c.source == source, quarantine.c.document == bindparam("b_document"))
    conn.execute(delete(quarantine).where(*this), [{"b_document": each} for each in documents])


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
