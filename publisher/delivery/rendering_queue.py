"""The variants that due mails wait for, rendered one after the other while other mails go out."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from publisher.errors import AwayError, TransientError

MOST = 200
"""Variants that may wait, and as many urgent ones: each is named in the query that looks for other
mails meanwhile."""
_TICK = 0.25  # seconds that what is rendered waits for more, to be claimed with it
_PAUSE = 1.0  # seconds between tries while the database cannot be written

log = structlog.get_logger()


class RenderingQueue:
    def __init__(
        self,
        make: Callable[[int], None],
        *,
        give_up: Callable[[], None],
        ready: Callable[[], None],
    ) -> None:
        """`make` renders a variant or sets its mails aside; `give_up`, called in another thread,
        makes it end soon; `ready` is told that there is something to claim."""
        self._make = make
        self._give_up = give_up
        self._ready = ready
        self._waiting: dict[int, None] = {}
        self._filled = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rendering")

    @property
    def waiting(self) -> frozenset[int]:
        """Including the one that is being rendered."""
        return frozenset(self._waiting)

    def add(self, variant_ids: Sequence[int], urgent: Collection[int] = ()) -> bool:
        """Whether there was room for one; the others are to be offered again.

        Those that are `urgent` are next, in their order.
        """
        first = {each: None for each in variant_ids if each in urgent}
        before = len(self._waiting)
        self._waiting = first | self._waiting
        for each in variant_ids:
            if len(self._waiting) < MOST:
                self._waiting[each] = None
        self._filled.set()
        return len(self._waiting) > before

    async def run(self) -> None:
        """Render for as long as the worker runs; when cancelled, end at once."""
        time = asyncio.get_running_loop().time
        told_at = time()
        trouble = ""
        try:
            while True:
                while not self._waiting:
                    self._filled.clear()
                    await self._filled.wait()
                variant_id = next(iter(self._waiting))
                try:
                    await self._one(variant_id)
                except TransientError as error:
                    if str(error) != trouble and not isinstance(error, AwayError):
                        trouble = str(error)
                        log.error("renderings cannot be made now; they wait", reason=trouble)
                    await asyncio.sleep(_PAUSE)
                    continue
                trouble = ""
                del self._waiting[variant_id]
                if not self._waiting or time() > told_at + _TICK:
                    told_at = time()
                    self._ready()
        finally:
            self._thread.shutdown(wait=False)

    async def _one(self, variant_id: int) -> None:
        loop = asyncio.get_running_loop()
        making = loop.run_in_executor(self._thread, self._make, variant_id)
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._give_up)
            with suppress(TransientError):
                await making
            raise
