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
    try:
        with db.read() as conn:
            found = _revision(conn)
            if found is None and inspect(conn).get_table_names():
                raise ConfigurationError(
                    f"database.url: {db.name} holds tables of another program; name another one"
                )
    except (TransientError, DBAPIError) as error:
        raise ConfigurationError(f"database.url: {db.name} cannot be opened: {error}") from error
    if found == _head():
        return
    if found is None:
        upgrade(db)
        return
    if found in _known():
        raise ConfigurationError(
            f"database {db.name} is of an older version of this program; run `publisher db upgrade`"
        )
    raise ConfigurationError(
        f"database {db.name} is newer than this program (its revision is {found}); "
        "install the publisher that wrote it"
    )


def upgrade(db: Database) -> bool:
    """Run the migrations that are missing, all or none; False when there were none."""
    with db.write() as conn:
        if _revision(conn) == _head():
            return False
        config = _config()
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        if conn.execute(counter.select()).first() is None:
            conn.execute(counter.insert().values(id=1, n=0, low=0))
    return True


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
