"""A reader's own words in a body encoded once for all: marks, quoted-printable, filling in.

A template prints `mark("name")` where a reader's own word goes; `encode` makes of the text a
quoted-printable body in which such a place is a *point*, alone on its line between two soft
breaks; `fill` puts the encoded words there without looking at the rest.
"""

import html
import re
from collections.abc import Mapping

from publisher.errors import PermanentError

_OPEN, _CLOSE = "\ue000", "\ue001"  # private use: strip() keeps them out of strangers' text
_MARK = re.compile(f"{_OPEN}([a-z_]+){_CLOSE}")
_NEWLINE = re.compile(r"\r\n?")
_QUOTED = re.compile(rb"[^\t\n -<>-~]+")
_WIDTH = 75  # RFC 2045 allows 76 with the `=` of a soft break


def mark(name: str) -> str:
    """What a template prints where each reader's own `name` (small letters and `_`) goes."""
    return f"{_OPEN}{name}{_CLOSE}"


def strip(text: str) -> str:
    """`text` without the characters that marks are made of."""
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def encode(text: str, *, escape: bool = False) -> bytes:
    """The quoted-printable body of `text`, its marks made points; with `escape` it is HTML and
    what is filled in will be escaped.

    Lines end in CRLF, hold at most 76 characters and begin neither with a dot (nothing for SMTP
    to stuff) nor with "From " (nothing for a mailbox to alter). NUL stands only around points.
    """
    # NUL never comes out of quoted-printable, so that nobody's text can pass for a point.
    parts = _MARK.split(text)
    out = []
    for passage, name in zip(parts[0::2], parts[1::2], strict=False):
        point = "&" + name if escape else name
        out.append(_encode(passage) + b"=\r\n\0" + point.encode("ascii") + b"\0=\r\n")
    out.append(_encode(parts[-1], last=True))
    return b"".join(out)


def fill(body: bytes, values: Mapping[str, str]) -> bytes:
    """`body` with the words of one reader at its points.

    Raises PermanentError for a point that `values` has no word for.
    """
    pieces = body.split(b"\0")
    encoded: dict[bytes, bytes] = {}
    for index in range(1, len(pieces), 2):
        point = pieces[index]
        if point not in encoded:
            encoded[point] = _value(point.decode("ascii"), values)
        pieces[index] = encoded[point]
    return b"".join(pieces)


def _value(point: str, values: Mapping[str, str]) -> bytes:
    name = point.removeprefix("&")
    if name not in values:
        raise PermanentError(f"a template uses reader.{name}, which nobody fills in")
    return _encode(html.escape(values[name]) if point != name else values[name])


def _encode(text: str, *, last: bool = False) -> bytes:
    # A lone surrogate has no UTF-8; "replace" writes "?".
    data = _NEWLINE.sub("\n", text).encode("utf-8", "replace")
    data = _QUOTED.sub(lambda found: b"=" + found[0].hex("=").upper().encode("ascii"), data)
    lines = data.split(b"\n")
    final = len(lines) - 1
    return b"\r\n".join(
        [_wrap(line, ends=last or index < final) for index, line in enumerate(lines)]
    )


def _wrap(line: bytes, *, ends: bool) -> bytes:
    """One line, already quoted, soft-broken; `ends` when a real line end follows it."""
    if ends and line.endswith((b" ", b"\t")):  # RFC 2045 6.7 (3): it would be lost on the way
        line = line[:-1] + b"=%02X" % line[-1]
    out = []
    start = 0
    while True:
        piece = line[start : start + _WIDTH]
        rest = len(line) - start - len(piece)
        grown = 0
        if piece.startswith((b".", b"From ")):
            piece, grown = b"=%02X" % piece[0] + piece[1:], 2
        if not rest and len(piece) <= _WIDTH:
            out.append(piece)
            return b"=\r\n".join(out)
        inside = piece.rfind(b"=", _WIDTH - 2, _WIDTH)
        piece = piece[: inside if inside >= 0 else _WIDTH]
        out.append(piece)
        start += len(piece) - grown
