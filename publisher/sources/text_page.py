"""Takes in a page of text, whose articles are recognised by what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from publisher.core.archive_page import TextArticle
from publisher.core.intake import Known, Offered, Step
from publisher.core.matching import (
    Cut,
    Fragment,
    KnownText,
    New,
    Repeated,
    Revised,
    Same,
    Verdict,
    keys,
    match,
)
from publisher.sources.books import Database, TextBook
from publisher.sources.keeping import AT_ONCE, Decided, Keeper, Tally


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the articles of a page are, told from what was known in a state of the store."""

    state: int
    verdicts: tuple[Verdict, ...]
    respelt: frozenset[str]
    """Ids of those that are the same to the matcher, who hears no comma, but not to the reader."""


class _Page:
    def __init__(self, offers: Sequence[Offered]) -> None:
        self.offers = offers
        self.keys = [keys(each.title, each.paragraphs) for each in offers]

    def judged(self, conn: Connection, book: TextBook) -> _Judged:
        texts = [
            TextArticle(title=each.title, paragraphs=each.paragraphs, related=each.related)
            for each in self.offers
        ]
        known = {each.id: each for each in book.sharing(conn, frozenset().union(*self.keys))}
        verdicts = match(texts, list(known.values()))
        return _Judged(
            book.state(conn),
            verdicts,
            frozenset(
                verdict.id
                for text, verdict in zip(texts, verdicts, strict=True)
                if isinstance(verdict, Same) and _spelt(text) != _spelt(known[verdict.id])
            ),
        )

    def decided(
        self, judged: _Judged, part: Sequence[int], known: Mapping[str, Known]
    ) -> list[Decided]:
        """What to do with some articles of the page; nothing with repetitions and fragments."""
        found = []
        for nth in part:
            verdict = judged.verdicts[nth]
            if isinstance(verdict, Repeated | Fragment):
                continue
            step, before = Step.NEW, None
            if not isinstance(verdict, New):
                before = known[verdict.id]
                mended = isinstance(verdict, Revised) or verdict.id in judged.respelt
                step = Step.REVISE if mended else Step.SAME
                if before.withdrawn:
                    step = Step.SKIP
            found.append(
                Decided(
                    offered=self.offers[nth],
                    known=before,
                    step=step,
                    nth=nth,
                    text_keys=self.keys[nth],
                )
            )
        return found


def take_page(
    db: Database,
    keeper: Keeper,
    source: str,
    offers: Sequence[Offered],
    now: datetime,
    problems: dict[str, str],
) -> Tally:
    """Keep what is new or mended on a page; its fragments are put among `problems`, by title.

    Recognising takes its time, so it only reads; it is done again where another page was taken in
    before all of this one was kept.
    """
    books, tally = keeper.books, Tally()
    page = _Page(offers)
    judged: _Judged | None = None
    # From its foot up: what is made public before the rest is there is the older part.
    end = len(offers)
    while end:
        if judged is None:
            with db.read() as conn:
                judged = page.judged(conn, books.texts)
        part = range(max(end - AT_ONCE, 0), end)
        verdicts = [judged.verdicts[nth] for nth in part]
        ids = [each.id for each in verdicts if isinstance(each, Same | Revised | Cut)]
        with db.write() as conn:
            decided = page.decided(judged, part, books.articles.find_by_id(conn, ids))
            if any(each.step in (Step.NEW, Step.REVISE) for each in decided):
                if not books.texts.advance(conn, judged.state):
                    judged = None
                    continue
                judged = replace(judged, state=judged.state + 1)
            tally.add(keeper.keep(conn, source, decided, now, by_text=True))
        for nth, verdict in zip(part, verdicts, strict=True):
            if isinstance(verdict, Fragment):
                problems[offers[nth].title] = verdict.reason
        tally.skipped += sum(isinstance(each, Repeated) for each in verdicts)
        end = part.start
    return tally


def _spelt(text: TextArticle | KnownText) -> list[str]:
    """What it says to the letter, but for kinds of white space."""
    return [" ".join(each.split()) for each in (text.title, *text.paragraphs)]
