"""Which of the claimed mails a free connection takes next, so that no domain holds up the others.

A domain may begin one more while it has fewer under way than connections are free; so the first
gets half of them, the next a quarter, and there is always one left. A domain that takes long over a
mail is slow until it is quick again: all slow ones together hold no more mails than half of the
connections, and what is claimed of them beyond goes back to the books.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from publisher.core.delivery import Job

SLOW = 2.0  # seconds over one mail


@dataclass(slots=True)
class _Lane:
    """One receiving domain."""

    waiting: deque[Job] = field(default_factory=deque)
    begun: dict[int, float] = field(default_factory=dict)
    """When each mail under way was begun, by delivery."""
    slow: bool = False

    @property
    def held(self) -> int:
        return len(self.waiting) + len(self.begun)


class Lanes:
    def __init__(self, connections: int, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that only goes forward."""
        self._connections = connections
        self._seconds = seconds
        self._lanes: dict[str, _Lane] = {}
        self._idle: deque[tuple[str, asyncio.Future[Job]]] = deque()
        self.refused: Collection[tuple[str, str]] = ()
        """Relay and domain: these mails need another relay."""

    @property
    def held(self) -> int:
        """Mails in hand."""
        return sum(lane.held for lane in self._lanes.values())

    @property
    def idle(self) -> int:
        """Connections that wait for a mail."""
        return sum(not found.done() for _, found in self._idle)

    def add(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._lanes.setdefault(job.domain, _Lane()).waiting.append(job)
        self._hand_out()

    async def next(self, relay: str) -> Job:
        """The next mail for a connection to this relay, as soon as there is one."""
        found: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._idle.append((relay, found))
        self._hand_out()
        try:
            return await found
        except asyncio.CancelledError:
            if found.done() and not found.cancelled():
                self.put_back(found.result())
            raise

    def put_back(self, job: Job) -> None:
        """It was not begun after all."""
        lane = self._lanes[job.domain]
        lane.begun.pop(job.delivery_id, None)
        lane.waiting.appendleft(job)
        self._hand_out()

    def ended(self, job: Job) -> None:
        lane = self._lanes[job.domain]
        lane.slow = self._seconds() - lane.begun.pop(job.delivery_id) > SLOW
        self._forget_empty()
        self._hand_out()

    def room(self) -> Mapping[str, int]:
        """How many more mails may be claimed of slow domains, by domain."""
        slow = {name: lane for name, lane in self._lanes.items() if self._is_slow(lane)}
        left = max(1, self._connections // 2) - sum(lane.held for lane in slow.values())
        return dict.fromkeys(slow, max(0, left))

    def take_back(self, without: Collection[str] = ()) -> Sequence[Job]:
        """What must go back to the books: of domains that no relay may serve, and what is held of
        slow ones beyond their room."""
        back: list[Job] = []
        for domain in without:
            if lane := self._lanes.get(domain):
                back += self._empty(lane)
        most = max(1, self._connections // 2)
        slow = [lane for lane in self._lanes.values() if self._is_slow(lane)]
        over = sum(lane.held for lane in slow) - most
        for lane in slow:
            while over > 0 and lane.waiting:
                back.append(lane.waiting.pop())
                over -= 1
        self._forget_empty()
        return back

    def take_all_back(self) -> Sequence[Job]:
        """What no connection has begun with."""
        back = [job for lane in self._lanes.values() for job in self._empty(lane)]
        self._forget_empty()
        return back

    def _hand_out(self) -> None:
        for _ in range(len(self._idle)):
            relay, found = self._idle.popleft()
            if found.done():
                continue
            job = self._pick(relay)
            if job is None:
                self._idle.append((relay, found))
            else:
                self._lanes[job.domain].begun[job.delivery_id] = self._seconds()
                found.set_result(job)

    def _pick(self, relay: str) -> Job | None:
        free = self._connections - sum(len(lane.begun) for lane in self._lanes.values())
        for domain, lane in self._lanes.items():
            if lane.waiting and len(lane.begun) < free and (relay, domain) not in self.refused:
                self._lanes[domain] = self._lanes.pop(domain)  # the others come first next time
                return lane.waiting.popleft()
        return None

    def _is_slow(self, lane: _Lane) -> bool:
        if not lane.slow and lane.begun:
            lane.slow = self._seconds() - min(lane.begun.values()) > SLOW
        return lane.slow

    def _empty(self, lane: _Lane) -> list[Job]:
        jobs = list(lane.waiting)
        lane.waiting.clear()
        return jobs

    def _forget_empty(self) -> None:
        for domain in [d for d, lane in self._lanes.items() if not lane.held and not lane.slow]:
            del self._lanes[domain]
