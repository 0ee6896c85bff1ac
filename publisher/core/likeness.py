"""How like two texts are, and so whether they may be one article at two times."""

import unicodedata
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cached_property

from publisher.core.model import Related
from publisher.core.punctuation import SENTENCE_ENDS, ends_sentence
from publisher.core.words import Words, is_beginning, runs, similar, words

DISTINCT = 6
"""Words. Less than this says too little to make two articles one ("Details to follow.")."""

STUB = 25
"""Words. A body up to this length may have been replaced whole under the same title."""


class Likeness(IntEnum):
    """Why two texts may be the same article, the weakest reason first."""

    TITLE_ALONE = 1
    MOST_RUNS = 2
    FIRST_PARAGRAPH = 3
    TITLE = 4
    BEGINNING = 5
    IDENTICAL = 6


Said = tuple[Words, tuple[Words, ...]]
"""All that an article says: its title and its paragraphs."""


class Text:
    """A title and paragraphs as words; what holds no word (a row of stars) does not count."""

    def __init__(
        self, title: str, paragraphs: Sequence[str], related: Sequence[Related] = ()
    ) -> None:
        read = [(paragraph, words(paragraph)) for paragraph in paragraphs]
        self.name = title
        self.title = words(title)
        self.written = tuple(written for written, said in read if said)
        self.paragraphs = tuple(said for _, said in read if said)
        self.related = tuple((words(r.title), words(r.caption)) for r in related)
        self.runs = frozenset(run for said in self.paragraphs for run in runs(said))
        self.length = sum(map(len, self.paragraphs))

    @property
    def said(self) -> Said:
        return self.title, self.paragraphs

    @cached_property
    def blocks(self) -> frozenset[Words]:
        """Every text that may stand on a page as a block because of this article."""
        shown = (caption + title for title, caption in self.related)
        return frozenset((self.title, *self.paragraphs, *shown))

    @cached_property
    def pool(self) -> frozenset[Words]:
        """The runs of all its blocks."""
        return self.runs.union(run for block in self.blocks for run in runs(block))

    def holds(self, paragraph: Words) -> bool:
        """Whether the paragraph stands in it: as it is, or most of its runs."""
        parts = set(runs(paragraph))
        return paragraph in self.blocks or 2 * len(parts & self.pool) > len(parts)


def likeness(text: Text, other: Text, shared: float, covered: float) -> Likeness | None:
    """`shared`: part of the runs of `text` that `other` holds; `covered`: the other way round."""
    if text.said == other.said:
        return Likeness.IDENTICAL
    same_title = bool(text.title) and text.title == other.title
    # A series may give all its articles the same title, and a line or two besides.
    if same_title and max(shared, covered) >= 1 / 5:
        return Likeness.TITLE
    alike = text.title == other.title or similar(text.title, other.title)
    first = text.paragraphs[:1]
    if first and first == other.paragraphs[:1]:
        # Bylines and datelines come first in many articles; a round-up quotes others' leads.
        likely = alike and max(shared, covered) >= 1 / 5
        if likely or (len(first[0]) >= DISTINCT and max(shared, covered) > 1 / 3):
            return Likeness.FIRST_PARAGRAPH
    # Where the title has become a paragraph, some other line was put above it.
    retitled = other.title not in text.paragraphs and (alike or text.length >= DISTINCT)
    if shared > 1 / 2 and covered >= 1 / 2 and retitled:
        return Likeness.MOST_RUNS
    if same_title and min(text.length, other.length) < STUB:
        return Likeness.TITLE_ALONE
    return None


def begins(text: Text, other: Text, titles: Iterable[Words]) -> bool:
    """Whether a text is the other's beginning, cut at any character.

    Where the cut falls on the full stop of a "Dr." in the title below (one of `titles`), that piece
    of title reads as one more paragraph.
    """
    if text.title != other.title:
        return False
    if not text.paragraphs:
        return True
    *whole, last = text.paragraphs
    if tuple(whole) != other.paragraphs[: len(whole)]:
        return False
    goes_on = other.paragraphs[len(whole) : len(whole) + 1]
    if goes_on:
        cut = _may_be_cut(text.written[-1], other.written[len(whole)])
        return cut and is_beginning(last, goes_on[0])
    return any(is_beginning(last, title) for title in titles)


def _may_be_cut(part: str, whole: str) -> bool:
    """A full stop where the whole has none is the mark of a shortened sentence, not of a cut."""
    return not ends_sentence(part) or _stops(whole).startswith(_stops(part))


def _stops(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(char for char in plain if char.isalnum() or char in SENTENCE_ENDS)


def breaks_off(
    related: Sequence[tuple[Words, Words]], other: Sequence[tuple[Words, Words]]
) -> bool:
    """Whether references are the beginning of the others, the last headline cut or not."""
    if len(related) > len(other):
        return False
    if not related:
        return True
    *whole, (title, caption) = related
    goes_on = other[len(whole)]
    begun = is_beginning(title, goes_on[0]) if title else True
    return tuple(whole) == tuple(other[: len(whole)]) and caption == goes_on[1] and begun
