"""What intake needs of the store, declared by intake; the modules of `store` satisfy it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.intake import Known, Offered
from publisher.core.matching import KnownText
from publisher.core.model import CategoryName


class ArticleBook(Protocol):
    def find(self, conn: Connection, source: str, source_key: str) -> Known | None: ...

    def find_by_id(self, conn: Connection, article_id: str) -> Known | None: ...

    def find_moved(
        self,
        conn: Connection,
        source: str,
        content_hash: str,
        scope: str,
        present: Collection[str],
    ) -> Known | None: ...

    def keys_below(self, conn: Connection, source: str, scope: str) -> Mapping[str, str]: ...

    def add(
        self,
        conn: Connection,
        offered: Offered,
        *,
        source: str,
        source_key: str,
        host: str,
        published_at: datetime,
        updated_at: datetime,
        now: datetime,
        too_old: bool,
    ) -> str: ...

    def revise(
        self,
        conn: Connection,
        known: Known,
        offered: Offered,
        *,
        published_at: datetime,
        updated_at: datetime,
        too_old: bool,
    ) -> None: ...

    def rekey(self, conn: Connection, article_id: str, source_key: str) -> None: ...

    def place_in(
        self,
        conn: Connection,
        article_id: str,
        names: Sequence[str | CategoryName],
        *,
        now: datetime,
        only_add: bool = False,
    ) -> bool: ...

    def withdraw(
        self, conn: Connection, article_ids: Sequence[str], *, by: str, now: datetime
    ) -> None: ...

    def revive(self, conn: Connection, article_id: str) -> None: ...


class TextBook(Protocol):
    def sharing(self, conn: Connection, wanted: Collection[int]) -> Sequence[KnownText]: ...

    def remember(
        self, conn: Connection, article_id: str, title: str, paragraphs: Sequence[str]
    ) -> None: ...


class QuarantineBook(Protocol):
    def settle(
        self,
        conn: Connection,
        source: str,
        document: str,
        reasons: Mapping[str, str],
        now: datetime,
    ) -> None: ...

    def forget_absent(
        self, conn: Connection, source: str, scope: str, present: Collection[str]
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    articles: ArticleBook
    texts: TextBook
    quarantine: QuarantineBook
