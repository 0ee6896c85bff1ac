"""A text as words for comparison, in any script: what stays the same when only its looks change."""

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable

RUN = 5
"""Words compared at a time. A shorter text is one run as it is."""

Words = tuple[str, ...]


class _Characters(dict[int, str]):
    """For `str.translate`: each character's share in the words, looked up once."""

    def __missing__(self, code: int) -> str:
        self[code] = kept = _kept(chr(code))
        return kept


_UNSPACED = (  # scripts that put no space between words: first and last code point
    (0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF),
    (0x1A20, 0x1AAF), (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x30FF), (0x3100, 0x312F),
    (0x31A0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA980, 0xA9DF), (0xAA60, 0xAA7F),
    (0xF900, 0xFAFF), (0x1B000, 0x1B16F), (0x20000, 0x3FFFF),
)  # fmt: skip


def _kept(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Cf" or 0xFE00 <= ord(char) <= 0xFE0F:  # invisible: joiners, variation selectors
        return ""
    if kind[0] in "LMN":
        unspaced = any(first <= ord(char) <= last for first, last in _UNSPACED)
        return f" {char} " if unspaced else char
    return f" {char} " if kind in ("Sc", "Sm", "So") else " "


_CHARACTERS = _Characters()


def words(text: str) -> Words:
    """The words of a text for comparison: without case, punctuation, quotes and kinds of space.

    Each character counts as a word in scripts that have no spaces, and so does each symbol.
    """
    # Decomposed (NFKD), so that the beginning of a text is also the beginning of its words. An
    # acute accent typed as an apostrophe would otherwise become a mark on a space.
    plain = unicodedata.normalize("NFKD", text.replace("´", "'")).casefold()
    plain = unicodedata.normalize("NFKD", plain)
    return tuple(map(sys.intern, plain.translate(_CHARACTERS).split()))


def runs(said: Words) -> Iterable[Words]:
    """All five words that follow each other; a shorter text as a whole."""
    if len(said) <= RUN:
        return [said] if said else []
    return zip(*(said[n:] for n in range(RUN)), strict=False)


def is_beginning(part: Words, whole: Words) -> bool:
    """Whether `part` (not empty) begins `whole`; its last word may be cut.

    Also between a letter and its accent.
    """
    *before, last = part
    if len(part) > len(whole) or tuple(before) != whole[: len(before)]:
        return False
    while last and unicodedata.category(last[-1])[0] == "M":
        last = last[:-1]
    return whole[len(before)].startswith(last)


def similar(one: Words, other: Words) -> bool:
    """Whether two titles may be one with a word mended."""
    common = (Counter(one) & Counter(other)).total()
    return 2 * common >= max(len(one), len(other)) - 1
