"""Text as a mail header may hold it: one clean line, RFC 2047 words where ASCII is too small."""

import re
from base64 import b64encode
from functools import lru_cache

from publisher.core import splice
from publisher.core.text import clean_line, opening_words

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[ -~]*")
_WIDTH = 76
_WORD = len("=?utf-8?b??=")
_WORD_START = "=?"


def one_line(text: str, limit: int = 500) -> str:
    """`text` as a clean line of at most `limit` characters, also without splice marks and all that
    turns the direction of text: in a list of mails it would turn what stands beside it."""
    return opening_words(clean_line(_TURNING.sub("", splice.strip(text))), limit)


@lru_cache(maxsize=64)  # a subject is the same for all readers of a rendering
def unstructured(text: str, column: int) -> str:
    """`text` (see `one_line`) as a header's value, ASCII and folded; `column` characters stand
    before it on its line."""
    if is_plain(text):
        return _folded(text, column)
    return encoded_words(text, column)


def is_plain(text: str) -> bool:
    """Whether it can stand as it is: ASCII that no reader would take for an encoded word."""
    return (
        _PLAIN.fullmatch(text) is not None
        and _WORD_START not in text
        and all(len(word) < _WIDTH // 2 for word in text.split(" "))
    )


def encoded_words(text: str, column: int) -> str:
    """`text` as RFC 2047 words of whole characters, each of at most 75, folded between them."""
    words: list[str] = []
    room = _bytes_in(_WIDTH - column)
    chunk = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if chunk and len(chunk) + len(octets) > room:
            words.append(_word(chunk))
            chunk, room = b"", _bytes_in(_WIDTH - 1)
        chunk += octets
    words.append(_word(chunk))
    return "\r\n ".join(words)


def _word(chunk: bytes) -> str:
    return f"=?utf-8?b?{b64encode(chunk).decode('ascii')}?="


def _bytes_in(columns: int) -> int:
    return (columns - _WORD) // 4 * 3


def _folded(text: str, column: int) -> str:
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        if line and column + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line, column = word, 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    return "\r\n ".join(lines)
