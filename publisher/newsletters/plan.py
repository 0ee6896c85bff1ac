"""Plans editions: claims the slots that are due and writes down who is to get which articles.

One small transaction claims a slot and fixes where its edition ends; then chunks of readers, each
one transaction. A planning that was killed goes on from its cursor at the next tick.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.edition import Edition, Reader, Slot
from publisher.core.model import Cadence, EditionState, Newsletter
from publisher.core.planning import Contents, Decision, decide
from publisher.core.schedule import latest_due, next_due
from publisher.core.selection import Item

CHUNK = 5_000
"""Readers planned in one transaction: some 40 ms, so that nobody waits long behind it."""


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class SlotBook(Protocol):
    def due(self, conn: Connection, now: datetime, of: str | None) -> Sequence[Slot]: ...

    def with_readers(self, conn: Connection, of: str) -> Sequence[Slot]: ...

    def next_look(self, conn: Connection, of: Slot, now: datetime) -> datetime | None: ...

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
    ) -> int | None: ...

    def unplanned(self, conn: Connection) -> Sequence[int]: ...

    def find(self, conn: Connection, edition_id: int) -> Edition | None: ...

    def enqueue(self, conn: Connection, of: Edition, contents: Contents) -> int: ...

    def move_along(
        self, conn: Connection, subscription_ids: Collection[int], upto_seq: int
    ) -> None: ...

    def note_missed(self, conn: Connection, after_seq: int, upto_seq: int) -> None: ...

    def advance(self, conn: Connection, edition_id: int, cursor: int, enqueued: int) -> None: ...

    def planned(self, conn: Connection, of: Edition) -> None: ...


class Readership(Protocol):
    def next_readers(
        self, conn: Connection, of: Edition, limit: int, *, all_given: bool
    ) -> Sequence[Reader]: ...

    def given_before(
        self, conn: Connection, of: Edition, readers: Sequence[Reader], *, by_itself: bool
    ) -> Mapping[int, frozenset[str]]: ...

    def corrected(
        self, conn: Connection, of: Edition, readers: Sequence[Reader]
    ) -> Mapping[int, tuple[str, ...]]: ...

    def items(self, conn: Connection, after_seq: int, upto_seq: int) -> Sequence[Item]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Planner:
    db: Database
    slots: SlotBook
    editions: EditionBook
    readership: Readership
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
        """Plan an edition for every confirmed subscription without waiting for its hour; returns
        how many mails these editions hold, whichever process planned them."""
        with self.db.write() as conn:
            begun = [
                self.editions.start(conn, slot.id, newsletter, "", now)
                for slot in self.slots.with_readers(conn, newsletter)
            ]
        self.continue_planning()
        with self.db.read() as conn:
            found = [self.editions.find(conn, each) for each in begun if each is not None]
        return sum(each.enqueued for each in found if each is not None)

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
        following = next_due(slot.time, now)
        with self.db.write() as conn:
            # An immediate slot may see no other article for days.
            following = following or self.slots.next_look(conn, slot, now)
            if self.slots.claim(conn, slot.id, slot.next_due_at, following):
                self.editions.start(conn, slot.id, slot.time.newsletter, occasion, now)

    def _plan(self, edition_id: int) -> int:
        enqueued = 0
        while True:
            with self.db.write() as conn:
                edition = self.editions.find(conn, edition_id)
                if edition is None or edition.state is not EditionState.PLANNING:
                    return enqueued
                mail_empty = mails_empty(self.newsletters, edition)
                readers = self.readership.next_readers(
                    conn, edition, self.chunk, all_given=mail_empty
                )
                if not readers:
                    self.editions.planned(conn, edition)
                    return enqueued
                decision = decided(conn, self.readership, self.newsletters, edition, readers)
                enqueued += self._write(conn, edition, decision, readers[-1].subscription_id)

    def _write(self, conn: Connection, edition: Edition, decision: Decision, cursor: int) -> int:
        enqueued = self.editions.enqueue(conn, edition, decision.contents)
        if decision.moved_from is not None:
            self.editions.note_missed(conn, decision.moved_from, edition.upto_seq)
            self.editions.move_along(conn, decision.moved, edition.upto_seq)
        self.editions.advance(conn, edition.id, cursor, enqueued)
        return enqueued


def decided(
    conn: Connection,
    readership: Readership,
    newsletters: Mapping[str, Newsletter],
    edition: Edition,
    readers: Sequence[Reader],
) -> Decision:
    """What these readers get of an edition, from what the store knows now."""
    floor = min(reader.after_seq for reader in readers)
    configured = newsletters.get(edition.newsletter)
    repeats = configured is not None and configured.repeats
    return decide(
        edition,
        readers,
        readership.given_before(conn, edition, readers, by_itself=repeats),
        readership.corrected(conn, edition, readers),
        readership.items(conn, floor, edition.upto_seq),
        mail_empty=mails_empty(newsletters, edition),
    )


def mails_empty(newsletters: Mapping[str, Newsletter], edition: Edition) -> bool:
    """Whether who has been given everything gets a mail that says so."""
    configured = newsletters.get(edition.newsletter)
    wanted = configured is not None and configured.send_when_empty
    return wanted and edition.cadence is not Cadence.IMMEDIATE
