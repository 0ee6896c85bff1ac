"""Plans editions: claims the slots that are due and writes down who is to get which articles.

One small transaction claims a slot and fixes where its edition ends; then chunks of readers, each
one transaction. A planning that was killed goes on from its cursor at the next tick.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.edition import Edition, Reader, Slot
from publisher.core.model import Cadence, EditionState, Newsletter
from publisher.core.schedule import latest_due, next_due
from publisher.core.selection import Group, Item, needed_floor, select

CHUNK = 5_000
"""Readers planned in one transaction: some 40 ms, so that nobody waits long behind it."""

FAR_BEHIND = 200
"""Articles. A reader farther behind is moved along also by an alert that does not concern them, or
each alert would have to look at all that came out since their last mail."""

Contents = Mapping[tuple[tuple[str, ...], str], Sequence[Reader]]
"""Readers by what they get: article ids in order, and locale."""


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class SlotBook(Protocol):
    def due(self, conn: Connection, now: datetime, of: str | None) -> Sequence[Slot]: ...

    def with_readers(self, conn: Connection, of: str) -> Sequence[Slot]: ...

    def claim(
        self,
        conn: Connection,
        slot_id: int,
        seen_due_at: datetime,
        next_due_at: datetime | None,
    ) -> bool: ...


class EditionBook(Protocol):
    def start(
        self, conn: Connection, slot_id: int, newsletter_slug: str, occasion: str, now: datetime
    ) -> bool: ...

    def unplanned(self, conn: Connection) -> Sequence[int]: ...

    def find(self, conn: Connection, edition_id: int) -> Edition | None: ...

    def next_readers(
        self, conn: Connection, of: Edition, limit: int, *, all_given: bool = False
    ) -> Sequence[Reader]: ...

    def given_before(
        self, conn: Connection, of: Edition, readers: Sequence[Reader]
    ) -> Mapping[int, frozenset[str]]: ...

    def items(self, conn: Connection, after_seq: int, upto_seq: int) -> Sequence[Item]: ...

    def enqueue(self, conn: Connection, of: Edition, contents: Contents) -> int: ...

    def move_along(
        self, conn: Connection, subscription_ids: Collection[int], upto_seq: int
    ) -> None: ...

    def advance(self, conn: Connection, edition_id: int, cursor: int, enqueued: int) -> None: ...

    def planned(self, conn: Connection, of: Edition) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    db: Database
    slots: SlotBook
    editions: EditionBook
    newsletters: Mapping[str, Newsletter]
    chunk: int = CHUNK

    def plan_due(self, now: datetime, newsletter: str | None = None) -> int:
        """Plan the editions whose time has come; returns how many mails were enqueued.

        However many dues of a slot were missed, they give one edition, for the latest.
        """
        with self.db.read() as conn:
            due = self.slots.due(conn, now, newsletter)
        for slot in due:
            self._claim(slot, now)
        return self.continue_planning()

    def plan_now(self, newsletter: str, now: datetime) -> int:
        """Plan an edition for every confirmed subscription without waiting for its hour."""
        with self.db.write() as conn:
            for slot in self.slots.with_readers(conn, newsletter):
                self.editions.start(conn, slot.id, newsletter, "", now)
        return self.continue_planning()

    def continue_planning(self) -> int:
        """Finish what is planned in part, here or by a process that was killed."""
        with self.db.read() as conn:
            unplanned = self.editions.unplanned(conn)
        return sum(self._plan(edition_id) for edition_id in unplanned)

    def _claim(self, slot: Slot, now: datetime) -> None:
        if slot.next_due_at is None:
            return
        latest = latest_due(slot.time, now)
        occasion = latest.isoformat() if latest else ""
        with self.db.write() as conn:
            if self.slots.claim(conn, slot.id, slot.next_due_at, next_due(slot.time, now)):
                self.editions.start(conn, slot.id, slot.time.newsletter, occasion, now)

    def _plan(self, edition_id: int) -> int:
        enqueued = 0
        while True:
            with self.db.write() as conn:
                edition = self.editions.find(conn, edition_id)
                if edition is None or edition.state is not EditionState.PLANNING:
                    return enqueued
                readers = self.editions.next_readers(
                    conn, edition, self.chunk, all_given=self._mails_empty(edition)
                )
                if not readers:
                    self.editions.planned(conn, edition)
                    return enqueued
                enqueued += self._plan_chunk(conn, edition, readers)

    def _plan_chunk(self, conn: Connection, edition: Edition, readers: Sequence[Reader]) -> int:
        given = self.editions.given_before(conn, edition, readers)
        groups: dict[Group, list[Reader]] = defaultdict(list)
        for reader in readers:
            groups[_group(reader, given.get(reader.subscriber_id, frozenset()))].append(reader)
        items = self.editions.items(conn, needed_floor(groups), edition.upto_seq)
        mail_empty = self._mails_empty(edition)
        contents: dict[tuple[tuple[str, ...], str], list[Reader]] = defaultdict(list)
        moved: list[int] = []
        for group, members in groups.items():
            article_ids = select(items, edition.choice, group, edition.upto_seq)
            # An immediate reader whom nothing concerned keeps their place for a while: finding out
            # again costs less than a write to each of a million rows for every article.
            behind = edition.upto_seq - group.after_seq
            if article_ids or edition.cadence is not Cadence.IMMEDIATE or behind > FAR_BEHIND:
                moved.extend(reader.subscription_id for reader in members)
            if article_ids or mail_empty:
                contents[article_ids, group.locale].extend(members)
        enqueued = self.editions.enqueue(conn, edition, contents)
        self.editions.move_along(conn, moved, edition.upto_seq)
        self.editions.advance(conn, edition.id, readers[-1].subscription_id, enqueued)
        return enqueued

    def _mails_empty(self, edition: Edition) -> bool:
        """Whether who has been given everything gets a mail that says so."""
        configured = self.newsletters.get(edition.newsletter)
        wanted = configured is not None and configured.send_when_empty
        return wanted and edition.cadence is not Cadence.IMMEDIATE


def _group(reader: Reader, given: frozenset[str]) -> Group:
    choice = tuple(sorted(reader.choice.items())) if reader.choice is not None else None
    return Group(choice=choice, after_seq=reader.after_seq, given=given, locale=reader.locale)
