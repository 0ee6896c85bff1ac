"""Strangers' words made safe to show: on one line, on several, and the first of them."""

import re
import unicodedata

# What is no character in any plane, though XML 1.0 (2.2) can carry all but two of them.
_NONE = r"\ufdd0-\ufdef\ufffe\uffff" + "".join(
    f"{chr(plane | 0xFFFE)}{chr(plane | 0xFFFF)}" for plane in range(0x10000, 0x110000, 0x10000)
)
# What XML cannot carry, and C1: terminals obey some of those.
_ILLEGAL = rf"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff{_NONE}"
_UNFIT_IN_TEXT = re.compile(rf"[{_ILLEGAL}]")
# A no-break space alone between words was set on purpose: French has one before `!` and `»`.
_UNFIT_IN_LINE = re.compile(rf"[\s{_ILLEGAL}](?:[\s{_ILLEGAL}]+|(?<![ \u00a0\u202f]))")
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
_PAGE_BREAK = re.compile(r"[\x0b\x0c]")
_BYTE_ORDER_MARK = "\ufeff"
_INVISIBLE_EDGES = " \u00a0\u202f\u00ad\u200b\u2060"
# Letters and symbols by category, but empty: Hangul fillers, a Braille cell without dots, a null
# notehead, the place of an object that is not there.
_BLANK = re.compile("[\u115f\u1160\u3164\uffa0\u2800\ufffc\U0001d159]")
_LOOSE_ENDS = " ,;:.–—-(«“„¿¡"

_POP_EMBEDDING, _POP_ISOLATE = "\u202c", "\u2069"
_EMBEDDINGS = "\u202a\u202b\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def clean_line(text: str) -> str:
    """`text` as one line fit for a title, a name or a header.

    Control characters, lone surrogates, line breaks and runs of white space become one space;
    bidirectional controls without their partner go; the rest is composed (NFC). A line on which
    nothing would be seen is empty.
    """
    text = unicodedata.normalize("NFC", _balanced(text.replace(_BYTE_ORDER_MARK, "")))
    line = _UNFIT_IN_LINE.sub(" ", text).strip(_INVISIBLE_EDGES)
    return line if any(map(_is_seen, line)) else ""


def clean_text(text: str) -> str:
    """As `clean_line`, line by line: line breaks stay, of several empty lines one."""
    lines = (clean_line(line) for line in _LINE_BREAK.split(text))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def without_controls(text: str) -> str:
    """`text` with its layout (tabs, spaces, lines) but nothing that XML or HTML cannot carry."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x85", "\n")
    text = text.replace(_BYTE_ORDER_MARK, "")
    return _UNFIT_IN_TEXT.sub("", _PAGE_BREAK.sub(" ", text))


def opening_words(line: str, limit: int) -> str:
    """A clean line, or of a longer one the first words: with their `…` at most `limit` characters.

    A script without spaces, or one endless word, is cut between two letters.
    """
    if len(line) <= limit:
        return line
    end = limit - 1
    while end > 0 and _joins(line[end - 1], line[end]):
        end -= 1
    end = end or limit - 1  # one letter under a heap of accents: better some of it than nothing
    start = line[:end]
    if line[end] != " " and (space := start.rfind(" ")) > limit // 3:
        start = start[:space]
    return clean_line(start).rstrip(_LOOSE_ENDS) + "…"


def _is_seen(char: str) -> bool:
    """Whether it shows something by itself, whatever the font: a mark needs a letter to stand on.

    What is private to some font means nothing to the reader of a feed. What this Python does not
    know yet may be an emoji.
    """
    kind = unicodedata.category(char)
    return kind == "Cn" or (kind[0] not in "CMZ" and not _BLANK.match(char))


def _balanced(line: str) -> str:
    """`line` without bidirectional controls that lack a partner: they would turn what follows.

    Pairs as UAX #9 does (BD9, X7): an isolate's end also closes embeddings left open inside it.
    """
    if not _BIDI.search(line):
        return line
    opened: list[int] = []
    isolates = 0
    partnerless: set[int] = set()
    for at, char in enumerate(line):
        if char in _EMBEDDINGS or char in _ISOLATES:
            opened.append(at)
            isolates += char in _ISOLATES
        elif char == _POP_EMBEDDING:
            if opened and line[opened[-1]] in _EMBEDDINGS:
                opened.pop()
            else:
                partnerless.add(at)
        elif char == _POP_ISOLATE:
            if isolates:
                isolates -= 1
                while line[start := opened.pop()] in _EMBEDDINGS:
                    partnerless.add(start)
            else:
                partnerless.add(at)
    partnerless.update(opened)
    return "".join(char for at, char in enumerate(line) if at not in partnerless)


def _joins(before: str, after: str) -> bool:
    """Whether the two are parts of one letter or emoji as the reader sees it."""
    return (
        unicodedata.category(after).startswith("M")
        or "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
    )
