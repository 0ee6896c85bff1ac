"""`publisher explain` and `newsletters send --dry-run`, as an operator reads them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from publisher.cli import main
from publisher.core.wishes import Wishes
from publisher.store import subscribers, subscriptions
from publisher.store.tables import bounce, slot, subscriber, subscription
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.smtp import SmtpServer

ALERTS = """
[[newsletters]]
slug = "alerts"
title = "Alerts"
cadences = ["immediate"]
window = 1
"""


@pytest.fixture
def room(tmp_path: Path, server: SmtpServer) -> Iterator[Newsroom]:
    with newsroom(tmp_path, server, more=ALERTS) as found:
        yield found


def wish(room: Newsroom, name: str, newsletter: str = "daily", **wishes: Any) -> None:
    """A reader with wishes of their own, who agreed at this moment."""
    address = f"{name}@reader.example"
    with room.app.db.write() as conn:
        reader = subscribers.ensure(
            conn, address, name=name, zone=wishes.get("zone", ""), locale="", now=room.now
        )
        subscriptions.subscribe(
            conn,
            reader.id,
            room.app.newsletter(newsletter),
            Wishes(**wishes),
            consent={"given_at": room.now.isoformat(), "how": "added by an operator"},
            now=room.now,
        )


def change(room: Newsroom, name: str, **values: Any) -> None:
    """Something of all the subscriptions of a reader."""
    who = select(subscriber.c.id).where(subscriber.c.name == name).scalar_subquery()
    with room.app.db.write() as conn:
        theirs = subscription.c.subscriber_id == who
        conn.execute(update(subscription).where(theirs).values(**values))


def change_reader(room: Newsroom, name: str, **values: Any) -> None:
    with room.app.db.write() as conn:
        conn.execute(update(subscriber).where(subscriber.c.name == name).values(**values))


def why(room: Newsroom, name: str, number: int) -> dict[str, Any]:
    told = room.site.json("explain", f"{name}@reader.example", str(number))
    assert told["mail"] is None
    found: dict[str, Any] = told["why_not"]
    return found


def test_it_tells_what_was_agreed_what_waits_and_what_came_of_each_mail(
    room: Newsroom, server: SmtpServer
) -> None:
    wish(room, "ada", zone="America/New_York")
    wish(room, "ada", "alerts")
    wish(room, "bo")
    room.publish("One")
    room.plan()
    server.will("RCPT", "451 4.2.1 try <bo@reader.example> later", of="ada@reader.example")
    room.deliver()
    room.wait(hours=1)
    room.deliver()
    room.publish("Two")
    with room.app.db.write() as conn:
        for who in (1, 2):
            conn.execute(
                insert(bounce).values(
                    subscriber_id=who,
                    edition_id=1,
                    kind="soft",
                    status="4.2.2",
                    diagnostic="mailbox of ada@reader.example and cy@else.example is full",
                    received_at=room.now,
                )
            )
    said = room.site.call("explain", " ADA@Reader.Example")
    assert said.splitlines() == [
        "ada@reader.example  ada  active, since 2026-11-02 04:00",
        "  times are those of America/New_York",
        "alerts: confirmed; agreed at 2026-11-02 04:00, added by an operator",
        "  at once; all categories; next due 2026-11-02 04:00",
        "  1 article waits: «Two»",
        "daily: confirmed; agreed at 2026-11-02 04:00, added by an operator",
        "  daily at 07:00; all categories; next due 2026-11-02 07:00",
        "  1 article waits: «Two»",
        "edition 1 of daily, planned 2026-11-02 04:00: 1 article: «One»",
        f"  a server took it, 2 attempts, 2026-11-02 05:00, relay smtp://127.0.0.1:{server.port}: "
        "250 2.0.0 Ok: queued",
        "of mails that ended more than 90 days ago only totals are kept",
        "bounce of edition 1, 2026-11-02 05:00: soft 4.2.2 mailbox of <recipient> and <recipient> "
        "is full",
    ]
    everything = said + json.dumps(room.site.json("explain", "ada@reader.example"))
    assert "bo@" not in everything
    assert "cy@" not in everything


def test_an_answer_that_put_a_mail_off_is_told_with_its_next_attempt(
    room: Newsroom, server: SmtpServer
) -> None:
    room.digest_for("ada")
    server.always("RCPT", "451 4.2.1 mailbox of <bo@reader.example> busy")
    room.deliver()
    said = room.site.call("explain", "ada@reader.example", "1")
    assert said.splitlines()[-1] == (
        "  put off by the server or by us, to be tried again, next 2026-11-02 10:01, 1 attempt, "
        f"2026-11-02 10:00, relay smtp://127.0.0.1:{server.port}: "
        "451 4.2.1 mailbox of <recipient> busy"
    )
    assert "times are those of Europe/Berlin" in said
    room.site.call("newsletters", "pause", "daily")
    assert "the edition is held" in room.site.call("explain", "ada@reader.example")


def test_each_reason_is_found_in_the_books(room: Newsroom) -> None:
    for name in ("ada", "left", "paused", "capped", "suppressed"):
        wish(room, name)
    wish(room, "sporty", categories=("sport",))
    wish(room, "far", zone="Asia/Tokyo")
    wish(room, "alerted", "alerts")
    wish(room, "double")
    wish(room, "double", "alerts")
    change(room, "paused", paused_until=room.now + timedelta(days=3))
    change_reader(room, "suppressed", state="suppressed")
    change_reader(room, "capped", max_per_day=1)
    wish(room, "capped", "alerts")
    with room.app.db.write() as conn:
        who = subscribers.find(conn, "left@reader.example")
        assert who
        [gone] = subscriptions.of_reader(conn, who.id)
        subscriptions.unsubscribe(conn, gone.id, by="operator", now=room.now)
    room.publish("One")
    room.wait(minutes=1)
    room.plan("alerts")
    room.wait(minutes=1)
    room.plan()
    room.wait(minutes=1)
    wish(room, "late")
    wish(room, "late-other", "alerts")

    number = 2  # of the daily in Berlin; 1 was the alerts', 3 is that of Tokyo
    assert room.site.json("explain", "ada@reader.example", "2")["mail"]["titles"] == ["One"]
    assert {
        name: why(room, name, number)["reason"]
        for name in (
            "left",
            "paused",
            "capped",
            "suppressed",
            "sporty",
            "far",
            "alerted",
            "double",
            "late",
            "late-other",
        )
    } == {
        "left": "had left",
        "paused": "paused",
        "capped": "over the daily cap",
        "suppressed": "suppressed",
        "sporty": "not chosen",
        "far": "another slot",
        "alerted": "never subscribed",
        "double": "given before",
        "late": "subscribed after",
        "late-other": "never subscribed",
    }
    assert why(room, "double", number)["editions"] == [1]
    assert why(room, "capped", number)["editions"] == [1]
    said = room.site.call("explain", "paused@reader.example", "2")
    assert "they are paused until 2026-11-05 10:00" in said

    # The paused one finds it in a later mail, and is told so.
    change(room, "paused", paused_until=None)
    room.wait(days=1)
    room.plan()
    change(room, "paused", paused_until=room.now + timedelta(days=3))
    assert why(room, "paused", number)["later"] == [4]


def test_of_an_edition_of_which_only_totals_are_kept_no_more_is_told_than_is_known(
    room: Newsroom,
) -> None:
    wish(room, "ada")
    wish(room, "bo", "alerts")
    room.publish("One")
    room.plan()
    room.deliver()
    room.wait(days=91)
    wish(room, "late")
    assert room.app.clear_editions() == 1
    assert why(room, "ada", 1)["reason"] == "totals only"
    assert "cannot be told any more" in why(room, "ada", 1)["told"]
    assert why(room, "bo", 1)["reason"] == "never subscribed"
    assert why(room, "late", 1)["reason"] == "subscribed after"
    assert "no mails" in room.site.call("explain", "ada@reader.example")


def test_finished_editions_become_totals_after_deliver(room: Newsroom) -> None:
    wish(room, "ada")
    wish(room, "bo")
    room.publish("One")
    room.plan()
    room.deliver()
    room.wait(days=89)
    room.deliver()
    assert len(room.rows()) == 2
    room.wait(days=2)
    room.deliver()
    assert room.rows() == []
    assert room.site.json("status")["deliveries"] == {"sent": 2}
    [daily, _] = room.site.json("newsletters", "list")
    [book] = daily["editions"]
    assert (book["edition"], book["enqueued"], book["mails"]) == (1, 2, {"sent": 2})
    listed = room.site.call("newsletters", "list")
    assert "  edition 1 of daily/daily@07:00[Europe/Berlin], 2026-11-02 09:00 UTC, " in listed
    assert listed.splitlines()[2].endswith(", finished: 2 sent")


def test_asked_to_stop_it_leaves_the_rest_to_the_next_time(room: Newsroom) -> None:
    wish(room, "ada")
    room.publish("One")
    room.plan()
    room.deliver()
    room.wait(days=91)
    room.app.clear_editions(lambda: True)
    assert len(room.rows()) == 1
    room.app.clear_editions()
    assert room.rows() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody@reader.example"], "there is no subscriber nobody@reader.example"),
        (["ada@reader.example", "7"], "there is no edition 7"),
        (["ada"], "'ada' is not a mail address"),
    ],
)
def test_what_is_unknown_is_one_sentence(
    room: Newsroom, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    wish(room, "ada")
    config = str(room.site.folder / "config" / "publisher.toml")
    capsys.readouterr()
    assert main(["--config", config, "explain", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1


def test_a_dry_run_says_who_would_get_what_and_why_others_get_nothing(room: Newsroom) -> None:
    for number in range(8):
        wish(room, f"reader{number}")
    wish(room, "paused")
    change(room, "paused", paused_until=room.now + timedelta(days=9999))
    room.publish("One")
    room.publish("Two")
    before = dump(room)
    assert room.site.call("newsletters", "send", "daily", "--now", "--dry-run").splitlines() == [
        "daily/daily@07:00[Europe/Berlin]: 8 mails",
        "  8 readers get 2 articles",
        "    «Two»",
        "    «One»",
        "    to "
        + ", ".join(f"reader{number}@reader.example" for number in range(5))
        + " and 3 more",
        "  left out: 1 paused",
        "8 mails would be planned; nothing was written",
    ]
    told = room.site.json("newsletters", "send", "daily", "--now", "--dry-run")
    [its] = told["editions"]
    [group] = its["groups"]
    assert (its["readers"], group["readers"], its["left_out"]) == (8, 8, {"paused": 1})
    assert [each["title"] for each in group["articles"]] == ["Two", "One"]
    assert group["addresses"] == [f"reader{number}@reader.example" for number in range(8)]
    assert dump(room) == before

    sent = room.site.json("newsletters", "send", "daily", "--now")
    assert sent == {"planned": 8}
    assert sorted(row["address"] for row in room.rows()) == group["addresses"]
    again = room.site.json("newsletters", "send", "daily", "--now", "--dry-run")["editions"]
    assert [each["left_out"] for each in again] == [{"nothing new": 8, "paused": 1}]


def dump(room: Newsroom) -> bytes:
    """The database's file, to the byte, without what is still in its log."""
    with room.app.db.engine.connect() as conn:
        conn.exec_driver_sql("COMMIT")
        conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (room.site.folder / "var" / "publisher.db").read_bytes()


def test_a_dry_run_of_what_is_not_due_says_so(room: Newsroom) -> None:
    wish(room, "ada", zone="Asia/Tokyo")
    room.publish("One")
    with room.app.db.write() as conn:  # the command goes by the machine's clock
        conn.execute(update(slot).values(next_due_at=room.now + timedelta(days=99999)))
    assert room.site.call("newsletters", "send", "daily", "--dry-run").splitlines() == [
        "0 mails would be planned; nothing was written",
        "not due yet: 1 reader (--now looks at them too)",
    ]
    assert room.site.json("newsletters", "send", "daily", "--dry-run") == {
        "newsletter": "daily",
        "editions": [],
    }
