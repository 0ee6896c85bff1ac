"""A folder gives each of its files once, again when it changed, and says which are there."""

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.core.model import Candidate
from publisher.errors import UnreadableError
from publisher.sources.folder import FolderSource
from publisher.sources.front_matter import LIMIT
from publisher.sources.port import Document, Source, Unusable

DATA = Path(__file__).parents[1] / "data" / "folder"
ZONE = "Europe/Berlin"
URL = "https://news.example/"


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    folder = tmp_path / "articles"
    folder.mkdir()
    return folder


def source(folder: Path, base: Path | None = None) -> FolderSource:
    return FolderSource(folder, base or folder.parent, ZONE, URL)


def write(path: Path, title: str = "A day") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"---\ntitle: {title}\n---\nText\n", "utf-8")
    return path


def keys(documents: Iterator[Document]) -> list[str]:
    return [document.key for document in documents]


def reasons(folder: Source) -> dict[str, str]:
    return {
        document.key: item.reason
        for document in folder.changed()
        for item in document.items
        if isinstance(item, Unusable)
    }


def test_each_file_is_an_article_and_a_broken_one_harms_no_other() -> None:
    folder = source(DATA)
    documents = list(folder.changed())
    assert keys(iter(documents)) == sorted(
        f"folder/{path.relative_to(DATA).as_posix()}"
        for path in DATA.rglob("*")
        if path.suffix in {".md", ".markdown", ".html"}
    )
    broken = {each.key for each in documents if isinstance(each.items[0], Unusable)}
    assert broken == {each.key for each in documents if "/broken/" in each.key}
    assert all(each.base_url == URL and len(each.items) == 1 for each in documents)
    ferry = next(each.items[0] for each in documents if each.key.endswith("night-ferry.md"))
    assert isinstance(ferry, Candidate)
    assert ferry.key == "folder/2026-11-20-night-ferry.md"
    assert ferry.published_at == datetime(2026, 11, 20, 6, 30, tzinfo=UTC)
    assert folder.present() == {each.key for each in documents}
    assert (folder.name, folder.scope, folder.path) == ("folder", "folder/", DATA)


def test_only_what_changed_comes_again(articles: Path) -> None:
    first, second = write(articles / "a.md"), write(articles / "sub" / "b.HTML")
    folder = source(articles)
    assert keys(folder.changed()) == ["articles/a.md", "articles/sub/b.HTML"]
    assert keys(folder.changed()) == []

    write(second, "Another day")
    write(articles / "c.markdown")
    assert keys(folder.changed()) == ["articles/c.markdown", "articles/sub/b.HTML"]

    os.utime(first, ns=(1, 1))
    assert keys(folder.changed()) == ["articles/a.md"]

    # As editors save: a new file in the old one's place, here of the same size and time.
    copy = write(articles / "a.md.tmp", "B day")
    os.utime(copy, ns=(1, 1))
    copy.replace(first)
    assert keys(folder.changed()) == ["articles/a.md"]


def test_what_is_deleted_is_no_longer_present_and_may_return_as_it_was(articles: Path) -> None:
    path = write(articles / "a.md")
    write(articles / "b.md")
    folder = source(articles)
    list(folder.changed())
    hidden = path.rename(articles / ".a")
    assert keys(folder.changed()) == []
    assert folder.present() == {"articles/b.md"}
    hidden.rename(path)
    assert keys(folder.changed()) == ["articles/a.md"]
    assert folder.present() == {"articles/a.md", "articles/b.md"}


def test_what_could_not_be_taken_in_comes_again(articles: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        write(articles / name)
    folder = source(articles)
    taken = []
    for document in folder.changed():
        if document.key == "articles/b.md":
            break
        taken.append(document.key)
    assert taken == ["articles/a.md"]
    assert keys(folder.changed()) == ["articles/b.md", "articles/c.md"]


@pytest.mark.parametrize(
    "name",
    [".a.md", ".git/a.md", "a.md~", "a.md.swp", ".a.md.swp", "#a.md#", ".#a.md", "a.tmp", "a.txt",
     "a.md.tmp", "md", "_index.md", "sub/_index.html", "a.jpg"],
)  # fmt: skip
def test_what_is_no_article_is_passed_over(articles: Path, name: str) -> None:
    write(articles / name)
    folder = source(articles)
    assert keys(folder.changed()) == []
    assert folder.present() == frozenset()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"---\ntitle: Caf\xe9\n---\n", "it is not UTF-8 text (byte 0xE9 in line 2)"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is not a text file"),
        (b"plain\0text", "it is not a text file"),
        (b"\xff\xfea", "it is not UTF-16 text (byte 0x61 in line 1)"),
        (b"# A\n" + b"x" * LIMIT, "it is larger than 5 MB"),
        (b"", "it has neither a title nor text"),
        (b"---\ntitle: [\n---\n", "its front matter is not valid YAML, line 3: "),
    ],
    ids=range(7),
)
def test_what_cannot_be_read_says_why_and_is_still_there(
    articles: Path, content: bytes, reason: str
) -> None:
    path = articles / "a.md"
    path.write_bytes(content)
    folder = source(articles)
    assert reasons(folder)["articles/a.md"].startswith(reason)
    assert folder.present() == {"articles/a.md"}
    assert keys(folder.changed()) == []
    write(path)
    assert reasons(folder) == {}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_tells_the_encoding(articles: Path, encoding: str) -> None:
    (articles / "a.md").write_text("# Новости 👩\u200d🚒\n", encoding)
    (document,) = source(articles).changed()
    (item,) = document.items
    assert isinstance(item, Candidate)
    assert item.title == "Новости 👩\u200d🚒"


def test_a_file_that_vanishes_while_it_is_read_is_not_there(articles: Path) -> None:
    write(articles / "a.md")
    second = write(articles / "b.md")
    folder = source(articles)
    documents = folder.changed()
    assert next(documents).key == "articles/a.md"
    second.unlink()
    assert keys(documents) == []
    assert folder.present() == {"articles/a.md"}


def test_links_are_followed_to_files_within_the_folder_only(articles: Path) -> None:
    outside = write(articles.parent / "outside" / "secret.md")
    write(articles / "real.md")
    hidden = write(articles / ".store" / "v2" / "a.md")
    (articles / "out.md").symlink_to(outside)
    (articles / "again.md").symlink_to("real.md")
    (articles / "a.md").symlink_to(hidden)
    (articles / "nowhere.md").symlink_to("missing.md")
    (articles / "loop.md").symlink_to("loop.md")
    (articles / "outside").symlink_to(outside.parent)
    (articles / "circle").symlink_to(articles)
    folder = source(articles)
    found = {document.key: document.items[0] for document in folder.changed()}
    assert {key: isinstance(item, Candidate) for key, item in found.items()} == {
        "articles/a.md": True,
        "articles/real.md": True,
        "articles/out.md": False,
        "articles/outside": False,
        "articles/circle": False,
    }
    assert found["articles/out.md"] == Unusable(
        item="", reason="it is a link that leads out of the folder"
    )
    assert keys(folder.changed()) == []


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path / "release-5" / "a.md")
    (tmp_path / "current").symlink_to("release-5")
    assert keys(source(tmp_path / "current").changed()) == ["current/a.md"]


def test_a_file_alone_is_the_same_article_as_in_its_folder(
    articles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(articles / "sub" / "a.md")
    (whole,) = source(articles).changed()
    (deep,) = source(articles / "sub", articles.parent).changed()
    monkeypatch.chdir(articles)
    for named in (path, Path("sub/a.md"), Path("../articles/./sub/a.md")):
        single = FolderSource.of_file(named, articles.parent, ZONE, URL)
        (alone,) = single.changed()
        assert whole == deep == alone
        assert (single.name, single.present()) == ("folder", None)
        assert keys(single.changed()) == []
    write(path, "Another day")
    assert keys(single.changed()) == ["articles/sub/a.md"]


def test_a_base_reached_through_a_link_makes_no_other_article(articles: Path) -> None:
    write(articles / "a.md")
    linked = articles.parent.parent / (articles.parent.name + "-linked")
    linked.symlink_to(articles.parent)
    assert keys(source(articles, linked).changed()) == ["articles/a.md"]
    assert keys(source(linked / "articles", articles.parent).changed()) == ["articles/a.md"]


def test_keys_start_at_the_base_or_at_the_root_of_the_disk(articles: Path) -> None:
    write(articles / "a.md")
    at_base, elsewhere = source(articles, articles), source(articles, articles / "other")
    assert (keys(at_base.changed()), at_base.scope) == (["a.md"], "")
    assert keys(elsewhere.changed()) == [(articles / "a.md").as_posix()]
    assert elsewhere.scope == articles.as_posix() + "/"


def test_a_name_that_is_not_utf8_gives_a_key_that_is(articles: Path) -> None:
    try:
        write(articles / os.fsdecode(b"caf\xe9.md"))
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    write(articles / "霧.md")
    assert keys(source(articles).changed()) == ["articles/caf\\xe9.md", "articles/霧.md"]


def test_a_folder_that_is_not_there_is_named(articles: Path) -> None:
    folder = source(articles)
    list(folder.changed())
    shutil.rmtree(articles)
    with pytest.raises(UnreadableError, match=f"{articles}: it cannot be read: No such file"):
        list(folder.changed())
    assert folder.present() is None
    articles.write_text("a file")
    with pytest.raises(UnreadableError, match=f"{articles}: it cannot be read: Not a directory"):
        list(folder.changed())


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.md", "it cannot be read: No such file"), ("a.txt", " is not Markdown or HTML"),
     ("folder.md", " is not a file")],
)  # fmt: skip
def test_a_single_file_that_cannot_be_taken_is_named(
    articles: Path, name: str, reason: str
) -> None:
    write(articles / "a.txt")
    (articles / "folder.md").mkdir()
    path = articles / name
    with pytest.raises(UnreadableError) as caught:
        list(FolderSource.of_file(path, articles, ZONE, URL).changed())
    assert str(path) in caught.value.reason
    assert reason in caught.value.reason


def test_a_pipe_with_an_articles_name_keeps_nobody_waiting(articles: Path) -> None:
    os.mkfifo(articles / "a.md")
    assert keys(source(articles).changed()) == []
    with pytest.raises(UnreadableError, match="is not a file"):
        list(FolderSource.of_file(articles / "a.md", articles, ZONE, URL).changed())


class Locked:
    """Some paths that this process may not read, even as root."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
        self.paths = set(paths)
        scandir, opened = os.scandir, Path.open
        monkeypatch.setattr(os, "scandir", lambda path: scandir(self.checked(path)))
        monkeypatch.setattr(Path, "open", lambda path, mode: opened(self.checked(path), mode))

    def checked(self, path: Path) -> Path:
        if path in self.paths:
            raise PermissionError(13, "Permission denied")
        return path


def test_a_locked_folder_withdraws_nothing(articles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(articles / "a.md")
    write(articles / "sub" / "b.md")
    folder = source(articles)
    list(folder.changed())
    locked = Locked(monkeypatch, articles / "sub")
    assert reasons(folder) == {"articles/sub": "it cannot be read: Permission denied"}
    assert folder.present() is None
    assert keys(folder.changed()) == []
    locked.paths.clear()
    assert keys(folder.changed()) == ["articles/sub/b.md"]
    assert folder.present() == {"articles/a.md", "articles/sub/b.md"}


def test_a_locked_file_is_tried_again_and_reported_once(
    articles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(articles / "a.md")
    locked = Locked(monkeypatch, path)
    folder = source(articles)
    assert reasons(folder) == {"articles/a.md": "it cannot be read: Permission denied"}
    assert folder.present() == {"articles/a.md"}
    assert keys(folder.changed()) == []
    with pytest.raises(UnreadableError, match="Permission denied"):
        list(FolderSource.of_file(path, articles, ZONE, URL).changed())
    locked.paths.clear()
    assert reasons(folder) == {}
    assert keys(folder.changed()) == []
