"""Keeps what was decided about the articles of a source: many of them in one short transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection

from publisher.core.intake import Known, Offered, Step, Version, dates, differs
from publisher.core.model import Site
from publisher.sources.books import Books

AT_ONCE = 50
"""Articles in a transaction of at most 50 ms, be they all new or all mended."""


@dataclass(slots=True)
class Tally:
    """What an intake came to."""

    new: int = 0
    revised: int = 0
    same: int = 0
    quarantined: int = 0
    skipped: int = 0
    withdrawn: int = 0
    moved: int = 0
    """Put into another category, or under another name; what it says is the same."""
    reasons: list[str] = field(default_factory=list)
    """For each quarantined item: where it stood and why."""

    def add(self, other: "Tally") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What an offered article means."""

    key: str = ""
    """Its source's; empty where only its text identifies it."""
    offered: Offered
    known: Known | None
    step: Step
    nth: int = 0
    """Its place on its page, of which it has its date if it comes without one."""
    text_keys: frozenset[int] = frozenset()
    """Under which it is to be found again, where only its text identifies it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    books: Books
    site: Site

    def keep(
        self,
        conn: Connection,
        source: str,
        decided: Sequence[Decided],
        now: datetime,
        *,
        by_text: bool = False,
    ) -> Tally:
        """Do what was decided and count it; no known article may occur twice.

        `by_text`: only their texts identify them, on whichever category's page they stand.
        """
        articles = self.books.articles
        new = [each for each in decided if each.known is None and each.step is Step.NEW]
        ids = articles.add(
            conn,
            [(each.key, self._version(each, now)) for each in new],
            source=source,
            host=urlsplit(self.site.url).hostname or "localhost",
            now=now,
        )
        known = [(each.known, each) for each in decided if each.known is not None]
        gone = {
            article.id: each.offered.correction
            for article, each in known
            if each.step is Step.WITHDRAW
        }
        if gone:
            articles.withdraw(conn, list(gone), by="source", now=now, corrections=gone)
        for article, each in known:
            if each.step is Step.REVIVE:
                articles.revive(conn, article.id, too_old=self._version(each, now).too_old)
        mended = [pair for pair in known if pair[1].step in (Step.REVISE, Step.REVIVE)]
        articles.revise(
            conn,
            {
                article.id: self._version(each, now)
                for article, each in mended
                if differs(article, each.offered, now)
            },
            now,
        )
        same = [pair for pair in known if pair[1].step is Step.SAME]
        moved = self.books.memberships.place_in(
            conn,
            {article.id: each.offered.categories for article, each in (*same, *mended)},
            now=now,
            only_add=by_text,
        )
        if by_text:
            said = {id_: each.text_keys for id_, each in zip(ids, new, strict=True)}
            said |= {article.id: each.text_keys for article, each in mended}
            self.books.texts.remember(conn, said)
        return Tally(
            new=len(new),
            revised=len(mended),
            same=len(same),
            skipped=len(decided) - len(new) - len(mended) - len(same) - len(gone),
            withdrawn=len(gone),
            moved=sum(article.id in moved for article, _ in same),
        )

    def _version(self, decided: Decided, now: datetime) -> Version:
        published_at, updated_at = dates(decided.known, decided.offered, now, decided.nth)
        return Version(
            offered=decided.offered,
            published_at=published_at,
            updated_at=updated_at,
            too_old=published_at < now - timedelta(days=self.site.max_age_days),
        )
