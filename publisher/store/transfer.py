"""Carries everything from one database to another, new one: from SQLite to PostgreSQL, or back."""

from sqlalchemy import delete, func, insert, select, text

from publisher.errors import ConfigurationError
from publisher.store.engine import Database
from publisher.store.tables import article, counter, metadata, newsletter, subscriber

_BATCH = 1000  # rows in one statement


def copy(source: Database, target: Database) -> int:
    """Copy every row, all or none; returns how many. Both are of this program's revision.

    Raises ConfigurationError when the target holds anything already.
    """
    count = 0
    with source.read() as old, target.write() as new:
        for table in (article, newsletter, subscriber):
            if new.execute(select(table).limit(1)).first() is not None:
                raise ConfigurationError(f"{target.name} is not empty; name a new database")
        new.execute(delete(counter))
        for table in metadata.sorted_tables:
            rows = old.execution_options(yield_per=_BATCH).execute(select(table)).mappings()
            for some in rows.partitions():
                new.execute(insert(table), [dict(row) for row in some])
                count += len(some)
            numbered = table.autoincrement_column
            if numbered is not None and not target.is_sqlite:
                last = new.execute(select(func.max(numbered))).scalar()
                new.execute(
                    text("SELECT setval(pg_get_serial_sequence(:name, :id), :last)"),
                    {"name": table.name, "id": numbered.name, "last": last or 1},
                )
    return count
