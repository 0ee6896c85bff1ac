"""Readers brought in from elsewhere: begun at the head, with a record, and nobody brought back."""

from collections.abc import Sequence
from datetime import time

import pytest
from sqlalchemy import event, insert, select, update

from publisher.core.addresses import normalise
from publisher.core.csv_import import Wanted
from publisher.core.identity import address_hash
from publisher.core.model import Cadence, SubscriberState, SubscriptionState
from publisher.core.signup import SignUp
from publisher.core.wishes import Wishes
from publisher.store import exports, imports, signups, subscribers, subscriptions
from publisher.store.subscriptions import Subscription
from publisher.store.tables import slot, subscriber, subscription, suppression
from tests.store.world import ALERTS, DAILY, World

KEY = b"k" * 32
ADA = "ada@reader.example"


def row(who: str, line: int = 2, wishes: Wishes | None = None, **more: str) -> Wanted:
    address = f"{who}@reader.example"
    given = {"name": who, "locale": "", "subscribed_at": "", "consent": "", **more}
    return Wanted(
        line=line, address=address, key=normalise(address), wishes=wishes or Wishes(), **given
    )


def bring_in(world: World, *rows: Wanted) -> tuple[int, int, Sequence[str]]:
    """How many were new, how many there already, and why the others were refused."""
    with world.db.write() as conn:
        found = imports.look(conn, rows, DAILY.slug, KEY)
        imports.keep(conn, found.new, DAILY, source="list.csv", now=world.now)
    return len(found.new), found.there_already, [each.reason for each in found.refused]


def subscription_of(world: World, name: str) -> Subscription:
    with world.db.read() as conn:
        reader = subscribers.find(conn, f"{name}@reader.example")
        assert reader
        found = subscriptions.find(conn, reader.id, DAILY.slug)
        assert found
        return found


def leave(world: World, name: str) -> None:
    found = subscription_of(world, name)
    with world.db.write() as conn:
        subscriptions.unsubscribe(conn, found.id, by="reader", now=world.now)


def sign_up(world: World, name: str) -> None:
    asked = SignUp(
        address=f"{name}@reader.example",
        wishes={DAILY.slug: Wishes()},
        consent={"asked_from": "192.0.2.1"},
    )
    with world.db.write() as conn:
        signups.ask(conn, asked, KEY, world.now)


def exported(world: World) -> list[exports.Exported]:
    with world.db.read() as conn:
        return list(exports.everyone(conn))


def test_newcomers_get_what_comes_out_from_now_on(world: World) -> None:
    world.publish("before")
    sport = Wishes(categories=("sport",), cadence=Cadence.WEEKLY, at=time(6), weekday=2)
    assert bring_in(world, row("ada"), row("bo", wishes=sport)) == (2, 0, [])
    world.publish("after", "sport")
    world.wait(days=8).plan()
    assert (world.mails("ada"), world.mails("bo")) == ([["after"]], [["after"]])
    assert subscription_of(world, "bo").slot == "daily/weekly@wed-06:00[Europe/Berlin]"


def test_the_record_says_how_they_came(world: World) -> None:
    bring_in(world, row("ada", subscribed_at="2019-03-02T11:22:33+00:00", consent="by form"))
    assert subscription_of(world, "ada").consent == {
        "given_at": world.now.isoformat(),
        "how": "imported by an operator",
        "file": "list.csv",
        "source_given_at": "2019-03-02T11:22:33+00:00",
        "source_consent": "by form",
    }


def test_who_reads_already_keeps_everything(world: World) -> None:
    world.subscribe("ada", cadence=Cadence.WEEKLY)
    world.publish("waits for them")
    before = subscription_of(world, "ada")
    assert bring_in(world, row("ada", wishes=Wishes(zone="Asia/Tokyo"))) == (0, 1, [])
    assert subscription_of(world, "ada") == before


def test_who_reads_another_newsletter_gets_this_one_too(world: World) -> None:
    world.subscribe("ada", ALERTS)
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(name="Ada herself"))
    assert bring_in(world, row("ada", name="Somebody", locale="de")) == (1, 0, [])
    with world.db.read() as conn:
        reader = subscribers.find(conn, ADA)
    assert reader
    assert (reader.name, reader.locale) == ("Ada herself", "de")


def test_a_second_run_finds_everybody_there(world: World) -> None:
    rows = [row(f"r{n}", n) for n in range(300)]
    assert bring_in(world, *rows[:120]) == (120, 0, [])
    assert bring_in(world, *rows) == (180, 120, [])
    assert bring_in(world, *rows) == (0, 300, [])
    with world.db.read() as conn:
        assert len(conn.execute(select(subscription.c.id)).all()) == 300
        assert len(conn.execute(select(slot.c.id)).all()) == 1


def test_a_chunk_takes_few_statements_however_many_are_in_it(world: World) -> None:
    """So that nobody waits long for their turn to write."""
    sign_up(world, "r7")
    asked: list[str] = []
    rows = [row(f"r{n}", n, Wishes(at=time(n % 3))) for n in range(250)]
    with world.db.write() as conn:
        event.listen(conn, "after_cursor_execute", lambda *args: asked.append(args[2]))
        found = imports.look(conn, rows, DAILY.slug, KEY)
        imports.keep(conn, found.new, DAILY, source="list.csv", now=world.now)
    assert len(found.new) == 250
    assert len(asked) <= 20


def test_who_left_is_not_brought_back(world: World) -> None:
    world.subscribe("ada")
    leave(world, "ada")
    before = subscription_of(world, "ada")
    said = "has left this newsletter; only they can come back"
    assert bring_in(world, row("ada"), row("bo")) == (1, 0, [said])
    assert subscription_of(world, "ada") == before


def test_who_left_and_was_signed_up_again_by_whomever_is_not_brought_back(world: World) -> None:
    world.subscribe("ada")
    leave(world, "ada")
    sign_up(world.wait(days=1), "ada")
    assert subscription_of(world, "ada").state is SubscriptionState.PENDING
    new, _, refused = bring_in(world, row("ada"))
    assert (new, len(refused)) == (0, 1)
    assert subscription_of(world, "ada").state is SubscriptionState.PENDING


def test_a_sign_up_that_waits_is_confirmed(world: World) -> None:
    sign_up(world, "ada")
    world.publish("before")
    assert bring_in(world, row("ada")) == (1, 0, [])
    found = subscription_of(world, "ada")
    assert found.state is SubscriptionState.CONFIRMED
    assert found.consent["how"] == "imported by an operator"
    assert found.consent["asked_from"] == "192.0.2.1"
    world.publish("after")
    world.wait(days=1).plan()
    assert world.mails("ada") == [["after"]]


@pytest.mark.parametrize("state", [SubscriberState.SUPPRESSED, SubscriberState.ERASED])
def test_who_may_not_be_mailed_is_refused(world: World, state: SubscriberState) -> None:
    world.subscribe("ada", ALERTS)
    with world.db.write() as conn:
        conn.execute(update(subscriber).values(state=state))
    new, there, [reason] = bring_in(world, row("ada"))
    assert (new, there) == (0, 0)
    assert reason.startswith("may not be mailed: ")


def test_an_address_whose_hash_is_kept_is_refused_however_it_is_written(world: World) -> None:
    with world.db.write() as conn:
        conn.execute(
            insert(suppression).values(
                address_hash=address_hash(ADA, KEY), reason="erased", since=world.now
            )
        )
    wanted = Wanted(
        line=2,
        address="ADA@Reader.example",
        key=normalise("ADA@Reader.example"),
        name="",
        locale="",
        wishes=Wishes(),
        subscribed_at="",
        consent="",
    )
    forgotten = "had themselves forgotten; only they can come back"
    assert bring_in(world, wanted) == (0, 0, [forgotten])
    with world.db.read() as conn:
        assert conn.execute(select(subscriber.c.id)).all() == []


def test_an_export_tells_all_but_of_the_erased(world: World) -> None:
    world.subscribe("ada", categories=["sport", "world"], cadence=Cadence.WEEKLY, at=time(6, 5))
    world.subscribe("bo", zone="Asia/Tokyo")
    world.subscribe("cy")
    world.subscribe("dee", ALERTS)
    leave(world, "bo")
    with world.db.write() as conn:
        for name, state in (("cy", SubscriberState.ERASED), ("dee", SubscriberState.SUPPRESSED)):
            conn.execute(update(subscriber).where(subscriber.c.name == name).values(state=state))
    assert [(each.name, each.newsletter, each.state) for each in exported(world)] == [
        ("ada", "daily", "confirmed"),
        ("bo", "daily", "unsubscribed"),
        ("dee", "alerts", "suppressed"),
    ]
    ada, bo, _ = exported(world)
    assert (ada.categories, ada.cadence, ada.at, ada.weekday) == (
        "sport,world",
        "weekly",
        "06:05",
        "",
    )
    assert (bo.zone, bo.cadence) == ("Asia/Tokyo", "")
    with world.db.read() as conn:
        for state, names in (
            ("confirmed", ["ada"]),
            ("unsubscribed", ["bo"]),
            ("suppressed", ["dee"]),
            ("pending", []),
        ):
            assert [each.name for each in exports.everyone(conn, state=state)] == names
