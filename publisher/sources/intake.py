"""Takes in what a source offers: cleans it, recognises it, and keeps what is new or changed.

Nothing becomes public here. One document is one transaction; one bad item stops nothing else.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection

from publisher.core.archive_page import TextArticle
from publisher.core.identity import KEY_BYTES
from publisher.core.intake import Known, Offered, Step, dates, decide, differs
from publisher.core.matching import Fragment, KnownText, New, Repeated, Revised, Same, keys, match
from publisher.core.model import Site
from publisher.core.renames import Said, follow
from publisher.errors import UnreadableError
from publisher.sources.books import Books
from publisher.sources.clean import offer
from publisher.sources.port import Document, Source, Unusable


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


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


@dataclass(frozen=True, slots=True)
class _Cleaned:
    """A document whose articles are fit to be kept."""

    key: str
    known_by_text: bool
    offers: tuple[tuple[str, Offered], ...]
    """Each with its candidate's key."""
    problems: dict[str, str]
    """What cannot be taken, by item, with the reason."""
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """The intake of one site: where it keeps things, and what it must know to clean and date."""

    db: Database
    books: Books
    site: Site

    def take(self, source: Source, now: datetime, only: Collection[str] | None = None) -> Tally:
        """Take in all that changed in a source since it was last asked.

        `only`: no other documents than those of these keys. Raises UnreadableError when the source
        as a whole cannot be read.
        """
        tally = Tally()
        waiting: dict[str, _Cleaned] = {}
        earlier: Mapping[str, str] = {}
        try:
            for document in source.changed():
                if only is not None and document.key not in only:
                    continue
                cleaned = self._clean(document, earlier)
                earlier = cleaned.problems if document.more else {}
                if self._may_have_moved(source, cleaned):
                    waiting[document.key] = cleaned
                else:
                    tally.add(self._take_document(source, cleaned, now))
            if waiting:
                tally.moved += self._follow_renames(source, waiting)
            for key in sorted(waiting):
                tally.add(self._take_document(source, waiting[key], now))
                del waiting[key]
        finally:
            for key in waiting:
                source.again(key)
        present = source.present()
        if present is not None:
            tally.withdrawn += self._withdraw_absent(source, present, now)
        return tally

    def _clean(self, document: Document, earlier: Mapping[str, str]) -> _Cleaned:
        """`earlier`: what was wrong with the parts of the document before this one."""
        offers: list[tuple[str, Offered]] = []
        problems = dict(earlier)
        for item in document.items:
            if isinstance(item, Unusable):
                problems[item.item] = item.reason
                continue
            if len(item.key.encode("utf-8", "replace")) > KEY_BYTES:
                problems[item.key] = f"its name has more than {KEY_BYTES} bytes"
                continue
            try:
                offers.append((item.key, offer(item, document.base_url, self.site)))
            except UnreadableError as error:
                problems[item.title or item.key] = error.reason
        return _Cleaned(
            document.key, document.known_by_text, tuple(offers), problems, document.more
        )

    def _may_have_moved(self, source: Source, document: _Cleaned) -> bool:
        """Whether it says what another did, or no longer what it did: names may have changed hands.

        Then it must wait until all that changed has been seen.
        """
        present = source.present()
        if document.known_by_text or present is None or len(document.offers) != 1:
            return False
        [(key, offered)] = document.offers
        articles, said = self.books.articles, (source.name, offered.content_hash, source.scope)
        with self.db.read() as conn:
            known = articles.find(conn, source.name, key)
            if known is not None:
                return known.content_hash != offered.content_hash
            elsewhere = articles.find_moved(conn, *said, ())
            return elsewhere is not None and articles.find_moved(conn, *said, present) is None

    def _follow_renames(self, source: Source, waiting: Mapping[str, _Cleaned]) -> int:
        """Let articles keep their identity whose documents took over each other's names."""
        articles = self.books.articles
        with self.db.write() as conn:
            known = {key: articles.find(conn, source.name, key) for key in waiting}
            said = [
                Said(
                    key=key,
                    before=before.content_hash if (before := known[key]) else None,
                    now="" if offered.draft else offered.content_hash,
                )
                for key, document in waiting.items()
                for _, offered in document.offers
            ]
            moved = {new: each for new, old in follow(said).items() if (each := known[old])}
            # A name is free for the next only when whoever bore it has let go of it.
            for each in moved.values():
                articles.rekey(conn, each.id, each.id)
            for key, each in moved.items():
                articles.rekey(conn, each.id, key)
        return len(moved)

    def _take_document(self, source: Source, document: _Cleaned, now: datetime) -> Tally:
        tally = Tally()
        problems = dict(document.problems)
        with self.db.write() as conn:
            if document.known_by_text:
                self._take_texts(conn, source, document, now, tally, problems)
            else:
                for key, offered in document.offers:
                    self._take_keyed(conn, source, key, offered, now, tally)
            if document.more:
                return tally
            self.books.quarantine.settle(conn, source.name, document.key, problems, now)
        tally.quarantined = len(problems)
        tally.reasons = [
            f"{document.key}{f' ({item})' if item else ''}: {reason}"
            for item, reason in problems.items()
        ]
        return tally

    def _take_keyed(
        self,
        conn: Connection,
        source: Source,
        key: str,
        offered: Offered,
        now: datetime,
        tally: Tally,
    ) -> None:
        articles = self.books.articles
        known = articles.find(conn, source.name, key)
        present = source.present()
        if known is None and present is not None and not offered.draft:
            known = articles.find_moved(
                conn, source.name, offered.content_hash, source.scope, present
            )
            if known is not None:
                articles.rekey(conn, known.id, key)
                tally.moved += 1
        step = decide(known, offered, now)
        self._carry_out(conn, source.name, key, step, known, offered, now, tally)
        if known is not None and step in (Step.SAME, Step.REVISE, Step.REVIVE):
            moved = articles.place_in(conn, known.id, offered.categories, now=now)
            tally.moved += moved and step is Step.SAME

    def _carry_out(
        self,
        conn: Connection,
        source: str,
        key: str,
        step: Step,
        known: Known | None,
        offered: Offered,
        now: datetime,
        tally: Tally,
        nth: int = 0,
    ) -> str:
        """Do what was decided, count it, and return the article's id ("" when there is none)."""
        articles = self.books.articles
        published_at, updated_at = dates(known, offered, now, nth)
        too_old = published_at < now - timedelta(days=self.site.max_age_days)
        if known is None:
            if step is not Step.NEW:
                tally.skipped += 1
                return ""
            tally.new += 1
            return articles.add(
                conn,
                offered,
                source=source,
                source_key=key,
                host=urlsplit(self.site.url).hostname or "localhost",
                published_at=published_at,
                updated_at=updated_at,
                now=now,
                too_old=too_old,
            )
        changed = differs(known, offered, now)
        match step:
            case Step.WITHDRAW:
                articles.withdraw(conn, [known.id], by="source", now=now)
                tally.withdrawn += 1
            case Step.REVIVE:
                articles.revive(conn, known.id)
            case Step.SKIP:
                tally.skipped += 1
            case _:
                pass
        if changed and step in (Step.REVISE, Step.REVIVE):
            articles.revise(
                conn,
                known,
                offered,
                published_at=published_at,
                updated_at=updated_at,
                too_old=too_old,
            )
        tally.revised += step in (Step.REVISE, Step.REVIVE)
        tally.same += step is Step.SAME
        return known.id

    def _take_texts(
        self,
        conn: Connection,
        source: Source,
        document: _Cleaned,
        now: datetime,
        tally: Tally,
        problems: dict[str, str],
    ) -> None:
        """Recognise each article of an archive page by what it says, and keep it."""
        books = self.books
        offers = [each for _, each in document.offers]
        page = [
            TextArticle(title=each.title, paragraphs=each.paragraphs, related=each.related)
            for each in offers
        ]
        wanted = {key for each in page for key in keys(each.title, each.paragraphs)}
        known_texts = {each.id: each for each in books.texts.sharing(conn, wanted)}
        verdicts = match(page, list(known_texts.values()))
        for nth, (offered, verdict) in enumerate(zip(offers, verdicts, strict=True)):
            if isinstance(verdict, Repeated):
                tally.skipped += 1
                continue
            if isinstance(verdict, Fragment):
                problems[offered.title] = verdict.reason
                continue
            known = None
            step = Step.NEW
            if not isinstance(verdict, New):
                known = books.articles.find_by_id(conn, verdict.id)
                mended = isinstance(verdict, Revised) or (
                    isinstance(verdict, Same)
                    and _spelt(page[nth]) != _spelt(known_texts[verdict.id])
                )
                step = Step.REVISE if mended else Step.SAME
                if known is not None and known.withdrawn:
                    step = Step.SKIP
            article_id = self._carry_out(
                conn, source.name, "", step, known, offered, now, tally, nth
            )
            if step in (Step.NEW, Step.REVISE):
                books.texts.remember(conn, article_id, offered.title, offered.paragraphs)
            if known is not None and step is not Step.SKIP:
                moved = books.articles.place_in(
                    conn, known.id, offered.categories, now=now, only_add=True
                )
                tally.moved += moved and step is Step.SAME

    def _withdraw_absent(self, source: Source, present: Collection[str], now: datetime) -> int:
        """Withdraw the articles whose documents are gone.

        A folder that was full and is now empty is rather a disk that is not mounted: then nothing
        is withdrawn, and UnreadableError says so.
        """
        with self.db.write() as conn:
            self.books.quarantine.forget_absent(conn, source.name, source.scope, present)
            known = self.books.articles.keys_below(conn, source.name, source.scope)
            gone = [
                article_id
                for key, article_id in known.items()
                if key not in present and not _there(source, key)
            ]
            if len(gone) > 1 and not present:
                raise UnreadableError(
                    f"{source.scope} is empty but held {len(gone)} articles; none was withdrawn. "
                    "Is the disk mounted? To withdraw them, use `publisher articles withdraw`"
                )
            if gone:
                self.books.articles.withdraw(conn, gone, by="source", now=now)
        return len(gone)


def _there(source: Source, key: str) -> bool:
    """Whether the document came after the listing: another process may have been quicker."""
    path = source.path / key.removeprefix(source.scope)
    return path.is_file() and not path.is_symlink()


def _spelt(text: TextArticle | KnownText) -> list[str]:
    """What it says to the letter, but for kinds of white space: the matcher hears no comma."""
    return [" ".join(each.split()) for each in (text.title, *text.paragraphs)]
