"""Serves the feeds folder from memory, with the validators and encodings that feed readers ask for.

A raw ASGI handler, because a busy site's readers ask for the same few files all day long.
"""

import asyncio
import gzip
import hashlib
import os
import re
import stat
import time
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from publisher.web import delta
from publisher.web.headers import METHODS, SHORTLY, TO_ALL, TO_SCRIPTS, Header, Headers, is_open
from publisher.web.negotiation import Fields, fields, prefers_gzip, status_for

Stamp = tuple[int, int, int, int]
"""Tells one version of a file from another: time of change in ns, size, inode, device."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\:]")
_EMPTY = (b"content-length", b"0")
_OF_BODIES = (b"content-type", b"content-encoding")  # a 304 has none of them

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Version:
    """One file as it was read, in one encoding."""

    body: bytes
    etag: bytes
    headers: list[Header]
    """All but its date."""
    kept: list[Header]
    """Those of `headers` that a 304 repeats (RFC 9110, 15.4.5)."""


@dataclass(frozen=True, slots=True)
class _Cached:
    stamps: tuple[Stamp, Stamp | None]
    """Of the file and of its `.gz` twin."""
    modified: int
    """The first whole second, since the epoch, in which it was there from the beginning."""
    plain: _Version
    packed: _Version | None

    @property
    def size(self) -> int:
        return len(self.plain.body) + (len(self.packed.body) if self.packed else 0)

    @property
    def etags(self) -> list[bytes]:
        return [each.etag for each in (self.plain, self.packed) if each]

    def known_by_date(self) -> int | None:
        """`modified`, once nobody can have fetched another version since that second."""
        return self.modified if self.modified + 1 < time.time() else None


class FeedFiles:
    """The files under `folder`; `not_found` answers for what is not there or not to be seen."""

    def __init__(
        self,
        folder: Path,
        not_found: ASGIApp,
        headers: Headers,
        *,
        cache_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self._folder = folder
        self._not_found = not_found
        self._headers = headers
        self._cache_bytes = cache_bytes
        self.cached_bytes = 0
        """How much of `cache_bytes` is in use."""
        self._cache: OrderedDict[Path, _Cached] = OrderedDict()
        self._reading: dict[Path, asyncio.Event] = {}
        # Threads of its own: the others may all wait for a database that is locked.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="feed files")
        self._deltas = delta.Deltas(self._threads)
        self._trouble = ""

    async def serve(
        self, segments: Sequence[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers for the path `segments` (decoded; an empty last one asks for a folder)."""
        method = scope["method"]
        if method == "OPTIONS":
            await _answer(send, 204, [METHODS, *(TO_SCRIPTS if is_open(segments[-1]) else ())])
            return
        if method not in ("GET", "HEAD"):
            await _answer(send, 405, [METHODS, _EMPTY])
            return
        path = self._path(segments)
        try:
            cached = await self._current(path) if path else None
        except OSError:
            await _answer(send, 503, [(b"retry-after", b"60"), TO_ALL, _EMPTY])
            return
        if path and cached:
            await self._serve(path, cached, fields(scope["headers"]), method, send)
        elif path and _is_folder(path):
            location = (b"location", _with_slash(segments[-1], scope))
            await _answer(send, 308, [location, SHORTLY, TO_ALL, _EMPTY])
        else:
            await self._not_found(scope, receive, send)

    async def _serve(
        self, path: Path, cached: _Cached, asked: Fields, method: str, send: Send
    ) -> None:
        version = cached.plain
        if cached.packed and prefers_gzip(asked):
            version = cached.packed
        modified = cached.known_by_date()
        date = [] if modified is None else [_last_modified(modified)]
        deltas = method == "GET" and path.name in delta.FEEDS and delta.can_take(asked)
        if deltas:
            await self._deltas.remember(cached.plain.body, cached.etags)

        status = status_for(asked, version.etag, modified)
        if status == 304:
            await _answer(send, 304, version.kept + date)
            return
        if status == 412:
            await _answer(send, 412, [TO_ALL, _EMPTY])
            return
        if deltas and delta.is_wanted(asked):
            found = await self._deltas.of(cached.plain.body, version.etag, asked)
            if found and len(found[0]) < len(version.body):
                headers = delta.headers_of(version.headers, *found)
                await _answer(send, 226, headers + date, found[0])
                return
        body = version.body if method == "GET" else b""
        await _answer(send, 200, version.headers + date, body)

    def _path(self, segments: Sequence[str]) -> Path | None:
        """The file asked for; None for what is never served: dot files, tricks with separators."""
        *folders, name = segments
        names = [*folders, name or "index.html"]
        if any(not name or name.startswith(".") or _UNSAFE.search(name) for name in names):
            return None
        return self._folder.joinpath(*names)

    async def _current(self, path: Path) -> _Cached | None:
        # One at a time reads a file: all want it when it has changed, and none an older one.
        while reading := self._reading.get(path):
            await reading.wait()
        stamp = _stamp(path)
        if stamp is None:
            return None
        cached = self._cache.get(path)
        if cached and cached.stamps == (stamp, _stamp(_twin(path))):
            self._cache.move_to_end(path)
            return cached
        self._reading[path] = asyncio.Event()
        try:
            loop = asyncio.get_running_loop()
            read = await loop.run_in_executor(self._threads, self._load, path)
        except OSError as error:
            self._tell(path, error)
            if cached is None:
                raise
            return cached
        finally:
            self._reading.pop(path).set()
        self._trouble = ""
        self._remember(path, read)
        return read

    def _load(self, path: Path) -> _Cached | None:
        """Reads the file and its twin; None when it is gone or leads out of the folder."""
        plain, twin = _read(self._folder, path), _read(self._folder, _twin(path))
        if plain is None:
            return None
        body, stamp = plain
        headers = self._headers.of(path.relative_to(self._folder))
        packed = None
        # The two are renamed one after the other: a twin of another version is not one.
        if twin and _unpacks_to(twin[0], body):
            packed = _version(twin[0], [*headers, (b"content-encoding", b"gzip")])
        return _Cached(
            stamps=(stamp, twin[1] if twin else None),
            modified=-(-stamp[0] // 10**9),
            plain=_version(body, headers),
            packed=packed,
        )

    def _tell(self, path: Path, error: OSError) -> None:
        """Once, not at every visitor's request."""
        if self._trouble != (trouble := error.strerror or str(error)):
            self._trouble = trouble
            log.error("a feed's file cannot be read", file=path, reason=trouble)

    def _remember(self, path: Path, read: _Cached | None) -> None:
        if forgotten := self._cache.pop(path, None):
            self.cached_bytes -= forgotten.size
        if read is None or read.size > self._cache_bytes:
            return
        self._cache[path] = read
        self.cached_bytes += read.size
        while self.cached_bytes > self._cache_bytes:
            self.cached_bytes -= self._cache.popitem(last=False)[1].size


def _twin(path: Path) -> Path:
    return path.with_name(f"{path.name}.gz")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # also a name too long, or a file where a folder should be
        return None


def _is_folder(path: Path) -> bool:
    found = _status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def _stamp(path: Path) -> Stamp | None:
    """None when there is no file there that we can see."""
    found = _status(path)
    return _stamp_of(found) if found and stat.S_ISREG(found.st_mode) else None


def _stamp_of(found: os.stat_result) -> Stamp:
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _read(folder: Path, path: Path) -> tuple[bytes, Stamp] | None:
    """One version's bytes and stamp, both from one open file, whatever is renamed over it."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        return None
    try:
        with real.open("rb") as file:
            while True:
                before = _stamp_of(os.fstat(file.fileno()))
                file.seek(0)
                body = file.read()
                if before == _stamp_of(os.fstat(file.fileno())):
                    return body, before
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def _unpacks_to(packed: bytes, body: bytes) -> bool:
    try:
        return gzip.decompress(packed) == body
    except (OSError, EOFError, zlib.error):
        return False


def _version(body: bytes, headers: list[Header]) -> _Version:
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
    kept = [each for each in headers if each[0] not in _OF_BODIES] + [(b"etag", etag)]
    length = (b"content-length", str(len(body)).encode())
    return _Version(body, etag, [*headers, (b"etag", etag), length], kept)


@lru_cache(maxsize=1024)
def _last_modified(second: int) -> Header:
    return b"last-modified", formatdate(second, usegmt=True).encode()


def _with_slash(last: str, scope: Scope) -> bytes:
    """Relative, so that it is right behind any proxy."""
    query = scope.get("query_string") or b""
    return f"./{quote(last, safe='')}/".encode() + (b"?" + query if query else b"")


async def _answer(send: Send, status: int, headers: list[Header], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
