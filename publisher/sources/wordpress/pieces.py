"""The bytes of a WordPress export: brought to UTF-8, cut into its items, and mended."""

import codecs
import html.entities
import re
from collections.abc import Iterator
from enum import Enum, auto
from html import escape

from publisher.core.text import without_controls
from publisher.errors import UnreadableError

LARGEST = 16_000_000  # bytes of one item

_START = re.compile(rb"<\?xml|<!DOCTYPE|<rss[\s>]")
_ENCODING = re.compile(rb"""<\?xml[^>]{0,200}encoding=["']([\w.-]{1,40})""")
_MARK = re.compile(rb"<(?:!\[CDATA\[|!--|/?item[\s>])")
_CDATA = re.compile(r"(<!\[CDATA\[.*?\]\]>)", re.DOTALL)
_REFERENCE = re.compile(r"&(?:#(\d{1,8}|x[0-9a-fA-F]{1,8});|(\w{1,40});)?")
_XML_NAMES = {"amp", "lt", "gt", "quot", "apos"}
_STRAY_BYTES = "publisher.stray-bytes"


class Piece(Enum):
    AROUND = auto()
    ITEM = auto()
    UNCLOSED = auto()
    TOO_LARGE = auto()
    CUT = auto()


def utf8(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same from its first tag on, in UTF-8; what was one line too many before it is left out.

    The encoding is the declared one, except where the bytes show that this is UTF-8 all the same.
    """
    first = next(chunks, b"")
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    else:
        start = _START.search(first)
        first = first[start.start() :] if start else first
        found = _ENCODING.match(first)
        name = _codec(found[1].decode() if found else "utf-8", first)
    if name == "utf-8":
        yield first
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(name)("replace")
    yield decoder.decode(first).encode("utf-8", "replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _codec(declared: str, sample: bytes) -> str:
    try:
        name = codecs.lookup(declared).name
        fits = "<?xml".encode(name) == b"<?xml"
    except (LookupError, UnicodeError):
        return "utf-8"
    if name in ("utf-8", "ascii") or not fits:
        return "utf-8"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return name
    return name if sample.isascii() else "utf-8"


def cut(chunks: Iterator[bytes]) -> Iterator[tuple[Piece, bytes]]:
    """The items and what stands around them; tags within CDATA and comments are no tags.

    Pieces around items end after a `>`: no character, entity or CDATA section lies across.
    """
    buffer, until = b"", b""
    start = at = 0
    inside = dropping = False
    for chunk in chunks:
        buffer, at, start = buffer[start:] + chunk, at - start, 0
        while True:
            if until:
                end = buffer.find(until, at)
                if end < 0:
                    at = max(at, len(buffer) - len(until) + 1)
                    break
                at, until = end + len(until), b""
            mark = _MARK.search(buffer, at)
            if mark is None:
                at = max(at, len(buffer) - len(b"<![CDATA[") + 1)
                break
            if mark[0].startswith(b"<!"):
                at, until = mark.end(), b"-->" if mark[0] == b"<!--" else b"]]>"
            elif not mark[0].startswith(b"</"):
                if not dropping:
                    piece = Piece.UNCLOSED if inside else Piece.AROUND
                    yield piece, buffer[start : mark.start()]
                start, at = mark.start(), mark.end()
                inside, dropping = True, False
            elif (end := buffer.find(b">", mark.end() - 1)) < 0:
                at = mark.start()
                break
            else:
                at = end + 1
                if inside and not dropping:
                    yield Piece.ITEM, buffer[start:at]
                if inside:
                    start = at
                inside = dropping = False
        if inside and not dropping and len(buffer) - start > LARGEST:
            yield Piece.TOO_LARGE, buffer[start : start + 2000]
            dropping = True
        if dropping:
            start = at
        elif not inside:
            if not until and (end := buffer.rfind(b">", start, at)) >= 0:
                yield Piece.AROUND, buffer[start : end + 1]
                start = end + 1
            if len(buffer) - start > LARGEST:
                raise UnreadableError("it is not a WordPress export: too much before its items")
    if not dropping:
        yield Piece.CUT if inside else Piece.AROUND, buffer[start:]


def mended(raw: bytes) -> bytes:
    """`raw` without what XML cannot carry, and with what it does not know put in its terms.

    Exports come with control characters, stray bytes of Windows-1252, HTML's entities and bare
    ampersands: WordPress writes out what its database holds.
    """
    parts = _CDATA.split(without_controls(raw.decode("utf-8", _STRAY_BYTES)))
    parts[::2] = [_REFERENCE.sub(_reference, each) for each in parts[::2]]
    return "".join(parts).encode()


def _reference(match: re.Match[str]) -> str:
    number, name = match[1], match[2]
    if number:
        code = int(number[1:], 16) if number[0] == "x" else int(number)
        return match[0] if code < 0x110000 and without_controls(chr(code)) else ""
    if name in _XML_NAMES:
        return match[0]
    char = html.entities.html5.get(f"{name};")
    return escape(char) if char else f"&amp;{match[0][1:]}"


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error(_STRAY_BYTES, _as_windows_1252)
