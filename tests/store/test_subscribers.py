"""Readers come, change their minds one wish at a time, leave, and return."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from publisher.core.model import Cadence, DeliveryState, SubscriptionState
from publisher.core.wishes import Wishes
from publisher.errors import PermanentError
from publisher.store import exports, subscribers, subscriptions
from publisher.store.subscribers import Subscriber
from publisher.store.subscriptions import Subscription
from publisher.store.tables import delivery, slot, subscription
from tests.store.world import ALERTS, DAILY, World

ADA = "ada@reader.example"
CONSENT = {"given_at": "2026-11-02", "how": "added by an operator"}


def reader(world: World, address: str = ADA, **given: str) -> Subscriber:
    values = {"name": "", "zone": "", "locale": "", **given}
    with world.db.write() as conn:
        return subscribers.ensure(conn, address, now=world.now, **values)


def subscribe(
    world: World,
    *,
    consent: Mapping[str, str] = CONSENT,
    since_days: int | None = None,
    **wishes: Any,  # those of Wishes
) -> bool:
    ada = reader(world, name="ada")
    since = None if since_days is None else world.now - timedelta(days=since_days)
    with world.db.write() as conn:
        return subscriptions.subscribe(
            conn, ada.id, DAILY, Wishes(**wishes), consent=consent, now=world.now, since=since
        )


def leave(world: World, by: str = "reader") -> bool:
    its = found(world).id
    with world.db.write() as conn:
        return subscriptions.unsubscribe(conn, its, by=by, now=world.now)


def found(world: World) -> Subscription:
    ada = reader(world)
    with world.db.read() as conn:
        it = subscriptions.find(conn, ada.id, "daily")
    assert it is not None
    return it


def consent(world: World) -> dict[str, str]:
    with world.db.read() as conn:
        return dict(conn.execute(select(subscription.c.consent)).scalar_one())


# who they are


def test_an_address_is_one_reader_however_it_is_written(world: World) -> None:
    first = reader(world, "Ada@Reader.example", name="Ada")
    again = reader(world, " ada@READER.EXAMPLE")
    assert (again.id, again.name) == (first.id, "Ada")
    # As it was given first, but for spaces around it.
    assert again.address == "Ada@Reader.example"
    assert reader(world, "  bo@reader.example ").address == "bo@reader.example"


def test_what_is_given_replaces_and_what_is_empty_leaves(world: World) -> None:
    reader(world, name="Ada", zone="Europe/Berlin", locale="de")
    reader(world, zone="Asia/Tokyo")
    it = reader(world)
    assert (it.name, it.zone, it.locale) == ("Ada", "Asia/Tokyo", "de")


@pytest.mark.parametrize("address", ["", "ada", "@reader.example", "a b@c.example", "a@b@c"])
def test_nobodys_address_is_refused(world: World, address: str) -> None:
    with pytest.raises(PermanentError):
        reader(world, address)


# what they wish


def test_a_new_subscription_is_as_the_newsletter_has_it(world: World) -> None:
    assert subscribe(world) is True
    it = found(world)
    assert (it.state, it.wishes) == (SubscriptionState.CONFIRMED, Wishes())
    assert it.slot == "daily/daily@07:00[Europe/Berlin]"


@pytest.mark.parametrize(
    ("change", "slot_key"),
    [
        ({"at": time(8)}, "daily/weekly@sun-08:00[America/New_York]"),
        ({"at": time(0)}, "daily/weekly@sun-00:00[America/New_York]"),
        ({"weekday": 0}, "daily/weekly@mon-18:30[America/New_York]"),
        ({"zone": "Asia/Tokyo"}, "daily/weekly@sun-18:30[Asia/Tokyo]"),
        ({"cadence": Cadence.DAILY}, "daily/daily@18:30[America/New_York]"),
        ({"cadence": Cadence.IMMEDIATE}, "daily/immediate"),
        ({"categories": ("world",)}, "daily/weekly@sun-18:30[America/New_York]"),
        ({}, "daily/weekly@sun-18:30[America/New_York]"),
    ],
)
def test_only_what_is_named_changes(world: World, change: dict[str, Any], slot_key: str) -> None:
    before = Wishes(
        categories=("sport",),
        cadence=Cadence.WEEKLY,
        at=time(18, 30),
        weekday=6,
        zone="America/New_York",
    )
    assert subscribe(world, **{name: getattr(before, name) for name in before.__slots__})
    assert subscribe(world, **change) is False
    assert found(world).wishes == replace(before, **change)
    assert found(world).slot == slot_key


def test_the_hour_kept_through_immediate_holds_again_afterwards(world: World) -> None:
    subscribe(world, at=time(18, 30))
    subscribe(world, cadence=Cadence.IMMEDIATE)
    subscribe(world, cadence=Cadence.DAILY)
    assert found(world).slot == "daily/daily@18:30[Europe/Berlin]"


def test_a_cadence_that_is_not_offered_changes_nothing(world: World) -> None:
    ada = reader(world)
    wishes = Wishes(cadence=Cadence.WEEKLY)
    refused = pytest.raises(PermanentError, match="alerts comes immediate, not weekly")
    with refused, world.db.write() as conn:
        subscriptions.subscribe(conn, ada.id, ALERTS, wishes, consent={}, now=world.now)
    with world.db.read() as conn:
        assert subscriptions.of_reader(conn, ada.id) == []


def test_a_change_keeps_place_and_consent(world: World) -> None:
    subscribe(world)
    world.publish("one")
    before = found(world)
    subscribe(world, at=time(9), consent={"how": "something else"})
    assert found(world).after_seq == before.after_seq
    assert consent(world) == CONSENT


def test_categories_are_exchanged_without_gap_or_flood(world: World) -> None:
    subscribe(world, categories=("sport",))
    world.publish("sport one", "sport")
    world.publish("world one", "world")
    subscribe(world, categories=("sport", "world"))
    subscribe(world, at=time(9))
    world.publish("world two", "world")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["world two", "sport one"]]


def test_a_change_to_immediate_brings_what_waits(world: World) -> None:
    subscribe(world)
    world.publish("one")
    subscribe(world, cadence=Cadence.IMMEDIATE)
    world.wait(minutes=3).plan()
    assert world.mails("ada") == [["one"]]


def test_who_comes_to_immediate_late_gets_what_the_others_have(world: World) -> None:
    """The last edition of the slot is planned already, and no new article comes out."""
    world.subscribe("bo", cadence=Cadence.IMMEDIATE)
    subscribe(world)
    world.publish("one")
    world.wait(minutes=3).plan()
    assert (world.mails("bo"), world.mails("ada")) == ([["one"]], [])
    subscribe(world, cadence=Cadence.IMMEDIATE)
    world.wait(minutes=3).plan()
    assert (world.mails("bo"), world.mails("ada")) == ([["one"]], [["one"]])


def test_who_comes_after_a_sending_by_hand_is_in_the_next_one(world: World) -> None:
    world.subscribe("bo")
    world.publish("one")
    assert world.planner.plan_now("daily", world.now) == 1
    subscribe(world, since_days=1)
    assert world.planner.plan_now("daily", world.now) == 1
    assert world.planner.plan_now("daily", world.now) == 0
    assert (world.mails("bo"), world.mails("ada")) == ([["one"]], [["one"]])


# earlier articles


def test_since_gives_a_new_reader_earlier_articles(world: World) -> None:
    world.publish("long ago")
    world.wait(days=20).publish("last week")
    world.wait(days=7).publish("today")
    subscribe(world, since_days=14)
    world.wait(days=1).plan()
    assert world.mails("ada") == [["today", "last week"]]


def test_since_is_for_immediate_readers_too(world: World) -> None:
    world.publish("yesterday")
    world.wait(days=1)
    subscribe(world, since_days=14, cadence=Cadence.IMMEDIATE)
    world.wait(minutes=3).plan()
    assert world.mails("ada") == [["yesterday"]]


def test_since_gives_a_reader_who_is_there_only_what_they_had_not(world: World) -> None:
    world.publish("before")
    world.wait(days=1)
    subscribe(world)
    world.publish("given")
    world.wait(days=1).plan()
    subscribe(world, since_days=14)
    subscribe(world, since_days=14)
    world.publish("new")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["given"], ["new", "before"]]


def test_since_never_gives_what_lies_before_it_nor_takes_anything_away(world: World) -> None:
    world.publish("long ago")
    world.wait(days=20)
    subscribe(world)
    world.publish("waiting")
    world.wait(days=5)
    subscribe(world, since_days=1)
    world.wait(days=1).plan()
    assert world.mails("ada") == [["waiting"]]


# leaving and returning


def test_leaving_cancels_what_was_not_sent_and_keeps_the_record(world: World) -> None:
    subscribe(world)
    world.publish("one")
    world.wait(days=1).plan()
    assert leave(world) is True
    assert found(world).state is SubscriptionState.UNSUBSCRIBED
    assert consent(world) == {**CONSENT, "ended_at": world.now.isoformat(), "ended_by": "reader"}
    with world.db.read() as conn:
        assert conn.execute(select(delivery.c.state)).scalars().all() == [DeliveryState.CANCELLED]
    ended = consent(world)
    assert leave(world.wait(hours=1), by="operator") is False
    assert consent(world) == ended
    world.publish("two")
    assert world.wait(days=2).plan() == 0


def test_leaving_one_newsletter_keeps_the_others(world: World) -> None:
    world.subscribe("ada")
    world.subscribe("ada", ALERTS)
    leave(world)
    world.publish("one")
    world.wait(days=1).plan()
    assert (world.mails("ada", "daily"), world.mails("ada", "alerts")) == ([], [["one"]])


def test_who_returns_starts_at_the_head_and_afresh(world: World) -> None:
    subscribe(world, cadence=Cadence.WEEKLY, categories=("sport",))
    world.publish("unsent", "sport")
    leave(world)
    world.wait(days=3).publish("while away", "sport")
    assert subscribe(world, consent={"how": "asked again"}) is True
    it = found(world)
    assert (it.state, it.wishes) == (SubscriptionState.CONFIRMED, Wishes())
    assert consent(world) == {"how": "asked again"}
    world.publish("back")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["back"]]


def test_who_returns_with_since_is_not_given_again_what_they_had(world: World) -> None:
    subscribe(world)
    world.publish("given")
    world.wait(days=1).plan()
    with world.db.write() as conn:
        conn.execute(update(delivery).values(state=DeliveryState.SENT))
    world.publish("cancelled with the subscription")
    world.wait(days=1).plan()
    leave(world)
    world.publish("while away")
    subscribe(world, since_days=14)
    world.wait(days=1).plan()
    assert world.mails("ada")[-1] == ["while away", "cancelled with the subscription"]


def test_subscribing_again_and_again_makes_one_subscription_and_few_slots(world: World) -> None:
    for _ in range(3):
        subscribe(world)
        subscribe(world, cadence=Cadence.WEEKLY)
        leave(world)
    with world.db.read() as conn:
        assert len(conn.execute(select(subscription.c.id)).all()) == 1
        assert len(conn.execute(select(slot.c.id)).all()) == 2


# the operator's view


def test_export_and_counts(world: World) -> None:
    world.subscribe("ada", categories=["sport", "world"])
    world.subscribe("ada", ALERTS)
    world.subscribe("bo", cadence=Cadence.WEEKLY)
    leave(world)
    with world.db.read() as conn:
        rows = list(exports.everyone(conn))
        assert [(each.address, each.newsletter, each.state, each.cadence) for each in rows] == [
            (ADA, "alerts", "confirmed", ""),
            (ADA, "daily", "unsubscribed", ""),
            ("bo@reader.example", "daily", "confirmed", "weekly"),
        ]
        assert rows[1].categories == "sport,world"
        assert [each.address for each in exports.everyone(conn, "alerts")] == [ADA]
        assert subscriptions.counts(conn) == {"alerts": 1, "daily": 1}
