"""What an article's life comes to in the store: new, mended, moved, gone, back, never taken."""

import itertools
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from publisher.core import archive_page
from publisher.core.model import Site
from publisher.core.text import clean_line
from publisher.errors import TransientError, UnreadableError
from publisher.sources.archive_page import ArchivePageSource
from publisher.sources.books import Books
from publisher.sources.folder import FolderSource
from publisher.sources.intake import Intake
from publisher.sources.keeping import Tally
from publisher.sources.port import Source
from publisher.store import articles, memberships, publication, quarantine, shelf, texts
from publisher.store.engine import Database
from publisher.store.tables import article, category
from tests.programs import real

PAGES = Path(__file__).parents[1] / "data" / "archive_page"
SITE = Site(title="Example News", url="https://news.example", default_category="news")
BOOKS = Books(articles=articles, memberships=memberships, texts=texts, quarantine=quarantine)
START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)

_ticks = itertools.count(1)


@dataclass
class Desk:
    """Where articles come in: a folder of files, the store behind it, and a clock."""

    db: Database
    base: Path
    now: datetime = START
    intake: Intake = field(init=False)
    source: FolderSource = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.intake = Intake(db=self.db, books=BOOKS, site=SITE)
        self.restart()

    @property
    def folder(self) -> Path:
        return self.base / "articles"

    def restart(self) -> None:
        """As after a new start of the program: the source remembers nothing."""
        self.source = self.folder_source(self.folder)

    def folder_source(self, folder: Path) -> FolderSource:
        return FolderSource(folder, self.base, "UTC", "https://news.example/")

    def write(self, name: str, title: str, text: str = "Some text.", **keys: object) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        front = "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())
        path.write_text(f"---\ntitle: {json.dumps(title)}\n{front}---\n\n{text}\n")
        touch(path)
        return path

    def scan(self, source: Source | None = None, **time_passing: float) -> Tally:
        self.now += timedelta(**(time_passing or {"minutes": 1}))
        return self.intake.take(source or self.source, self.now)

    def publish(self) -> int:
        with self.db.write() as conn:
            placed = publication.publish_due(conn, now=self.now)
        return placed.live + placed.old

    def out(self) -> Tally:
        """Scan and make public."""
        tally = self.scan()
        self.publish()
        return tally

    def page(self, text: str, name: str = "page.txt") -> Tally:
        """Take an archive page in, once it reads so."""
        path = self.base / name
        path.write_bytes(text.encode())
        return self.scan(ArchivePageSource(path, self.base))

    def all(self) -> list[Mapping[str, Any]]:
        with self.db.read() as conn:
            found = conn.execute(select(article).order_by(article.c.received_at, article.c.id))
            return [dict(row) for row in found.mappings()]

    def row(self, title: str) -> Mapping[str, Any]:
        [found] = [each for each in self.all() if each["title"] == title]
        return found

    def titles(self) -> list[str]:
        return sorted(each["title"] for each in self.all())

    def standing(self, slug: str | None = None) -> list[str]:
        """Titles of what is public in a category, the newest first."""
        with self.db.read() as conn:
            return [each.title for each in shelf.newest(conn, slug, 100)]

    def changes(self) -> dict[str, int]:
        with self.db.read() as conn:
            return dict(conn.execute(select(category.c.slug, category.c.change)).all())

    def reasons(self) -> dict[str, str]:
        with self.db.read() as conn:
            return {
                f"{each.document}#{each.item}" if each.item else each.document: each.reason
                for each in quarantine.listing(conn)
            }


def touch(path: Path) -> None:
    """Whatever the clock's grain, this is another state of the file."""
    moment = START.timestamp() + next(_ticks)
    os.utime(path, (moment, moment))


def counts(tally: Tally) -> dict[str, int]:
    """What is not zero."""
    names = ("new", "revised", "same", "quarantined", "skipped", "withdrawn", "moved")
    return {name: getattr(tally, name) for name in names if getattr(tally, name)}


@pytest.fixture
def desk(db: Database, tmp_path: Path) -> Desk:
    return Desk(db, tmp_path)


# a folder of files


def test_counts_of_a_folder(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.write("b.md", "B")
    desk.write("notyet.md", "Not yet", draft=True)
    (desk.folder / "broken.md").write_text("---\ntitle: [\n---\n")
    assert counts(desk.scan()) == {"new": 2, "skipped": 1, "quarantined": 1}
    assert counts(desk.scan()) == {}
    desk.restart()
    assert counts(desk.scan()) == {"same": 2, "skipped": 1, "quarantined": 1}
    desk.write("a.md", "A", "Some other text.")
    assert counts(desk.scan()) == {"revised": 1}
    assert desk.titles() == ["A", "B"]


def test_taking_in_makes_nothing_public(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.scan()
    assert desk.standing() == []
    assert desk.row("A")["seq"] is None
    assert desk.publish() == 1
    assert desk.standing() == ["A"]


def test_a_revision_keeps_identity_and_place(desk: Desk) -> None:
    desk.write("a.md", "A", categories=["Sport"])
    desk.write("b.md", "B", categories=["World"])
    desk.out()
    before, stamps = desk.row("A"), desk.changes()
    desk.write("a.md", "A, mended", "Mended text.", categories=["Sport"])
    assert counts(desk.scan(hours=3)) == {"revised": 1}
    after = desk.row("A, mended")
    for kept in ("id", "slug", "published_at", "received_at", "seq", "source_key"):
        assert after[kept] == before[kept], kept
    assert after["revision"] == before["revision"] + 1
    assert after["updated_at"] == desk.now > before["updated_at"]
    assert after["change"] > before["change"]
    assert desk.changes() == {"sport": after["change"], "world": stamps["world"]}


def test_the_date_of_a_revision_is_the_one_its_source_gives(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.out()
    given = desk.now + timedelta(minutes=30)
    desk.write("a.md", "A", "Mended.", updated=given.isoformat())
    desk.scan(hours=1)
    assert desk.row("A")["updated_at"] == given
    desk.write("a.md", "A", "Mended again, its date forgotten.", updated=given.isoformat())
    desk.scan(hours=1)
    assert desk.row("A")["updated_at"] == desk.now


def test_no_article_was_updated_in_the_future(desk: Desk) -> None:
    desk.write("a.md", "A", date="2026-11-02T08:00:00Z", updated="2031-01-01T00:00:00Z")
    desk.scan()
    assert desk.row("A")["updated_at"] == desk.now


def test_a_draft_before_publication_is_skipped(desk: Desk) -> None:
    desk.write("a.md", "A", draft=True)
    assert counts(desk.out()) == {"skipped": 1}
    desk.write("a.md", "A")
    assert counts(desk.out()) == {"new": 1}
    assert desk.standing() == ["A"]


def test_a_draft_after_publication_withdraws(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.write("b.md", "B")
    desk.out()
    before = desk.row("A")
    desk.write("a.md", "A", draft=True)
    assert counts(desk.out()) == {"withdrawn": 1}
    assert desk.standing() == ["B"]
    assert desk.changes()["news"] == desk.row("A")["change"] > before["change"]
    desk.write("a.md", "A", "Reworked.", draft=True)
    assert counts(desk.out()) == {"skipped": 1}
    desk.write("a.md", "A", "Reworked.")
    assert counts(desk.out()) == {"revised": 1}
    assert desk.row("A")["seq"] == before["seq"]
    assert "Reworked" in desk.row("A")["body_html"]


def test_a_deleted_file_withdraws_and_its_return_revives_at_the_old_place(desk: Desk) -> None:
    first = desk.write("a.md", "A")
    desk.out()
    desk.write("b.md", "B")
    desk.out()
    before, content = desk.row("A"), first.read_bytes()
    first.unlink()
    assert counts(desk.out()) == {"withdrawn": 1}
    assert desk.standing() == ["B"]
    assert counts(desk.out()) == {}
    first.write_bytes(content)
    assert counts(desk.out()) == {"revised": 1}
    after = desk.row("A")
    assert desk.standing() == ["B", "A"]
    assert (after["id"], after["seq"]) == (before["id"], before["seq"])
    assert after["updated_at"] == before["updated_at"]
    assert after["change"] > before["change"]


def test_a_renamed_file_is_the_same_article(desk: Desk) -> None:
    path = desk.write("a.md", "A")
    desk.write("b.md", "B")
    desk.out()
    before = desk.row("A")
    path.rename(desk.folder / "elsewhere.md")
    assert counts(desk.out()) == {"same": 1, "moved": 1}
    assert desk.row("A") == {**before, "source_key": "articles/elsewhere.md"}
    desk.write("elsewhere.md", "A", "Mended.")
    assert counts(desk.out()) == {"revised": 1}
    # Later the old name is taken by another article.
    desk.write("a.md", "C")
    assert counts(desk.out()) == {"new": 1}
    assert sorted(desk.standing()) == ["A", "B", "C"]


def test_a_renamed_folder_holds_the_same_articles(desk: Desk) -> None:
    for number in range(5):
        desk.write(f"2025/{number}.md", f"Number {number}")
    desk.out()
    before = {each["title"]: each["id"] for each in desk.all()}
    (desk.folder / "2025").rename(desk.folder / "archive")
    assert counts(desk.out()) == {"same": 5, "moved": 5}
    assert {each["title"]: each["id"] for each in desk.all()} == before


@pytest.mark.parametrize("new_name", ["0.md", "z.md"])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_renamed_file_whose_old_name_another_article_takes(
    desk: Desk, new_name: str, restarted: bool
) -> None:
    path = desk.write("a.md", "A")
    desk.out()
    before = desk.row("A")
    path.rename(desk.folder / new_name)
    desk.write("a.md", "Another")
    if restarted:
        desk.restart()
    assert counts(desk.out()) == {"new": 1, "same": 1, "moved": 1}
    assert desk.row("A") == {**before, "source_key": f"articles/{new_name}"}
    assert desk.row("Another")["source_key"] == "articles/a.md"


def test_numbered_files_moved_along_by_a_new_first_one(desk: Desk) -> None:
    for number in (1, 2, 3):
        desk.write(f"{number}.md", f"Story {number}")
    desk.out()
    before = {each["title"]: each for each in desk.all()}
    for number in (3, 2, 1):
        (desk.folder / f"{number}.md").rename(desk.folder / f"{number + 1}.md")
    desk.write("1.md", "The new first")
    assert counts(desk.out()) == {"new": 1, "same": 3, "moved": 3}
    for number in (1, 2, 3):
        title, key = f"Story {number}", f"articles/{number + 1}.md"
        assert desk.row(title) == {**before[title], "source_key": key}


def test_two_files_that_changed_names(desk: Desk) -> None:
    one, two = desk.write("1.md", "One"), desk.write("2.md", "Two")
    desk.out()
    before = {each["title"]: each for each in desk.all()}
    two.rename(desk.folder / "aside")
    one.rename(two)
    (desk.folder / "aside").rename(one)
    assert counts(desk.out()) == {"same": 2, "moved": 2}
    assert desk.row("One") == {**before["One"], "source_key": "articles/2.md"}
    assert desk.row("Two") == {**before["Two"], "source_key": "articles/1.md"}


def test_a_file_rewritten_with_words_that_stood_elsewhere_is_a_revision(desk: Desk) -> None:
    desk.write("a.md", "A")
    gone = desk.write("b.md", "B")
    desk.out()
    before = desk.row("A")
    gone.unlink()
    desk.out()
    desk.write("a.md", "B")
    assert counts(desk.out()) == {"revised": 1}
    assert [each["withdrawn_at"] for each in desk.all() if each["id"] == before["id"]] == [None]


def test_a_copy_is_another_article(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.out()
    desk.write("copy.md", "A")
    assert counts(desk.out()) == {"new": 1}
    assert desk.standing() == ["A", "A"]


def test_an_emptied_folder_withdraws_nothing_and_says_so(desk: Desk) -> None:
    paths = [desk.write(f"{number}.md", f"Number {number}") for number in range(3)]
    desk.out()
    for path in paths:
        path.rename(desk.base / path.name)
    with pytest.raises(UnreadableError, match="is empty but held 3 articles"):
        desk.scan()
    assert len(desk.standing()) == 3
    for path in paths:  # the disk is back
        (desk.base / path.name).rename(path)
    assert counts(desk.scan()) == {"same": 3}


def test_a_missing_folder_withdraws_nothing_and_says_so(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.out()
    desk.folder.rename(desk.base / "unmounted")
    with pytest.raises(UnreadableError, match="articles"):
        desk.scan()
    assert desk.standing() == ["A"]


def test_the_only_article_of_a_folder_can_be_deleted(desk: Desk) -> None:
    desk.write("a.md", "A").unlink(missing_ok=True)
    path = desk.write("a.md", "A")
    desk.out()
    path.unlink()
    assert counts(desk.out()) == {"withdrawn": 1}


@pytest.mark.parametrize("other", ["Articles", "articles-old", "articles%", "article_"])
def test_a_folder_speaks_for_its_own_files_only(desk: Desk, other: str) -> None:
    folder = desk.base / other
    if folder.exists():
        pytest.skip("needs a file system that tells a from A")
    folder.mkdir()
    desk.write(f"../{other}/theirs.md", "Theirs")
    path = desk.write("ours.md", "Ours")
    desk.write("more.md", "More")
    theirs = desk.folder_source(folder)
    desk.scan(theirs)
    desk.out()
    path.unlink()
    assert counts(desk.scan()) == {"withdrawn": 1}
    assert desk.row("Theirs")["withdrawn_at"] is None
    assert counts(desk.scan(theirs)) == {}


def test_the_base_folder_does_not_speak_for_what_lies_elsewhere(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "theirs.md").write_text("# Theirs\n\nSome text.\n")
    desk.write("ours.md", "Ours")
    desk.scan(desk.folder_source(elsewhere))
    (elsewhere / "broken.md").write_text("---\n")
    desk.scan(desk.folder_source(elsewhere))
    assert counts(desk.scan(desk.folder_source(desk.base))) == {"new": 1}
    assert desk.row("Theirs")["withdrawn_at"] is None
    assert len(desk.reasons()) == 1


# categories


def test_categories_move_without_a_revision(desk: Desk) -> None:
    desk.write("a.md", "A", categories=["Sport"])
    desk.write("b.md", "B", categories=["World"])
    desk.write("c.md", "C", categories=["Arts"])
    desk.out()
    before, stamps = desk.row("A"), desk.changes()
    desk.write("a.md", "A", categories=["Sport", "World"])
    assert counts(desk.scan(hours=1)) == {"same": 1, "moved": 1}
    after = desk.row("A")
    for kept in ("revision", "updated_at", "published_at", "seq", "content_hash"):
        assert after[kept] == before[kept], kept
    # Where it has come in later, it stands above what was there.
    assert (desk.standing("sport"), desk.standing("world")) == (["A"], ["A", "B"])
    assert desk.changes() == {
        "sport": after["change"],
        "world": after["change"],
        "arts": stamps["arts"],
    }
    desk.write("a.md", "A", categories=["World"])
    assert counts(desk.scan()) == {"same": 1, "moved": 1}
    assert (desk.standing("sport"), desk.standing("world")) == ([], ["A", "B"])
    assert desk.changes()["sport"] == desk.row("A")["change"] > after["change"]
    desk.write("a.md", "A", categories=["World", "Sport"])
    desk.scan()
    assert desk.standing("sport") == ["A"]


def test_categories_stand_in_the_order_named(desk: Desk) -> None:
    def order() -> tuple[str, ...]:
        with desk.db.read() as conn:
            return shelf.newest(conn, None, 1)[0].categories

    desk.write("a.md", "A", categories=["Sport", "World"])
    desk.out()
    for names in (["World", "Sport"], ["Arts", "World", "Sport"], ["Sport", "Arts"], ["Arts"]):
        desk.write("a.md", "A", categories=names)
        before = desk.row("A")["change"]
        assert counts(desk.scan()) == {"same": 1, "moved": 1}
        assert order() == tuple(name.lower() for name in names)
        assert desk.row("A")["change"] > before
    desk.restart()
    assert counts(desk.scan()) == {"same": 1}


def test_a_revision_that_also_moves(desk: Desk) -> None:
    desk.write("a.md", "A", categories=["Sport"])
    desk.out()
    desk.write("a.md", "A", "Other text.", categories=["World"])
    assert counts(desk.scan()) == {"revised": 1}
    assert (desk.standing("sport"), desk.standing("world")) == ([], ["A"])


def test_names_equal_but_for_case_and_width_are_one_category(desk: Desk) -> None:
    for number, name in enumerate(["Straße", "STRASSE", "ｓｔｒａｓｓｅ", "  strasse "]):
        desk.write(f"{number}.md", f"Number {number}", categories=[name])
    desk.write("both.md", "Both", categories=["Straße", "STRASSE"])
    desk.out()
    assert list(desk.changes()) == ["strasse"]
    assert len(desk.standing("strasse")) == 5
    with desk.db.read() as conn:
        assert [each.title for each in shelf.categories(conn)] == ["Straße"]


def test_who_names_no_category_stands_in_the_default_one(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.write("b.md", "B", categories=["World"])
    desk.out()
    assert desk.standing("news") == ["A"]


# dates


def test_an_embargoed_article_waits_for_its_hour(desk: Desk) -> None:
    due = desk.now + timedelta(days=1)
    desk.write("a.md", "A", date=due.isoformat())
    desk.write("b.md", "B", date=desk.now.isoformat())
    desk.out()
    assert desk.standing() == ["B"]
    with desk.db.read() as conn:
        assert publication.next_due_at(conn) == due
    # Mended meanwhile; nobody sees anything.
    stamps = desk.changes()
    desk.write("a.md", "A", "Mended.", date=due.isoformat())
    assert counts(desk.out()) == {"revised": 1}
    assert (desk.standing(), desk.changes()) == (["B"], stamps)
    desk.now = due
    assert desk.publish() == 1
    after = desk.row("A")
    assert desk.standing() == ["A", "B"]
    assert (after["published_at"], after["updated_at"]) == (due, due)
    assert "Mended" in after["body_html"]


def test_an_embargo_is_prolonged_shortened_and_lifted_by_its_date_alone(desk: Desk) -> None:
    def dated(**days: float) -> str:
        return (START + timedelta(**days)).isoformat()

    desk.write("a.md", "A", date=dated(days=1))
    desk.out()
    desk.write("a.md", "A", date=dated(days=7))
    assert counts(desk.scan(days=2)) == {"revised": 1}
    assert desk.publish() == 0
    desk.write("a.md", "A", date=dated(days=4))
    desk.scan(days=1)
    assert desk.publish() == 0
    desk.write("b.md", "B", date=dated(days=30))
    desk.scan(days=1, minutes=1)
    assert desk.publish() == 1
    desk.write("b.md", "B")
    desk.scan()
    assert desk.publish() == 1
    assert desk.row("B")["published_at"] == desk.now
    assert desk.standing() == ["B", "A"]


def test_once_public_the_date_does_not_move(desk: Desk) -> None:
    desk.write("a.md", "A", date="2026-11-01T08:00:00Z")
    desk.out()
    before = desk.row("A")
    desk.write("a.md", "A", date="2026-11-05T08:00:00Z")
    assert counts(desk.out()) == {"same": 1}
    desk.write("a.md", "A", "Mended.", date="2026-11-05T08:00:00Z")
    assert counts(desk.out()) == {"revised": 1}
    assert desk.row("A")["published_at"] == before["published_at"]


def test_an_undated_article_is_dated_at_arrival_for_good(desk: Desk) -> None:
    desk.write("a.md", "A")
    desk.scan()
    arrival = desk.now
    desk.write("a.md", "A", "Mended before it came out.")
    desk.scan(hours=2)
    assert desk.row("A")["published_at"] == arrival
    desk.restart()
    desk.scan(days=3)
    desk.publish()
    assert desk.row("A")["published_at"] == arrival


def test_what_is_too_old_on_arrival_stands_below_and_is_never_mailed(desk: Desk) -> None:
    desk.write("today.md", "Today")
    desk.out()
    for days in (13, 15, 400):
        date = desk.now - timedelta(days=days)
        desk.write(f"{days}.md", f"{days} days", date=date.isoformat())
    desk.out()
    desk.publish()
    assert desk.standing() == ["13 days", "Today", "15 days", "400 days"]
    seqs = {each["title"]: each["seq"] for each in desk.all()}
    assert seqs["13 days"] > seqs["Today"] > 0 > seqs["15 days"] > seqs["400 days"]


# what cannot be taken


BROKEN = {
    "front.md": ("---\ntitle: [open\n---\nText\n", "front matter"),
    "date.md": ("---\ntitle: T\ndate: the other day\n---\nText\n", "date"),
    "empty.md": ("---\ntitle: ''\n---\n\n", "neither a title nor text"),
    "unclosed.md": ("---\ntitle: T\n", "front matter"),
}


def test_what_cannot_be_taken_stands_with_its_reason_and_stops_nothing_else(desk: Desk) -> None:
    for name, (text, _) in BROKEN.items():
        (desk.folder / name).write_text(text)
    (desk.folder / "binary.md").write_bytes(b"\x89PNG\0\0\xff")
    for name in ("a.md", "e.md", "z.md"):
        desk.write(name, name)
    tally = desk.scan()
    assert counts(tally) == {"new": 3, "quarantined": 5}
    assert desk.titles() == ["a.md", "e.md", "z.md"]
    reasons = desk.reasons()
    assert reasons.keys() == {f"articles/{name}" for name in (*BROKEN, "binary.md")}
    for name, (_, said) in BROKEN.items():
        assert said in reasons[f"articles/{name}"]
    assert sorted(tally.reasons) == sorted(f"{key}: {said}" for key, said in reasons.items())


def test_quarantine_ends_once_mended_or_gone(desk: Desk) -> None:
    one, two = desk.folder / "one.md", desk.folder / "two.md"
    one.write_text("---\n")
    two.write_text("---\n")
    assert counts(desk.scan()) == {"quarantined": 2}
    assert counts(desk.scan()) == {}
    desk.restart()
    assert counts(desk.scan()) == {"quarantined": 2}
    with desk.db.read() as conn:
        [first_seen] = {each.first_seen for each in quarantine.listing(conn)}
        [last_seen] = {each.last_seen for each in quarantine.listing(conn)}
    assert first_seen < last_seen == desk.now
    desk.write("one.md", "One")
    assert counts(desk.scan()) == {"new": 1}
    assert list(desk.reasons()) == ["articles/two.md"]
    two.unlink()
    assert counts(desk.scan()) == {}
    assert desk.reasons() == {}


def test_a_public_article_whose_new_version_is_broken_stays_as_it_was(desk: Desk) -> None:
    path = desk.write("a.md", "A")
    desk.out()
    before = desk.row("A")
    path.write_text("---\ntitle: [open\n---\n")
    assert counts(desk.out()) == {"quarantined": 1}
    assert (desk.row("A"), desk.standing()) == (before, ["A"])
    desk.write("a.md", "A", "Better.")
    assert counts(desk.out()) == {"revised": 1}
    assert desk.reasons() == {}


def test_an_operators_withdrawal_is_not_undone_by_reading_again(desk: Desk) -> None:
    path = desk.write("a.md", "A")
    desk.write("b.md", "B")
    desk.out()
    with desk.db.write() as conn:
        articles.withdraw(conn, [desk.row("A")["id"]], by="operator", now=desk.now)
    desk.restart()
    assert counts(desk.out()) == {"skipped": 1, "same": 1}
    desk.write("a.md", "A", "Other text, please.")
    assert counts(desk.out()) == {"skipped": 1}
    desk.write("a.md", "A", "Other text, please.", draft=True)
    desk.out()
    desk.write("a.md", "A")
    desk.out()
    path.rename(desk.folder / "c.md")
    desk.out()
    (desk.folder / "c.md").unlink()
    desk.out()
    desk.write("a.md", "A")
    desk.out()
    assert desk.standing() == ["B"]
    assert desk.row("A")["withdrawn_by"] == "operator"


@dataclass
class Failing:
    """A database that fails in the transaction of a number, as on a full disk."""

    db: Database
    at: int
    count: int = 0

    def read(self) -> AbstractContextManager[Connection]:
        return self.db.read()

    def write(self) -> AbstractContextManager[Connection]:
        self.count += 1
        if self.count == self.at:
            raise TransientError("database: the disk is full")
        return self.db.write()


@pytest.mark.parametrize("at", range(1, 7))
def test_a_document_whose_transaction_fails_is_taken_at_the_next_scan(desk: Desk, at: int) -> None:
    path = desk.write("b.md", "B")
    desk.write("d.md", "D")
    desk.out()
    before = desk.row("B")
    # A rename, a name taken over, a revision and two new ones: five documents.
    path.rename(desk.folder / "renamed.md")
    desk.write("b.md", "Another")
    desk.write("d.md", "D", "Mended.")
    desk.write("a.md", "A")
    desk.write("e.md", "E")
    failing = Failing(desk.db, at)
    with pytest.raises(TransientError):
        Intake(db=failing, books=BOOKS, site=SITE).take(desk.source, desk.now)
    desk.out()
    assert desk.titles() == ["A", "Another", "B", "D", "E"]
    assert desk.row("B") == {**before, "source_key": "articles/renamed.md"}
    assert "Mended" in desk.row("D")["body_html"]
    assert len(desk.standing()) == 5
    assert counts(desk.scan()) == {}


# pages of text


def titles_of(text: str) -> list[str]:
    """In page order, as they are kept."""
    return [clean_line(each.title) for each in archive_page.parse(text).articles]


def chunks(text: str) -> tuple[str, list[str]]:
    """A page's heading, and the text of each article with what stands between them."""
    text = text.replace("\r\n", "\n")
    heading, rest = text.split("\n", 1)
    lines = rest.split("\n")
    titles = titles_of(text)
    starts: list[int] = []
    for number, line in enumerate(lines):
        if len(starts) < len(titles) and clean_line(line) == titles[len(starts)]:
            starts.append(number)
    assert len(starts) == len(titles)
    ends = [*starts[1:], len(lines)]
    parts = ["\n".join(lines[a:b]).strip("\n") for a, b in zip(starts, ends, strict=True)]
    return heading, parts


def joined(heading: str, parts: list[str]) -> str:
    return "\n\n".join([heading, *parts]) + "\n"


@pytest.fixture(params=[*sorted(path.stem for path in PAGES.glob("*.txt")), "real"])
def text(request: pytest.FixtureRequest) -> Iterator[str]:
    name = str(request.param)
    path = real("real/category-archive-russia.txt") if name == "real" else PAGES / f"{name}.txt"
    return path.read_bytes().decode("utf-8-sig")


EXTRA = """\
A lighthouse keeper has counted every ship that passed in forty years

She wrote each of them into a green ledger, with the hour and the weather of the day.

“I missed two,” she said. “Both times I was at a wedding, and both times it was my own.”"""


def test_a_page_twice_brings_nothing_new(desk: Desk, text: str) -> None:
    titles = titles_of(text)
    assert counts(desk.page(text)) == {"new": len(titles)}
    assert desk.publish() == len(titles)
    assert desk.standing() == titles
    assert counts(desk.page(text)) == {"same": len(titles)}
    assert counts(desk.page(text, "another-name.txt")) == {"same": len(titles)}
    assert counts(desk.page(text.replace("\n", "\r\n"))) == {"same": len(titles)}
    assert counts(desk.page("\ufeff" + text)) == {"same": len(titles)}
    assert desk.publish() == 0


def test_a_pages_articles_are_a_second_apart_in_its_order(desk: Desk, text: str) -> None:
    desk.page(text)
    dates = [desk.row(title)["published_at"] for title in titles_of(text)]
    assert dates == [desk.now - timedelta(seconds=nth) for nth in range(len(dates))]


def test_a_page_with_carriage_returns_holds_the_same(desk: Desk, text: str) -> None:
    _, parts = chunks(text)
    assert counts(desk.page(text.replace("\n", "\r\n"))) == {"new": len(parts)}
    assert counts(desk.page(text)) == {"same": len(parts)}
    assert not any("\r" in each["body_html"] + each["title"] for each in desk.all())


def test_one_more_on_top_is_one_new(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    desk.page(text)
    desk.publish()
    assert counts(desk.page(joined(heading, [EXTRA, *parts]))) == {"new": 1, "same": len(parts)}
    desk.publish()
    assert desk.standing()[0] == EXTRA.split("\n")[0]
    assert len(desk.standing()) == len(parts) + 1


def test_a_mended_word_is_one_revision(desk: Desk, text: str) -> None:
    """In each article's title, and in each of its paragraphs that is one line of the page."""
    desk.page(text)
    desk.publish()
    before = {each["id"]: each["seq"] for each in desk.all()}
    page = archive_page.parse(text)
    mended = 0
    for each in page.articles:
        for line in (each.title, *each.paragraphs):
            if text.count(line) != 1:
                continue
            mended += 1
            text = text.replace(line, with_a_word_mended(line))
            tally = counts(desk.page(text))
            assert tally == {"revised": 1, "same": len(page.articles) - 1}, line
    assert mended > 2 * len(page.articles)
    assert {each["id"]: each["seq"] for each in desk.all()} == before


def with_a_word_mended(line: str) -> str:
    if " " in line:
        before, _, after = line.partition(" ")
        return " ".join([before, "Zwzwz", *after.split(" ")[1:]])
    half = len(line) // 2  # a script without spaces
    return f"{line[:half]}々{line[half + 1 :]}"


def test_a_mended_comma_is_shown(desk: Desk, text: str) -> None:
    desk.page(text)
    title = archive_page.parse(text).articles[1].title
    assert counts(desk.page(text.replace(title, title.replace(" ", " – ", 1) + " –")))["revised"]


def test_cut_short_it_brings_nothing_new_and_changes_nothing(desk: Desk, text: str) -> None:
    desk.page(text)
    desk.publish()
    before = desk.all()
    for cut in range(0, len(text), max(len(text) // 60, 1)):
        tally = desk.page(text[:cut])
        assert (tally.new, tally.revised, tally.moved) == (0, 0, 0), text[:cut][-200:]
    assert desk.all() == before
    assert counts(desk.page(text)) == {"same": len(titles_of(text))}
    assert desk.reasons() == {}


def test_a_page_first_seen_while_it_was_being_written(desk: Desk, text: str) -> None:
    """Saved in three steps: no article stands there twice in the end."""
    for share in (0.35, 0.7, 1):
        desk.page(text[: int(len(text) * share)])
        desk.publish()
    titles = titles_of(text)
    assert sorted(desk.standing()) == sorted(titles)
    assert desk.reasons() == {}


def test_in_another_order_it_brings_nothing_new(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    desk.page(joined(heading, parts))
    before = desk.all()
    assert counts(desk.page(joined(heading, parts[::-1]))) == {"same": len(parts)}
    assert counts(desk.page(joined(heading, parts[2:] + parts[:2]))) == {"same": len(parts)}
    assert desk.all() == before


def test_on_another_categorys_page_it_stands_in_both(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    desk.page(joined(heading, parts))
    desk.publish()
    [home] = desk.changes()
    before = {each["id"]: each["revision"] for each in desk.all()}
    other = joined("Category Archive : Elsewhere", [EXTRA, parts[1], parts[0]])
    assert counts(desk.page(other, "other.txt")) == {"new": 1, "same": 2, "moved": 2}
    desk.publish()
    titles = titles_of(text)
    assert set(desk.standing("elsewhere")) == {EXTRA.split("\n")[0], *titles[:2]}
    assert desk.standing(home) == titles
    assert {each["id"]: each["revision"] for each in desk.all() if each["id"] in before} == before
    # A page speaks for its own category alone: the first one takes nothing away.
    assert counts(desk.page(joined(heading, parts))) == {"same": len(parts)}
    assert len(desk.standing("elsewhere")) == 3


def test_a_fragment_is_quarantined_and_never_published(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    desk.page(text)
    desk.publish()
    longest = max(archive_page.parse(text).articles, key=lambda each: len(each.paragraphs))
    body = "\n\n".join(longest.paragraphs[1:])
    fragment = f"A headline that nobody has ever seen before in this paper\n\n{body}"
    tally = desk.page(joined(heading, [fragment, *parts]))
    assert counts(tally) == {"quarantined": 1, "same": len(parts)}
    assert longest.title in "".join(desk.reasons().values())
    assert desk.publish() == 0
    assert counts(desk.page(text)) == {"same": len(parts)}
    assert desk.reasons() == {}


def test_an_article_twice_on_its_page_is_taken_once(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    tally = desk.page(joined(heading, [*parts, parts[0]]))
    assert counts(tally) == {"new": len(parts), "skipped": 1}
    tally = desk.page(joined(heading, [parts[1], *parts]))
    assert counts(tally) == {"same": len(parts), "skipped": 1}


def test_an_operators_withdrawal_holds_against_the_page(desk: Desk, text: str) -> None:
    _, parts = chunks(text)
    desk.page(text)
    desk.publish()
    title = titles_of(text)[0]
    with desk.db.write() as conn:
        articles.withdraw(conn, [desk.row(title)["id"]], by="operator", now=desk.now)
    tally = desk.page(joined("Category Archive : Elsewhere", parts))
    assert counts(tally) == {"same": len(parts) - 1, "moved": len(parts) - 1, "skipped": 1}
    assert title not in desk.standing() + desk.standing("elsewhere")


def test_an_article_that_left_its_page_was_not_withdrawn(desk: Desk, text: str) -> None:
    heading, parts = chunks(text)
    desk.page(text)
    desk.publish()
    assert counts(desk.page(joined(heading, parts[:1]))) == {"same": 1}
    assert len(desk.standing()) == len(parts)


def test_a_page_without_heading_is_quarantined_until_it_has_one(desk: Desk, text: str) -> None:
    _, parts = chunks(text)
    headless = "\n\n".join(parts)
    assert counts(desk.page(headless)) == {"quarantined": 1}
    assert "expected a heading" in desk.reasons()["page.txt"]
    path = desk.base / "page.txt"
    assert counts(desk.scan(ArchivePageSource(path, desk.base, "Harbour"))) == {"new": len(parts)}
    assert desk.reasons() == {}
    assert list(desk.changes()) == ["harbour"]


def test_page_after_page_every_article_is_there_once(desk: Desk) -> None:
    """All pages of all languages, one upon the other, twice."""
    pages = {path.stem: path.read_bytes().decode("utf-8-sig") for path in PAGES.glob("*.txt")}
    for name, text in pages.items():
        assert desk.page(text, f"{name}.txt").new == len(titles_of(text))
    for name, text in pages.items():
        assert counts(desk.page(text, f"{name}.txt")).keys() == {"same"}
