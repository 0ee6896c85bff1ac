"""What is written is read again, and ordered, alike on every database."""

import random
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from publisher.core.model import CategoryName
from publisher.store import categories, quarantine, shelf
from publisher.store.engine import Database
from publisher.store.tables import category, counter, meta, notice
from tests.store.test_intake import Desk
from tests.store.world import World

NOISE = "".join(random.Random(4).choices("abcdefghijklmnopqrstuvwxyz ", k=20_000))
"""Text that does not pack: a key of it would not fit into an index of PostgreSQL."""


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Desk:
    return Desk(db, tmp_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("O'Brien \\ 100% :x $1 %s", "O'Brien \\ 100% :x $1 %s"),
        ("日本語 ٣ 👩‍👩‍👧 e\u0301", "日本語 ٣ 👩‍👩‍👧 e\u0301"),
        ("a\0b", "a\ufffdb"),
        ("a\ud800b", "a\ufffdb"),
        (" tab\tand\r\nlines ", " tab\tand\r\nlines "),
        (NOISE * 50, NOISE * 50),
    ],
    ids=["empty", "quotes", "scripts", "NUL", "surrogate", "white space", "a million letters"],
)
def test_text(db: Database, text: str, kept: str) -> None:
    with db.write() as conn:
        conn.execute(insert(meta).values(key="k", value=text))
    with db.read() as conn:
        assert conn.execute(select(meta.c.value).where(meta.c.key == "k")).scalar_one() == kept
    short = text[:50]
    with db.write() as conn:
        conn.execute(delete(meta))
        conn.execute(insert(meta).values(key=short, value=""))
        found = conn.execute(select(meta.c.key).where(meta.c.key == short)).scalar_one()
    assert found == kept[:50]


def test_what_is_looked_for_with_what_no_text_holds_is_not_there(world: World) -> None:
    world.publish("One")
    with world.db.read() as conn:
        assert shelf.newest(conn, "new\0s", 10) == []


def test_order_is_that_of_code_points(db: Database) -> None:
    names = ["a", "A", "b", "Z", "a-b", "ab", "a_b", "ä", "é", "日", "👩", "0", "10", "9", "\ufb01"]
    with db.write() as conn:
        conn.execute(insert(meta), [{"key": name, "value": ""} for name in names])
        found = conn.execute(select(meta.c.key).order_by(meta.c.key)).scalars().all()
    assert found == sorted(names)


def test_case_and_accents_tell_apart(db: Database) -> None:
    names = ["e", "E", "é", "e\u0301"]
    with db.write() as conn:
        conn.execute(insert(meta), [{"key": name, "value": name} for name in names])
        for name in names:
            found = conn.execute(select(meta.c.value).where(meta.c.key == name)).scalars().all()
            assert found == [name]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
        datetime(1883, 11, 18, 12, 3, 58, tzinfo=UTC),
    ],
)
def test_moments(db: Database, moment: datetime) -> None:
    with db.write() as conn:
        quarantine.settle(conn, "folder", "a.md", {"": "no"}, moment)
    with db.read() as conn:
        [found] = quarantine.listing(conn)
    assert found.first_seen == moment
    assert found.first_seen.tzinfo is UTC or found.first_seen.utcoffset() == timedelta()


def test_large_numbers(db: Database) -> None:
    with db.write() as conn:
        conn.execute(counter.update().values(n=2**63 - 1, low=-(2**63)))
        assert conn.execute(select(counter.c.n, counter.c.low)).one() == (2**63 - 1, -(2**63))


def test_structures_keep_their_order_and_whatever_text(db: Database) -> None:
    content = {"z": [1, None, True], "a": {"b": 1.5}, "t": "\0 \ud800 é 👩", "n": 2**60}
    with db.write() as conn:
        values = {"kind": "k", "address_hash": "h", "occasion": "o", "address": "a"}
        conn.execute(insert(notice).values(**values, content=content, created_at=datetime.now(UTC)))
        found = conn.execute(select(notice.c.content)).scalar_one()
    assert found == content
    assert list(found) == list(content)


def test_a_category_with_an_endless_name(desk: Desk) -> None:
    desk.write("a.md", "A", categories=[NOISE])
    desk.write("b.md", "B", categories=[NOISE, NOISE + " more"])
    assert desk.out().new == 2
    with desk.db.read() as conn:
        assert len(conn.execute(select(category.c.slug)).all()) == 2


def test_two_categories_of_one_endless_name(db: Database) -> None:
    with db.write() as conn:
        first = categories.slug_for(conn, CategoryName(title=NOISE, slug="one", shared=True))
        second = categories.slug_for(conn, CategoryName(title=NOISE, slug="two", shared=True))
        again = categories.slug_for(conn, CategoryName(title=NOISE, slug="two", shared=True))
    assert (first, second, again) == ("one", "two", "two")


def test_an_item_with_an_endless_title_in_quarantine(db: Database) -> None:
    now = datetime.now(UTC)
    for reasons in ({NOISE: "no"}, {NOISE: "still no"}, {NOISE: "no", NOISE + "2": "no"}):
        with db.write() as conn:
            quarantine.settle(conn, "wordpress", "export.xml", reasons, now)
        with db.read() as conn:
            assert sorted(each.reason for each in quarantine.listing(conn)) == sorted(
                reasons.values()
            )
    with db.write() as conn:
        quarantine.settle(conn, "wordpress", "export.xml", {}, now)
        assert quarantine.count(conn) == 0


def test_a_file_that_lies_very_deep(desk: Desk) -> None:
    deep = "/".join(NOISE[n * 200 : n * 200 + 190].replace(" ", "-") for n in range(17))
    desk.write(f"{deep}/a.md", "Deep")
    desk.write("b.md", "B")
    tally = desk.out()
    assert (tally.new, tally.quarantined) == (1, 1)
    assert set(desk.reasons().values()) == {"its name has more than 800 bytes"}
    desk.scan()
    assert desk.titles() == ["B"]
    assert len(desk.reasons()) == 1
    (desk.folder / deep / "a.md").unlink()
    desk.scan()
    assert not desk.reasons()
