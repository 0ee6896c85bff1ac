"""Signing up: noted for a week, confirmed by the owner alone, and the same work for everybody."""

from collections.abc import Callable, Mapping
from datetime import time
from typing import Any

import pytest
from sqlalchemy import event, select, update

from publisher.core.model import Cadence, SubscriberState, SubscriptionState
from publisher.core.signup import SignUp
from publisher.core.wishes import Wishes
from publisher.store import notices, signups, status, subscribers, subscriptions
from publisher.store.subscriptions import Subscription
from publisher.store.tables import delivery, metadata, notice, subscriber, subscription
from tests.store.world import ALERTS, DAILY, World

KEY = b"k" * 32
GIVEN = {"given_at": "2026-11-02T09:00:00+00:00", "how": "confirmed by mail", "agreed_to": "Daily"}
OFFERED = {"daily": DAILY, "alerts": ALERTS}


def ask(world: World, name: str, *slugs: str, **wishes: Any) -> bool:
    """Somebody asks for these newsletters (the daily one) in this name."""
    asked = SignUp(
        address=f"{name}@reader.example",
        name=name,
        wishes=dict.fromkeys(slugs or ("daily",), Wishes(**wishes)),
        consent={"asked_from": "192.0.2.1", "asked_on": "https://news.example/subscribe"},
    )
    with world.db.write() as conn:
        return signups.ask(conn, asked, KEY, world.now)


def confirm(
    world: World, name: str, *slugs: str, asked_at: Any = None, offered: Any = OFFERED
) -> list[str]:
    """By the link of the last notice, or of one made at that moment."""
    number, sent_at = link(world, name)
    with world.db.write() as conn:
        chosen = dict.fromkeys(slugs or ("daily", "alerts"), GIVEN)
        return list(
            signups.confirm(conn, number, asked_at or sent_at, chosen, offered, KEY, world.now)
        )


def link(world: World, name: str) -> tuple[int, Any]:
    with world.db.read() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        assert reader is not None
        sent = select(notice.c.created_at).where(
            notice.c.kind == "confirm", notice.c.address == f"{name}@reader.example"
        )
        times = conn.execute(sent.order_by(notice.c.id.desc())).scalars().all()
        return reader.id, times[0] if times else world.now


def its(world: World, name: str, newsletter: str = "daily") -> Subscription | None:
    with world.db.read() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        return subscriptions.find(conn, reader.id, newsletter) if reader else None


def state(world: World, name: str, newsletter: str = "daily") -> str | None:
    found = its(world, name, newsletter)
    return found.state.value if found else None


def leave(world: World, name: str) -> None:
    found = its(world, name)
    assert found is not None
    with world.db.write() as conn:
        subscriptions.unsubscribe(conn, found.id, by="page", now=world.now)


def set_reader(world: World, name: str, to: str) -> None:
    with world.db.write() as conn:
        conn.execute(update(subscriber).where(subscriber.c.name == name).values(state=to))


def forget(world: World) -> int:
    """How many transactions had something to do."""
    count = 0
    while True:
        with world.db.write() as conn:
            if not signups.forget(conn, world.now, chunk=1):
                return count
        count += 1


def mails(world: World) -> dict[str, dict[str, Any]]:
    """What the last notice to each says, by kind and name."""
    with world.db.read() as conn:
        rows = conn.execute(select(notice).order_by(notice.c.id))
        return {f"{row.kind} {row.address.partition('@')[0]}": row.content for row in rows}


# asking


def test_who_asks_gets_nothing_but_a_mail_until_they_confirm(world: World) -> None:
    assert ask(world, "ada", cadence=Cadence.WEEKLY, at=time(18), categories=("sport",))
    found = its(world, "ada")
    assert found is not None
    assert (found.state, found.slot_id) == (SubscriptionState.PENDING, None)
    assert found.wishes == Wishes(cadence=Cadence.WEEKLY, at=time(18), categories=("sport",))
    assert found.consent == {
        "asked_at": world.now.isoformat(),
        "asked_from": "192.0.2.1",
        "asked_on": "https://news.example/subscribe",
    }
    world.publish("One", "sport")
    world.wait(days=8).plan()
    assert world.mails("ada") == []
    with world.db.read() as conn:
        assert status.read(conn).subscriptions == {}
    content = mails(world)["confirm ada"]
    assert content["newsletters"] == ["daily"]
    assert content["known"] == []


def test_whatever_is_asked_an_address_gets_one_mail_in_24_hours(world: World) -> None:
    assert ask(world, "ada")
    for _ in range(20):
        world.wait(hours=1)
        assert not ask(world, "ada", "daily", "alerts")
    world.wait(hours=4)
    assert ask(world, "ada", "alerts")


def test_what_is_asked_last_counts(world: World) -> None:
    ask(world, "ada", cadence=Cadence.WEEKLY)
    ask(world, "ada", at=time(6))
    found = its(world, "ada")
    assert found is not None
    assert found.wishes == Wishes(at=time(6))


def test_nobodys_settings_are_changed_by_who_only_knows_their_address(world: World) -> None:
    world.subscribe("ada", at=time(6), categories=["sport"])
    before = rows(world, subscriber, subscription)
    with world.db.write() as conn:
        thief = SignUp(
            address="ADA@reader.example",
            name="Thief",
            locale="fr",
            zone="Asia/Tokyo",
            wishes={"daily": Wishes(cadence=Cadence.WEEKLY, categories=("spam",))},
            consent={"asked_from": "203.0.113.9"},
        )
        assert signups.ask(conn, thief, KEY, world.now)
    assert rows(world, subscriber, subscription) == before
    content = mails(world)["confirm ada"]
    assert (content["newsletters"], content["known"], content["links"]) == ([], ["daily"], {})


def test_mail_goes_to_the_address_that_the_reader_gave(world: World) -> None:
    """Another mailbox that we take for the same must not get a link to the reader's wishes."""
    ask(world, "straße")
    world.wait(days=2)
    ask(world, "strasse", "alerts")
    with world.db.read() as conn:
        addresses = set(conn.execute(select(notice.c.address)).scalars())
    assert addresses == {"straße@reader.example"}


def test_a_reader_of_one_who_asks_for_another_is_asked_for_that(world: World) -> None:
    world.subscribe("ada")
    ask(world, "ada", "daily", "alerts")
    content = mails(world)["confirm ada"]
    assert (content["newsletters"], content["known"]) == (["alerts"], ["daily"])
    assert confirm(world, "ada") == ["alerts"]


def rows(world: World, *tables: Any) -> dict[str, list[Any]]:
    with world.db.read() as conn:
        return {
            table.name: list(conn.execute(select(table).order_by(table.c[0])).all())
            for table in tables or metadata.sorted_tables
        }


def test_the_same_is_done_for_everybody(world: World) -> None:
    """A new address, one that waits, a reader, one who left, a suppressed one."""
    world.subscribe("active")
    world.subscribe("left")
    leave(world, "left")
    world.subscribe("suppressed")
    set_reader(world, "suppressed", SubscriberState.SUPPRESSED)
    ask(world, "waiting")
    said: dict[str, list[str]] = {}
    wrote: dict[str, int] = {}
    for name in ("new", "waiting", "active", "left", "suppressed"):
        statements: list[str] = []

        def note(_c: Any, cursor: Any, text: str, *_: Any, to: list[str] = statements) -> None:
            to.append(text)

        event.listen(world.db.engine, "before_cursor_execute", note)
        ask(world, name, at=time(9))
        event.remove(world.db.engine, "before_cursor_execute", note)
        said[name] = statements
        wrote[name] = sum(each.startswith("UPDATE") for each in statements)
    assert len({tuple(each) for each in said.values()}) == 1
    assert set(wrote.values()) == {2}  # so that each has something to bring to the disk
    with world.db.read() as conn:
        assert notices.counts(conn) == {"pending": 4, "suppressed": 1}


# confirming


def test_who_confirms_gets_what_comes_out_from_then_on(world: World) -> None:
    world.publish("before")
    ask(world, "ada", at=time(6), categories=("sport", "news"))
    world.publish("between")
    assert confirm(world, "ada") == ["daily"]
    found = its(world, "ada")
    assert found is not None
    assert found.state is SubscriptionState.CONFIRMED
    assert found.slot == "daily/daily@06:00[Europe/Berlin]"
    assert found.consent == GIVEN | {
        "asked_at": "2026-11-02T09:00:00+00:00",
        "asked_from": "192.0.2.1",
        "asked_on": "https://news.example/subscribe",
    }
    world.publish("after")
    world.publish("elsewhere", "gossip")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["after"]]
    assert mails(world)["welcome ada"]["newsletters"] == ["daily"]


def test_confirmed_again_nothing_happens(world: World) -> None:
    ask(world, "ada")
    assert confirm(world, "ada") == ["daily"]
    before = rows(world)
    world.wait(hours=1)
    assert confirm(world, "ada") == []
    assert rows(world) == before


def test_one_link_confirms_all_that_waits_or_what_is_chosen_of_it(world: World) -> None:
    """As only one mail goes out in a day, what is asked for later is confirmed by it, too."""
    ask(world, "ada")
    world.wait(hours=1)
    assert not ask(world, "ada", "alerts")
    assert confirm(world, "ada", "alerts") == ["alerts"]
    assert state(world, "ada") == "pending"
    assert confirm(world, "ada", "daily") == ["daily"]


def test_an_old_link_brings_nobody_back_who_has_left(world: World) -> None:
    ask(world, "ada")
    old = link(world, "ada")[1]
    confirm(world, "ada")
    world.wait(days=2)
    leave(world, "ada")
    assert confirm(world, "ada") == []
    world.wait(days=2)
    assert ask(world, "ada")  # be it by somebody else
    assert state(world, "ada") == "pending"
    assert confirm(world, "ada", asked_at=old) == []
    assert state(world, "ada") == "pending"
    assert confirm(world, "ada") == ["daily"]


def test_who_leaves_before_confirming_stays_out(world: World) -> None:
    ask(world, "ada")
    world.wait(minutes=1)
    leave(world, "ada")
    assert confirm(world, "ada") == []
    assert state(world, "ada") == "unsubscribed"


def test_who_returns_agrees_anew_and_has_missed_nothing_to_come(world: World) -> None:
    world.subscribe("ada", at=time(6))
    leave(world, "ada")
    world.publish("meanwhile")
    world.wait(hours=1)
    ask(world, "ada", at=time(9))
    world.wait(hours=1)
    assert confirm(world, "ada") == ["daily"]
    found = its(world, "ada")
    assert found is not None
    assert "ended_at" not in found.consent
    world.publish("new")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["new"]]


def test_what_is_no_longer_offered_is_left_out(world: World) -> None:
    ask(world, "ada", "daily", "alerts")
    assert confirm(world, "ada", offered={"alerts": ALERTS}) == ["alerts"]


def test_a_cadence_no_longer_offered_becomes_the_newsletters(world: World) -> None:
    ask(world, "ada", "alerts", cadence=Cadence.DAILY, at=time(9))
    assert confirm(world, "ada") == ["alerts"]
    found = its(world, "ada", "alerts")
    assert found is not None
    assert found.slot == "alerts/immediate"


def test_a_newsletter_that_another_process_renamed_is_passed_over(world: World) -> None:
    assert ask(world, "ada", "gone", "daily")
    assert mails(world)["confirm ada"]["newsletters"] == ["daily"]


# forgetting


def test_after_seven_days_nothing_is_left_of_who_did_not_confirm(world: World) -> None:
    world.subscribe("active")
    before = rows(world)
    ask(world, "ada")
    ask(world, "bo", "daily", "alerts")
    world.wait(days=6, hours=23)
    assert forget(world) == 0
    ask(world, "bo", "alerts")
    world.wait(hours=1)
    assert forget(world) == 2
    assert state(world, "ada") is None
    assert state(world, "bo", "alerts") == "pending"  # asked for again: its link is a day old
    world.wait(days=7)
    assert forget(world) == 1
    while True:
        with world.db.write() as conn:
            if not notices.clear(conn, world.now):
                break
    left = rows(world)
    assert left.pop("notice") == []
    assert {name: left[name] for name in ("subscriber", "subscription")} == {
        name: before[name] for name in ("subscriber", "subscription")
    }


def test_a_link_of_one_who_was_forgotten_is_no_others(world: World) -> None:
    """Numbers are never given again."""
    ask(world, "ada")
    number, asked_at = link(world, "ada")
    world.wait(days=7)
    forget(world)
    ask(world, "bo")
    with world.db.read() as conn:
        other = subscribers.find(conn, "bo@reader.example")
        assert other is not None
        assert other.id != number
        assert signups.standing(conn, number, asked_at) is None
        assert signups.standing(conn, other.id, asked_at) is None  # it is older than its reader


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda world: world.subscribe("ada"), "confirmed"),
        (lambda world: (world.subscribe("ada"), leave(world, "ada")), "unsubscribed"),
    ],
    ids=["reader", "left"],
)
def test_who_was_known_before_is_as_before(
    world: World, before: Callable[[World], object], after: str
) -> None:
    before(world)
    known = rows(world, subscriber, subscription)
    ask(world, "ada", at=time(9))
    world.wait(days=7)
    forget(world)
    assert state(world, "ada") == after
    now = rows(world, subscriber, subscription)
    assert now["subscriber"] == known["subscriber"]
    consents: list[Mapping[str, str]] = [each["subscription"][0].consent for each in (known, now)]
    assert consents[0] == consents[1]


def test_a_suppressed_reader_is_not_forgotten(world: World) -> None:
    ask(world, "ada")
    set_reader(world, "ada", SubscriberState.SUPPRESSED)
    world.wait(days=7)
    assert forget(world) == 1
    with world.db.read() as conn:
        found = subscribers.find(conn, "ada@reader.example")
    assert found is not None
    assert found.state is SubscriberState.SUPPRESSED


def test_who_confirmed_is_not_forgotten(world: World) -> None:
    ask(world, "ada")
    confirm(world, "ada")
    world.wait(days=8)
    assert forget(world) == 0
    assert state(world, "ada") == "confirmed"
    with world.db.read() as conn:
        assert conn.execute(select(delivery.c.id)).first() is not None
