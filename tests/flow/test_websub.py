"""Hubs are told what is new: a real hub on loopback, and the daemon as it runs."""

import json
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from structlog.testing import capture_logs

from publisher.errors import TransientError
from publisher.feeds import websub
from publisher.store import pings
from tests import postgres
from tests.flow.hub import Act, Hub, Told, answer, babble, drip, flood, hang, hang_up
from tests.flow.newsroom import Newsroom, newsroom
from tests.flow.site import Site, until
from tests.flow.test_postgres import Machine, _all_show, database, machine

FORMATS = ("rss.xml", "atom.xml", "feed.json")


def feeds(*categories: str) -> set[str]:
    return {f"{each}/{name}" for each in categories for name in FORMATS}


def hubs(*listed: Hub) -> str:
    """The configuration's table."""
    return f"[feeds]\nhubs = {json.dumps([each.url for each in listed])}\n"


def due_now(site: Site) -> None:
    """Let the time of all that waits have come."""
    with closing(sqlite3.connect(site.folder / "var" / "publisher.db", timeout=10)) as conn:
        moment = datetime.now(UTC) - timedelta(seconds=1)
        conn.execute(
            "UPDATE ping SET next_attempt_at = ? WHERE next_attempt_at IS NOT NULL",
            [moment.strftime("%Y-%m-%d %H:%M:%S.%f")],
        )
        conn.commit()


def settled(site: Site) -> bool:
    return bool(site.json("status")["hubs"] == [])


def holds(site: Site, hub: Hub) -> bool:
    """Whether what the hub took last of each feed is what stands there now."""
    last = {told.path: told.body for told in hub.told}
    folder = site.folder / "feeds"
    return last == {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for name in FORMATS
        for path in folder.glob(f"*/{name}")
    }


# what the daemon does by itself


def test_each_hub_is_told_once_of_each_feed_and_finds_the_new_bytes(tmp_path: Path) -> None:
    expected: list[str] = []

    def looks(told: Told) -> None:
        assert told.status == 200
        if expected and told.path.split("/")[0] in ("all", "harbour"):
            title = expected[-1]
            assert (escape(title) if told.path.endswith("xml") else title) in told.body.decode()

    with Hub(looks=looks).running() as one, Hub(looks=looks).running() as two:
        site = Site(tmp_path, more=hubs(one, two))
        site.write("sport.md", "A long match", categories="Sport")
        with site.daemon():
            for hub in (one, two):
                until(lambda h=hub: set(h.counts()) == feeds("all", "sport"), "the first feeds")
                until(lambda: settled(site), "the rows")
                hub.told.clear()
            expected.append("Ferry & pier reopen")
            site.write("ferry.md", expected[-1], categories="Harbour")
            for hub in (one, two):
                until(lambda h=hub: set(h.counts()) == feeds("all", "harbour"), "its feeds")
            until(lambda: settled(site), "the rows")

            expected.append("The ferry is late")
            site.write("late.md", expected[-1], categories="Harbour")
            both = dict.fromkeys(feeds("all", "harbour"), 2)
            for hub in (one, two):
                until(lambda h=hub: sum(h.counts().values()) >= 12, "its feeds again")
                assert hub.counts() == both
                assert set(hub.versions().values()) == {1}
        topic = f"http://127.0.0.1:{site.port}/feeds/harbour/rss.xml"
        asked = {"hub.mode": ["publish"], "hub.topic": [topic], "hub.url": [topic]}
        assert asked in one.forms
        assert "Traceback" not in site.log()


def test_what_is_built_again_and_is_the_same_is_told_to_nobody(tmp_path: Path) -> None:
    with Hub().running() as hub:
        site = Site(tmp_path, more=hubs(hub))
        site.write("one.md", "One", categories="Harbour")
        with site.daemon():
            until(lambda: feeds("harbour") <= set(hub.counts()), "the first feeds")
            until(lambda: settled(site), "the rows")
        hub.told.clear()
        (tmp_path / "feeds" / ".built.json").unlink()
        assert site.json("publish")["built"]["written"] == 0
        assert settled(site)
        with site.daemon():
            site.write("two.md", "Two", categories="Sport")
            until(lambda: feeds("sport") <= set(hub.counts()), "the sport's feeds")
            until(lambda: settled(site), "the rows")
        assert hub.counts() == dict.fromkeys(feeds("all", "sport"), 1)


def test_a_hub_that_is_away_hears_of_it_when_it_is_back(tmp_path: Path) -> None:
    hub = Hub()
    site = Site(tmp_path, more=hubs(hub))
    site.write("one.md", "One")
    with site.daemon():
        until(lambda: "hub cannot be told" in site.log(), "it to be noticed")
        until(lambda: "One" in site.feed(), "the feeds, which do not wait for it")
        soon = (datetime.now(UTC) + timedelta(seconds=20)).isoformat()
        until(lambda: site.json("status")["hubs"][0]["next_attempt_at"] > soon, "it to be left")
        [waiting] = site.json("status")["hubs"]
        assert (waiting["hub"], waiting["waiting"], waiting["given_up"]) == (hub.url, 6, 0)
        assert f"127.0.0.1:{hub.port} cannot be asked" in waiting["reply"]
        said = site.call("status")
        assert f"hub            {hub.url}: 6 feeds to be told of, next at 20" in said
        assert site.get("/readyz")[0] == 200
        with hub.running():
            due_now(site)
            until(lambda: settled(site), "the hub to be told")
            assert hub.counts() == dict.fromkeys(feeds("all", "news"), 1)
            until(lambda: "hub takes pings again" in site.log(), "that to be said")
    assert site.log().count("hub cannot be told") == 1
    assert "Traceback" not in site.log()


def test_one_that_hangs_holds_up_neither_another_nor_the_end(tmp_path: Path) -> None:
    with Hub().running() as dead, Hub().running() as alive:
        dead.always = hang
        site = Site(tmp_path, more=hubs(dead, alive))
        site.write("one.md", "One")
        with site.daemon() as process:
            until(lambda: dead.underway, "the dead one to be asked")
            until(lambda: set(alive.counts()) == feeds("all", "news"), "the other")
            site.write("two.md", "Two")
            until(lambda: sum(alive.counts().values()) == 12, "it again")
            assert dead.underway == 1
            begun = time.monotonic()
            process.terminate()
            assert process.wait(15) == 0
            assert time.monotonic() - begun < 5
        assert "publisher has stopped" in site.log()
        assert "Traceback" not in site.log()


def test_a_killed_daemon_tells_what_it_was_about_to(tmp_path: Path) -> None:
    with Hub().running() as hub:
        site = Site(tmp_path, more=hubs(hub))
        with site.daemon():
            until(lambda: set(hub.counts()) == feeds("all"), "the empty feeds")
            until(lambda: settled(site), "the rows")
        hub.always = hang
        site.write("one.md", "One")
        with site.daemon() as process:
            until(lambda: hub.underway, "the hub to be asked")
            process.kill()
            process.wait()
        hub.always = None
        due_now(site)  # the lease of what was under way ends
        with site.daemon():
            until(lambda: settled(site), "the rows")
        assert hub.counts() == dict.fromkeys(feeds("all"), 2) | dict.fromkeys(feeds("news"), 1)
        assert set(hub.versions().values()) == {1}


def test_kills_at_any_moment_lose_nothing(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    with Hub().running() as hub:
        site = Site(tmp_path, more=hubs(hub))
        for number in range(4):
            category = ("Harbour", "Sport")[number % 2]
            site.write(f"{number}.md", f"Story {number}", categories=category)
            with site.daemon() as process:
                time.sleep(dice.uniform(0, 0.6))  # the dice say when, and no test waits for it
                process.send_signal(signal.SIGKILL)
                process.wait()
        due_now(site)  # the lease of what was under way ends
        with site.daemon():
            until(lambda: "Story 3" in site.feed(), "the feeds")
            until(lambda: set(hub.counts()) == feeds("all", "harbour", "sport"), "all to be told")
            until(lambda: settled(site) and holds(site, hub), "the hub to hold what stands there")


# what hubs may do


def opened(folder: Path, *listed: Hub, port: int | None = None) -> AbstractContextManager[Newsroom]:
    return newsroom(folder, None, more=hubs(*listed) if listed else "", port=port)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """One that takes our word for it: nobody serves the feeds."""
    with Hub(fetches=False).running() as running:
        yield running


@pytest.fixture
def room(tmp_path: Path, hub: Hub) -> Iterator[Newsroom]:
    with opened(tmp_path, hub) as room:
        room.publish("One")
        room.app.build_feeds()
        yield room


def unannounced(room: Newsroom) -> list[pings.Unannounced]:
    with room.app.db.read() as conn:
        return list(pings.unannounced(conn))


@pytest.mark.parametrize(
    ("act", "reply"),
    [
        (answer(500), "500"),
        (answer(500, "Out of\nink", Content_Type="text/plain; charset=utf-8"), "500 Out of ink"),
        (answer(500, "<p>Out of ink", Content_Type="text/html"), "500"),
        (answer(500, "x" * 5000, Content_Type="text/plain"), f"500 {'x' * 196}"),
        (answer(307, Location="https://x.example/"), "307 to https://x.example/: name that in"),
        (babble, "cannot be asked"),
        (hang_up, "cannot be asked"),
        (hang, "takes longer than 0.5 s"),
        (drip, "takes longer than 0.5 s"),
        (flood, "sends more than 1,048,576 bytes"),
    ],
)
def test_what_may_pass_is_tried_again_and_taken_once(
    room: Newsroom, hub: Hub, monkeypatch: pytest.MonkeyPatch, act: Act, reply: str
) -> None:
    monkeypatch.setattr(websub, "_SECONDS", 0.5 if act in (hang, drip) else 20)
    hub.next.append(act)
    told = room.app.pinger.ping(hub.url)
    assert told in (0, 5), "one that gives no answer is left in peace, else the other feeds follow"
    [waiting] = unannounced(room)
    assert (waiting.waiting, waiting.given_up) == (6 - told, 0)
    assert reply in waiting.reply
    assert room.app.pinger.ping(hub.url) == 0
    room.wait(minutes=1)
    assert room.app.pinger.ping(hub.url) == 6 - told
    assert hub.counts() == dict.fromkeys(feeds("all", "news"), 1)
    assert unannounced(room) == []


@pytest.mark.parametrize(
    ("act", "reply"),
    [
        (answer(410), "410"),
        (answer(404, "Topic not found", Content_Type="text/plain"), "404 Topic not found"),
        (answer(301, Location="https://x.example/"), "301 to https://x.example/: name that in"),
    ],
)
def test_what_a_hub_refuses_is_said_and_left_until_the_feed_changes(
    room: Newsroom, hub: Hub, act: Act, reply: str
) -> None:
    hub.next.append(act)
    with capture_logs() as lines:
        assert room.app.pinger.ping(hub.url) == 5
    [said] = [each for each in lines if each["log_level"] == "warning"]
    assert (said["hub"], said["feed"]) == (hub.url, hub.forms[0]["hub.topic"][0])
    assert reply in said["reason"]
    room.wait(days=3)
    assert room.app.pinger.ping(hub.url) == 0
    assert "1 given up until they change: " + reply in room.site.call("status")
    room.publish("Two")
    room.app.build_feeds()
    assert room.app.pinger.ping(hub.url) == 6
    assert unannounced(room) == []


def test_a_hub_says_for_how_long_it_wants_to_be_left_in_peace(room: Newsroom, hub: Hub) -> None:
    hub.next.append(answer(429, Retry_After="600"))
    assert room.app.pinger.ping(hub.url) == 0
    assert len(hub.forms) == 1
    room.wait(minutes=9)
    assert room.app.pinger.ping(hub.url) == 0
    assert len(hub.forms) == 1
    room.wait(minutes=1)
    assert room.app.pinger.ping(hub.url) == 6


def test_a_hub_that_is_gone_is_given_up_with_a_word(tmp_path: Path) -> None:
    hub = Hub()
    with opened(tmp_path, hub) as room, capture_logs() as lines:
        room.app.build_feeds()
        begun = room.now
        while unannounced(room)[0].waiting:
            assert room.now < begun + timedelta(days=4)
            room.app.pinger.ping(hub.url)
            room.wait(minutes=1)
        assert room.now > begun + timedelta(days=1, hours=20)
    given_up = [each["feed"] for each in lines if "given up" in each["event"]]
    base = f"http://127.0.0.1:{room.site.port}/feeds/"
    assert sorted(given_up) == sorted(base + each for each in feeds("all"))
    assert len([each for each in lines if "cannot be told" in each["event"]]) == 1


# what is not lost, and what goes


def test_a_build_that_ended_before_it_wrote_down_what_is_new_loses_nothing(
    room: Newsroom, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert room.app.pinger.ping(hub.url) == 6

    def fail(*_: object) -> None:
        raise TransientError("the lights went out")

    room.publish("Two")
    with monkeypatch.context() as broken:
        broken.setattr(pings, "note", fail)
        with pytest.raises(TransientError):
            room.app.build_feeds()
    assert room.app.pinger.ping(hub.url) == 0
    assert room.app.build_feeds().written == 0
    assert room.app.pinger.ping(hub.url) == 6


def test_rows_go_with_their_hub_and_a_new_one_hears_of_all(
    tmp_path: Path, room: Newsroom, hub: Hub
) -> None:
    assert room.app.pinger.ping(hub.url) == 6
    room.publish("Two")
    room.app.build_feeds()
    assert unannounced(room)[0].waiting == 6
    port = room.site.port
    with Hub(fetches=False).running() as new, opened(tmp_path, new, port=port) as other:
        assert unannounced(other) == []
        other.app.build_feeds()
        assert other.app.pinger.ping(hub.url) == 0
        assert other.app.pinger.ping(new.url) == 6
        new.always = answer(500)
        other.publish("Three")
        other.app.build_feeds()
        assert other.app.pinger.ping(new.url) == 0
    with opened(tmp_path, port=port) as without:
        without.app.build_feeds()
        assert unannounced(without) == []
    assert len(hub.told) == 6


def test_a_category_that_is_given_up_is_told_no_more(
    tmp_path: Path, room: Newsroom, hub: Hub
) -> None:
    hub.always = answer(500)
    assert room.app.pinger.ping(hub.url) == 0
    retired = '[[categories]]\nslug = "news"\ntitle = "News"\nretired = true\n'
    with newsroom(tmp_path, None, more=hubs(hub) + retired, port=room.site.port) as later:
        [waiting] = unannounced(later)
        assert waiting.waiting == 3
        later.app.build_feeds()
        hub.always = None
        later.wait(hours=1)
        later.app.pinger.ping(hub.url)
    assert set(hub.counts()) == feeds("all")


def test_check_says_whether_a_hub_answers(tmp_path: Path, hub: Hub) -> None:
    gone = Hub()
    said = Site(tmp_path, more=hubs(hub, gone)).run("check", status=1)
    assert f"ok    hub {hub.url}: answers\n" in said
    assert f"publisher: hub {gone.url}: 127.0.0.1:{gone.port} cannot be asked: " in said
    assert hub.forms == []


# several machines


def test_of_two_machines_one_tells_when_both_have_the_new_bytes(tmp_path: Path) -> None:
    machines: list[Machine] = []

    def looks(told: Told) -> None:
        found = {each.get(f"/feeds/{told.path}") for each in machines}
        assert len(found) <= 1, "they serve the same"
        bodies.extend((told.path, body) for _, body in found)

    bodies: list[tuple[str, bytes]] = []
    with (
        Hub(fetches=False, looks=looks).running() as hub,
        postgres.server().fresh(migrated=False) as url,
        newsroom(tmp_path / "room", None, more=database(url) + hubs(hub)) as room,
        ExitStack() as running,
    ):
        for name in ("one", "two"):
            new = machine(tmp_path / name, room, url, None)
            new.more += hubs(hub)
            new.configure()
            running.enter_context(new.daemon())
            machines.append(new)
        for title in ("One", "Two"):
            room.site.write(f"{title}.md", title, categories="Harbour")
            until(partial(_all_show, machines, title), "both feeds")
        until(lambda: hub.told and unannounced(room) == [], "the hub to be told")
        assert set(hub.counts()) == feeds("all", "harbour")
        last = dict(bodies)
        assert all("Two" in body.decode() for body in last.values())
        assert len(set(bodies)) == len(bodies), "once for each version"
        errors = [line for each in machines for line in each.log_lines("error")]
        assert errors == []
