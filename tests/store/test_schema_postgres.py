"""The tables in PostgreSQL: new ones are made, known ones kept, strangers' left alone."""

import multiprocessing
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from publisher.errors import ConfigurationError
from publisher.store import schema, tables
from publisher.store.engine import Database
from tests import postgres
from tests.store.test_schema import next_version


@pytest.fixture
def empty() -> Iterator[str]:
    with postgres.server().fresh(migrated=False) as url:
        yield url


@pytest.fixture
def made() -> Iterator[str]:
    with postgres.server().fresh() as url:
        yield url


def query(url: str, statement: str) -> list[Any]:
    return postgres.server().execute(statement, str(Database(url).engine.url.database))


def prepare(url: str) -> None:
    with closing(Database(url)) as db:
        schema.prepare(db)


def upgrade(url: str) -> bool:
    with closing(Database(url)) as db:
        return schema.upgrade(db)


def shape(url: str) -> dict[str, list[Any]]:
    """All that PostgreSQL knows of our tables: alembic does not compare all of it."""
    return {
        "columns": query(
            url,
            "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name"
            " FROM information_schema.columns WHERE table_schema = 'public'"
            " AND table_name <> 'alembic_version' ORDER BY 1, 2",
        ),
        "indexes": query(
            url,
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " AND tablename <> 'alembic_version' ORDER BY 1",
        ),
        "constraints": query(
            url,
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2",
        ),
    }


def table_names(url: str) -> set[str]:
    found = query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in found}


def test_the_migrations_build_exactly_the_tables_that_the_program_knows(
    made: str, empty: str
) -> None:
    with closing(Database(made)) as db, db.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    with closing(Database(empty)) as db:
        tables.metadata.create_all(db.engine)
    assert shape(made) == shape(empty)
    assert len(shape(made)["columns"]) > 100
    text = {row[5] for row in shape(made)["columns"] if row[2] in ("text", "character varying")}
    assert text == {"C"}


def test_a_new_database_is_made_ready_to_use(empty: str) -> None:
    prepare(empty)
    assert query(empty, "SELECT id, n, low FROM counter") == [(1, 0, 0)]
    assert query(empty, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_an_older_database_is_upgraded_when_asked(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(made, "UPDATE counter SET n = 7")
    next_version(monkeypatch, tmp_path / "migrations")
    with pytest.raises(ConfigurationError, match=r"older version.*run `publisher db upgrade`"):
        prepare(made)
    assert "medal" not in table_names(made)
    assert upgrade(made) is True
    assert "medal" in table_names(made)
    assert query(made, "SELECT n FROM counter") == [(7,)]
    assert upgrade(made) is False


def test_a_migration_that_fails_in_the_middle_leaves_nothing_behind(
    made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version(monkeypatch, tmp_path / "migrations", then="raise ValueError('half-way')")
    with pytest.raises(ValueError, match="half-way"):
        upgrade(made)
    assert "medal" not in table_names(made)
    assert query(made, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_newer_database_is_refused(made: str) -> None:
    query(made, "UPDATE alembic_version SET version_num = '0107'")
    for step in (prepare, upgrade):
        with pytest.raises(ConfigurationError, match=r"newer than this program .*0107.*install"):
            step(made)


def test_another_programs_database_is_left_alone(empty: str) -> None:
    query(empty, "CREATE TABLE recipe (name TEXT)")
    for step in (prepare, upgrade):
        with pytest.raises(ConfigurationError, match="holds tables of another program"):
            step(empty)
    assert table_names(empty) == {"recipe"}


_barrier: Barrier


def _share(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _prepare_at_once(url: str) -> None:
    _barrier.wait(30)
    prepare(url)


def test_processes_that_make_the_same_new_database_at_once_all_succeed() -> None:
    processes = 3
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, initializer=_share, initargs=(barrier,)) as pool:
        for _ in range(3):
            with postgres.server().fresh(migrated=False) as url:
                pool.map(_prepare_at_once, [url] * processes, chunksize=1)
                assert query(url, "SELECT id, n, low FROM counter") == [(1, 0, 0)]
        pool.close()
        pool.join()
