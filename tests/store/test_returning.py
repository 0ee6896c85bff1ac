"""Articles that are withdrawn and come back, while mails go out: nobody is given one twice, none
misses it, and who got a former version is told once what was wrong in it."""

import quopri
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest

from publisher.core.intake import Offered, Version
from publisher.store import articles
from tests.store.test_ledger import Desk
from tests.store.world import World

TEMPLATE = """{{ reader.unsubscribe_url }}
{% for item in [lead]|select|list + sections|map(attribute="stories")|sum(start=()) |list %}
({{ item.title }})
{% endfor %}
{% for item in corrections %}[{{ item.note }}]
{% endfor %}
"""


@dataclass(frozen=True)
class Case:
    steps: str
    """What happens, in order: see `Room`. Ada and Bo read from the start, `1` is public."""
    mails: dict[str, list[str]]
    """What each reader's mails hold, an article by its title, a correction in brackets."""


@dataclass
class Room:
    desk: Desk
    mails: dict[str, list[str]]

    def step(self, step: str) -> None:
        verb, *words = step.split()
        getattr(self, verb)(*words)

    def comes(self, name: str) -> None:
        self.desk.world.subscribe(name)

    def out(self, *titles: str) -> None:
        for title in titles:
            self.desk.world.publish(title)

    def plan(self, newsletter: str = "daily") -> None:
        """At once, for all that has not been planned yet."""
        self.desk.world.planner.plan_now(newsletter, self.desk.world.wait(hours=1).now)

    def send(self, most: str = "100") -> None:
        """The mails that are due, or so many of them."""
        left = int(most)
        while jobs := self.desk.claim(left) if left else []:
            for job in jobs:
                text = quopri.decodestring(self.desk.rendering(job).body.split(b"text/html")[0])
                found = re.findall(r"\((.*)\)|(\[.*\])", text.decode())
                self.mails[job.name].append(" ".join(sorted("".join(each) for each in found)))
            self.desk.answer(jobs)
            left -= len(jobs)
        self.desk.finish()

    def defer(self) -> None:
        """They are tried, and the server wants them later."""
        self.desk.defer(self.desk.claim())

    def look(self) -> None:
        """A worker has their renderings made, and does not get to sending them."""
        for variant_id in self.desk.look(0).to_render:
            self.desk.renderer.make(variant_id, self.desk.world.now)

    def away(self, note: str = "") -> None:
        self.desk.world.wait(minutes=1)
        one = self.desk.world.ids["1"]
        with self.desk.world.db.write() as conn:
            articles.withdraw(
                conn, [one], by="source", now=self.desk.world.now, corrections={one: note}
            )

    def back(self, note: str = "") -> None:
        self.unseen(note)
        self.desk.world.make_public()

    def unseen(self, note: str = "") -> None:
        """It is back, and not public yet."""
        self.desk.world.wait(minutes=1)
        one = self.desk.world.ids["1"]
        with self.desk.world.db.write() as conn:
            articles.revive(conn, one, too_old=False)
            offered = Offered(
                title="1", summary="", body_html="", correction=note, content_hash=note
            )
            known = articles.find_by_id(conn, [one])[one]
            assert known.public
            version = Version(
                offered=offered,
                published_at=known.published_at,
                updated_at=self.desk.world.now,
                too_old=False,
            )
            articles.revise(conn, {one: version}, self.desk.world.now)

    def edited(self, note: str) -> None:
        self.desk.world.wait(minutes=1)
        self.away(note)
        self.unseen(note)


CASES = {
    "away before the mail was tried": Case("out 2; plan; away; send", {"ada": ["2"], "bo": ["2"]}),
    "away and back before the mail was tried": Case(
        "out 2; plan; away; back; send; out 3; plan; send",
        {"ada": ["1 2", "3"], "bo": ["1 2", "3"]},
    ),
    "a worker had looked at it while it was away": Case(
        "out 2; plan; away; look; back; send; out 3; plan; send",
        {"ada": ["1 2", "3"], "bo": ["1 2", "3"]},
    ),
    "nothing else was in the mail": Case(
        "plan; send 1; away; send; back; plan; send; out 2; plan; send",
        {"ada": ["1", "2"], "bo": ["1", "2"]},
    ),
    "away after some had got it": Case(
        "out 2; plan; send 1; away; send; back; out 3; plan; send; out 4; plan; send",
        {"ada": ["1 2", "3", "4"], "bo": ["2", "1 3", "4"]},
    ),
    "away after all had got it": Case(
        "out 2; plan; send; away; out 3; plan; send; back; out 4; plan; send",
        {"ada": ["1 2", "3", "4"], "bo": ["1 2", "3", "4"]},
    ),
    "away while it would have been planned": Case(
        "away; out 2; plan; send; back; plan; send; out 3; plan; send",
        {"ada": ["2", "1", "3"], "bo": ["2", "1", "3"]},
    ),
    "away while it would have been planned, and nothing else was there": Case(
        "out 2; away; plan; back; plan; send; out 3; plan; send",
        {"ada": ["2", "1", "3"], "bo": ["2", "1", "3"]},
    ),
    "away only between two plannings": Case(
        "away; back; plan; send; out 2; plan; send", {"ada": ["1", "2"], "bo": ["1", "2"]}
    ),
    "tried while it was away, and sent when it was back": Case(
        "out 2; plan; away; defer; back; out 3; plan; send; out 4; plan; send",
        {"ada": ["2", "1 3", "4"], "bo": ["2", "1 3", "4"]},
    ),
    "tried before it was away": Case(
        "out 2; plan; defer; away; back; out 3; plan; send; out 4; plan; send",
        {"ada": ["1 2", "3", "4"], "bo": ["1 2", "3", "4"]},
    ),
    "away again before it was public again": Case(
        "away; out 2; plan; send; unseen; away; out 3; plan; send; back; out 4; plan; send",
        {"ada": ["2", "3", "1 4"], "bo": ["2", "3", "1 4"]},
    ),
    "back three times": Case(
        "out 2; plan; send 1; away; send; back; away; out 3; plan; send; back; away; back;"
        "out 4; plan; send; away; back; out 5; plan; send",
        {"ada": ["1 2", "3", "4", "5"], "bo": ["2", "3", "1 4", "5"]},
    ),
    "readers who came meanwhile get what is public anew": Case(
        "out 2; plan; send 1; away; send; comes cy; back; plan; send; comes dee; plan; send",
        {"ada": ["1 2"], "bo": ["2", "1"], "cy": ["1"]},
    ),
    "with a note": Case(
        "out 2; plan; send 1; away wrong; send; out 3; plan; send; back wrong; out 4; plan; send;"
        "out 5; plan; send",
        {"ada": ["1 2", "3 [wrong]", "4", "5"], "bo": ["2", "3", "1 4", "5"]},
    ),
    "with a note, told when it is back": Case(
        "out 2; plan; send 1; away wrong; send; back wrong; out 3; plan; send; out 4; plan; send",
        {"ada": ["1 2", "3 [wrong]", "4"], "bo": ["2", "1 3", "4"]},
    ),
    "away without a note, back with one": Case(
        "out 2; plan; send 1; away; send; back wrong; out 3; plan; send; out 4; plan; send",
        {"ada": ["1 2", "3 [wrong]", "4"], "bo": ["2", "1 3", "4"]},
    ),
    "a note taken back before it was told": Case(
        "out 2; plan; send; away wrong; back; out 3; plan; send", {"ada": ["1 2", "3"]}
    ),
    "away again, with another note": Case(
        "out 2; plan; send 1; away wrong; send; out 3; plan; send; back wrong; out 4; plan; send;"
        "away worse; comes cy; out 5; plan; send; out 6; plan; send",
        {
            "ada": ["1 2", "3 [wrong]", "4", "5 [worse]", "6"],
            "bo": ["2", "3", "1 4", "5 [worse]", "6"],
            "cy": ["5", "6"],
        },
    ),
    "away again with another note before anybody was told": Case(
        "out 2; plan; send; away wrong; back wrong; away worse; out 3; plan; send; out 4; plan;"
        "send",
        {"ada": ["1 2", "3 [worse]", "4"], "bo": ["1 2", "3 [worse]", "4"]},
    ),
    "a note that comes after a mail without it": Case(
        "out 2; plan; away; send; away wrong; out 3; plan; send; back wrong; plan; send",
        {"ada": ["2", "3", "1"], "bo": ["2", "3", "1"]},
    ),
    "edited with a note when some had got it": Case(
        "out 2; plan; send 1; edited wrong; send; out 3; plan; send; out 4; plan; send",
        {"ada": ["1 2", "3 [wrong]", "4"], "bo": ["1 2", "3", "4"]},
    ),
}


@pytest.fixture
def room(world: World, tmp_path: Path) -> Room:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "digest.txt").write_text(TEMPLATE)
    return Room(Desk(world, tmp_path / "templates"), defaultdict(list))


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_what_is_away_for_a_while(room: Room, case: Case) -> None:
    for name in ("ada", "bo"):
        room.comes(name)
    room.out("1")
    for step in case.steps.split(";"):
        room.step(step)
    room.desk.check_books()
    assert {name: room.mails[name] for name in case.mails} == case.mails
    assert set(room.mails) <= {"ada", "bo", *case.mails}
