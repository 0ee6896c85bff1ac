"""Host and year in all ids: those of the first use, so that a change of domain alters none."""

from datetime import datetime

from sqlalchemy import Connection, insert, select

from publisher.store.tables import meta


def ensure(conn: Connection, host: str, now: datetime) -> tuple[str, int]:
    """Host and year, kept from now on if this is the first use."""
    if (known := find(conn)) is not None:
        return known
    facts = {"host": host, "year": str(now.year)}
    conn.execute(insert(meta), [{"key": key, "value": value} for key, value in facts.items()])
    return host, now.year


def find(conn: Connection) -> tuple[str, int] | None:
    """Host and year; None before the first use."""
    rows = conn.execute(select(meta.c.key, meta.c.value).where(meta.c.key.in_(["host", "year"])))
    known = {row.key: row.value for row in rows}
    return (known["host"], int(known["year"])) if known else None
