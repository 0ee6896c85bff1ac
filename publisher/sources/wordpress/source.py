"""A WordPress export file (WXR) as a source of articles."""

import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from publisher.core.model import Candidate
from publisher.errors import TransientError, UnreadableError
from publisher.sources.port import Document, Unusable
from publisher.sources.wordpress.attachments import Attachments
from publisher.sources.wordpress.export import Export, name_of
from publisher.sources.wordpress.posts import Posts

# A document is one transaction: at most so many posts, or about so many characters of text, or
# names of categories (each may have to be made).
_AT_ONCE = 50
_TEXT_AT_ONCE = 400_000
_NAMES_AT_ONCE = 100
_SURVEY = 20  # times that the first reading is faster than taking in what the second one gives

Progress = Callable[[int, int], None]
"""Told how much is done, of how much; no bytes, but shares of the time it takes."""


class WordPressSource:
    """The posts of one export, each known by its blog's address and its number there.

    So another export of the same blog, whatever the file is called, holds the same articles. What
    an export lacks says nothing: it may hold one month or one author.
    """

    name = "wordpress"
    scope = ""

    def __init__(
        self,
        path: Path,
        base: Path,
        zone: str,
        category: str = "",
        progress: Progress = lambda _done, _all: None,
    ) -> None:
        """`base` is the folder from which the document's key is told; `zone` the blog's, for old
        exports, which tell their dates in no other; `category` for posts that name none."""
        self.path = path
        self._zone = ZoneInfo(zone)
        self._category = category
        self._progress = progress
        self._key = _key(path.resolve(), base.resolve())
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> Iterator[Document]:
        """The posts, some at a time, if the file changed since a call that went to its end.

        Raises UnreadableError when the file is missing or cannot be read, TransientError when
        there is no room to keep what posts refer to.
        """
        try:
            # Looked at before it is read: a change in between is seen the next time.
            status = self.path.stat()
            seen = (status.st_mtime_ns, status.st_size, status.st_ino)
            if seen == self._seen:
                return
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableError(f"{self.path} is not a file")
            with closing(Attachments()) as attachments:
                yield from self._documents(attachments, status.st_size)
        except OSError as error:
            self._seen = None
            raise UnreadableError(f"{self.path}: {error.strerror or error}") from error
        except sqlite3.Error as error:
            raise TransientError(f"{self.path}: no room for a temporary file: {error}") from error
        self._seen = seen

    def holds(self, key: str) -> bool:
        return key == self._key

    def again(self, key: str) -> None:
        """Give the posts again at the next call."""
        if key == self._key:
            self._seen = None

    def present(self) -> None:
        """Nothing: see above."""

    def _documents(self, attachments: Attachments, size: int) -> Iterator[Document]:
        try:
            posts = self._survey(attachments, size)
        except UnreadableError as error:
            reason = Unusable(item="", reason=error.reason)
            yield Document(key=self._key, items=(reason,))
            return
        items: list[Candidate | Unusable] = []
        text = names = 0
        for item in self._candidates(posts, size):
            items.append(item)
            if isinstance(item, Candidate):
                text += len(item.body_html)
                names += len(item.categories)
            if len(items) == _AT_ONCE or text > _TEXT_AT_ONCE or names > _NAMES_AT_ONCE:
                yield Document(key=self._key, base_url=posts.home, items=tuple(items), more=True)
                items, text, names = [], 0, 0
        yield Document(key=self._key, base_url=posts.home, items=tuple(items))

    def _survey(self, attachments: Attachments, size: int) -> Posts:
        """Read it a first time: what posts refer to may stand before or after them."""
        with self.path.open("rb") as file:
            export = Export(file, lambda done: self._told(done, size))
            for raw in export.items():
                # Most items are posts: these are not even parsed.
                if isinstance(raw, bytes) and (b"attachment_url>" in raw or b"wp_block" in raw):
                    try:
                        attachments.keep(export.parse(raw))
                    except UnreadableError:
                        continue  # the second reading says so
        return Posts.of(export, attachments, self._zone)

    def _told(self, done: int, size: int) -> None:
        self._progress(done, size + _SURVEY * size)

    def _candidates(self, posts: Posts, size: int) -> Iterator[Candidate | Unusable]:
        with self.path.open("rb") as file:
            export = Export(file, lambda done: self._told(size + _SURVEY * done, size))
            for raw in export.items():
                if isinstance(raw, Unusable):
                    yield raw
                    continue
                try:
                    found = posts.candidate(export.parse(raw))
                except UnreadableError as error:
                    found = Unusable(item=name_of(raw), reason=error.reason)
                if isinstance(found, Candidate) and self._category and not found.categories:
                    found = replace(found, categories=(self._category,))
                if found:
                    yield found


def _key(path: Path, base: Path) -> str:
    inside = path.is_relative_to(base)
    return (path.relative_to(base) if inside else path).as_posix()
