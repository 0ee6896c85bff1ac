"""Tells who would get what if it were planned now, and writes nothing.

It reads page by page like planning, and decides by the same function. Of a million readers it keeps
what their mails would hold and their numbers, which are a few megabytes.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from publisher.core.edition import Edition, Slot
from publisher.core.model import Newsletter
from publisher.core.planning import Content, LeftOut
from publisher.core.schedule import latest_due
from publisher.errors import TransientError
from publisher.newsletters import plan


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...


class SlotBook(Protocol):
    def due(self, conn: Connection, now: datetime, of: str | None) -> Sequence[Slot]: ...

    def with_readers(self, conn: Connection, of: str) -> Sequence[Slot]: ...


class EditionBook(Protocol):
    def unplanned(self, conn: Connection) -> Sequence[int]: ...

    def is_there(self, conn: Connection, slot_id: int, occasion: str) -> bool: ...

    def foreseen(self, conn: Connection, slot_id: int, now: datetime) -> Edition: ...


class Readership(plan.Readership, Protocol):
    def left_out(
        self, conn: Connection, of: Edition, limit: int, *, all_given: bool
    ) -> tuple[Mapping[LeftOut, int], int | None]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Readers who would get the same mail."""

    content: Content
    subscriber_ids: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The edition that a slot would have."""

    slot: Slot
    groups: Sequence[Group]
    """The largest first."""
    left_out: Mapping[LeftOut, int]
    """How many of the slot would get nothing, by the reason."""

    @property
    def readers(self) -> int:
        return sum(len(group.subscriber_ids) for group in self.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecaster:
    db: Database
    slots: SlotBook
    editions: EditionBook
    readership: Readership
    newsletters: Mapping[str, Newsletter]
    chunk: int = plan.CHUNK

    def due(self, now: datetime, newsletter: str) -> Iterator[Forecast]:
        """What `Planner.plan_due` would plan of a newsletter, slot by slot.

        Raises TransientError while an edition is still being planned: what it will have given its
        readers decides what the next ones hold.
        """
        return self._foresee(now, lambda conn: self._due(conn, now, newsletter))

    def at_once(self, now: datetime, newsletter: str) -> Iterator[Forecast]:
        """What `Planner.plan_now` would plan; raises as `due` does."""
        return self._foresee(now, lambda conn: self.slots.with_readers(conn, newsletter))

    def _foresee(
        self, now: datetime, which: Callable[[Connection], Sequence[Slot]]
    ) -> Iterator[Forecast]:
        with self.db.read() as conn:
            if unplanned := self.editions.unplanned(conn):
                raise TransientError(
                    f"edition {unplanned[0]} is still being planned, and what it gives its readers "
                    "comes first; the daemon or `newsletters send` ends that, then ask again"
                )
            editions = [(slot, self.editions.foreseen(conn, slot.id, now)) for slot in which(conn)]
        return (self._forecast(slot, edition) for slot, edition in editions)

    def _due(self, conn: Connection, now: datetime, newsletter: str) -> Sequence[Slot]:
        due = self.slots.due(conn, now, newsletter)
        latest = ((slot, latest_due(slot.time, now)) for slot in due)
        return [
            slot
            for slot, at in latest
            if at is None or not self.editions.is_there(conn, slot.id, at.isoformat())
        ]

    def _forecast(self, slot: Slot, edition: Edition) -> Forecast:
        mail_empty = plan.mails_empty(self.newsletters, edition)
        left_out = self._left_out(edition, mail_empty)
        subscribers: dict[Content, array[int]] = {}
        while True:
            with self.db.read() as conn:
                readers = self.readership.next_readers(
                    conn, edition, self.chunk, all_given=mail_empty
                )
                if not readers:
                    break
                decision = plan.decided(conn, self.readership, self.newsletters, edition, readers)
            count = 0
            for content, members in decision.contents.items():
                ids = subscribers.setdefault(content, array("q"))
                ids.extend(reader.subscriber_id for reader in members)
                count += len(members)
            left_out[LeftOut.NOTHING_NEW] += len(readers) - count
            edition = replace(edition, cursor=readers[-1].subscription_id)
        groups = [
            Group(content=content, subscriber_ids=ids) for content, ids in subscribers.items()
        ]
        return Forecast(
            slot=slot,
            groups=sorted(groups, key=lambda group: -len(group.subscriber_ids)),
            left_out=+left_out,
        )

    def _left_out(self, edition: Edition, mail_empty: bool) -> Counter[LeftOut]:
        counts: Counter[LeftOut] = Counter()
        while True:
            with self.db.read() as conn:
                passed_over, cursor = self.readership.left_out(
                    conn, edition, self.chunk, all_given=mail_empty
                )
            if cursor is None:
                return counts
            counts.update(passed_over)
            edition = replace(edition, cursor=cursor)
