"""What every source of articles is to the rest of the program."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from publisher.core.model import Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """Something in a document that cannot be taken, and why (shown in quarantine)."""

    item: str
    """Which item of the document; empty when it is the whole document."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file or page as it reads now, and the articles in it."""

    key: str
    """Its stable name within the source: for files the path from the base folder, with slashes."""
    base_url: str = ""
    """What relative addresses in it are relative to."""
    items: tuple[Candidate | Unusable, ...] = ()
    known_by_text: bool = False
    """Its candidates have no keys: each is recognised by what it says (archive pages)."""
    more: bool = False
    """The next document goes on with this one: a file too large to be taken in at once."""


class Source(Protocol):
    @property
    def name(self) -> str:
        """Part of every article's identity; the same however the source was named to us."""

    @property
    def path(self) -> Path:
        """Where to watch for changes."""

    @property
    def scope(self) -> str:
        """What the keys that `present()` speaks for begin with; "" for all."""

    def changed(self) -> Iterator[Document]:
        """Documents that are new or altered since the last call; at the first call, all.

        Raises UnreadableError when the source as a whole cannot be read (a missing folder); a
        single bad document is a Document with an Unusable, never an exception.
        """

    def holds(self, key: str) -> bool:
        """Whether a document of this key is, or was, one of this source's."""

    def again(self, key: str) -> None:
        """Give this document again at the next call: the caller could not finish with it."""

    def present(self) -> frozenset[str] | None:
        """Keys of all documents there now, listed when `changed()` began.

        None when absence says nothing: an article that left an archive page was not withdrawn.
        """
