"""Tells which articles of a text page are already known, by what they say.

A page comes again and again, grown on top, cut short, reordered, mended here and there, or under
another category. Its articles are paired one to one with those known from text pages, the strongest
likeness first; what is left over is new, unless most of it stands in an article we have.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from publisher.core.archive_page import TextArticle
from publisher.core.likeness import STUB, Likeness, Said, Text, begins, breaks_off, likeness
from publisher.core.model import Related
from publisher.core.words import Words, is_beginning, runs, words

LEAST_HASHES = 3
"""Of a paragraph's runs, how many stand in its keys: a mended word may have taken the least one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownText:
    id: str
    title: str
    paragraphs: tuple[str, ...]
    related: tuple[Related, ...] = ()


@dataclass(frozen=True, slots=True)
class New:
    """Not known in any form."""


@dataclass(frozen=True, slots=True)
class Same:
    """The known article, word for word."""

    id: str


@dataclass(frozen=True, slots=True)
class Revised:
    """The known article, altered."""

    id: str


@dataclass(frozen=True, slots=True)
class Cut:
    """The known article broken off before its end; what is known of it stays as it is."""

    id: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """Another article of the same page once more."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Mostly text of another article without being it: for a person to look at."""

    of: str
    """The known article's id; empty when the other is new on the same page."""
    reason: str


Verdict = New | Same | Revised | Cut | Repeated | Fragment


class _Pair(NamedTuple):
    """Sorts by strength; `order` settles the rest, so that the outcome is always the same."""

    likeness: Likeness
    share: float
    order: tuple[int, int]
    page: int
    known: int


def keys(title: str, paragraphs: Sequence[str]) -> frozenset[int]:
    """Signed 64-bit hashes under which the store finds every article that `match` could pair.

    Of the title, of each paragraph, and the least hashes of each paragraph's five-word runs.
    """
    blocks = [words(text) for text in (title, *paragraphs)]
    found = {_hash(block) for block in blocks if block}
    for block in blocks[1:]:
        found.update(sorted(map(_hash, set(runs(block))))[:LEAST_HASHES])
    return frozenset(found)


def match(page: Sequence[TextArticle], known: Sequence[KnownText]) -> tuple[Verdict, ...]:
    """What each article of the page is, in page order; no two are the same known one.

    `known` needs to hold those that share a key with an article of the page; more do no harm.
    """
    return _Matcher(page, known).verdicts()


class _Matcher:
    def __init__(self, page: Sequence[TextArticle], known: Sequence[KnownText]) -> None:
        self.page = [Text(a.title, a.paragraphs, a.related) for a in page]
        self.known = [Text(a.title, a.paragraphs, a.related) for a in known]
        self.ids = [article.id for article in known]
        self.with_title = _index((text.title,) for text in self.known)
        self.shared = _Shared(self.page, self.known)
        self.shared_here = _Shared(self.page, self.page)
        self.repeated = _repeated(self.page)
        self.twins = self._identical()
        self.twins |= self._alike()

    def verdicts(self) -> tuple[Verdict, ...]:
        found: dict[int, Verdict] = dict.fromkeys(self.repeated, Repeated())
        for page, known in self.twins.items():
            found[page] = self._paired(page, known)
        # A leftover may stand in another leftover; the longer of the two is then the article.
        rest = [n for n in range(len(self.page)) if n not in found]
        for page in sorted(rest, key=lambda n: (-self.page[n].length, n)):
            found[page] = self._leftover(page, found)
        for page, known in self.twins.items():
            # Its end stands below it under a heading of its own: nothing was taken away.
            after = found.get(page + 1)
            continued = isinstance(after, Fragment) and after.of == self.ids[known]
            if continued and found[page] != Same(self.ids[known]) and self._breaks_off(page, known):
                found[page] = Cut(self.ids[known])
        return tuple(found[n] for n in range(len(self.page)))

    def _identical(self) -> dict[int, int]:
        """The page's articles that say exactly what known ones do, with these, by position.

        Most are: no other likeness is stronger, and the rest is then little work.
        """
        free: dict[Said, list[int]] = defaultdict(list)
        for known in reversed(range(len(self.known))):
            free[self.known[known].said].append(known)
        return {
            page: free[text.said].pop()
            for page, text in enumerate(self.page)
            if page not in self.repeated and free.get(text.said)
        }

    def _alike(self) -> dict[int, int]:
        """The page's other articles with the known ones that they are most like, by position."""
        taken = set(self.twins.values())
        pairs = [
            pair
            for page in range(len(self.page))
            if page not in self.repeated and page not in self.twins
            for pair in self._candidates(page, taken)
        ]
        pairs.sort(key=lambda pair: (-pair.likeness, -pair.share, pair.order))
        twins: dict[int, int] = {}
        for pair in pairs:
            if pair.page not in twins and pair.known not in taken:
                twins[pair.page] = pair.known
                taken.add(pair.known)
        return twins

    def _candidates(self, page: int, taken: Collection[int]) -> Iterator[_Pair]:
        text = self.page[page]
        titled = self.with_title.get(text.title, ())
        begun = [k for k in titled if self._breaks_off(page, k)] if self._ends_page(page) else []
        possible = {k for k in {*titled, *self.shared[page]} if self._may_pair(page, k)}
        for known in sorted(possible.union(begun).difference(taken)):
            shared, covered = self._overlap(page, known)
            kind = likeness(text, self.known[known], shared, covered)
            if known in begun and kind != Likeness.IDENTICAL:
                # The same title may head several; then whatever else is known decides.
                alone = all(k == known or self._stands_whole(k) for k in begun)
                kind = Likeness.BEGINNING if alone else Likeness.TITLE_ALONE
            if kind is not None:
                yield _Pair(kind, shared + covered, (page, known), page, known)

    def _may_pair(self, page: int, known: int) -> bool:
        """A quick look, which `likeness` could only deny: a title may head a thousand articles."""
        text, other = self.page[page], self.known[known]
        shared = self.shared[page][known]
        if 2 * shared > len(text.runs) or text.paragraphs[:1] == other.paragraphs[:1]:
            return True
        if text.title != other.title:
            return False
        covered_at_most = shared + len(text.pool) - len(text.runs)
        return (
            min(text.length, other.length) < STUB
            or 5 * shared >= len(text.runs)
            or 5 * covered_at_most >= len(other.runs)
        )

    def _overlap(self, page: int, known: int) -> tuple[float, float]:
        """Which part of the page article's runs the known one holds, and the other way round."""
        text, other = self.page[page], self.known[known]
        shared = self.shared[page][known]
        if not shared:
            return 0.0, 0.0
        return shared / len(text.runs), len(other.runs & text.pool) / max(len(other.runs), 1)

    def _paired(self, page: int, known: int) -> Verdict:
        text, other, id_ = self.page[page], self.known[known], self.ids[known]
        if text.said == other.said:
            if text.related == other.related:
                return Same(id_)
            cut = self._ends_page(page) and breaks_off(text.related, other.related)
            return Cut(id_) if cut else Revised(id_)
        return Cut(id_) if self._ends_page(page) and self._breaks_off(page, known) else Revised(id_)

    def _leftover(self, page: int, found: dict[int, Verdict]) -> Verdict:
        text = self.page[page]
        others = [n for n in found if n != page and not isinstance(found[n], Repeated | Fragment)]
        if self._ends_page(page) and self._begins_any(text, others):
            return Repeated()
        near = next((self.twins[n] for n in range(page, -1, -1) if n in self.twins), None)
        candidates = self._likely(page, self.shared)
        if self._ends_page(page):
            candidates.update(range(len(self.known)))
        held = [(self._held(page, self.known[k]), k == near, -k) for k in candidates]
        best = max(held, default=(0.0, False, 0))
        if best[0]:
            return Fragment(self.ids[-best[2]], _reason(self.known[-best[2]]))
        for other in sorted(self._likely(page, self.shared_here).intersection(others)):
            if self._held(page, self.page[other]):
                twin = self.twins.get(other)
                return Fragment("" if twin is None else self.ids[twin], _reason(self.page[other]))
        return New()

    def _likely(self, page: int, shared: "_Shared") -> set[int]:
        """What holds most of it holds a good part of its runs, more than a line everywhere."""
        enough = len(self.page[page].runs) / 10
        return {n for n, count in shared[page].items() if count >= enough}

    def _held(self, page: int, other: Text) -> float:
        """Which part of the article's words stands in the other; 0 unless it is most of it."""
        text = self.page[page]
        held = [
            paragraph
            for n, paragraph in enumerate(text.paragraphs, 1)
            if other.holds(paragraph)
            or (
                self._ends_page(page)
                and n == len(text.paragraphs)
                and any(is_beginning(paragraph, block) for block in other.blocks)
            )
        ]
        share = sum(map(len, held)) / max(text.length, 1)
        return share if share > 1 / 2 and len(held) > len(text.paragraphs) / 2 else 0.0

    def _ends_page(self, page: int) -> bool:
        return page == len(self.page) - 1

    def _breaks_off(self, page: int, known: int) -> bool:
        """Whether the page's article is the known one without its end (or whole)."""
        return begins(self.page[page], self.known[known], self.with_title)

    def _begins_any(self, text: Text, others: Iterable[int]) -> bool:
        titles = [*self.with_title, *(other.title for other in self.page)]
        return any(begins(text, self.page[n], titles) for n in others)

    def _stands_whole(self, known: int) -> bool:
        """Whether an article of the page says exactly what the known one does."""
        return any(text.said == self.known[known].said for text in self.page)


class _Shared(dict[int, Counter[int]]):
    """For each article of a page how many of its runs others hold; counted when first asked."""

    def __init__(self, page: Sequence[Text], others: Sequence[Text]) -> None:
        self._page = page
        self._others = others

    @cached_property
    def _with_run(self) -> dict[Words, list[int]]:
        return _index(text.pool for text in self._others)

    def __missing__(self, page: int) -> Counter[int]:
        holders = (self._with_run.get(run, ()) for run in self._page[page].runs)
        self[page] = counted = Counter(chain.from_iterable(holders))
        return counted


def _repeated(page: Sequence[Text]) -> frozenset[int]:
    """Positions of articles that stand further up already."""
    first: dict[Said, int] = {}
    return frozenset(n for n, text in enumerate(page) if first.setdefault(text.said, n) != n)


def _index(texts: Iterable[Collection[Words]]) -> dict[Words, list[int]]:
    index: dict[Words, list[int]] = defaultdict(list)
    for number, entries in enumerate(texts):
        for entry in entries:
            index[entry].append(number)
    return dict(index)


def _hash(said: Words) -> int:
    digest = hashlib.blake2b(" ".join(said).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _reason(other: Text) -> str:
    return f"most of it stands in the article “{other.name}”"
