"""What intake needs of the store, declared by intake; the modules of `store` satisfy it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.intake import Known, Version
from publisher.core.matching import KnownText
from publisher.core.model import CategoryName


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class ArticleBook(Protocol):
    def find(
        self, conn: Connection, source: str, source_keys: Collection[str]
    ) -> Mapping[str, Known]: ...

    def find_by_id(self, conn: Connection, article_ids: Collection[str]) -> Mapping[str, Known]: ...

    def find_moved(
        self,
        conn: Connection,
        source: str,
        content_hash: str,
        scope: str,
        present: Collection[str],
    ) -> Known | None: ...

    def keys_below(self, conn: Connection, source: str, scope: str) -> Collection[str]: ...

    def add(
        self,
        conn: Connection,
        new: Sequence[tuple[str, Version]],
        *,
        source: str,
        host: str,
        now: datetime,
    ) -> Sequence[str]: ...

    def revise(self, conn: Connection, revised: Mapping[str, Version], now: datetime) -> None: ...

    def rekey(self, conn: Connection, keys: Mapping[str, str]) -> None: ...

    def withdraw(
        self,
        conn: Connection,
        article_ids: Sequence[str],
        *,
        by: str,
        now: datetime,
        corrections: Mapping[str, str] = ...,
    ) -> None: ...

    def revive(self, conn: Connection, article_id: str, *, too_old: bool) -> None: ...


class MembershipBook(Protocol):
    def place_in(
        self,
        conn: Connection,
        wanted: Mapping[str, Sequence[str | CategoryName]],
        *,
        now: datetime,
        only_add: bool = False,
    ) -> Collection[str]: ...


class TextBook(Protocol):
    def sharing(self, conn: Connection, wanted: Collection[int]) -> Sequence[KnownText]: ...

    def remember(self, conn: Connection, said: Mapping[str, Collection[int]]) -> None: ...

    def state(self, conn: Connection) -> int: ...

    def advance(self, conn: Connection, seen: int) -> bool: ...


class QuarantineBook(Protocol):
    def settle(
        self,
        conn: Connection,
        source: str,
        document: str,
        reasons: Mapping[str, str],
        now: datetime,
    ) -> None: ...

    def documents_below(self, conn: Connection, source: str, scope: str) -> Collection[str]: ...

    def forget(self, conn: Connection, source: str, documents: Collection[str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    articles: ArticleBook
    memberships: MembershipBook
    texts: TextBook
    quarantine: QuarantineBook
