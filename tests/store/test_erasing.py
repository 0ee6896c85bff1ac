"""Being forgotten, choosing anew and pausing, in the tables and in the files they are kept in."""

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from publisher.core.delivery import Verdict
from publisher.core.identity import address_hash
from publisher.core.model import Cadence, DeliveryState, Rendering, SubscriptionState
from publisher.core.outcome import Outcome
from publisher.core.wishes import Wishes
from publisher.errors import PermanentError
from publisher.readerstore import ReaderStore, clean
from publisher.store import (
    editions,
    erasing,
    ledger,
    refusals,
    renderings,
    signups,
    subscribers,
    subscriptions,
    suppressions,
)
from publisher.store.engine import Database
from publisher.store.subscriptions import Subscription
from publisher.store.tables import (
    bounce,
    delivery,
    metadata,
    notice,
    rendering,
    subscriber,
    suppression,
    variant,
)
from tests.store.test_signups import ask
from tests.store.world import ALERTS, DAILY, World

KEY = b"k" * 32
ANN = "ann@reader.example"


def number(world: World, name: str = "ann") -> int:
    with world.db.read() as conn:
        found = subscribers.find(conn, f"{name}@reader.example")
    assert found is not None
    return found.id


def its(world: World, name: str = "ann") -> Subscription:
    with world.db.read() as conn:
        found = subscriptions.find(conn, number(world, name), "daily")
    assert found is not None
    return found


def readers(world: World) -> ReaderStore:
    return ReaderStore(world.db, {each.slug: each for each in world.newsletters}, KEY)


def test_nothing_in_any_table_tells_who_they_were(world: World) -> None:
    world.subscribe("ann", categories=["news"], cadence=Cadence.WEEKLY)
    world.subscribe("bo")
    ask(world, "ann", "alerts")
    world.publish("One")
    world.wait(days=8)
    world.plan()
    ann = number(world)
    with world.db.write() as conn:
        its_rows = update(delivery).where(delivery.c.subscriber_id == ann)
        conn.execute(its_rows.values(reply="ann said no"))
        conn.execute(
            bounce.insert().values(
                subscriber_id=ann, kind="hard", diagnostic="no ann", received_at=world.now
            )
        )
        before = dict(ledger.counts(conn))
    assert readers(world).erase(ann, world.now)
    assert not readers(world).erase(ann, world.now)
    with world.db.read() as conn:
        for table in metadata.sorted_tables:
            said = repr(conn.execute(select(table)).all())
            assert "ann" not in said, table.name
        assert conn.execute(select(suppression.c.address_hash)).scalars().all() == [
            address_hash(ANN, KEY)
        ]
        assert sum(ledger.counts(conn).values()) == sum(before.values())
        assert ledger.counts(conn)["cancelled"] == 1
        assert conn.execute(select(notice.c.id)).all() == []
    world.publish("Two")
    world.wait(days=8)
    assert world.plan() == 1  # the other reader's


def test_two_can_be_erased_and_editions_end(world: World) -> None:
    for name in ("ann", "bo"):
        world.subscribe(name)
    world.publish("One")
    world.wait(days=1)
    world.plan()
    for name in ("ann", "bo"):
        assert readers(world).erase(number(world, name), world.now)
    with world.db.write() as conn:
        assert editions.finish(conn, world.now) == 1


def test_an_erased_address_is_entered_by_nobody_else(world: World) -> None:
    world.subscribe("ann")
    readers(world).erase(number(world), world.now)
    with world.db.read() as conn:
        with pytest.raises(PermanentError, match="forgotten"):
            suppressions.refuse_erased(conn, "ANN@reader.example", KEY)
        suppressions.refuse_erased(conn, "bo@reader.example", KEY)
    world.wait(days=2)
    assert ask(world, "ann")  # who is asked to confirm it
    with world.db.read() as conn:
        new = number(world)
        asked_at = conn.execute(select(notice.c.created_at)).scalar_one()
        assert suppressions.reason(conn, address_hash(ANN, KEY)) == "erased"
    with world.db.write() as conn:
        given = {"daily": {"how": "confirmed by mail"}}
        offered = {"daily": DAILY, "alerts": ALERTS}
        assert signups.confirm(conn, new, asked_at, given, offered, KEY, world.now) == ["daily"]
        suppressions.refuse_erased(conn, ANN, KEY)


def test_a_graver_reason_outlives_it(world: World) -> None:
    world.subscribe("ann")
    hashed = address_hash(ANN, KEY)
    with world.db.write() as conn:
        row = {"address_hash": hashed, "reason": "complaint", "since": world.now}
        conn.execute(suppression.insert().values(**row))
    readers(world).erase(number(world), world.now)
    with world.db.write() as conn:
        suppressions.come_back(conn, hashed)
        assert suppressions.reason(conn, hashed) == "complaint"


def test_what_was_being_made_for_an_erased_reader_is_dropped(world: World) -> None:
    """Its number becomes nobody else's: workers remember renderings by their numbers."""
    made = Rendering(subject="S", body=b"", boundary="b", key_id="k", sender="<a@b.example>")
    numbers: list[tuple[int, int]] = []
    for name in ("ann", "bo"):
        ask(world, name)
        with world.db.write() as conn:
            last = select(func.max(variant.c.id)).where(variant.c.notice_id.is_not(None))
            its_variant = conn.execute(last).scalar_one()
            renderings.add(conn, its_variant, made, fingerprint="f", change=0, now=world.now)
            number_of = select(func.max(rendering.c.id))
            numbers.append((its_variant, conn.execute(number_of).scalar_one()))
        readers(world).erase(number(world, name), world.now)
        with world.db.write() as conn:
            assert renderings.content(conn, its_variant) is None
            renderings.add(conn, its_variant, made, fingerprint="f", change=0, now=world.now)
            assert conn.execute(select(rendering.c.id)).all() == []
            with pytest.raises(PermanentError):
                renderings.find(conn, numbers[-1][1])
    assert len({each for each, _ in numbers}) == len({each for _, each in numbers}) == 2


def test_a_choice_is_replaced_whole_and_keeps_its_place(world: World) -> None:
    world.publish("Before")
    world.subscribe("ann", categories=["news"], cadence=Cadence.WEEKLY)
    place = its(world).after_seq
    world.publish("Meanwhile")
    assert readers(world).choose(number(world), "daily", Wishes(), world.now)
    now = its(world)
    assert (now.cadence, now.slot) == (None, "daily/daily@07:00[Europe/Berlin]")
    assert now.after_seq == place
    assert set(now.categories or ()) == {"news", "*"}
    world.wait(days=1)
    world.plan()
    assert world.mails("ann") == [["Meanwhile"]]


def test_what_comes_out_in_a_pause_comes_after_it(world: World) -> None:
    world.subscribe("ann", cadence=Cadence.IMMEDIATE)
    store = readers(world)
    store.pause(number(world), {"daily": world.now.replace(month=12)}, world.now)
    world.publish("Meanwhile")
    world.wait(hours=1)
    assert world.plan() == 0
    store.pause(number(world), {"daily": None}, world.now)
    world.wait(hours=1)
    assert world.plan() == 1  # without waiting for the next article
    assert world.mails("ann") == [["Meanwhile"]]


@pytest.mark.parametrize("cadence", [Cadence.DAILY, Cadence.IMMEDIATE])
@pytest.mark.parametrize("goes_on", ["at its end", "earlier"])
def test_what_was_planned_before_a_pause_comes_after_it(
    world: World, cadence: Cadence, goes_on: str
) -> None:
    world.subscribe("ann", cadence=cadence)
    world.subscribe("bo", cadence=cadence)
    world.publish("One")
    world.wait(days=1)
    world.plan()
    with world.db.write() as conn:  # and one that the server wants later
        conn.execute(update(delivery).values(state="deferred", next_attempt_at=world.now))
    world.publish("Two")
    world.wait(days=1)
    world.plan()
    store, end = readers(world), world.now + timedelta(days=3, hours=1)
    store.pause(number(world), {"daily": end}, world.now)
    with world.db.read() as conn:
        its = select(delivery.c.state).where(delivery.c.subscriber_id == number(world))
        assert conn.execute(its).scalars().all() == ["cancelled", "cancelled"]
        assert sum(ledger.counts(conn).values()) == 4
    world.wait(days=2).plan()
    assert world.mails("ann") == [["One"], ["Two"]]
    if goes_on == "earlier":
        store.pause(number(world), {"daily": None}, world.now)
    world.wait(days=2).plan()
    assert sorted(world.mails("ann")[2]) == ["One", "Two"]
    assert len(world.mails("ann")) == 3
    assert world.mails("bo") == [["One"], ["Two"]]


def test_a_return_begins_at_the_head_and_is_not_paused(world: World) -> None:
    world.subscribe("ann")
    store = readers(world)
    store.pause(number(world), {"daily": world.now.replace(month=12)}, world.now)
    assert store.leave(its(world).id, by="page", at=world.now)
    world.publish("Meanwhile")
    assert store.join(number(world), "daily", {"how": "came back"}, world.now)
    assert not store.join(number(world), "daily", {"how": "again"}, world.now)
    back = its(world)
    assert back.state is SubscriptionState.CONFIRMED
    assert back.paused_until is None
    assert back.consent == {"how": "came back"}
    world.wait(days=1)
    assert world.plan() == 0


def test_what_cannot_be_cleaned_at_once_stays_noted(world: World, kind: str) -> None:
    for name in ("ann", "bo", "cy"):
        world.subscribe(name)
    db = world.db
    with db.write() as conn:
        assert set(erasing.erase(conn, number(world, "ann"), KEY, world.now) or ()) == {ANN}
        seen = erasing.unclean(conn)
    assert seen is not None
    with db.write() as conn:
        # Of the one before nobody knows the address any more: everything is to be made anew.
        assert erasing.erase(conn, number(world, "bo"), KEY, world.now) == []
        erasing.note_clean(conn, seen)
        assert erasing.unclean(conn) is not None
    assert clean(db)
    assert not clean(db)
    if kind == "postgresql":
        with db.read() as conn:
            when = text("SELECT last_vacuum FROM pg_stat_user_tables WHERE relname = 'subscriber'")
            assert conn.execute(when).scalar_one() is not None


def test_who_had_another_address_has_the_files_made_anew(world: World) -> None:
    world.subscribe("ann")
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(token_version=2))
        assert erasing.erase(conn, number(world), KEY, world.now) == []


def test_an_answer_that_comes_after_the_erasing_tells_nothing(world: World) -> None:
    world.subscribe("ann")
    world.publish("One")
    world.wait(days=1)
    world.plan()
    with world.db.write() as conn:
        conn.execute(update(delivery).values(state="sending", claim="c", attempt=1))
    readers(world).erase(number(world), world.now)
    said = Outcome(state=DeliveryState.FAILED, smtp_status=550, reply="no ann", hard=True)
    with world.db.write() as conn:
        [mail] = conn.execute(select(delivery.c.id)).scalars()
        assert ledger.record(
            conn, [Verdict(delivery_id=mail, claim="c", outcome=said, relay="r")], world.now
        )
        row = conn.execute(select(delivery)).one()
        assert (row.state, row.smtp_status, row.reply) == ("failed", 550, "")
        assert conn.execute(select(bounce.c.id)).all() == []


def test_a_domain_of_their_own_that_refused_us_is_forgotten(world: World) -> None:
    world.subscribe("ann")
    world.subscribe("bo")
    for name, left in (("ann", 1), ("bo", 0)):  # the last of that domain
        with world.db.write() as conn:
            refusals.note(conn, "relay", "reader.example", "policy", world.now)
        readers(world).erase(number(world, name), world.now)
        with world.db.read() as conn:
            assert len(refusals.listing(conn)) == left


def test_looking_through_the_file_takes_no_lock_away(
    db: Database, kind: str, tmp_path: Path
) -> None:
    """Else the next process that ends takes itself for the last, and removes the log under us."""
    if kind != "sqlite":
        pytest.skip("SQLite's locks are those of POSIX")
    world = World(db)
    world.subscribe("ann")
    readers(world).erase(number(world), world.now)
    path = tmp_path / "publisher.db"
    another = f"import sqlite3; sqlite3.connect('{path}').execute('SELECT id FROM subscriber')"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", another], check=True)
        assert (tmp_path / "publisher.db-wal").exists()
        world.subscribe("bo")


def test_no_byte_stays_in_the_file_though_pages_were_split(
    db: Database, kind: str, tmp_path: Path
) -> None:
    """Where a page is split, its former half may keep a copy of what went to the other."""
    if kind != "sqlite":
        pytest.skip("PostgreSQL writes deleted rows over when it needs their room")
    world = World(db)
    names = [f"{random.Random(number).getrandbits(64):016x}" for number in range(4000)]
    with db.write() as conn:
        for name in names:
            address = f"{name}@reader.example"
            row = {"address": address, "address_key": address, "name": name, "state": "active"}
            conn.execute(subscriber.insert().values(**row, created_at=world.now))
    gone = names[::3]
    with db.write() as conn:
        for place in range(1, len(names) + 1, 3):
            erasing.erase(conn, place, KEY, world.now)
    assert db.scrub(gone)
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert [name for name in gone if name.encode() in left] == []
    assert names[1].encode() in left
