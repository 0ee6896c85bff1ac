"""The suite of the store: the same on every database there is a real one of."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.store import schema
from publisher.store.engine import Database
from tests.store.world import World


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/publisher.db")
    schema.prepare(database)
    yield database
    database.close()


@pytest.fixture
def world(db: Database) -> World:
    return World(db)
