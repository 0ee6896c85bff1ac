"""Reads a category archive page saved as text: who the category is, and its articles in page order.

A page is blocks of lines with blank lines between. A heading `LABEL : NAME`; then each article is a
standfirst (a block of one line with no closing punctuation), which is its title, and paragraphs.
References to other articles stand between the paragraphs, behind a marker ("Read more").
"""

import codecs
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from publisher.core.markers import USUAL, fold
from publisher.core.model import Related
from publisher.core.punctuation import closed, ends_sentence
from publisher.errors import UnreadableError

TITLE_LENGTH = 300
"""Characters. A longer line without closing punctuation is a paragraph that lost its full stop."""

_COLONS = re.compile("[:：﹕︓]")
_NEWLINES = re.compile("\r+\n|[\r\x0b\x0c\x85\u2028]")
_SPACES = re.compile(r"[\s\u200b]*\s[\s\u200b]*")
_NO_BREAK = ("\u00a0", "\u202f")

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextArticle:
    title: str
    paragraphs: tuple[str, ...]
    """At least one."""
    related: tuple[Related, ...] = ()
    complete: bool = True
    """False when its end is plainly missing; only ever the page's last article."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivePage:
    category: str
    """The name in the heading, as written; empty only where the page breaks off within it."""
    articles: tuple[TextArticle, ...] = ()
    leftover: str = ""
    """The end of a page that breaks off: the beginning of something that cannot be told yet."""
    untitled: tuple[str, ...] = ()
    """Paragraphs before the first title: of no article, yet not to be dropped unseen."""


@dataclass(slots=True, kw_only=True)
class _Draft:
    title: str
    paragraphs: list[str] = field(default_factory=list)
    related: list[Related] = field(default_factory=list)


class _Marker:
    """A phrase like "Read more" alone: what it introduces stands in the next block."""


_Piece = _Marker | Related | Lines
"""What a block falls into: a marker, a whole reference (`READ MORE: …`), or other lines."""


def decode(data: bytes) -> tuple[str, bool]:
    """A page's text, and whether it breaks off within a character (that character is dropped).

    UTF-8, with or without a byte order mark, or UTF-16 with one. Raises UnreadableError.
    """
    utf16 = data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if data in (codecs.BOM_UTF16_LE[:1], codecs.BOM_UTF16_BE[:1]):
        return "", True
    decoder = codecs.getincrementaldecoder("utf-16" if utf16 else "utf-8")()
    try:
        text = decoder.decode(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            f"line {line}: neither UTF-8 nor UTF-16 text "
            f"(byte 0x{data[error.start]:02x} at position {error.start})"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnreadableError(f"line {line}: a NUL character; this is no text file")
    return text.removeprefix("\ufeff"), bool(decoder.getstate()[0])


def parse(text: str, category: str = "") -> ArchivePage:
    """The articles of a page. `category` names the category of a page that has no heading.

    A page that breaks off anywhere is read as far as it goes. Raises UnreadableError when there is
    neither heading nor `category`.
    """
    blocks = _blocks(text)
    name = _heading(blocks, category)
    if name:
        blocks = blocks[1:]
    elif not category and blocks:
        if len(blocks) == 1 and len(blocks[0][1]) == 1:
            return ArchivePage(category="", leftover=blocks[0][1][0])
        number, lines = blocks[0]
        raise UnreadableError(
            f"line {number}: expected a heading like “Category Archive : NAME”, "
            f"found “{lines[0]:.60}”"
        )
    contents = [lines for _, lines in blocks]
    markers = USUAL | _learned(contents)
    ended = text.rstrip(" \t\u00a0")[-1:] in ("\n", "\r")
    begun = "" if ended else _begun_marker(contents, markers)
    if begun:
        contents[-1] = contents[-1][:-1]
    pieces = [piece for lines in contents for piece in _pieces(lines, markers)]
    return _assemble(name or category, pieces, begun, ended=ended)


def _blocks(text: str) -> list[tuple[int, Lines]]:
    """Runs of lines that are not blank, each with the number of its first line."""
    blocks: list[tuple[int, list[str]]] = []
    inside = False
    normal = _NEWLINES.sub("\n", text).replace("\u2029", "\n\n").replace("\ufeff", "")
    for number, line in enumerate(normal.split("\n"), 1):
        if not any(char.isprintable() and not char.isspace() for char in line):
            inside = False
            continue
        tidy = _SPACES.sub(_one_space, line).strip().strip("\u200b")
        if not inside:
            blocks.append((number, []))
        inside = True
        blocks[-1][1].append(tidy)
    return [(n, tuple(lines)) for n, lines in blocks if not _is_rule(lines)]


def _one_space(run: re.Match[str]) -> str:
    """A single no-break space is typography (French « … »); in a run it is debris."""
    return run[0] if run[0] in _NO_BREAK else " "


def _is_rule(lines: Sequence[str]) -> bool:
    """A line drawn with characters, like `* * *` or `-----`: no words to keep."""
    return len(lines) == 1 and not closed(lines[0]) and not _has_words(lines[0])


def _has_words(line: str) -> bool:
    return any(char.isalnum() or unicodedata.category(char) == "So" for char in line)


def _heading(blocks: Sequence[tuple[int, Lines]], category: str) -> str:
    """The category named by a heading in the first block; empty when there is none."""
    if not blocks or len(blocks[0][1]) != 1:
        return ""
    label, *rest = _COLONS.split(blocks[0][1][0], maxsplit=1)
    name = rest[0].strip() if rest else ""
    short = len(label.split()) <= 5 and len(label) <= 40 and len(name) <= 60
    if not (_has_words(label) and _has_words(name) and short):
        return ""
    if closed(name) and len(name.split()) > 3:  # a category may be called “U.S.”
        return ""
    # Where the caller names the category, the first line may be a title with a colon in it: a
    # paragraph follows that one, but a title follows a heading.
    if category and name.casefold() != category.casefold() and len(blocks) > 1:
        return name if _is_title(blocks[1][1]) else ""
    return name


def _learned(blocks: Sequence[Lines]) -> frozenset[str]:
    """Phrases that this page uses as markers, known by what follows them.

    A short line alone, standing at least twice, each time before two lines of which the second
    reads like a headline. The first block of all is a title, whatever it says.
    """
    followers: dict[str, list[bool]] = defaultdict(list)
    for number, (lines, after) in enumerate(pairwise(blocks)):
        if number == 0 or not _is_title(lines) or len(lines[0]) > 40:
            continue
        cut = number == len(blocks) - 2 and len(after) == 1
        if not cut:
            headline = len(after) == 2 and not ends_sentence(after[1], but="!?！？؟;")
            followers[fold(lines[0])].append(headline)
    return frozenset(k for k, found in followers.items() if len(found) >= 2 and all(found))


def _begun_marker(blocks: Sequence[Lines], markers: Iterable[str]) -> str:
    """The page's last line, if it is but the beginning of a marker; else nothing."""
    last = blocks[-1][-1] if blocks else ""
    begun = fold(last)
    if not begun or closed(last):
        return ""
    return last if any(m.startswith(begun) and m != begun for m in markers) else ""


def _pieces(lines: Lines, markers: frozenset[str]) -> Iterator[_Piece]:
    """A block taken apart: its markers and `READ MORE: …` lines by themselves."""
    if lines and fold(lines[0]) in markers:
        yield _Marker()
        lines = lines[1:]
    text: list[str] = []
    references: list[Related] = []
    for line in lines:
        label, *rest = _COLONS.split(line, maxsplit=1)
        if rest and fold(label) in markers:
            references.append(Related(title=rest[0].strip()))
        else:
            text.append(line)
    if text:
        yield tuple(text)
    yield from (reference for reference in references if reference.title)


def _assemble(category: str, pieces: Sequence[_Piece], begun: str, *, ended: bool) -> ArchivePage:
    """`ended`: the text ends with a newline, so that its last line is whole."""
    drafts: list[_Draft] = []
    untitled: list[str] = []
    leftover = [begun] if begun else []
    introduced = False
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        after_marker, introduced = introduced and bool(drafts), isinstance(piece, _Marker)
        if isinstance(piece, _Marker):
            continue
        if isinstance(piece, Related):
            if drafts:
                drafts[-1].related.append(piece)
            else:
                untitled.append(piece.title)
            continue
        if after_marker:
            if last and len(piece) == 1:  # a caption whose headline is missing, or a headline
                leftover = [piece[0], *leftover]
                continue
            if reference := _introduced(piece):
                drafts[-1].related.append(reference)
                continue
        if _is_title(piece) and (not drafts or drafts[-1].paragraphs):
            drafts.append(_Draft(title=piece[0]))
        elif last and not begun and _is_begun(piece, drafts, ended=ended):
            leftover = [piece[0]]
        else:
            (drafts[-1].paragraphs if drafts else untitled).append(" ".join(piece))
    if drafts and not drafts[-1].paragraphs:
        leftover = [drafts.pop().title, *leftover]
    return ArchivePage(
        category=category,
        articles=tuple(
            TextArticle(
                title=draft.title,
                paragraphs=tuple(draft.paragraphs),
                related=tuple(draft.related),
                complete=draft is not drafts[-1]
                or (not introduced and (ended or ends_sentence(draft.paragraphs[-1]))),
            )
            for draft in drafts
        ),
        leftover=" ".join(leftover),
        untitled=tuple(untitled),
    )


def _is_begun(lines: Lines, drafts: Sequence[_Draft], *, ended: bool) -> bool:
    """Whether the page's last block may be a title or paragraph that was only begun."""
    if len(lines) > 1 or ended or (drafts and not drafts[-1].paragraphs):
        return False
    return not drafts or not ends_sentence(lines[0])


def _introduced(lines: Lines) -> Related | None:
    """What stands behind a marker, if it is a reference: caption and headline, or a headline."""
    if len(lines) == 2 or not closed(lines[-1]):
        return Related(title=lines[-1], caption=" ".join(lines[:-1]))
    return None


def _is_title(lines: Lines) -> bool:
    return len(lines) == 1 and len(lines[0]) <= TITLE_LENGTH and not closed(lines[0])
