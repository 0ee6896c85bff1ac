"""The source for one category archive page kept as a text file."""

from collections.abc import Iterator
from pathlib import Path

from publisher.core import archive_page
from publisher.core.model import Candidate
from publisher.errors import UnreadableError
from publisher.sources.port import Document, Unusable


class ArchivePageSource:
    """Reads the page again whenever the file has changed.

    `category` names the category of a page without heading; `base` is the folder from which the
    document's key is told. All such sources share one name: an article is known by what it says,
    whichever page it stands on.
    """

    name = "text"
    scope = ""

    def __init__(self, path: Path, base: Path, category: str = "") -> None:
        self.path = path
        self._category = category
        self._key = _key(path.resolve(), base.resolve())
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> Iterator[Document]:
        """The page, if the file changed since a call whose document was taken in."""
        try:
            # Looked at before it is read: a change in between is seen the next time.
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen == self._seen:
                return
            data = self.path.read_bytes()
        except OSError as error:
            self._seen = None
            raise UnreadableError(f"{self.path}: {error.strerror or error}") from error
        yield self._document(data)
        self._seen = seen

    def holds(self, key: str) -> bool:
        return key == self._key

    def again(self, key: str) -> None:
        """Give the page again at the next call."""
        if key == self._key:
            self._seen = None

    def present(self) -> None:
        """Nothing: an article that left the page was not withdrawn."""

    def _document(self, data: bytes) -> Document:
        try:
            text, _ = archive_page.decode(data)
            page = archive_page.parse(text, self._category)
        except UnreadableError as error:
            return _unusable(self._key, error.reason)
        if not page.category:
            reason = "line 1: expected a heading like “Category Archive : NAME”"
            return _unusable(self._key, reason)
        items: list[Candidate | Unusable] = []
        if page.untitled:
            reason = f"text before the first title: “{page.untitled[0]:.60}”"
            items.append(Unusable(item="before the first title", reason=reason))
        items.extend(
            Candidate(
                key="",
                title=article.title,
                paragraphs=article.paragraphs,
                related=article.related,
                categories=(page.category,),
            )
            for article in page.articles
        )
        return Document(
            key=self._key,
            items=tuple(items),
            known_by_text=True,
        )


def _key(path: Path, base: Path) -> str:
    inside = path.is_relative_to(base)
    return (path.relative_to(base) if inside else path).as_posix()


def _unusable(key: str, reason: str) -> Document:
    items = (Unusable(item="", reason=reason),)
    return Document(key=key, items=items, known_by_text=True)
