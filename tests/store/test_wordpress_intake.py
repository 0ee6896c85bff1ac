"""A blog's export taken in: its counts, its categories, and what a second export changes."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from publisher.core.model import CategoryName, Site
from publisher.sources.books import Books
from publisher.sources.intake import Intake
from publisher.sources.keeping import Tally
from publisher.sources.wordpress.source import WordPressSource
from publisher.store import (
    articles,
    categories,
    memberships,
    publication,
    quarantine,
    shelf,
    texts,
)
from publisher.store.engine import Database
from publisher.store.tables import article, category
from tests.programs import real

GAZETTE = Path(__file__).parents[1] / "data" / "wordpress" / "gazette.xml"
SITE = Site(title="Example News", url="https://news.example", default_category="news")
BOOKS = Books(articles=articles, memberships=memberships, texts=texts, quarantine=quarantine)
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


@dataclass
class Blog:
    db: Database
    folder: Path
    now: datetime = NOW

    def take(self, data: bytes, name: str = "export.xml") -> Tally:
        """A file of this name taken in by a program that was just started."""
        (self.folder / name).write_bytes(data)
        return self.take_file(self.folder / name)

    def take_file(self, path: Path) -> Tally:
        intake = Intake(db=self.db, books=BOOKS, site=SITE)
        return intake.take(WordPressSource(path, path.parent, "Europe/Berlin"), self.now)

    def publish(self) -> publication.Placed:
        with self.db.write() as conn:
            return publication.publish_due(conn, now=self.now)

    def shown(self, slug: str | None = None) -> list[str]:
        with self.db.read() as conn:
            return [each.title for each in shelf.newest(conn, slug, 100)]

    def categories(self) -> dict[str, tuple[str, str | None]]:
        """Title and parent by slug, of those that ever were named."""
        with self.db.read() as conn:
            return {row.slug: (row.title, row.parent) for row in conn.execute(select(category))}

    def slug_for(self, name: str | CategoryName) -> str:
        with self.db.write() as conn:
            return categories.slug_for(conn, name)


@pytest.fixture
def blog(db: Database, tmp_path: Path) -> Blog:
    return Blog(db, tmp_path)


def counts(tally: Tally) -> dict[str, int]:
    return {
        name: count
        for name in ("new", "revised", "same", "skipped", "withdrawn", "moved", "quarantined")
        if (count := getattr(tally, name))
    }


def test_the_second_time_nothing_is_new(blog: Blog) -> None:
    data = GAZETTE.read_bytes()
    assert counts(blog.take(data)) == {"new": 4, "skipped": 6}
    assert counts(blog.take(data)) == {"same": 4, "skipped": 6}
    assert counts(blog.take(data, "pier.wordpress.2026-11-22.xml")) == {"same": 4, "skipped": 6}


def test_the_real_export(blog: Blog) -> None:
    path = real("real/wordpress-export.xml")
    assert counts(blog.take_file(path)) == {"new": 56, "skipped": 2}
    assert counts(blog.take_file(path)) == {"same": 56, "skipped": 2}
    assert blog.publish() == publication.Placed(old=55)
    assert len(blog.shown()) == 55
    found = blog.categories()
    assert found["foo-a"] == ("Foo A", None)
    assert found["foo-a-foo-parent"] == ("Foo A", "foo-parent")
    assert found["grandchild-category"] == ("Grandchild Category", "child-category-03")
    assert found["edge-case-2"] == ("Edge Case", None)
    assert blog.shown("news") == ["Keyboard navigation"]

    blog.now = datetime(2030, 1, 1, 19, 0, 18, tzinfo=UTC)
    assert blog.publish() == publication.Placed(live=1)
    assert blog.shown()[0] == "Scheduled"


def test_years_of_archive_stand_below_the_live_news_and_are_not_mailed(blog: Blog) -> None:
    blog.take(GAZETTE.read_bytes())
    fresh = GAZETTE.read_bytes().replace(b"2024-03-02 06:30:00", b"2026-11-21 06:30:00")
    fresh = fresh.replace(b"post_id>11<", b"post_id>99<").replace(b" late again", b" on time")
    assert counts(blog.take(fresh)) == {"new": 1, "same": 3, "skipped": 6}
    blog.publish()
    blog.publish()
    assert blog.shown() == [
        "The night ferry – on time",
        "The night ferry – late again",
        "A headline alone",
        "",
    ]
    with blog.db.read() as conn:
        places = conn.execute(select(article.c.seq).where(article.c.seq.is_not(None))).scalars()
        assert sorted(places)[-1] == 1
        assert sum(1 for each in conn.execute(select(article.c.seq)).scalars() if each) == 4


def test_categories_keep_their_nicenames_and_parents(blog: Blog) -> None:
    blog.take(GAZETTE.read_bytes())
    assert blog.categories() == {
        "harbour_news": ("Harbour & Sea", None),
        "ferries-2": ("Ferries", "harbour_news"),
        "порт": ("Порт", None),
        "letters": ("Letters", "harbour_news"),
        "letters-town": ("Letters", "town"),
        "town": ("Town", None),
        "unlisted": ("Un&listed", None),
        "news": ("news", None),
    }
    blog.publish()
    with blog.db.read() as conn:
        assert {each.slug for each in shelf.categories(conn)} == {
            "ferries-2", "порт", "letters", "letters-town", "unlisted", "news",
        }  # fmt: skip


def test_a_later_export_mends_withdraws_and_brings_back(blog: Blog) -> None:
    data = GAZETTE.read_bytes()
    blog.take(data)
    blog.publish()
    blog.now += timedelta(days=1)

    mended = data.replace(b"Nobody was aboard", b"Few were aboard")
    assert counts(blog.take(mended)) == {"revised": 1, "same": 3, "skipped": 6}
    locked = mended.replace(b"<wp:post_password><![CDATA[]]>", b"<wp:post_password>x")
    assert counts(blog.take(locked)) == {"withdrawn": 1, "same": 3, "skipped": 6}
    assert "The night ferry – late again" not in blog.shown()
    assert counts(blog.take(mended)) == {"revised": 1, "same": 3, "skipped": 6}
    assert "The night ferry – late again" in blog.shown()
    fewer = data[: data.index(b"\t<item>")] + b"</channel></rss>"
    assert counts(blog.take(fewer)) == {}
    assert len(blog.shown()) == 3


def test_a_scheduled_post_gets_its_address_with_the_next_export(blog: Blog) -> None:
    data = GAZETTE.read_bytes()
    blog.take(data)
    blog.now = datetime(2031, 6, 2, tzinfo=UTC)
    blog.publish()
    out = data.replace(b"<wp:status>future", b"<wp:status>publish").replace(
        b"https://www.pier.example/gazette/?p=14", b"https://www.pier.example/gazette/regatta/"
    )
    assert counts(blog.take(out)) == {"revised": 1, "same": 3, "skipped": 6}
    with blog.db.read() as conn:
        (found,) = shelf.newest(conn, "town", 1)
    assert (found.url, found.revision) == ("https://www.pier.example/gazette/regatta/", 2)


def test_what_cannot_be_taken_is_kept_through_all_parts_of_a_file(blog: Blog) -> None:
    data = GAZETTE.read_bytes()
    start, end = data.index(b"\t<item>"), data.index(b"</channel>")
    filler = b"".join(
        b"<item><title>Page</title><wp:post_type>post</wp:post_type><wp:post_id>%d</wp:post_id>"
        b"<wp:status>publish</wp:status></item>" % number
        for number in range(100, 160)
    )
    torn = b"<item><title>Torn</title><wp:post_id>98</wp:post_id><b></item>"
    bad = data[:start] + torn + filler + data[start:end] + torn.replace(b"98", b"99") + data[end:]
    tally = blog.take(bad)
    assert counts(tally) == {"new": 64, "skipped": 6, "quarantined": 2}
    assert [each.partition(": it is not XML")[0] for each in tally.reasons] == [
        "export.xml (post 98 “Torn”)",
        "export.xml (post 99 “Torn”)",
    ]
    first_seen = blog.now
    blog.now += timedelta(days=1)
    blog.take(bad.replace(b"<post_id>99", b"<post_id>97"))
    with blog.db.read() as conn:
        found = quarantine.listing(conn)
        assert {each.first_seen for each in found} == {first_seen}
        assert len(found) == 2
    blog.take(data)
    with blog.db.read() as conn:
        assert quarantine.count(conn) == 0


SPORT = CategoryName(title="Sport", slug="sport_2", description="Goals.")


def test_a_category_known_by_name_is_the_same_one_and_learns_more(blog: Blog) -> None:
    assert blog.slug_for("SPORT") == "sport"
    tennis = CategoryName(title="Tennis", slug="tennis", parent=SPORT)
    assert blog.slug_for(tennis) == "tennis"
    assert blog.slug_for("tennis") == "tennis"
    assert blog.categories() == {"sport": ("SPORT", None), "tennis": ("Tennis", "sport")}
    with blog.db.read() as conn:
        told = conn.execute(select(category.c.description).where(category.c.slug == "sport"))
        assert told.scalar() == "Goals."


def test_categories_that_share_a_title_stay_two(blog: Blog) -> None:
    first = CategoryName(title="Letters", slug="letters-2", shared=True)
    second = replace(first, slug="letters")
    third = replace(first, slug="all")
    slugs = [blog.slug_for(each) for each in (first, second, third)]
    assert slugs[:2] == ["letters-2", "letters"]
    assert slugs[2].startswith("all-")
    for _ in range(2):
        assert [blog.slug_for(each) for each in (third, second, first)] == slugs[::-1]
    assert blog.slug_for("Letters") == "letters-2"
    assert [blog.slug_for(replace(each, shared=False)) for each in (second, third)] == slugs[1:]


@pytest.mark.parametrize(
    "slug", ["..", "a/b", "CON", "all", "", "-", "x" * 81, "Über", "a b", "\0"]
)
def test_a_slug_that_cannot_be_kept_is_made_anew_once(blog: Blog, slug: str) -> None:
    name = CategoryName(title="Title", slug=slug)
    found = blog.slug_for(name)
    assert found
    assert found not in ("..", "all", "con", "-")
    assert "/" not in found
    assert len(found.encode()) <= 80
    assert blog.slug_for(name) == found


@pytest.mark.parametrize("slug", ["6-1", "harbour_news", "порт", "हिंदी", "a", "2024", "x" * 80])
def test_a_slug_that_can_be_kept_is(blog: Blog, slug: str) -> None:
    assert blog.slug_for(CategoryName(title="Title", slug=slug)) == slug
    assert blog.slug_for(CategoryName(title="Another", slug=slug)) != slug


def test_no_category_comes_to_stand_below_itself(blog: Blog) -> None:
    a, b = CategoryName(title="A", slug="a"), CategoryName(title="B", slug="b")
    blog.slug_for(replace(a, parent=b))
    blog.slug_for(replace(b, parent=a))
    blog.slug_for(replace(b, parent=b))
    assert blog.categories() == {"a": ("A", "b"), "b": ("B", None)}


def test_a_category_may_stand_below_its_namesake(blog: Blog) -> None:
    """The parent is made first, and takes the name under which the child would be kept."""
    letters = CategoryName(title="Letters", slug="letters", shared=True)
    child = replace(letters, slug="letters-2", parent=letters)
    assert blog.slug_for(child) == "letters-2"
    assert blog.slug_for(replace(child, shared=False)) == "letters-2"
    assert blog.categories() == {
        "letters": ("Letters", None),
        "letters-2": ("Letters", "letters"),
    }
    itself = CategoryName(title="Sport", parent=CategoryName(title="sport"))
    assert blog.slug_for(itself) == "sport"
    assert blog.categories()["sport"] == ("sport", None)


def test_news_of_a_category_that_was_public_is_a_change(blog: Blog, db: Database) -> None:
    blog.take(GAZETTE.read_bytes())
    blog.publish()
    with db.read() as conn:
        before = shelf.head(conn)
    blog.slug_for(CategoryName(title="Ferries", slug="ferries-2"))
    blog.slug_for(CategoryName(title="Порт", slug="порт", parent=SPORT))
    with db.read() as conn:
        assert shelf.head(conn) == before + 1
        changes = {each.slug: each.change for each in shelf.categories(conn)}
    assert changes["порт"] == before + 1
    assert changes["ferries-2"] <= before
