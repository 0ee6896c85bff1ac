"""The last look at the books before a message goes out, for many connections in one question.

From the moment an unsubscription is confirmed to the reader no message to them may begin. So an
answer of the books holds for `CHECK_HOLDS` only, and whoever ends a subscription waits so long
for mails that were looked up just before (`core.delivery`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from publisher.core.delivery import CHECK_HOLDS, Job
from publisher.core.model import DeliveryState
from publisher.errors import TransientError

Ask = Callable[[Sequence[Job]], Awaitable[Mapping[int, DeliveryState]]]


class LastCheck:
    def __init__(self, ask: Ask) -> None:
        """`ask` names the jobs that may not go out, by delivery id, and the state they get."""
        self._ask = ask
        self._waiting: list[tuple[Job, asyncio.Future[tuple[DeliveryState | None, float]]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def state_instead(self, job: Job) -> DeliveryState | None:
        """None when the message may begin right now; else the state its row should have.

        The caller writes the first byte before it awaits anything else.
        """
        loop = asyncio.get_running_loop()
        while True:
            found: asyncio.Future[tuple[DeliveryState | None, float]] = loop.create_future()
            self._waiting.append((job, found))
            if self._asking is None:
                self._asking = loop.create_task(self._ask_all())
            state, asked_at = await found
            if state is not None or loop.time() - asked_at < CHECK_HOLDS:
                return state

    async def _ask_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            asked, self._waiting = self._waiting, []
            asked_at = loop.time()
            try:
                instead = await self._ask([job for job, _ in asked])
            except TransientError:  # the books cannot be read: then nothing may go out
                instead = {job.delivery_id: DeliveryState.PENDING for job, _ in asked}
            except BaseException as error:
                for _, found in asked:
                    if not found.done():
                        found.set_exception(error)
                self._asking = None
                raise
            for job, found in asked:
                if not found.done():
                    found.set_result((instead.get(job.delivery_id), asked_at))
        self._asking = None
