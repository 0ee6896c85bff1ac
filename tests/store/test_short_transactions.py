"""No writer waits long for an intake: its transactions stay small, however much comes in."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from publisher.core.matching import KnownText
from publisher.core.model import Site
from publisher.errors import TransientError
from publisher.sources.archive_page import ArchivePageSource
from publisher.sources.books import Books
from publisher.sources.folder import FolderSource
from publisher.sources.intake import Intake
from publisher.sources.keeping import Tally
from publisher.sources.port import Source
from publisher.sources.wordpress.source import WordPressSource
from publisher.store import articles, memberships, publication, quarantine, shelf, texts
from publisher.store.engine import Database
from publisher.store.tables import article

SITE = Site(title="Example News", url="https://news.example")
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
MANY = 230
MOST_QUESTIONS = 50
"""Statements in a transaction; each takes a fraction of a millisecond beside its rows."""
MOST_ROWS = 1_500
"""Rows written in a transaction, those of keys and memberships too."""


@dataclass
class Watched:
    """A database that counts the work done while the write lock is held."""

    db: Database
    questions: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    is_writing: bool = False
    fails_at: int = 0

    def read(self) -> AbstractContextManager[Connection]:
        return self.db.read()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        if len(self.questions) + 1 == self.fails_at:
            raise TransientError("database: the disk is full")
        self.questions.append(0)
        self.rows.append(0)
        with self.db.write() as conn:
            event.listen(conn, "after_cursor_execute", self._count)
            self.is_writing = True
            try:
                yield conn
            finally:
                self.is_writing = False
                event.remove(conn, "after_cursor_execute", self._count)

    def _count(self, _conn: Any, cursor: Any, said: str, values: Any, _: Any, many: bool) -> None:
        self.questions[-1] += 1
        if not said.startswith("SELECT"):
            self.rows[-1] += max(cursor.rowcount, len(values) if many else 1)

    def check(self) -> None:
        """That every transaction so far was short; then count anew."""
        assert self.questions
        assert max(self.questions) <= MOST_QUESTIONS
        assert max(self.rows) <= MOST_ROWS
        self.questions, self.rows = [], []


@pytest.fixture
def watched(db: Database) -> Watched:
    return Watched(db)


def take(db: Watched, source: Source, now: datetime = NOW, text_book: Any = texts) -> Tally:
    books = Books(
        articles=articles, memberships=memberships, texts=text_book, quarantine=quarantine
    )
    return Intake(db=db, books=books, site=SITE).take(source, now)


def page(folder: Path, count: int, ending: str = "") -> ArchivePageSource:
    """A page whose articles all have the same title."""
    parts = [
        f"Today in the harbour\n\nShip {n} came in at dawn with a cargo of {n} bells{ending}, and "
        f"left at noon for port number {n}.\n\nNobody saw ship {n} again before spring {n}."
        for n in range(count)
    ]
    path = folder / "page.txt"
    path.write_text("Category Archive : HARBOUR\n\n" + "\n\n".join(parts) + "\n")
    return ArchivePageSource(path, folder)


def standing(db: Database) -> list[str]:
    """The bodies of what is public, the newest first."""
    with db.write() as conn:
        while publication.publish_due(conn, now=NOW + timedelta(days=1)):
            pass
    with db.read() as conn:
        return [each.body_html for each in shelf.newest(conn, None, 1000)]


def count(db: Database) -> int:
    with db.read() as conn:
        return int(conn.execute(select(func.count()).select_from(article)).scalar_one())


def test_a_long_page_new_again_and_mended(watched: Watched, tmp_path: Path) -> None:
    assert take(watched, page(tmp_path, MANY)).new == MANY
    watched.check()
    assert take(watched, page(tmp_path, MANY)).same == MANY
    watched.check()
    assert take(watched, page(tmp_path, MANY, " and more")).revised == MANY
    watched.check()


def test_nothing_is_recognised_while_others_wait(watched: Watched, tmp_path: Path) -> None:
    class Watching(_Texts):
        def sharing(self, conn: Connection, wanted: Collection[int]) -> list[KnownText]:
            assert not watched.is_writing
            return texts.sharing(conn, wanted)

    for ending in ("", " and more"):
        tally = take(watched, page(tmp_path, 3, ending), text_book=Watching())
        assert tally.new + tally.revised == 3


def test_a_page_that_another_process_takes_in_meanwhile(watched: Watched, tmp_path: Path) -> None:
    class Late(_Texts):
        """Finds out what is known, and then the other process is done with the same page."""

        times = 0

        def sharing(self, conn: Connection, wanted: Collection[int]) -> list[KnownText]:
            self.times += 1
            found = texts.sharing(conn, wanted)
            if self.times == 1:
                assert take(watched, page(tmp_path, MANY)).new == MANY
            return found

    late = Late()
    tally = take(watched, page(tmp_path, MANY), text_book=late)
    assert (tally.new, tally.same) == (0, MANY)
    assert late.times == 2
    assert count(watched.db) == MANY


@pytest.mark.parametrize("at", [1, 2, 5])
def test_a_page_broken_off_is_taken_up_again(watched: Watched, tmp_path: Path, at: int) -> None:
    source = page(tmp_path, MANY)
    watched.fails_at = at
    with pytest.raises(TransientError):
        take(watched, source)
    early = standing(watched.db)
    watched.fails_at = 0
    tally = take(watched, source, NOW + timedelta(minutes=1))
    assert tally.new + tally.same == MANY == count(watched.db)
    shown = standing(watched.db)
    # What was made public in between stays below the rest, and all is in the page's order.
    assert shown[len(shown) - len(early) :] == early
    assert [f"Ship {n} came in" in body for n, body in enumerate(shown)] == [True] * MANY


def test_a_folder_that_lost_most_of_its_files(watched: Watched, tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    for n in range(MANY):
        (folder / f"{n}.md").write_text(f"---\ntitle: Article {n}\n---\n\nText {n}.\n")
        (folder / f"{n}.html").write_text("---\ntitle: [\n---\n")
    source = FolderSource(folder, tmp_path, "UTC", "https://news.example/")
    assert take(watched, source).new == MANY
    watched.check()
    for n in range(1, MANY):
        (folder / f"{n}.md").unlink()
        (folder / f"{n}.html").unlink()
    tally = take(watched, source)
    assert (tally.new, tally.withdrawn) == (0, MANY - 1)
    assert len(watched.rows) > MANY / 50
    watched.check()
    with watched.read() as conn:
        assert quarantine.count(conn) == 1
    assert take(watched, source).withdrawn == 0
    assert watched.questions == []  # nothing to do is found out without the lock


def test_a_folder_whose_files_changed_names_all_at_once(watched: Watched, tmp_path: Path) -> None:
    folder = tmp_path / "articles"
    folder.mkdir()
    for n in range(MANY):
        (folder / f"{n}.md").write_text(f"---\ntitle: Article {n}\n---\n\nText {n}.\n")
    source = FolderSource(folder, tmp_path, "UTC", "https://news.example/")
    take(watched, source)
    for n in reversed(range(MANY)):
        (folder / f"{n}.md").rename(folder / f"{n + 1}.md")
    tally = take(watched, source)
    assert (tally.new, tally.withdrawn, tally.same) == (0, 0, MANY)
    watched.check()


def test_an_export_new_and_mended(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    path.write_text(export())
    assert take(watched, WordPressSource(path, tmp_path, "UTC")).new == MANY
    watched.check()
    path.write_text(export().replace("A post about", "A mended post about"))
    assert take(watched, WordPressSource(path, tmp_path, "UTC")).revised == MANY
    watched.check()


def test_a_post_that_stands_in_an_export_twice(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "export.xml"
    first, rest = export(count=3).split("</item>", 1)
    again = first[first.index("<item>") :].replace("A post about", "Mended:") + "</item>"
    path.write_text(f"{first}</item>{again}{rest}")
    tally = take(watched, WordPressSource(path, tmp_path, "UTC"))
    assert (tally.new, tally.revised) == (3, 1)
    assert [body.startswith("<p>Mended: 0") for body in standing(watched.db)].count(True) == 1


def export(count: int = MANY) -> str:
    posts = "".join(
        f"<item><title>Post {n % 7}</title><wp:post_type>post</wp:post_type>"
        f"<wp:post_id>{n + 1}</wp:post_id><wp:status>publish</wp:status>"
        f"<wp:post_date_gmt>2026-11-01 00:00:00</wp:post_date_gmt>"
        f'<category domain="category" nicename="part-{n % 9}">Part {n % 9}</category>'
        f"<content:encoded>A post about {n}.</content:encoded></item>\n"
        for n in range(count)
    )
    return (
        '<?xml version="1.0"?>\n<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>\n'
        "<wp:base_blog_url>https://gazette.example</wp:base_blog_url>\n"
        f"{posts}</channel></rss>\n"
    )


class _Texts:
    """The store's, with something of its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(texts, name)
