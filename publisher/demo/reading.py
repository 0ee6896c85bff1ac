"""Takes a raw mail apart for showing: a stranger's bytes in, plain bounded strings out.

Python's own MIME reader raises on some broken mails and takes quadratic time on others (long
parameters, long encoded words); everything is therefore cut before it is understood, and a mail
that cannot be understood at all is still shown as its source.
"""

import codecs
import re
from base64 import b64decode
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32
from quopri import decodestring

from publisher.core.text import clean_line

_HEAD_BYTES = 64 * 1024
_VALUE_CHARS = 4_000
MOST_BYTES = 1024 * 1024
"""Only so much of a mail is taken apart."""

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bqBQ])\?([^?\s]*)\?=")
_BETWEEN_WORDS = re.compile(r"(?<=\?=)\s+(?==\?)")
_NO_CHARSETS = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined"})
"""Encodings of Python's that no mail means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A leaf of the mail's MIME tree."""

    type: str
    filename: str
    size: int
    """Bytes, decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The headers, decoded and unfolded, in the mail's order."""

    fields: tuple[tuple[str, str], ...]

    def get(self, name: str) -> str:
        """The first header of that name, or an empty string."""
        return next((value for key, value in self.fields if key.lower() == name), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a mail program would show."""

    html: str | None = None
    text: str | None = None
    parts: tuple[Part, ...] = field(default=())
    cut: bool = False
    """The mail is longer than what was taken apart."""
    broken: bool = False
    """Its MIME could not be understood; only the source can be shown."""


class _Cutting(Compat32):
    """Cuts each header before the parser looks for anything in it."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name[:_VALUE_CHARS], value[:_VALUE_CHARS]


_POLICY = _Cutting()


def read_head(data: bytes) -> Head:
    """The mail's headers; those beyond the first 64 KB are left out."""
    message = BytesHeaderParser(policy=_POLICY).parsebytes(data[:_HEAD_BYTES])
    return Head(
        fields=tuple((as_utf8(name), _decoded(value)) for name, value in message.raw_items())
    )


def read_body(data: bytes) -> Body:
    """The mail's first HTML part, its first text part, and a list of all."""
    try:
        message = BytesParser(policy=_POLICY).parsebytes(data[:MOST_BYTES])
        leaves = [leaf for leaf in message.walk() if not leaf.is_multipart()]
        return Body(
            html=_first(leaves, "text/html"),
            text=_first(leaves, "text/plain"),
            parts=tuple(_part(leaf) for leaf in leaves),
            cut=len(data) > MOST_BYTES,
        )
    except Exception:  # no list of what the email package raises on hostile MIME is ever complete
        return Body(broken=True, cut=len(data) > MOST_BYTES)


def as_utf8(text: str) -> str:
    """Bytes smuggled as lone surrogates are read as UTF-8; what is none becomes a mark."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode("utf-8")


def _first(leaves: list[Message], wanted: str) -> str | None:
    for leaf in leaves:
        if leaf.get_content_type() == wanted and leaf.get_content_disposition() != "attachment":
            return _text(_payload(leaf), leaf.get_content_charset("utf-8"))
    return None


def _part(leaf: Message) -> Part:
    return Part(
        type=as_utf8(leaf.get_content_type()),
        filename=_decoded(leaf.get_filename("")),
        size=len(_payload(leaf)),
    )


def _payload(leaf: Message) -> bytes:
    payload = leaf.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _text(data: bytes, charset: str) -> str:
    try:
        if codecs.lookup(charset).name in _NO_CHARSETS:
            charset = "utf-8"
        return as_utf8(data.decode(charset, "replace"))
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _decoded(value: str) -> str:
    """A header's value on one line, its RFC 2047 words decoded."""
    line = _BETWEEN_WORDS.sub("", _FOLD.sub("", value))
    words = _ENCODED_WORD.sub(_word, as_utf8(line))
    return clean_line(words)


def _word(match: re.Match[str]) -> str:
    charset, encoding, encoded = match.groups()
    raw = encoded.encode("utf-8")
    try:
        data = b64decode(raw + b"===") if encoding in "bB" else decodestring(raw, header=True)
    except ValueError:
        return match[0]
    return _text(data, charset.partition("*")[0])  # RFC 2231: a language may follow the charset
