"""A dry run tells exactly what planning then does, and leaves no trace."""

import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from publisher.core.model import Cadence, EditionState, Newsletter
from publisher.core.planning import LeftOut
from publisher.core.schedule import slot_key
from publisher.errors import TransientError
from publisher.newsletters.forecast import Forecast
from publisher.store import schema, subscribers, tables
from publisher.store.engine import Database
from publisher.store.tables import (
    delivery,
    edition,
    slot,
    subscriber,
    subscription,
    variant,
    variant_article,
)
from tests.store.world import ALERTS, DAILY, World

Mails = list[tuple[str, int, tuple[str, ...], str]]
"""Slot, reader, articles in order, locale."""

NAMES = ("ada", "bo", "cy", "di", "ed", "flo", "gus")
CATEGORIES = ("sport", "world", "culture")
LOTS = ("", "", "paused", "capped", "left", "pending", "suppressed", "weekly", "de")
ONE_OF_EACH = ("", "paused", "capped", "left", "pending", "suppressed", "de")


def foretold(forecasts: Iterable[Forecast]) -> Mails:
    return sorted(
        (slot_key(each.slot.time), reader, group.content.article_ids, group.content.locale)
        for each in forecasts
        for group in each.groups
        for reader in group.subscriber_ids
    )


def planned(world: World, after: int) -> Mails:
    """What the ledger holds beyond this delivery."""
    with world.db.read() as conn:
        articles: dict[int, list[str]] = {}
        for row in conn.execute(select(variant_article).order_by(variant_article.c.position)):
            articles.setdefault(row.variant_id, []).append(row.article_id)
        rows = conn.execute(
            select(slot.c.key, delivery.c.subscriber_id, variant.c.id, variant.c.locale)
            .select_from(delivery)
            .join(edition, edition.c.id == delivery.c.edition_id)
            .join(slot, slot.c.id == edition.c.slot_id)
            .join(variant, variant.c.id == delivery.c.variant_id)
            .where(delivery.c.id > after)
        ).all()
    return sorted((key, who, tuple(articles.get(of, ())), locale) for key, who, of, locale in rows)


def last_delivery(world: World) -> int:
    with world.db.read() as conn:
        return conn.execute(select(func.coalesce(func.max(delivery.c.id), 0))).scalar_one()


def join(world: World, name: str, to: Newsletter, categories: set[str] | None, lot: str) -> None:
    weekly = Cadence.WEEKLY if lot == "weekly" and to is DAILY else None
    world.subscribe(name, to, categories=sorted(categories or ()), cadence=weekly)
    person = update(subscriber).where(subscriber.c.name == name)
    theirs = select(subscriber.c.id).where(subscriber.c.name == name).scalar_subquery()
    one = update(subscription).where(
        subscription.c.subscriber_id == theirs, subscription.c.newsletter == to.slug
    )
    changes = {
        "paused": one.values(paused_until=world.now + timedelta(days=3)),
        "capped": person.values(max_per_day=1),
        "left": one.values(state="unsubscribed"),
        "pending": one.values(state="pending"),
        "suppressed": person.values(state="suppressed"),
        "de": person.values(locale="de"),
    }
    if lot in changes:
        with world.db.write() as conn:
            conn.execute(changes[lot])


def is_known(world: World, name: str) -> bool:
    with world.db.read() as conn:
        return subscribers.find(conn, f"{name}@reader.example") is not None


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without a row, to be copied."""
    path = tmp_path_factory.mktemp("blank") / "publisher.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        schema.prepare(database)
    return path


@settings(max_examples=25)
@given(
    people=st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from([DAILY, ALERTS]),
            st.none() | st.sets(st.sampled_from(CATEGORIES), min_size=1),
            st.sampled_from(LOTS),
        ),
        min_size=1,
        max_size=12,
    ),
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("publish"), st.sets(st.sampled_from(CATEGORIES), min_size=1)),
            st.tuples(st.just("send"), st.sampled_from([{"daily"}, {"alerts"}])),
            st.tuples(st.just("plan"), st.just({""})),
            st.tuples(st.just("ask for earlier"), st.sets(st.sampled_from(NAMES), min_size=1)),
        ),
        max_size=14,
    ),
    slug=st.sampled_from(["daily", "alerts"]),
    at_once=st.booleans(),
    mails_empty=st.booleans(),
    chunk=st.sampled_from([1, 2, 5000]),
)
def test_a_dry_run_tells_exactly_what_is_then_planned(
    people: list[tuple[str, Newsletter, set[str] | None, str]],
    steps: list[tuple[str, set[str]]],
    slug: str,
    at_once: bool,
    mails_empty: bool,
    chunk: int,
    blank: Path,
) -> None:
    path = shutil.copy(blank, blank.with_name(f"{uuid4()}.db"))
    with closing(Database(f"sqlite:///{path}")) as database:
        world = World(database, chunk=chunk)
        world.newsletters = (replace(DAILY, send_when_empty=mails_empty), ALERTS)
        world.settle()
        for each in people:
            join(world, *each)
        for number, (what, value) in enumerate(steps):
            world.wait(hours=5)
            match what:
                case "publish":
                    world.publish(f"{number}", *sorted(value))
                case "send":
                    world.planner.plan_now(value.copy().pop(), world.now)
                case "plan":
                    world.plan()
                case "ask for earlier":
                    for name in filter(lambda name: is_known(world, name), value):
                        world.subscribe(name, since=world.now - timedelta(days=30))
        world.wait(hours=3)
        forecaster, planner, now = world.forecaster, world.planner, world.now
        foreseen = list(forecaster.at_once(now, slug) if at_once else forecaster.due(now, slug))
        before = last_delivery(world)
        count = planner.plan_now(slug, now) if at_once else planner.plan_due(now, slug)
        assert foretold(foreseen) == planned(world, before)
        assert sum(each.readers for each in foreseen) == count
        for each in foreseen:
            check_that_nobody_is_forgotten(world, each)


def check_that_nobody_is_forgotten(world: World, forecast: Forecast) -> None:
    """Everyone of the slot gets something, or is left out for a reason."""
    share = select(func.count()).where(subscription.c.slot_id == forecast.slot.id)
    with world.db.read() as conn:
        there = conn.execute(share.select_from(subscription)).scalar_one()
    assert there == forecast.readers + sum(forecast.left_out.values())


def test_it_says_why_others_are_left_out(world: World) -> None:
    for name, lot in zip(NAMES, ONE_OF_EACH, strict=True):
        join(world, name, ALERTS, None, lot)
    join(world, "hal", ALERTS, {"culture"}, "")
    world.publish("one", "sport")
    world.wait(minutes=2).plan()
    world.publish("two", "sport")
    join(world, "ida", ALERTS, None, "")
    [forecast] = world.forecaster.at_once(world.now, "alerts")
    assert sorted(len(group.subscriber_ids) for group in forecast.groups) == [1, 1]  # by locale
    assert forecast.left_out == {
        LeftOut.PAUSED: 1,
        LeftOut.OVER_CAP: 1,
        LeftOut.UNSUBSCRIBED: 1,
        LeftOut.NOT_CONFIRMED: 1,
        LeftOut.SUPPRESSED: 1,
        LeftOut.NOTHING_NEW: 2,
    }


def test_readers_of_two_newsletters_are_told_only_what_the_other_did_not_give(
    world: World,
) -> None:
    world.subscribe("ada")
    world.subscribe("ada", ALERTS)
    world.subscribe("bo")
    world.publish("breaking")
    world.wait(minutes=2).plan()
    world.publish("later")
    [forecast] = world.forecaster.at_once(world.now, "daily")
    held = {group.content.article_ids for group in forecast.groups}
    assert held == {(world.ids["later"],), (world.ids["later"], world.ids["breaking"])}


def test_it_leaves_no_trace(world: World) -> None:
    for name, lot in zip(NAMES, LOTS, strict=False):
        join(world, name, DAILY, None, lot)
        join(world, name, ALERTS, None, "")
    world.publish("one")
    world.wait(minutes=2).plan()
    world.publish("two")
    world.wait(days=1)
    before = contents(world)
    for slug in ("daily", "alerts"):
        assert foretold(world.forecaster.due(world.now, slug))
        assert foretold(world.forecaster.at_once(world.now, slug))
    assert contents(world) == before


def contents(world: World) -> dict[str, list[object]]:
    with world.db.read() as conn:
        return {
            table.name: [tuple(row) for row in conn.execute(select(table))]
            for table in tables.metadata.sorted_tables
        }


def test_an_edition_that_is_being_planned_comes_first(world: World) -> None:
    world.subscribe("ada")
    world.publish("one")
    world.planner.plan_now("daily", world.now)
    with world.db.write() as conn:
        conn.execute(update(edition).values(state=EditionState.PLANNING, cursor=0))
    with pytest.raises(TransientError, match="edition 1 is still being planned"):
        world.forecaster.at_once(world.now, "daily")
    world.planner.continue_planning()
    assert foretold(world.forecaster.at_once(world.now, "daily")) == []
