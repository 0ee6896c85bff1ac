"""The tables in a real file: new ones are made, known ones kept, strangers' left alone."""

import multiprocessing
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext

from publisher.errors import ConfigurationError
from publisher.store import schema, tables
from publisher.store.engine import Database

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

def upgrade():
    op.create_table("medal", sa.Column("id", sa.Integer(), primary_key=True))
    {then}
"""


def database(path: Path) -> Database:
    return Database(f"sqlite:///{path}")


def query(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as conn:
        found = conn.execute(statement).fetchall()
        conn.commit()
        return found


def table_names(path: Path) -> set[object]:
    return {row[0] for row in query(path, "SELECT name FROM sqlite_master WHERE type = 'table'")}


def definitions(path: Path) -> dict[object, list[str]]:
    """Every table and index as it was made, line by line: alembic does not compare all of it."""
    made = query(path, "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {
        name: sorted(line.strip().rstrip(",") for line in str(sql).splitlines())
        for name, sql in made
        if name != "alembic_version"
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a database may come to lie."""
    return tmp_path / "publisher.db"


@pytest.fixture
def made(path: Path) -> Path:
    """A database of the current shape."""
    prepare(path)
    return path


def prepare(path: Path) -> None:
    with closing(database(path)) as db:
        schema.prepare(db)


def upgrade(path: Path) -> bool:
    with closing(database(path)) as db:
        return schema.upgrade(db)


def next_version(monkeypatch: pytest.MonkeyPatch, folder: Path, then: str = "") -> None:
    """Let the program be one version ahead, with a migration that adds a table."""
    shutil.copytree(Path(schema.__file__).parent / "migrations", folder)
    (folder / "versions" / "0002_next.py").write_text(NEXT.format(then=then))
    config = Config()
    config.set_main_option("script_location", str(folder))
    monkeypatch.setattr(schema, "_config", lambda: config)


def test_the_migrations_build_exactly_the_tables_that_the_program_knows(made: Path) -> None:
    with closing(database(made)) as db, db.read() as conn:
        context = MigrationContext.configure(conn, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_checks_and_partial_indexes_are_the_same_too(made: Path, tmp_path: Path) -> None:
    with closing(database(tmp_path / "direct.db")) as db:
        tables.metadata.create_all(db.engine)
    assert definitions(made) == definitions(tmp_path / "direct.db")


def test_a_new_database_is_made_ready_to_use(made: Path) -> None:
    assert query(made, "SELECT id, n, low FROM counter") == [(1, 0, 0)]
    assert query(made, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert query(made, "PRAGMA journal_mode") == [("wal",)]


def test_folders_above_a_new_database_are_made(tmp_path: Path) -> None:
    prepare(tmp_path / "far" / "away" / "publisher.db")
    assert (tmp_path / "far" / "away" / "publisher.db").is_file()


def test_a_current_database_is_not_written_to(made: Path) -> None:
    before = made.read_bytes()
    prepare(made)
    assert upgrade(made) is False
    assert made.read_bytes() == before


def test_one_that_was_restored_without_its_journal_mode_gets_it_back(made: Path) -> None:
    query(made, "PRAGMA journal_mode = DELETE")
    prepare(made)
    assert query(made, "PRAGMA journal_mode") == [("wal",)]


def test_an_older_database_is_upgraded_when_asked(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(made, "UPDATE counter SET n = 7")
    next_version(monkeypatch, tmp_path / "migrations")
    with pytest.raises(ConfigurationError, match=r"older version.*run `publisher db upgrade`"):
        prepare(made)
    assert "medal" not in table_names(made)
    assert upgrade(made) is True
    assert "medal" in table_names(made)
    assert query(made, "SELECT n FROM counter") == [(7,)]
    prepare(made)
    assert upgrade(made) is False


def test_a_migration_that_fails_in_the_middle_leaves_nothing_behind(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next_version(monkeypatch, tmp_path / "migrations", then="raise ValueError('half-way')")
    with pytest.raises(ValueError, match="half-way"):
        upgrade(made)
    assert "medal" not in table_names(made)
    assert query(made, "SELECT version_num FROM alembic_version") == [("0001",)]


def test_a_newer_database_is_refused_and_kept_as_it_is(made: Path) -> None:
    query(made, "UPDATE alembic_version SET version_num = '0107'")
    before = made.read_bytes()
    for step in (prepare, upgrade):
        with pytest.raises(ConfigurationError, match=r"newer than this program .*0107.*install"):
            step(made)
    assert made.read_bytes() == before


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE recipe (name TEXT)"],
        ["CREATE TABLE article (id TEXT)", "CREATE TABLE counter (n INTEGER)"],
        [
            "CREATE TABLE recipe (name TEXT)",
            "CREATE TABLE alembic_version (version_num TEXT)",
            "INSERT INTO alembic_version VALUES ('0001')",
        ],
    ],
    ids=["tables", "tables of our names", "tables that alembic made"],
)
def test_another_programs_database_is_left_alone(path: Path, statements: list[str]) -> None:
    for each in statements:
        query(path, each)
    before = path.read_bytes()
    for step in (prepare, upgrade):
        with pytest.raises(ConfigurationError, match="holds tables of another program"):
            step(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"Dear diary, today I was taken for a database. " * 100, "file is not a database"),
        (b"SQLite format 3\0" + b"\xff" * 8000, "not a database|malformed"),
    ],
    ids=["a text", "a damaged head"],
)
def test_what_is_no_database_is_left_alone(path: Path, content: bytes, complaint: str) -> None:
    path.write_bytes(content)
    for step in (prepare, upgrade):
        with pytest.raises(ConfigurationError, match=complaint) as raised:
            step(path)
        assert str(raised.value).startswith("database.url: ")
        assert str(raised.value).count(str(path)) == 1
    assert path.read_bytes() == content


def test_a_damaged_database_is_told(made: Path) -> None:
    whole = made.read_bytes()
    made.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(ConfigurationError, match="malformed"):
        prepare(made)


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigurationError, match="unable to open database file"):
        prepare(path)


_barrier: Barrier


def _share(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _prepare_at_once(path: Path) -> None:
    _barrier.wait(30)
    prepare(path)


def test_processes_that_make_the_same_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    processes, rounds = 3, 4
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes)
    with context.Pool(processes, initializer=_share, initargs=(barrier,)) as pool:
        for number in range(rounds):
            path = tmp_path / f"{number}.db"
            pool.map(_prepare_at_once, [path] * processes, chunksize=1)
            assert query(path, "SELECT id, n, low FROM counter") == [(1, 0, 0)]
            assert query(path, "PRAGMA journal_mode") == [("wal",)]
        pool.close()
        pool.join()
