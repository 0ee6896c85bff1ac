"""Editions that ended long ago become totals, and the books go on adding up."""

import multiprocessing
from collections import Counter
from collections.abc import Mapping
from contextlib import closing, suppress
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, insert, select, update

from publisher.core.model import Cadence, DeliveryState, EditionState
from publisher.store import articles, editions, status, totals
from publisher.store.engine import Database
from publisher.store.tables import (
    bounce,
    delivery,
    edition,
    rendering,
    subscriber,
    variant,
    variant_article,
)
from tests.flow.site import until
from tests.store.world import ALERTS, World

KEEP = timedelta(days=90)
ENDED = [DeliveryState.SENT] * 5 + [
    DeliveryState.FAILED,
    DeliveryState.UNCERTAIN,
    DeliveryState.SUPPRESSED,
    DeliveryState.CANCELLED,
]


def finished(world: World, readers: int = 20) -> int:
    """A finished edition whose mails ended in all ways; its id."""
    for number in range(readers):
        world.subscribe(f"reader{number}", categories=["sport"] if number % 3 == 0 else None)
    world.publish("sport", "sport")
    world.publish("world", "world")
    world.wait(days=1).plan()
    return settle(world)


def settle(world: World) -> int:
    """End every mail that is open, and the editions with them; the id of the newest."""
    with world.db.write() as conn:
        for row in conn.execute(select(delivery).where(delivery.c.state == "pending")).all():
            conn.execute(
                update(delivery)
                .where(delivery.c.id == row.id)
                .values(state=ENDED[row.id % len(ENDED)], attempt=1, answered_at=world.now)
            )
        editions.finish(conn, world.now)
        return int(conn.execute(select(func.max(edition.c.id))).scalar_one())


def clear(world: World, keep: timedelta = KEEP) -> None:
    before = world.now - keep
    with world.db.read() as conn:
        due = totals.due(conn, before)
    for edition_id in due:
        more = True
        while more:
            with world.db.write() as conn:
                more = totals.clear(conn, edition_id, before)


def counted(world: World) -> Mapping[str, int]:
    with world.db.read() as conn:
        return totals.counts(conn)


def rows(world: World) -> dict[str, int]:
    with world.db.read() as conn:
        return {
            table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (delivery, variant, variant_article, rendering)
        }


def check_books(world: World) -> None:
    """Every edition's mails, kept one by one or as totals, are as many as were enqueued."""
    with world.db.read() as conn:
        for row in conn.execute(select(edition)).all():
            assert sum(totals.counts(conn, row.id).values()) == row.enqueued


def test_an_edition_that_ended_long_ago_keeps_only_its_totals(world: World) -> None:
    edition_id = finished(world)
    with world.db.write() as conn:
        for variant_id in conn.execute(select(variant.c.id)).scalars().all():
            made = insert(rendering).values(
                variant_id=variant_id,
                number=1,
                fingerprint="f",
                change=1,
                content={},
                body=b"mail",
                created_at=world.now,
            )
            known = conn.execute(made.returning(rendering.c.id)).scalar_one()
            conn.execute(
                update(delivery)
                .where(delivery.c.variant_id == variant_id)
                .values(rendering_id=known)
            )
    before = counted(world)
    assert len(before) == 5
    world.wait(days=89)
    clear(world)
    assert rows(world)["delivery"] == 20
    world.wait(days=2)
    clear(world)
    assert set(rows(world).values()) == {0}
    assert counted(world) == before
    check_books(world)
    with world.db.read() as conn:
        kept = conn.execute(select(edition).where(edition.c.id == edition_id)).one()
        assert (kept.enqueued, kept.totals, kept.state) == (20, before, EditionState.FINISHED)
        assert status.read(conn).deliveries == before


def test_totals_and_rows_add_up_between_any_two_transactions(world: World) -> None:
    edition_id = finished(world)
    before, ended_before = counted(world), world.wait(days=100).now - KEEP
    more, steps = True, 0
    while more:
        with suppress(KeyboardInterrupt), world.db.write() as conn:
            totals.clear(conn, edition_id, ended_before, 3)
            raise KeyboardInterrupt  # a kill before the commit
        assert counted(world) == before
        with world.db.write() as conn:
            more = totals.clear(conn, edition_id, ended_before, 3)
        assert counted(world) == before
        check_books(world)
        steps += 1
    assert steps > 7
    assert set(rows(world).values()) == {0}


def _clear_slowly(url: str, edition_id: int, ended_before: datetime) -> None:
    with closing(Database(url)) as db:
        more = True
        while more:
            with db.write() as conn:
                more = totals.clear(conn, edition_id, ended_before, 1)


def test_killed_while_it_clears_it_goes_on_and_counts_nothing_twice(world: World) -> None:
    edition_id = finished(world, readers=60)
    before, ended_before = counted(world), world.wait(days=100).now - KEEP
    url = str(world.db.engine.url)
    for left in (50, 20):
        process = multiprocessing.get_context("spawn").Process(
            target=_clear_slowly, args=(url, edition_id, ended_before)
        )
        process.start()
        until(lambda limit=left: rows(world)["delivery"] < limit, "some to be cleared")
        process.kill()
        process.join()
        assert counted(world) == before
        check_books(world)
    clear(world)
    assert set(rows(world).values()) == {0}
    assert counted(world) == before


@pytest.mark.parametrize("state", [EditionState.SENDING, EditionState.PAUSED])
def test_what_has_not_ended_is_kept(world: World, state: EditionState) -> None:
    finished(world)
    with world.db.write() as conn:
        conn.execute(update(edition).values(state=state))
    world.wait(days=1000)
    clear(world)
    assert rows(world)["delivery"] == 20


def test_a_mail_of_a_cancelled_edition_that_is_still_open_stays_until_it_is_settled(
    world: World,
) -> None:
    edition_id = finished(world)
    with world.db.write() as conn:
        conn.execute(update(edition).values(state=EditionState.CANCELLED))
        conn.execute(update(delivery).where(delivery.c.id == 7).values(state=DeliveryState.SENDING))
    world.wait(days=100)
    clear(world)
    assert (rows(world)["delivery"], rows(world)["variant"]) == (1, 2)
    check_books(world)
    with world.db.write() as conn:
        conn.execute(update(delivery).values(state=DeliveryState.UNCERTAIN))
    clear(world)
    assert set(rows(world).values()) == {0}
    with world.db.read() as conn:
        assert totals.counts(conn, edition_id)["uncertain"] >= 1
    check_books(world)


def test_bounces_of_it_stand(world: World) -> None:
    edition_id = finished(world)
    with world.db.write() as conn:
        reader = conn.execute(select(subscriber.c.id).limit(1)).scalar_one()
        conn.execute(
            insert(bounce).values(
                subscriber_id=reader, edition_id=edition_id, kind="hard", received_at=world.now
            )
        )
    world.wait(days=100)
    clear(world)
    with world.db.read() as conn:
        assert conn.execute(select(bounce.c.edition_id)).scalars().all() == [edition_id]


def test_what_was_given_long_ago_and_comes_back_is_not_given_again(world: World) -> None:
    world.subscribe("ada")
    away = world.publish("away")
    world.wait(days=1).plan()
    settle(world)
    world.wait(days=100)
    clear(world)
    assert rows(world)["delivery"] == 0
    with world.db.write() as conn:
        articles.withdraw(conn, [away], by="source", now=world.now)
        articles.revive(conn, away, too_old=False)
    world.make_public()
    assert world.wait(days=1).plan() == 0
    world.publish("new")
    assert world.wait(days=1).plan() == 1


def test_over_months_of_two_newsletters_nothing_comes_twice_and_nothing_is_missed(
    world: World,
) -> None:
    """Ada gets the alerts and a weekly; Bo only alerts of a category that is rare."""
    world.subscribe("ada", cadence=Cadence.WEEKLY)
    world.subscribe("ada", ALERTS, categories=["sport"])
    world.subscribe("bo", ALERTS, categories=["rare"])
    world.subscribe("bo")
    got: Counter[tuple[str, str]] = Counter()
    published: set[str] = set()
    for day in range(80):
        if day % 3 == 0:
            category = "rare" if day % 60 == 0 else ("sport", "world")[day % 2]
            published.add(f"{day}")
            world.publish(f"{day}", category)
        world.wait(days=1).plan()
        with world.db.read() as conn:
            new = conn.execute(
                select(subscriber.c.name, variant_article.c.article_id)
                .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
                .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
                .where(delivery.c.state == DeliveryState.PENDING)
            ).all()
        got.update((name, article_id) for name, article_id in new)
        with world.db.write() as conn:
            conn.execute(update(delivery).values(state=DeliveryState.SENT))
            editions.finish(conn, world.now)
        clear(world, keep=timedelta(days=20))
    world.wait(days=7).plan()
    assert set(got.values()) == {1}
    assert len([1 for name, _ in got if name == "bo"]) == len(published)
    assert rows(world)["delivery"] < len(got)
    check_books(world)
