"""Serves the feeds folder from memory, with the validators and encodings that feed readers ask for.

A raw ASGI handler, because a busy site's readers ask for the same few files all day long.
"""

import asyncio
import gzip
import hashlib
import os
import re
import stat
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import quote

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

Header = tuple[bytes, bytes]
Stamp = tuple[int, int, int, int]
"""Tells one version of a file from another: time of change in ns, size, inode, device."""

_FEEDS = {
    "rss.xml": "application/rss+xml; charset=utf-8",
    "atom.xml": "application/atom+xml; charset=utf-8",
    "feed.json": "application/feed+json",
    "feeds.opml": "text/x-opml; charset=utf-8",
}
# Not `mimetypes`: it reads the machine's own list, and two nodes would answer differently.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".xml": "application/xml; charset=utf-8",
    ".opml": "text/x-opml; charset=utf-8",
    ".json": "application/json",
    ".gz": "application/gzip",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
}
# Nothing on a page ever runs, and nothing comes from elsewhere but what the operator allows.
_PAGE_POLICY = (
    "default-src 'none'; img-src 'self' data:{media}; media-src 'self'{media}; "
    "style-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_ENTITY_TAG = re.compile(rb'(?:W/)?("[^"]*")')
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\:]")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Version:
    """One file as it was read, in one encoding."""

    body: bytes
    etag: bytes
    headers: list[Header]
    is_page: bool


@dataclass(frozen=True, slots=True)
class _Cached:
    stamps: tuple[Stamp, Stamp | None]
    """Of the file and of its `.gz` twin."""
    plain: _Version
    packed: _Version | None

    @property
    def size(self) -> int:
        return len(self.plain.body) + (len(self.packed.body) if self.packed else 0)


class FeedFiles:
    """The files under `folder`; `not_found` answers for what is not there or not to be seen."""

    def __init__(
        self,
        folder: Path,
        not_found: ASGIApp,
        *,
        media_from: Sequence[str] = (),
        cache_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """`media_from`: where pages may load pictures and sound from, besides here."""
        media = "".join(f" {each}" for each in media_from)
        self._page_policy = _PAGE_POLICY.format(media=media).encode("ascii")
        self._folder = folder
        self._not_found = not_found
        self._cache_bytes = cache_bytes
        self.cached_bytes = 0
        """How much of `cache_bytes` is in use."""
        self._cache: OrderedDict[Path, _Cached] = OrderedDict()
        # Threads of its own: the others may all wait for a database that is locked.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="feed files")
        self._trouble = ""

    async def serve(
        self, segments: Sequence[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answers for the path `segments` (decoded; an empty last one asks for a folder)."""
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, [(b"allow", b"GET, HEAD"), (b"content-length", b"0")])
            return
        path = self._path(segments)
        try:
            cached = await self._current(path) if path else None
        except OSError:
            await _answer(send, 503, [(b"retry-after", b"60"), (b"content-length", b"0")])
            return
        if path and cached is None and _is_folder(path):
            location = _with_slash(segments[-1], scope)
            await _answer(send, 308, [(b"location", location), (b"content-length", b"0")])
            return
        if cached is None:
            await self._not_found(scope, receive, send)
            return
        asked = dict(scope["headers"])
        version = cached.plain
        if cached.packed and _prefers_gzip(asked.get(b"accept-encoding", b"")):
            version = cached.packed
        headers = version.headers
        if version.is_page:
            headers = [*headers, (b"content-security-policy", self._page_policy)]
        if _has_it_already(asked, version.etag, cached.stamps[0]):
            await _answer(send, 304, headers)
            return
        length = (b"content-length", str(len(version.body)).encode())
        body = version.body if scope["method"] == "GET" else b""
        await _answer(send, 200, [*headers, length], body)

    def _path(self, segments: Sequence[str]) -> Path | None:
        """The file asked for; None for what is never served: dot files, tricks with separators."""
        *folders, name = segments
        names = [*folders, name or "index.html"]
        if any(not name or name.startswith(".") or _UNSAFE.search(name) for name in names):
            return None
        return self._folder.joinpath(*names)

    async def _current(self, path: Path) -> _Cached | None:
        stamp = _stamp(path)
        if stamp is None:
            return None
        cached = self._cache.get(path)
        if cached and cached.stamps == (stamp, _stamp(_twin(path))):
            self._cache.move_to_end(path)
            return cached
        loop = asyncio.get_running_loop()
        try:
            read = await loop.run_in_executor(self._threads, _load, self._folder, path)
        except OSError as error:
            self._tell(path, error)
            if cached is None:
                raise
            return cached
        self._trouble = ""
        self._remember(path, read)
        return read

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


def _load(folder: Path, path: Path) -> _Cached | None:
    """Reads the file and its twin; None when it is gone or leads out of the folder."""
    plain, twin = _read(folder, path), _read(folder, _twin(path))
    if plain is None:
        return None
    body, stamp = plain
    packed = None
    # The two are renamed one after the other: a twin of another version is not one.
    if twin and _unpacks_to(twin[0], body):
        packed = _version(path.name, twin[0], stamp, encoding=b"gzip")
    return _Cached(
        stamps=(stamp, twin[1] if twin else None),
        plain=_version(path.name, body, stamp),
        packed=packed,
    )


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


def _version(name: str, body: bytes, stamp: Stamp, *, encoding: bytes = b"") -> _Version:
    content_type = _FEEDS.get(name) or _TYPES.get(Path(name).suffix, "application/octet-stream")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'.encode()
    headers = [
        (b"content-type", content_type.encode()),
        (b"etag", etag),
        (b"last-modified", formatdate(stamp[0] // 10**9, usegmt=True).encode()),
        (b"vary", b"Accept-Encoding"),
        (b"x-content-type-options", b"nosniff"),
    ]
    is_page = content_type.startswith(("text/html", "image/svg"))
    # A page is asked for again each time: a 304 costs little, and breaking news shows at once.
    headers += [(b"cache-control", b"no-cache" if is_page else b"public, max-age=600")]
    if name in _FEEDS:
        headers += [(b"access-control-allow-origin", b"*")]
    if encoding:
        headers += [(b"content-encoding", encoding)]
    return _Version(body, etag, headers, is_page)


def _with_slash(last: str, scope: Scope) -> bytes:
    """Relative, so that it is right behind any proxy."""
    query = scope.get("query_string") or b""
    return f"./{quote(last, safe='')}/".encode() + (b"?" + query if query else b"")


def _prefers_gzip(accepted: bytes) -> bool:
    """Whether Accept-Encoding (RFC 9110, 12.5.3) takes gzip, and not rather the plain bytes."""
    weights: dict[str, float] = {}
    for part in accepted.decode("latin-1").lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding] = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weights[coding] = float(value)
                except ValueError:
                    weights[coding] = 0.0
    gzipped = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzipped > 0 and gzipped >= weights.get("identity", 0.0)


def _has_it_already(asked: dict[bytes, bytes], etag: bytes, stamp: Stamp) -> bool:
    """If-None-Match decides alone where it is sent (RFC 9110, 13.2.2)."""
    if (tags := asked.get(b"if-none-match")) is not None:
        return tags.strip() == b"*" or etag in _ENTITY_TAG.findall(tags)
    if (since := asked.get(b"if-modified-since")) is not None:
        try:
            moment = parsedate_to_datetime(since.decode("latin-1"))
        except (ValueError, OverflowError):  # a year of eleven digits overflows
            return False
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return stamp[0] // 10**9 <= aware.timestamp()
    return False


async def _answer(send: Send, status: int, headers: list[Header], body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
