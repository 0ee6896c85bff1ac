"""Takes in what a source offers: cleans it, recognises it, and keeps what is new or changed.

Nothing becomes public here. What one document says is kept in one transaction, but for a page of
text (`text_page`), which may hold thousands of articles; one bad item stops nothing else.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from publisher.core.identity import KEY_BYTES, indexable
from publisher.core.intake import Offered, decide
from publisher.core.model import Site
from publisher.core.renames import Said, follow
from publisher.errors import UnreadableError
from publisher.sources.books import Books, Database
from publisher.sources.clean import offer
from publisher.sources.keeping import AT_ONCE, Decided, Keeper, Tally
from publisher.sources.port import Document, Source, Unusable
from publisher.sources.text_page import take_page


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

    @property
    def keeper(self) -> Keeper:
        return Keeper(books=self.books, site=self.site)

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
            known = articles.find(conn, source.name, [key])
            if known:
                return known[key].content_hash != offered.content_hash
            elsewhere = articles.find_moved(conn, *said, ())
            return elsewhere is not None and articles.find_moved(conn, *said, present) is None

    def _follow_renames(self, source: Source, waiting: Mapping[str, _Cleaned]) -> int:
        """Let articles keep their identity whose documents took over each other's names."""
        articles = self.books.articles
        while True:
            with self.db.read() as conn:
                known = articles.find(conn, source.name, waiting)
            said = [
                Said(
                    key=key,
                    before=known[key].content_hash if key in known else None,
                    now="" if offered.draft else offered.content_hash,
                )
                for key, document in waiting.items()
                for _, offered in document.offers
            ]
            moved = {new: known[old] for new, old in follow(said).items()}
            if not moved:
                return 0
            names = moved.keys() | {old for old, each in known.items() if each in moved.values()}
            with self.db.write() as conn:
                # Another writer may have been faster; then it is looked at anew.
                now = articles.find(conn, source.name, names)
                if all(now.get(name) == known.get(name) for name in names):
                    articles.rekey(conn, {each.id: key for key, each in moved.items()})
                    return len(moved)

    def _take_document(self, source: Source, document: _Cleaned, now: datetime) -> Tally:
        problems = dict(document.problems)
        if document.known_by_text:
            offers = [each for _, each in document.offers]
            tally = take_page(self.db, self.keeper, source.name, offers, now, problems)
        else:
            tally = Tally()
        with self.db.write() as conn:
            if not document.known_by_text:
                for batch in _unrepeated(document.offers):
                    tally.add(self._take_keyed(conn, source, batch, now))
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
        self, conn: Connection, source: Source, offers: Mapping[str, Offered], now: datetime
    ) -> Tally:
        articles = self.books.articles
        known = dict(articles.find(conn, source.name, offers))
        present = source.present()
        renamed = 0
        if present is not None:
            for key, offered in offers.items():
                if key in known or offered.draft:
                    continue
                said = (source.name, offered.content_hash, source.scope)
                if moved := articles.find_moved(conn, *said, present):
                    articles.rekey(conn, {moved.id: key})
                    known[key] = moved
                    renamed += 1
        decided = [
            Decided(
                key=key,
                offered=offered,
                known=known.get(key),
                step=decide(known.get(key), offered, now),
            )
            for key, offered in offers.items()
        ]
        tally = self.keeper.keep(conn, source.name, decided, now)
        tally.moved += renamed
        return tally

    def _withdraw_absent(self, source: Source, present: Collection[str], now: datetime) -> int:
        """Withdraw the articles whose documents are gone.

        A folder that was full and is now empty is rather a disk that is not mounted: then nothing
        is withdrawn, and UnreadableError says so.
        """
        articles, quarantine = self.books.articles, self.books.quarantine
        with self.db.read() as conn:
            waiting = quarantine.documents_below(conn, source.name, source.scope)
            known = articles.keys_below(conn, source.name, source.scope)
        for some in _some(sorted(set(waiting).difference(map(indexable, present)))):
            with self.db.write() as conn:
                quarantine.forget(conn, source.name, some)
        gone = [key for key in sorted(set(known) - set(present)) if not _there(source, key)]
        if len(gone) > 1 and not present:
            raise UnreadableError(
                f"{source.scope} is empty but held {len(gone)} articles; none was withdrawn. "
                "Is the disk mounted? To withdraw them, use `publisher articles withdraw`"
            )
        count = 0
        for some in _some(gone):
            with self.db.write() as conn:
                # By their keys: one that has another name by now is not gone.
                still = articles.find(conn, source.name, some).values()
                ids = [each.id for each in still if not each.withdrawn]
                articles.withdraw(conn, ids, by="source", now=now)
            count += len(ids)
        return count


def _there(source: Source, key: str) -> bool:
    """Whether the document came after the listing: another process may have been quicker."""
    path = source.path / key.removeprefix(source.scope)
    return path.is_file() and not path.is_symlink()


def _unrepeated(offers: Iterable[tuple[str, Offered]]) -> Iterator[dict[str, Offered]]:
    """All in their order, parted where a key comes again: its article is known by then."""
    batch: dict[str, Offered] = {}
    for key, offered in offers:
        if key in batch:
            yield batch
            batch = {}
        batch[key] = offered
    yield batch


def _some(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many at a time as a short transaction takes."""
    for start in range(0, len(keys), AT_ONCE):
        yield keys[start : start + AT_ONCE]
