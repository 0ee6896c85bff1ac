"""The suite of the store: the same on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from publisher.store import schema
from publisher.store.engine import Database
from tests import postgres
from tests.store.world import World

KINDS = ("sqlite", "postgresql")


def new_database(kind: str, folder: Path, stack: ExitStack) -> Database:
    """A new database of our tables, which ends with the stack."""
    if kind == "sqlite":
        db = stack.enter_context(closing(Database(f"sqlite:///{folder}/publisher.db")))
        schema.prepare(db)
        return db
    url = stack.enter_context(postgres.server().fresh())
    return stack.enter_context(closing(Database(url)))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def db(kind: str, tmp_path: Path) -> Iterator[Database]:
    with ExitStack() as stack:
        yield new_database(kind, tmp_path, stack)


@pytest.fixture
def world(db: Database) -> World:
    return World(db)
