"""A WordPress export as candidates: what is an article, what is not, and what is told of each."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.core.model import Candidate, CategoryName, Enclosure, Image
from publisher.errors import UnreadableError
from publisher.sources.port import Document, Source, Unusable
from publisher.sources.wordpress.source import WordPressSource
from tests.programs import real

ROOT = Path(__file__).parents[2]
GAZETTE = ROOT / "tests" / "data" / "wordpress" / "gazette.xml"
SEA = CategoryName(title="Harbour & Sea", slug="harbour_news", description="What the tide brings.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "export.xml").write_bytes(GAZETTE.read_bytes())
    return tmp_path / "export.xml"


def source_at(path: Path) -> WordPressSource:
    return WordPressSource(path, path.parent, "Europe/Berlin")


def items(documents: Sequence[Document]) -> list[Candidate | Unusable]:
    return [item for document in documents for item in document.items]


def candidates(path: Path) -> dict[str, Candidate]:
    """By the end of their keys."""
    found = items(list(source_at(path).changed()))
    assert all(isinstance(item, Candidate) for item in found), found
    return {item.key.rpartition("=")[2]: item for item in found if isinstance(item, Candidate)}


def export(*posts: str, head: str = "") -> str:
    blog = "<wp:base_blog_url>https://pier.example</wp:base_blog_url>"
    spaces = GAZETTE.read_text().partition("<rss")[2].partition(">")[0]
    return f"<rss{spaces}><channel>{blog}{head}{''.join(posts)}</channel></rss>"


def post(number: int = 1, content: str = "Text.", **told: str) -> str:
    """An item; `told` by the names of elements, those of WordPress without prefix."""
    said = {
        "title": f"Post {number}",
        "wp:post_id": str(number),
        "wp:post_type": "post",
        "wp:status": "publish",
        "wp:post_date_gmt": "2024-03-02 06:30:00",
        **{
            (name if name in ("link", "pubDate", "guid") else f"wp:{name}"): text
            for name, text in told.items()
        },
    }
    elements = "".join(f"<{name}>{text}</{name}>" for name, text in said.items())
    return f"<item>{elements}<content:encoded><![CDATA[{content}]]></content:encoded></item>"


def one(path: Path, text: str) -> Candidate:
    path.write_text(text)
    (found,) = candidates(path).values()
    return found


def test_a_post_with_all_there_is(path: Path) -> None:
    found = candidates(path)["11"]
    ferries = CategoryName(title="Ferries", slug="ferries-2", parent=SEA)
    assert found == Candidate(
        key="pier.example/gazette/?p=11",
        title="The night ferry – late again",
        summary="Two hours late, and no one minded.",
        body_html=found.body_html,
        authors=("Hedda Quist & Sons",),
        categories=(ferries, CategoryName(title="Порт", slug="порт")),
        language="en-GB",
        url="https://www.pier.example/gazette/2024/03/night-ferry/",
        slug="night-ferry",
        published_at=datetime(2024, 3, 2, 6, 30, tzinfo=UTC),
        updated_at=datetime(2024, 3, 3, 8, 0, tzinfo=UTC),
        image=Image(
            url="https://www.pier.example/gazette/files/ferry.jpg",
            alt="A ferry & a quay",
            caption="The Marigold, seen from the pier",
        ),
        enclosures=(
            Enclosure(
                url="https://www.pier.example/files/horn.mp3", type="audio/mpeg", length=4711
            ),
        ),
    )
    assert "<figcaption>The <em>Marigold</em> at rest</figcaption>" in found.body_html
    assert "<p>The ferry [sic] left at two.<br>\nNobody was aboard.</p>" in found.body_html
    assert "bracket ]]> and" in found.body_html


def test_a_post_that_tells_little(path: Path) -> None:
    found = candidates(path)["12"]
    assert (found.title, found.categories, found.authors) == ("", (), ("gull",))
    assert found.published_at == datetime(2024, 2, 1, 11, tzinfo=UTC)  # noon in Berlin
    assert found.updated_at is None
    assert re.findall("<p>(.*)</p>", found.body_html) == [
        "No title, one sentence.",
        "The same tide times everywhere.",
    ]


def test_a_title_without_text_is_an_article(path: Path) -> None:
    found = candidates(path)["13"]
    assert (found.title, found.body_html, found.draft) == ("A headline alone", "", False)
    assert found.url == "https://www.pier.example/gazette/?p=13"
    assert found.slug == "пир"
    town = CategoryName(title="Town", slug="town")
    assert found.categories == (
        CategoryName(title="Letters", slug="letters", parent=SEA, shared=True),
        CategoryName(title="Letters", slug="letters-town", parent=town, shared=True),
        CategoryName(title="Un&listed", slug="unlisted"),
    )


def test_a_scheduled_post_is_taken_and_has_no_address_yet(path: Path) -> None:
    found = candidates(path)["14"]
    assert found.published_at == datetime(2031, 6, 1, 10, tzinfo=UTC)
    assert (found.draft, found.url) == (False, "")


def test_what_is_not_public_is_a_draft_that_says_nothing(path: Path) -> None:
    found = candidates(path)
    drafts = {number for number, each in found.items() if each.draft}
    assert drafts == {"15", "16", "17", "18", "19", "20"}
    for number in drafts:
        assert found[number].title
        assert (found[number].body_html, found[number].summary) == ("", "")


def test_pages_menus_attachments_and_blocks_are_no_articles(path: Path) -> None:
    assert set(candidates(path)) == {str(number) for number in range(11, 21)}


def test_the_real_export() -> None:
    path = real("real/wordpress-export.xml")
    found = candidates(path)
    public = [each for each in found.values() if not each.draft]
    assert len(found) == 58
    assert len(public) == 56
    now = datetime(2026, 11, 22, tzinfo=UTC)
    assert sum(1 for each in public if each.published_at and each.published_at > now) == 1
    assert max(len(each.categories) for each in public) == 63
    assert sum(1 for each in public if not each.categories) == 1
    assert [number for number, each in found.items() if not each.title] == ["1169"]
    assert [number for number, each in found.items() if not each.draft and not each.body_html] == [
        "1170"
    ]
    assert sum(1 for each in public if each.image) == 6
    assert {name for each in public for name in each.authors} == {"Theme Buster", "Theme Reviewer"}
    assert found["993"].summary.startswith("This is a user-defined post excerpt. It should be")
    html = "".join(each.body_html for each in public)
    assert not re.search(r"<!--|\[/?(?:caption|gallery|audio|embed)|<iframe|data-src", html)


@pytest.mark.parametrize(
    ("told", "published_at"),
    [
        ({"post_date_gmt": "2024-03-02 06:30:00"}, datetime(2024, 3, 2, 6, 30, tzinfo=UTC)),
        (
            {"post_date_gmt": "0000-00-00 00:00:00", "post_date": "2024-07-02 06:30:00"},
            datetime(2024, 7, 2, 4, 30, tzinfo=UTC),
        ),
        (
            {"post_date_gmt": "", "pubDate": "Sat, 02 Mar 2024 07:30:00 +0100"},
            datetime(2024, 3, 2, 6, 30, tzinfo=UTC),
        ),
        ({"post_date_gmt": "", "pubDate": "Mon, 30 Nov -0001 00:00:00 +0000"}, None),
        ({"post_date_gmt": "2024-02-30 00:00:00", "post_date": "yesterday"}, None),
        ({"post_date_gmt": "", "post_date": "0001-01-01 00:00:00"}, None),
    ],
)
def test_dates(path: Path, told: dict[str, str], published_at: datetime | None) -> None:
    assert one(path, export(post(**told))).published_at == published_at


@pytest.mark.parametrize(
    ("link", "status", "url"),
    [
        ("https://pier.example/a/", "publish", "https://pier.example/a/"),
        ("https://pier.example/a/", "future", "https://pier.example/a/"),
        ("https://pier.example/?p=1", "publish", "https://pier.example/?p=1"),
        ("https://pier.example/?p=1", "future", ""),
        ("/a/", "publish", ""),
        ("ftp://pier.example/a", "publish", ""),
        ("javascript:x()", "publish", ""),
        ("https://[", "publish", ""),
        ("", "publish", ""),
    ],
)
def test_an_articles_own_address(path: Path, link: str, status: str, url: str) -> None:
    assert one(path, export(post(link=link, status=status))).url == url


def test_a_category_for_posts_that_name_none(path: Path) -> None:
    found = items(list(WordPressSource(path, path.parent, "UTC", category="Pier").changed()))
    named = {each.key[-2:]: each.categories for each in found if isinstance(each, Candidate)}
    assert named["12"] == ("Pier",)
    assert [name.slug for name in named["14"] if isinstance(name, CategoryName)] == ["town"]


def test_a_scheduled_post_without_a_date_waits(path: Path) -> None:
    assert one(path, export(post(status="future", post_date_gmt=""))).draft


@pytest.mark.parametrize("number", ["", "0", "-1", "x", "9" * 30, "٣"])
def test_a_post_without_a_number_is_known_by_its_guid(path: Path, number: str) -> None:
    found = one(path, export(post(post_id=number, guid="https://pier.example/?p=7")))
    assert found.key == "pier.example/?p=https://pier.example/?p=7"

    path.write_text(export(post(post_id=number)))
    (unusable,) = items(list(source_at(path).changed()))
    assert unusable == Unusable(item="Post 1", reason="it has neither a number nor a guid")


@pytest.mark.parametrize(
    "address",
    [
        "https://pier.example",
        "http://www.pier.example/",
        "https://Pier.example//",
        "//pier.example",
    ],
)
def test_a_blog_is_the_same_whatever_its_scheme(path: Path, address: str) -> None:
    assert one(path, export(post()).replace("https://pier.example", address)).key == (
        "pier.example/?p=1"
    )


def test_parents_that_go_round_in_a_circle(path: Path) -> None:
    def category(name: str, parent: str) -> str:
        return (
            f"<wp:category><wp:category_nicename>{name}</wp:category_nicename>"
            f"<wp:category_parent>{parent}</wp:category_parent>"
            f"<wp:cat_name>{name}</wp:cat_name></wp:category>"
        )

    circle = category("a", "b") + category("b", "c") + category("c", "a") + category("d", "gone")
    chain = "".join(category(f"n{n}", f"n{n - 1}") for n in range(3000))
    named = "".join(f'<category domain="category" nicename="{n}"/>' for n in ("a", "d", "n2999"))
    text = export(post().replace("</item>", f"{named}</item>"), head=circle + chain)
    first, second, third = one(path, text).categories
    assert isinstance(first, CategoryName)
    assert first.parent == CategoryName(
        title="b", slug="b", parent=CategoryName(title="c", slug="c")
    )
    assert second == CategoryName(title="d", slug="d")
    assert isinstance(third, CategoryName)
    assert third.parent


def test_many_posts_come_in_parts(path: Path) -> None:
    path.write_text(export(*(post(number) for number in range(1, 121))))
    documents = list(source_at(path).changed())
    assert [len(each.items) for each in documents] == [50, 50, 20]
    assert [each.more for each in documents] == [True, True, False]
    assert {each.key for each in documents} == {"export.xml"}
    assert {each.base_url for each in documents} == {"https://pier.example/"}

    path.write_text(export(*(post(number, "word " * 50_000) for number in range(1, 6))))
    assert [len(each.items) for each in source_at(path).changed()] == [2, 2, 1]

    named = "".join(f'<category domain="category" nicename="c{n}">C</category>' for n in range(40))
    posts = (post(n).replace("</item>", f"{named}</item>") for n in range(1, 6))
    path.write_text(export(*posts))
    assert [len(each.items) for each in source_at(path).changed()] == [3, 2]


def test_it_is_read_again_when_it_changes(path: Path) -> None:
    source: Source = source_at(path)
    assert items(list(source.changed()))
    assert list(source.changed()) == []
    assert source.present() is None

    os.utime(path, ns=(1, 1))
    assert items(list(source.changed()))
    source.again("another.xml")
    assert list(source.changed()) == []
    source.again("export.xml")
    assert items(list(source.changed()))


def test_what_could_not_be_taken_in_is_offered_again(path: Path) -> None:
    source = source_at(path)
    next(source.changed())
    assert items(list(source.changed()))


def test_the_same_blog_under_another_name_gives_the_same_keys(path: Path) -> None:
    other = path.with_name("pier.wordpress.2026-11-22.xml")
    other.write_bytes(path.read_bytes())
    assert set(candidates(path)) == set(candidates(other))
    assert source_at(path).name == source_at(other).name
    assert source_at(path).holds("export.xml")
    assert not source_at(path).holds(other.name)


def test_a_file_that_is_not_there(path: Path, tmp_path: Path) -> None:
    source = source_at(path)
    path.unlink()
    with pytest.raises(UnreadableError, match=r"export\.xml: No such file"):
        list(source.changed())
    with pytest.raises(UnreadableError, match="is not a file"):
        list(source_at(tmp_path).changed())


def test_what_is_no_export_is_one_sentence(path: Path) -> None:
    path.write_text("<html><body>Not found</body></html>")
    (document,) = source_at(path).changed()
    assert (document.key, document.more) == ("export.xml", False)
    (item,) = document.items
    assert isinstance(item, Unusable)
    assert item.item == ""
    assert item.reason.startswith("it is not a WordPress export")


def test_a_truncated_export_gives_its_complete_posts(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"Regatta next year")])
    found = items(list(source_at(path).changed()))
    assert [isinstance(each, Candidate) for each in found] == [True, True, True, False]
    assert isinstance(found[-1], Unusable)
    assert "breaks off" in found[-1].reason


def test_a_broken_attachment_is_told_of_once(path: Path) -> None:
    path.write_text(export(post(), post(2, attachment_url="<b>").replace("Post 2", "Torn")))
    _, unusable = items(list(source_at(path).changed()))
    assert isinstance(unusable, Unusable)
    assert unusable.item == "post 2 “Torn”"


def test_progress_is_told_to_the_end(path: Path) -> None:
    told: list[tuple[int, int]] = []

    def note(done: int, of: int) -> None:
        told.append((done, of))

    list(WordPressSource(path, path.parent, "UTC", progress=note).changed())
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 0


def test_a_large_export_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.xml"
    text = post(1, "Fog on the pier. " * 600, post_parent="7")
    image = post(
        2, "", post_type="attachment", attachment_url=f"https://pier.example/{'i' * 900}.jpg"
    )
    start, _, end = export("@").partition("@")
    with path.open("w") as file:
        file.write(start)
        for number in range(10, 4010):
            file.write(text.replace(">1<", f">{number}<"))
            file.write(image.replace(">2<", f">{number + 10_000}<"))
        file.write(end)
    assert path.stat().st_size > 45_000_000
    code = f"""
import resource
from pathlib import Path
from publisher.sources.wordpress.source import WordPressSource
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = WordPressSource(Path({str(path)!r}), Path("/"), "UTC")
found = sum(len(each.items) for each in source.changed())
print(found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found, mebibytes = map(int, done.stdout.split())
    assert found == 4000
    assert mebibytes < 30
