"""Sends what is due: claims rows of the ledger in batches, hands mails to relays, writes answers.

A worker has at most `batch` rows in flight over all its connections, so that a crash leaves at
most so many of which nobody knows whether they went out. Writing answers and claiming as many
again is one transaction, every 50 ms or so.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
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
from publisher.core.outcome import Answer, Kind, Outcome, judge, printable_reply
from publisher.core.relay import Relay
from publisher.delivery.connection import LONGEST, Connection, Envelope, RelayError
from publisher.delivery.message import Recipient, compose, message_id
from publisher.delivery.outages import Outages
from publisher.errors import AwayError, PermanentError, TransientError

LEASE = timedelta(minutes=30)
"""How long claimed rows are ours. A mail is begun only while it can be ended within: else another
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


class Ledger(Protocol):
    def claim(
        self,
        conn: Transaction,
        *,
        now: datetime,
        due_by: datetime,
        limit: int,
        lease: timedelta,
        fingerprints: Mapping[str, str],
    ) -> Claimed: ...

    def record(self, conn: Transaction, verdicts: Sequence[Verdict], now: datetime) -> int: ...

    def still_wanted(self, conn: Transaction, job: Job) -> DeliveryState | None: ...


class Renderer(Protocol):
    @property
    def fingerprints(self) -> Mapping[str, str]: ...

    def make(self, variant_id: int, now: datetime) -> None: ...

    def find(self, rendering_id: int) -> Rendering: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What every mail of this site needs besides its rendering."""

    senders: Mapping[str, str]
    """Envelope sender by newsletter."""
    unsubscribe_url: Callable[[int, str], str]
    """The link of a subscription, signed with the key of this id."""
    hostname: str
    """How we greet a relay."""


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
    ledger: Ledger
    renderer: Renderer
    relays: Sequence[Relay]
    post: Post
    batch: int
    clock: Callable[[], datetime]
    lease: timedelta = LEASE
    longest: timedelta = timedelta(seconds=LONGEST)
    """That handing over one mail may take."""
    totals: Totals = field(default_factory=Totals)
    _jobs: "asyncio.Queue[Job]" = field(default_factory=asyncio.Queue)
    _verdicts: list[Verdict] = field(default_factory=list)
    _in_flight: int = 0
    _claiming: Sequence[Job] = ()
    _woken: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _away: dict[Connection, str] = field(default_factory=dict)
    _rendering: Callable[[int], Rendering] = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _loop: asyncio.AbstractEventLoop | None = None

    def __post_init__(self) -> None:
        self._rendering = lru_cache(maxsize=256)(self.renderer.find)
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
        count = min(MAX_CONNECTIONS, self.batch)
        connections = [
            Connection(self.relays[n % len(self.relays)], hostname=self.post.hostname)
            for n in range(count)
        ]
        outages = Outages(self._loop.time)
        carriers = [asyncio.create_task(self._carry(each, outages)) for each in connections]
        try:
            await self._dispatch(carriers, due_by)
        finally:
            await _end(carriers)
            await self._write_last()
            await asyncio.gather(*(each.close() for each in connections))
            self._threads.shutdown(wait=False)
        return self.totals

    async def _dispatch(
        self, carriers: Sequence["asyncio.Task[None]"], due_by: datetime | None
    ) -> None:
        while True:
            for each in carriers:
                if each.done():
                    each.result()  # a carrier never ends by itself: this raises what killed it
            if self._stopping or (due_by is not None and len(self._away) == len(carriers)):
                self._give_back()
            try:
                claimed = await self._exchange(due_by)
                for variant_id in claimed.to_render:
                    await self._in_thread(self.renderer.make, variant_id, self.clock())
            except TransientError as error:
                # The answers stay with us until they can be written; nothing more is claimed.
                if not isinstance(error, AwayError):
                    log.error("the ledger cannot be written; sending waits", reason=str(error))
                await self._wait(_IDLE)
                continue
            if claimed.to_render:
                continue
            if self._in_flight == 0 and (self._stopping or due_by is not None):
                return
            await self._wait(_IDLE)

    def _give_back(self) -> None:
        """Let go of the rows that no connection has begun with, and claim none any more."""
        self._stopping = True
        self.totals.unreachable = "; ".join(sorted(set(self._away.values())))
        while not self._jobs.empty():
            job = self._jobs.get_nowait()
            self._settle(job, Outcome(state=DeliveryState.PENDING), "")

    async def _exchange(self, due_by: datetime | None) -> Claimed:
        """Write the answers that have come and claim as many rows again."""
        verdicts, self._verdicts = self._verdicts, []
        free = self.batch - self._in_flight + len(verdicts)
        self._claiming = list[Job]()
        try:
            claimed = await self._in_thread(
                self._exchange_now, verdicts, 0 if self._stopping else free, due_by
            )
        except BaseException:  # also when cancelled: to write an answer twice does no harm
            self._verdicts = verdicts + self._verdicts
            # Nobody knows whether a claim was written whose commit failed. If so, it is let go of.
            self._in_flight += len(self._claiming)
            for job in self._claiming:
                self._settle(job, Outcome(state=DeliveryState.PENDING), "")
            raise
        self._in_flight += len(claimed.jobs) - len(verdicts)
        for job in claimed.jobs:
            self._jobs.put_nowait(job)
        return claimed

    def _exchange_now(
        self, verdicts: Sequence[Verdict], free: int, due_by: datetime | None
    ) -> Claimed:
        now = self.clock()
        if not verdicts and not free:
            return Claimed(jobs=(), to_render=())
        with self.db.write(alone=False) as conn:
            self.ledger.record(conn, verdicts, now)
            if not free:
                return Claimed(jobs=(), to_render=())
            claimed = self.ledger.claim(
                conn,
                now=now,
                due_by=due_by or now,
                limit=free,
                lease=self.lease,
                fingerprints=self.renderer.fingerprints,
            )
            self._claiming = claimed.jobs
            return claimed

    async def _write_last(self) -> None:
        """Keep the answers that came while we were being ended."""
        if self._verdicts:
            with suppress(TransientError):
                await self._in_thread(self._exchange_now, self._verdicts, 0, None)

    async def _carry(self, connection: Connection, outages: Outages) -> None:
        """Hand mails over a connection, one after the other, for as long as the worker runs."""
        while True:
            job = await self._jobs.get()
            try:
                await outages.open(connection)
            except RelayError as error:
                self._jobs.put_nowait(job)  # for another connection, or for later
                self._away[connection] = str(error)
                self._woken.set()
                await asyncio.sleep(outages.remaining(connection.relay))
                continue
            self._away.pop(connection, None)
            outcome = await self._attempt(connection, job)
            self._settle(job, outcome, connection.relay.name)

    async def _attempt(self, connection: Connection, job: Job) -> Outcome:
        """One try of one mail, from the last check to the server's answer."""
        try:
            prepared = await self._in_thread(self._prepare, job)
        except PermanentError as error:
            answer = Answer(kind=Kind.REFUSED_HERE, text=printable_reply(str(error)))
        except AwayError:
            return Outcome(state=DeliveryState.PENDING)
        except Exception as error:
            if not isinstance(error, TransientError):
                log.exception("a mail cannot be made in a way we did not foresee")
            answer = Answer(kind=Kind.LOST, text=printable_reply(str(error)))
        else:
            if isinstance(prepared, DeliveryState):
                return Outcome(state=prepared)
            answer = await connection.send(prepared)
        return judge(
            answer,
            attempt=job.attempt,
            first_attempt_at=job.first_attempt_at,
            now=self.clock(),
        )

    def _prepare(self, job: Job) -> Envelope | DeliveryState:
        """What to hand over; or the state the row should have instead, asked as late as can be."""
        if self.clock() >= job.lease_until - self.longest:
            return DeliveryState.PENDING
        envelope = self._envelope(job, self._rendering(job.rendering_id))
        with self.db.read() as conn:
            return self.ledger.still_wanted(conn, job) or envelope

    def _envelope(self, job: Job, rendering: Rendering) -> Envelope:
        """The same bytes at every attempt: all that goes in comes from stored facts."""
        message = compose(
            rendering,
            Recipient(address=job.address, name=job.name),
            message_id=message_id(
                job.newsletter,
                job.edition_id,
                job.subscriber_id,
                date=job.planned_at,
                rendering=rendering,
            ),
            date=job.planned_at,
            unsubscribe_url=self.post.unsubscribe_url(job.subscription_id, rendering.key_id),
        )
        return Envelope(
            sender=self.post.senders[job.newsletter], recipient=job.address, message=message
        )

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
