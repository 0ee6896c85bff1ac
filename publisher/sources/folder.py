"""A folder of Markdown and HTML files, or a single such file, as a source of articles."""

import codecs
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from publisher.core.model import Candidate
from publisher.errors import UnreadableError
from publisher.sources.front_matter import HTML, LIMIT, MARKDOWN, parse
from publisher.sources.port import Document, Unusable


@dataclass(frozen=True, slots=True)
class _Stamp:
    """As long as it is the same, the file is taken to be the same."""

    modified_ns: int
    size: int
    inode: int


class FolderSource:
    """Each file below a folder is an article, known by its path from `base`.

    Hidden files and folders are left out, and so are Hugo's and Zola's section pages (`_index.md`).
    A link is followed to a file within the folder only; links to folders are not.
    """

    name = "folder"

    def __init__(self, root: Path, base: Path, zone: str, base_url: str) -> None:
        self._root = root
        self._zone = zone
        self._base_url = base_url
        self._single = False
        self._key = _key(root, base)
        self._seen: dict[str, _Stamp] = {}
        self._present: frozenset[str] | None = None

    @classmethod
    def of_file(cls, path: Path, base: Path, zone: str, base_url: str) -> "FolderSource":
        """One file alone; its article is the one that the folder around it would give."""
        source = cls(path, base, zone, base_url)
        source._single = True
        return source

    @property
    def path(self) -> Path:
        """Where to watch for changes."""
        return self._root

    @property
    def scope(self) -> str:
        """What the keys begin with: the folder's path from `base`; "" where it is `base`."""
        return self._key if self._single or not self._key else self._key + "/"

    def changed(self) -> Iterator[Document]:
        """Files that are new or altered since the last call, in the order of their paths.

        What the caller did not ask for any more comes again in the next call. Raises
        UnreadableError when the folder (or the single file) is missing or cannot be read.
        """
        files = self._one() if self._single else self._below()
        for key, path in sorted(files.items()):
            try:
                stamp = _stamp(path)
                if self._seen.get(key) == stamp:
                    continue
                item = self._read(key, path)
            except FileNotFoundError:
                self._forget(key)
                continue
            except OSError as error:
                # Not marked as seen: whether it can be read may change without the file changing.
                yield self._document(key, Unusable(item="", reason=_cannot(error)))
                continue
            yield self._document(key, item)
            self._seen[key] = stamp

    def present(self) -> frozenset[str] | None:
        """Keys of all article files, readable or not, listed when `changed()` began.

        None for a single file, and when a folder below could not be listed.
        """
        return self._present
