"""A folder of Markdown and HTML files, or a single such file, as a source of articles."""

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from publisher.core.model import Candidate
from publisher.errors import TransientError, UnreadableError
from publisher.kit.shortage import is_shortage
from publisher.sources.front_matter import HTML, LIMIT, MARKDOWN, parse
from publisher.sources.port import Document, Unusable


@dataclass(frozen=True, slots=True)
class _Stamp:
    """As long as this stays the same, the file is taken to be the same."""

    modified_ns: int
    size: int
    inode: int


_Mark = _Stamp | Unusable
_Item = Candidate | Unusable


class FolderSource:
    """Each Markdown or HTML file below a folder is an article, known by its path from `base`.

    Hidden files and folders are left out, and so are the section pages of Hugo and Zola
    (`_index.md`). Links are followed to files within the folder only.
    """

    name = "folder"

    def __init__(
        self, root: Path, base: Path, zone: str, base_url: str, category: str = ""
    ) -> None:
        """`zone` is for dates without one; `base_url` is what relative addresses start from;
        `category` is that of articles which name none, "" for the site's."""
        self._root = root
        self._category = category
        self._zone = zone
        self._base_url = base_url
        self._single = False
        self._key = _key(root, base)
        self._seen: dict[str, _Mark] = {}
        self._present: frozenset[str] | None = None

    @classmethod
    def of_file(
        cls, path: Path, base: Path, zone: str, base_url: str, category: str = ""
    ) -> "FolderSource":
        """One file alone; its article is the one that the folder around it would give."""
        source = cls(path, base, zone, base_url, category)
        source._single = True
        return source

    @property
    def path(self) -> Path:
        """Where to watch for changes."""
        return self._root

    @property
    def scope(self) -> str:
        """What the keys begin with: the folder's path from `base`, "" where it is `base` itself."""
        return self._key if self._single or not self._key else self._key + "/"

    def changed(self) -> Iterator[Document]:
        """Files that are new or altered since the last call, in the order of their keys.

        One that the caller could not finish with (it raised) comes again. Raises UnreadableError
        when the folder, or the single file, is missing or cannot be read.
        """
        self._present = None
        found = self._one() if self._single else self._below()
        # What is gone is forgotten: it may come back just as it was.
        self._seen = {key: mark for key, mark in self._seen.items() if key in found}
        for key, entry in sorted(found.items()):
            news = self._news(key, entry)
            if news:
                mark, item = news
                yield Document(key=key, base_url=self._base_url, items=(item,))
                self._seen[key] = mark

    def holds(self, key: str) -> bool:
        if self._single:
            return key == self._key
        return key.startswith(self.scope) and (bool(self.scope) or not key.startswith("/"))

    def again(self, key: str) -> None:
        """Give this file again at the next call: the caller could not finish with it."""
        self._seen.pop(key, None)

    def present(self) -> frozenset[str] | None:
        """Keys of all article files, readable or not, listed when `changed()` began.

        None for a single file, and when some folder could not be listed.
        """
        return self._present

    def _one(self) -> dict[str, Path | Unusable]:
        try:
            self._root.stat()
        except OSError as error:
            raise UnreadableError(f"{self._root}: {_cannot(error)}") from None
        if not self._root.is_file():
            raise UnreadableError(f"{self._root} is not a file")
        if self._root.suffix.lower() not in MARKDOWN + HTML:
            known = ", ".join(MARKDOWN + HTML)
            raise UnreadableError(f"{self._root} is not Markdown or HTML (by its name: {known})")
        return {self._key: self._root}

    def _below(self) -> dict[str, Path | Unusable]:
        """Every article file by its key, and every folder that must be passed over."""
        found: dict[str, Path | Unusable] = {}
        links: list[Path] = []
        whole = True
        folders = [self._root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        path = folder / entry.name
                        if entry.is_symlink():
                            links.append(path)
                        elif entry.is_dir():
                            folders.append(path)
                        elif entry.is_file() and _is_article(path):
                            found[self._key_below(path)] = path
            except OSError as error:
                if folder == self._root:
                    raise UnreadableError(f"{folder}: {_cannot(error)}") from None
                if not isinstance(error, FileNotFoundError):
                    whole = False
                    found[self._key_below(folder)] = Unusable(item="", reason=_cannot(error))
        if links:
            found |= self._followed(links, set(found.values()))
        if whole:
            self._present = frozenset(found)
        return found

    def _followed(
        self, links: list[Path], files: set[Path | Unusable]
    ) -> dict[str, Path | Unusable]:
        """The links that lead to article files not found otherwise, and those that must not."""
        found: dict[str, Path | Unusable] = {}
        root = Path(os.path.realpath(self._root))
        for link in links:
            target = Path(os.path.realpath(link))
            if target.is_dir():
                reason = "it is a link to a folder, which is not followed"
            elif not target.is_file() or not _is_article(link):
                continue
            elif not target.is_relative_to(root):
                reason = "it is a link that leads out of the folder"
            elif self._root / target.relative_to(root) in files:
                continue
            else:
                found[self._key_below(link)] = link
                continue
            found[self._key_below(link)] = Unusable(item="", reason=reason)
        return found

    def _news(self, key: str, entry: Path | Unusable) -> tuple[_Mark, _Item] | None:
        """What a file holds, and the mark by which to know it again; None when it is as it was."""
        if isinstance(entry, Unusable):
            return None if self._seen.get(key) == entry else (entry, entry)
        try:
            stamp = _stamp(entry)
            if self._seen.get(key) == stamp:
                return None
            return stamp, self._read(key, entry)
        except FileNotFoundError:
            # It vanished after it was listed.
            if self._present is not None:
                self._present -= {key}
            return None
        except OSError as error:
            if is_shortage(error):
                raise TransientError(f"{entry}: {_cannot(error)}") from None
            if self._single:
                raise UnreadableError(f"{entry}: {_cannot(error)}") from None
            # Marked by the trouble, not by the stamp: rights change without the file changing.
            trouble = Unusable(item="", reason=_cannot(error))
            return None if self._seen.get(key) == trouble else (trouble, trouble)

    def _read(self, key: str, path: Path) -> _Item:
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
        try:
            if len(data) > LIMIT:
                raise UnreadableError(f"it is larger than {LIMIT // 1_000_000} MB")
            candidate = parse(_decoded(data), zone=self._zone, path=key)
        except UnreadableError as error:
            return Unusable(item="", reason=error.reason)
        if self._category and not candidate.categories:
            return replace(candidate, categories=(self._category,))
        return candidate

    def _key_below(self, path: Path) -> str:
        return self.scope + _sound(path.relative_to(self._root).as_posix())


def _key(path: Path, base: Path) -> str:
    """`path` seen from `base`, "" for `base` itself; absolute where it is not below."""
    plain = Path(os.path.abspath(path))  # noqa: PTH100 - not resolve(): a link keeps its name
    real = Path(os.path.realpath(plain.parent)) / plain.name
    for here, there in ((plain, os.path.abspath(base)), (real, os.path.realpath(base))):  # noqa: PTH100
        if here.is_relative_to(there):
            inside = here.relative_to(there).as_posix()
            return "" if inside == "." else _sound(inside)
    return _sound(plain.as_posix())


def _sound(path: str) -> str:
    """`path` with bytes that are not UTF-8 written as `\\xNN`: a key is text everywhere else."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_article(path: Path) -> bool:
    """By its name; what editors leave (`x.md~`, `x.md.swp`, `#x.md#`) ends otherwise."""
    return path.suffix.lower() in MARKDOWN + HTML and path.stem != "_index"


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 where a byte order mark says so, as Windows editors write it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if b"\0" in data and name == "UTF-8":
            raise UnreadableError("it is not a text file") from None
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            f"it is not {name} text (byte 0x{data[error.start]:02X} in line {line})"
        ) from None


def _cannot(error: OSError) -> str:
    return f"it cannot be read: {error.strerror or error}"
