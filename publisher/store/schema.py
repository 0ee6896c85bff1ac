"""Brings a database to the shape this program knows, or says why it can't be used."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect
from sqlalchemy.exc import DBAPIError

from publisher.errors import ConfigurationError, TransientError
from publisher.store.engine import Database
from publisher.store.tables import counter


def prepare(db: Database) -> None:
    """Make a new database, or check that an existing one is of this program's revision.

    Raises ConfigurationError when it is older (say `publisher db upgrade`), newer, or not ours.
    """
    found = _looked_over(db)
    if found is None:
        upgrade(db)
    elif found == _head():
        db.keep_wal()
    else:
        raise ConfigurationError(
            f"database {db.name} is of an older version of this program; run `publisher db upgrade`"
        )


def upgrade(db: Database) -> bool:
    """Run the migrations that are missing, all or none; False when there were none.

    Raises ConfigurationError when the database is newer than this program, or not ours.
    """
    if _looked_over(db) == _head():
        return False
    db.keep_wal()
    with db.write() as conn:
        if _revision(conn) == _head():  # another process was faster
            return False
        config = _config()
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        if conn.execute(counter.select()).first() is None:
            conn.execute(counter.insert().values(id=1, n=0, low=0, texts=0))
    return True


def _looked_over(db: Database) -> str | None:
    """The database's revision, None for a new one; raises unless it is new or ours to upgrade."""
    try:
        with db.read() as conn:
            tables = set(inspect(conn).get_table_names())
            found = _revision(conn)
    except (TransientError, DBAPIError) as error:
        raise ConfigurationError(f"database.url: {error}") from error
    if not tables:
        return None
    if found is None or counter.name not in tables:
        raise ConfigurationError(
            f"database.url: {db.name} holds tables of another program; name another one"
        )
    if found not in _known():
        raise ConfigurationError(
            f"database {db.name} is newer than this program (its revision is {found}); "
            "install the publisher that wrote it"
        )
    return found


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _head() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _known() -> set[str]:
    return {each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()}


def _revision(conn: Connection) -> str | None:
    return MigrationContext.configure(conn).get_current_revision()
