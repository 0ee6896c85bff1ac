"""Files that appear whole or not at all, and stay untouched when nothing changed."""

import gzip
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import PermanentError, TransientError
from publisher.kit.files import (
    inside,
    locked,
    remove_with_gzip,
    write_if_changed,
    write_with_gzip,
)


def trace(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def test_the_same_bytes_leave_the_file_untouched(tmp_path):
    path = tmp_path / "deep" / "rss.xml"
    assert write_if_changed(path, b"one")
    os.utime(path, ns=(1, 1))
    before = trace(path)
    assert not write_if_changed(path, b"one")
    assert trace(path) == before
    assert write_if_changed(path, b"two")
    assert path.read_bytes() == b"two"
    assert trace(path)[0] != before[0]
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask() & 0o644


def test_each_version_has_a_second_of_its_own(tmp_path):
    path, seconds = tmp_path / "rss.xml", []
    before = time.time()
    for number in range(5):
        write_with_gzip(path, b"%d" % number)
        seconds.append((path.stat().st_mtime, path.with_name("rss.xml.gz").stat().st_mtime))
    for each in zip(*seconds, strict=True):
        assert each[0] > before, "whoever fetched a version by now has an earlier date"
        assert [later - each[0] for later in each] == [0, 1, 2, 3, 4]


def test_a_version_is_dated_today_where_the_one_before_is_old(tmp_path):
    path = tmp_path / "rss.xml"
    write_if_changed(path, b"old")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    write_if_changed(path, b"new")
    assert abs(path.stat().st_mtime - time.time()) < 10


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("then", [b"same", b"other"])
def test_what_a_killed_writer_left_is_cleaned_away(tmp_path, then):
    path = tmp_path / "rss.xml"
    write_if_changed(path, b"same")
    (tmp_path / ".rss.xml.tmp").write_bytes(b"hal")
    write_if_changed(path, then)
    assert [each.name for each in tmp_path.iterdir()] == ["rss.xml"]
    assert path.read_bytes() == then


def test_a_link_laid_in_the_way_is_replaced_and_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    path = tmp_path / "feeds" / "rss.xml"
    path.parent.mkdir()
    path.symlink_to(outside)
    (path.parent / ".rss.xml.tmp").symlink_to(outside)
    assert write_if_changed(path, b"precious")
    assert not path.is_symlink()
    assert outside.read_bytes() == b"precious"


def test_a_failure_is_said_with_path_and_reason(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TransientError, match=r"file/rss\.xml cannot be written: Not a directory"):
        write_if_changed(tmp_path / "file" / "rss.xml", b"x")


@given(st.binary())
def test_the_compressed_twin_holds_the_same_and_is_the_same_each_time(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("twin")
    assert write_with_gzip(folder / "a", data) == 2
    assert write_with_gzip(folder / "b", data) == 2
    assert gzip.decompress((folder / "a.gz").read_bytes()) == data
    assert (folder / "a.gz").read_bytes() == (folder / "b.gz").read_bytes()
    assert write_with_gzip(folder / "a", data) == 0


@pytest.mark.parametrize("spoil", [b"", b"x", b"x" * 40, gzip.compress(b"older", mtime=0)])
def test_a_twin_that_holds_something_else_is_made_anew(tmp_path, spoil):
    path = tmp_path / "rss.xml"
    write_with_gzip(path, b"new")
    before = trace(path)
    (tmp_path / "rss.xml.gz").write_bytes(spoil)
    assert write_with_gzip(path, b"new") == 1
    assert gzip.decompress((tmp_path / "rss.xml.gz").read_bytes()) == b"new"
    assert trace(path) == before


def test_removing_takes_the_twin_and_the_empty_folder(tmp_path):
    path = tmp_path / "slug" / "index.html"
    write_with_gzip(path, b"x")
    assert remove_with_gzip(path) == 2
    assert not path.parent.exists()
    assert remove_with_gzip(path) == 0
    write_with_gzip(path, b"x")
    (tmp_path / "slug" / "somebody-else's").write_bytes(b"")
    assert remove_with_gzip(path) == 2
    assert path.parent.exists()


@pytest.mark.parametrize("part", ["", ".", "..", "a/b", "a\\b", "a\0b"])
def test_only_plain_names_make_a_path(tmp_path, part):
    with pytest.raises(PermanentError):
        inside(tmp_path, "articles", part, "index.html")


def test_a_link_that_leads_out_is_not_followed(tmp_path):
    root = tmp_path / "feeds"
    root.mkdir()
    (root / "city").symlink_to(tmp_path)
    with pytest.raises(PermanentError, match="leads out of"):
        inside(root, "city", "rss.xml")
    assert inside(root, "новости", "rss.xml") == root / "новости" / "rss.xml"


def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "feeds").symlink_to(tmp_path / "real")
    assert inside(tmp_path / "feeds", "city", "rss.xml").parent.name == "city"


def test_a_lock_is_waited_for(tmp_path):
    order = []
    inside_first = threading.Event()

    def second() -> None:
        inside_first.wait()
        with locked(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with locked(tmp_path / "lock"):
        inside_first.set()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
