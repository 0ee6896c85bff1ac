"""Writes files that others read at any moment: whole or not at all, and only when they changed."""

import fcntl
import gzip
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from publisher.errors import PermanentError, TransientError


def inside(root: Path, *parts: str) -> Path:
    """`root/part/part…`, sure to lie in `root`.

    Raises PermanentError for a part that is no plain name, or where a symlink leads out of `root`.
    """
    for part in parts:
        if part in ("", ".", "..") or any(mark in part for mark in "/\\\0"):
            raise PermanentError(f"{part!r} cannot be the name of a file")
    path = root.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(root.resolve()):
        raise PermanentError(f"{path.parent} leads out of {root}; remove the link")
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, waiting for whoever holds it; a killed holder lets go of it.

    Raises TransientError when the file cannot be made.
    """
    with _said_clearly(path.parent, "made"):
        path.parent.mkdir(parents=True, exist_ok=True)
    with _said_clearly(path, "made"):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_if_changed(path: Path, data: bytes) -> bool:
    """Make `path` hold `data`; True when it had to be written.

    The same bytes leave the file untouched, inode and mtime included. Otherwise whoever reads
    sees the old bytes or the new, also after a power cut. Two writers of one path must take turns
    (`locked`): they share the temporary file, which is how one left by a killed writer is found.
    Raises TransientError with path and reason.
    """
    with _said_clearly(path, "written"):
        same = _holds(path, data)
        _temporary(path).unlink(missing_ok=True)
        if same:
            return False
        _replace({path: data})
    return True


def write_with_gzip(path: Path, data: bytes) -> int:
    """As `write_if_changed`, with a compressed twin `<name>.gz`; how many of the two it wrote."""
    twin = path.with_name(path.name + ".gz")
    with _said_clearly(path, "written"):
        wanted = {}
        if not _unpacks_to(twin, data):
            wanted[twin] = gzip.compress(data, 6, mtime=0)  # the time in its head would differ
        if not _holds(path, data):
            wanted[path] = data
        for each in (path, twin):
            _temporary(each).unlink(missing_ok=True)
        if wanted:
            _replace(wanted)
    return len(wanted)


def remove_with_gzip(path: Path) -> int:
    """Remove a file and its twin, then their folder if it is empty; how many of the two there were.

    Raises TransientError with path and reason.
    """
    twin = path.with_name(path.name + ".gz")
    removed = 0
    with _said_clearly(path, "removed"):
        for each in (path, twin):
            with suppress(FileNotFoundError, NotADirectoryError):
                _temporary(each).unlink(missing_ok=True)
                each.unlink()
                removed += 1
        with suppress(OSError):  # somebody else's file keeps the folder
            path.parent.rmdir()
    return removed


def _replace(files: dict[Path, bytes]) -> None:
    folder = next(iter(files)).parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for path, data in files.items():
            _write_out(_temporary(path), data, _second_of_its_own(path))
    except OSError:
        for path in files:  # they would take what is left of a full disk
            with suppress(OSError):
                _temporary(path).unlink(missing_ok=True)
        raise
    for path in files:
        _temporary(path).replace(path)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)  # the renaming itself must outlive a power cut
    finally:
        os.close(handle)


def _second_of_its_own(path: Path) -> int:
    """The first second in which nobody can have fetched what `path` holds till now.

    Web servers know a version by the second of its change, and by its size (RFC 9110, 8.8.2.2): of
    two written within one, the later would pass for the earlier. So each is dated a second after
    the one before it at least, if need be ahead of the clock.
    """
    now = int(time.time()) + 1
    with suppress(FileNotFoundError, NotADirectoryError):
        return max(now, int(path.lstat().st_mtime) + 1)
    return now


def _write_out(path: Path, data: bytes, changed: int) -> None:
    # O_EXCL: never through a symlink that somebody laid there.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.utime(handle, (changed, changed))
        os.fsync(handle)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _holds(path: Path, data: bytes) -> bool:
    if path.is_symlink():
        return False
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.stat().st_size == len(data) and path.read_bytes() == data
    return False


def _unpacks_to(path: Path, data: bytes) -> bool:
    """By the checksum and length that stand at a gzip file's end (RFC 1952, 2.3.1)."""
    if path.is_symlink():
        return False
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < 18:
            return False
        file.seek(-8, os.SEEK_END)
        tail = file.read(8)
        return tail == (zlib.crc32(data) + (len(data) << 32)).to_bytes(8, "little")
    return False


@contextmanager
def _said_clearly(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TransientError(f"{path} cannot be {done}: {error.strerror or error}") from error
