"""The source for one archive page: when it reads again, and what it makes of what it finds."""

import os
import re
from pathlib import Path

import pytest

from publisher.core.model import Candidate
from publisher.errors import UnreadableError
from publisher.sources.archive_page import ArchivePageSource
from publisher.sources.port import Document, Source, Unusable

PAGE = Path(__file__).parents[1] / "data" / "archive_page" / "english.txt"
REAL = Path(__file__).parents[2].parent / "shared" / "real" / "category-archive-russia.txt"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "harbour.txt").write_bytes(PAGE.read_bytes())
    return folder / "harbour.txt"


def document(source: Source) -> Document:
    (found,) = source.changed()
    return found


def test_a_page_as_candidates(path: Path, tmp_path: Path) -> None:
    source = ArchivePageSource(path, tmp_path)
    found = document(source)
    assert (source.name, found.key) == ("text", "pages/harbour.txt")
    assert found.known_by_text
    assert len(found.items) == 6
    for item in found.items:
        assert isinstance(item, Candidate)
        assert (item.key, item.published_at, item.categories) == ("", None, ("Harbour",))
        assert item.title
        assert item.paragraphs
    assert source.present() is None


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL.name}")
def test_the_real_page() -> None:
    found = document(ArchivePageSource(REAL, REAL.parent))
    assert (found.key, len(found.items)) == (REAL.name, 10)
    assert all(isinstance(i, Candidate) and i.categories == ("Russia",) for i in found.items)


def test_a_page_elsewhere_is_known_by_its_whole_path(path: Path, tmp_path: Path) -> None:
    base = tmp_path / "site"
    base.mkdir()
    assert document(ArchivePageSource(path, base)).key == path.resolve().as_posix()


def test_it_is_read_again_when_it_changes(path: Path, tmp_path: Path) -> None:
    source = ArchivePageSource(path, tmp_path)
    assert len(list(source.changed())) == 1
    assert list(source.changed()) == []

    path.write_bytes(path.read_bytes() + b"\n\nOne more\n\nShort.")
    assert len(document(source).items) == 7

    # Same length, another time.
    path.write_bytes(path.read_bytes().replace(b"Short", b"Brief"))
    os.utime(path, ns=(1, 1))
    assert document(source).items[-1].paragraphs == ("Brief.",)

    # Same length and time, another file.
    twin = path.with_suffix(".new")
    twin.write_bytes(path.read_bytes().replace(b"Brief", b"Quick"))
    os.utime(twin, ns=(1, 1))
    twin.replace(path)
    assert document(source).items[-1].paragraphs == ("Quick.",)
    assert list(source.changed()) == []


def test_what_could_not_be_taken_in_is_offered_again(path: Path, tmp_path: Path) -> None:
    source = ArchivePageSource(path, tmp_path)
    first = next(source.changed())
    assert document(source) == first
    assert list(source.changed()) == []


def test_a_missing_file(path: Path, tmp_path: Path) -> None:
    source = ArchivePageSource(path, tmp_path)
    list(source.changed())
    data = path.read_bytes()
    path.unlink()
    with pytest.raises(UnreadableError, match=r"harbour\.txt: No such file"):
        list(source.changed())
    path.write_bytes(data)
    assert len(document(source).items) == 6


def test_a_folder_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="directory"):
        list(ArchivePageSource(tmp_path, tmp_path).changed())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"Caf\xe9 du port", "line 1: neither UTF-8 nor UTF-16"),
        (b"", "line 1: expected a heading"),
        (b"Category Arch", "line 1: expected a heading"),
        (b"Just a line.\n\nAnd another.", "line 1: expected a heading.*found “Just a line.”"),
    ],
)
def test_what_is_no_page(path: Path, tmp_path: Path, data: bytes, reason: str) -> None:
    path.write_bytes(data)
    source = ArchivePageSource(path, tmp_path)
    (item,) = document(source).items
    assert isinstance(item, Unusable)
    assert item.item == ""
    assert re.search(reason, item.reason)

    path.write_bytes(PAGE.read_bytes())
    assert len(document(source).items) == 6


def test_the_category_of_a_page_without_heading(path: Path, tmp_path: Path) -> None:
    path.write_bytes(PAGE.read_bytes().split(b"\n\n", 1)[1])
    found = document(ArchivePageSource(path, tmp_path, category="Boats"))
    assert [item.categories for item in found.items] == [("Boats",)] * 6


def test_text_of_no_article_is_shown_and_the_rest_taken(path: Path, tmp_path: Path) -> None:
    path.write_text("Archive : A\n\nIs this a question?\n\nTitle\n\nText.")
    unusable, candidate = document(ArchivePageSource(path, tmp_path)).items
    assert unusable == Unusable(
        item="before the first title",
        reason="text before the first title: “Is this a question?”",
    )
    assert isinstance(candidate, Candidate)


@pytest.mark.parametrize("end", ["\n\nOne mo", "\n\nRead more", "\n\nT\n\nBody wi", "\n\nEnd ’"])
def test_a_page_that_breaks_off(path: Path, tmp_path: Path, end: str) -> None:
    data = ("Archive : A\n\nTitle\n\nText." + end).encode()
    path.write_bytes(data[:-1] if end.endswith("’") else data)
    found = document(ArchivePageSource(path, tmp_path))
    assert found.items
