"""Sends what is due: claims rows of the ledger in batches, hands mails to relays, writes answers.

A worker has at most `batch` rows in flight over all its connections, so that a crash leaves at
most so many of which nobody knows whether they went out. Writing answers and claiming as many
again is one transaction, every 50 ms or so.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Protocol, TypeVar

import structlog
from sqlalchemy import Connection as Transaction

from publisher.core.delivery import Claimed, Job, Verdict
from publisher.core.model import DeliveryState, Rendering
from publisher.core.outcome import Outcome
from publisher.core.relay import Relay
from publisher.core.room import Room
from publisher.delivery.carriers import Carriers, Post
from publisher.delivery.connection import Connection
from publisher.delivery.lanes import Lanes
from publisher.delivery.last_check import LastCheck
from publisher.delivery.outages import Outages
from publisher.delivery.rates import Rates
from publisher.delivery.refused import RefusalBook, Refused
from publisher.delivery.rendering_queue import RenderingQueue
from publisher.delivery.wire import PATIENT
from publisher.errors import AwayError, TransientError
from publisher.kit.shortage import file_limit

LEASE = timedelta(minutes=45)
"""How long claimed rows are ours. A message is begun only while it can end within: else another
worker might take its row over and send it too."""
MAX_CONNECTIONS = 16
_TICK = 0.05  # seconds that an answer may wait for others, to be written down with them
_IDLE = 1.0  # seconds between looks at the ledger while nothing happens

_TROUBLED = (DeliveryState.DEFERRED, DeliveryState.FAILED, DeliveryState.UNCERTAIN)

log = structlog.get_logger()
T = TypeVar("T")


class Database(Protocol):
    def read(self) -> AbstractContextManager[Transaction]: ...

    def write(self, *, alone: bool = True) -> AbstractContextManager[Transaction]: ...


class Claims(Protocol):
    def claim(
        self,
        conn: Transaction,
        *,
        now: datetime,
        due_by: datetime,
        room: Room,
        lease: timedelta,
        fingerprints: Mapping[str, str],
        without: Collection[int],
    ) -> Claimed: ...


class LastLook(Protocol):
    def unwanted(
        self, conn: Transaction, jobs: Sequence[Job], now: datetime
    ) -> Mapping[int, DeliveryState]: ...


class Ledger(Protocol):
    def record(self, conn: Transaction, verdicts: Sequence[Verdict], now: datetime) -> int: ...


class Renderer(Protocol):
    @property
    def fingerprints(self) -> Mapping[str, str]: ...

    def make(self, variant_id: int, now: datetime) -> None: ...

    def find(self, rendering_id: int) -> Rendering: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Totals:
    """What a run of the worker came to."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    """For good, or uncertain for good."""
    unreachable: str = ""
    """Why no relay could be used, if that ended the run."""


@dataclass(slots=True, kw_only=True)
class Worker:
    db: Database
    claims: Claims
    last_look: LastLook
    ledger: Ledger
    refusals: RefusalBook
    renderer: Renderer
    relays: Sequence[Relay]
    post: Post
    batch: int
    clock: Callable[[], datetime]
    lease: timedelta = LEASE
    longest: timedelta = timedelta(seconds=PATIENT.after_data)
    """That a message may take."""
    totals: Totals = field(default_factory=Totals)
    trouble: str = ""
    """Why the books cannot be kept now; nothing is claimed meanwhile."""
    _verdicts: list[Verdict] = field(default_factory=list)
    _in_flight: int = 0
    _claiming: Sequence[Job] = ()
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _rendering: Callable[[int], Rendering] = field(init=False)
    _unrendered: RenderingQueue = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None
    _lanes: Lanes = field(init=False)
    _outages: Outages = field(init=False)
    _rates: Rates = field(init=False)
    _refused: Refused = field(init=False)
    _carriers: Carriers = field(init=False)

    def __post_init__(self) -> None:
        self._rendering = lru_cache(maxsize=256)(self.renderer.find)
        self._unrendered = RenderingQueue(
            lambda variant_id: self.renderer.make(variant_id, self.clock()),
            give_up=self.renderer.close,
            ready=self._woken.set,
        )
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="ledger")

    def wake(self) -> None:
        """There may be new mail to send. May be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._woken.set)

    def stop(self) -> None:
        """Claim nothing more; `run` ends when what is being handed over has its answer."""
        self._stopping = True
        self.wake()

    async def run(self, *, due_by: datetime | None = None) -> Totals:
        """Send until `stop()`; with `due_by`, until everything due by then was tried once."""
        self._loop = asyncio.get_running_loop()
        count = max(1, min(MAX_CONNECTIONS, self.batch, file_limit() // 4))
        self._lanes = Lanes(count, self._loop.time)
        self._outages = Outages(self._loop.time)
        self._rates = Rates(self._loop.time)
        self._refused = Refused([relay.name for relay in self.relays])
        self._carriers = Carriers(
            lanes=self._lanes,
            outages=self._outages,
            refused=self._refused,
            last_check=LastCheck(self._unwanted),
            rendering=self._rendering,
            post=self.post,
            clock=self.clock,
            longest=self.longest,
            settle=self._settle,
            stuck=self._woken.set,
        )
        connections = [
            Connection(self.relays[n % len(self.relays)], hostname=self.post.hostname)
            for n in range(count)
        ]
        carriers = [asyncio.create_task(self._carriers.carry(each)) for each in connections]
        rendering = asyncio.create_task(self._unrendered.run())
        try:
            await self._dispatch(carriers, rendering, due_by)
        finally:
            await _end([*carriers, rendering])
            await self._write_last()
            await asyncio.gather(*(each.close() for each in connections))
            self._threads.shutdown(wait=False)
        return self.totals

    async def _dispatch(
        self,
        carriers: Sequence["asyncio.Task[None]"],
        rendering: "asyncio.Task[None]",
        due_by: datetime | None,
    ) -> None:
        while True:
            for each in (*carriers, rendering):
                if each.done():
                    each.result()  # none ever ends by itself: this raises what killed it
            if self._stopping or (due_by is not None and self._nothing_moves(len(carriers))):
                self._stop_claiming()
            else:
                self._give_back(self._lanes.take_back(self._refused.domains(self.clock())))
            unrendered = self._unrendered.waiting
            try:
                claimed = await self._exchange(due_by)
            except TransientError as error:
                if due_by is not None and not self._in_flight:
                    raise  # nobody waits for a command that can do nothing
                # The answers stay with us until they can be written; nothing more is claimed.
                self._tell(error)
                await self._wait(_IDLE)
                continue
            self._tell(None)
            if self._unrendered.add(claimed.to_render, claimed.urgent):
                continue  # there may be others behind them
            done = not unrendered and self._is_done(claimed, due_by)
            if self._in_flight == 0 and (self._stopping or done):
                return
            await self._wait(_IDLE)

    def _is_done(self, claimed: Claimed, due_by: datetime | None) -> bool:
        held_up = any(left < 1 for left in self._rates.room().values())
        return self._stopping or (due_by is not None and not claimed.jobs and not held_up)

    def _nothing_moves(self, connections: int) -> bool:
        """Whether every connection is without a relay, or has none of the mails in hand to send."""
        away = len(self._carriers.away)
        return away == connections or (
            away > 0 and self._lanes.held > 0 and away + self._lanes.idle == connections
        )

    def _stop_claiming(self) -> None:
        self._stopping = True
        self.totals.unreachable = "; ".join(sorted(set(self._carriers.away.values())))
        self._give_back(self._lanes.take_all_back())

    def _give_back(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self._settle(job, Outcome(state=DeliveryState.PENDING), "")

    async def _exchange(self, due_by: datetime | None) -> Claimed:
        """Write the answers that have come and claim as many rows again."""
        verdicts, self._verdicts = self._verdicts, []
        news = self._refused.take_news(self._outages.now, self.clock())
        free = 0 if self._stopping else self.batch - self._in_flight + len(verdicts)
        room = Room(
            free,
            domains={**self._lanes.room(), **self._refused.room(self.clock())},
            newsletters=self._rates.room(),
        )
        self._claiming = list[Job]()
        try:
            claimed = await self._in_thread(
                self._exchange_now, verdicts, news, room, due_by, self._unrendered.waiting
            )
        except BaseException:  # also when cancelled: to write an answer twice does no harm
            self._verdicts = verdicts + self._verdicts
            self._refused.keep(news)
            # Nobody knows whether a claim was written whose commit failed. If so, it is let go of.
            self._in_flight += len(self._claiming)
            for job in self._claiming:
                self._settle(job, Outcome(state=DeliveryState.PENDING), "")
            raise
        self._in_flight += len(claimed.jobs) - len(verdicts)
        self._rates.update(claimed.rates)
        self._rates.count(job.newsletter for job in claimed.jobs)
        if free:
            self._refused.update(claimed.refusals)
            self._lanes.refused = self._refused.pairs(self.clock())
        self._lanes.add(claimed.jobs)
        return claimed

    def _exchange_now(
        self,
        verdicts: Sequence[Verdict],
        news: Sequence[Callable[[RefusalBook, Transaction], None]],
        room: Room,
        due_by: datetime | None,
        without: Collection[int],
    ) -> Claimed:
        now = self.clock()
        if not verdicts and not news and not room.free:
            return Claimed(jobs=(), to_render=())
        with self.db.write(alone=False) as conn:
            self.ledger.record(conn, verdicts, now)
            for each in news:
                each(self.refusals, conn)
            if not room.free:
                return Claimed(jobs=(), to_render=())
            claimed = self.claims.claim(
                conn,
                now=now,
                due_by=due_by or now,
                room=room,
                lease=self.lease,
                fingerprints=self.renderer.fingerprints,
                without=without,
            )
            self._claiming = claimed.jobs
            return claimed

    async def _write_last(self) -> None:
        """Keep the answers that came while we were being ended."""
        if self._verdicts:
            with suppress(TransientError):
                await self._in_thread(self._exchange_now, self._verdicts, (), Room(0), None, ())

    async def _unwanted(self, jobs: Sequence[Job]) -> Mapping[int, DeliveryState]:
        def ask() -> Mapping[int, DeliveryState]:
            with self.db.read() as conn:
                return self.last_look.unwanted(conn, jobs, self.clock())

        return await self._in_thread(ask)

    def _settle(self, job: Job, outcome: Outcome, relay: str) -> None:
        self._verdicts.append(
            Verdict(delivery_id=job.delivery_id, claim=job.claim, outcome=outcome, relay=relay)
        )
        self.totals.sent += outcome.state is DeliveryState.SENT
        self.totals.deferred += outcome.state is DeliveryState.DEFERRED
        self.totals.failed += outcome.state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN)
        if outcome.state in _TROUBLED:
            log.warning(
                "mail not delivered",
                delivery=job.delivery_id,
                state=outcome.state.value,
                status=outcome.smtp_status,
                reply=outcome.reply,
                attempt=job.attempt,
            )
        if len(self._verdicts) * 2 >= self.batch or len(self._verdicts) >= self._in_flight:
            self._woken.set()
        elif len(self._verdicts) == 1:
            asyncio.get_running_loop().call_later(_TICK, self._woken.set)

    def _tell(self, trouble: TransientError | None) -> None:
        """Once; that the database cannot be used is told where that is found out."""
        if isinstance(trouble, AwayError):
            return
        if trouble and not self.trouble:
            log.error("the books cannot be kept; sending waits", reason=str(trouble))
        elif self.trouble and not trouble:
            log.info("the books can be kept again; sending goes on")
        self.trouble = str(trouble or "")

    async def _wait(self, seconds: float) -> None:
        """Until something happened, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        self._woken.clear()

    async def _in_thread(self, call: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)


async def _end(tasks: Sequence["asyncio.Task[None]"]) -> None:
    open_ones = {each for each in tasks if not each.done()}
    while open_ones:  # before Python 3.12, `wait_for` can swallow a cancellation
        for each in open_ones:
            each.cancel()
        _, open_ones = await asyncio.wait(open_ones, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)
