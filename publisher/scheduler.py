"""The daemon's clock: runs its steps every so often, each off the event loop and one at a time.

Ticks only look; what is due is a row in the database with its own time (`core.schedule`). So a
tick may come late, or twice, and nothing is lost or done twice. They go by a clock that only goes
forward: by the one on the wall, an hour set back would be an hour without ticks.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from publisher.errors import AwayError, PublisherError

log = structlog.get_logger()


class Step:
    """A piece of work that is done again and again, in a thread, never twice at once.

    What it raises is a line in the log, not the daemon's end; the same trouble is told once.
    """

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name = name
        self._work = work
        self._turn = asyncio.Lock()
        self.trouble = ""
        """Why it could not be done the last time."""

    async def run(self) -> bool:
        """Whether it could be done."""
        async with self._turn:
            try:
                await asyncio.to_thread(self._work)
            except Exception as error:
                self._tell(error)
                return False
            if self.trouble:
                log.info("step works again", step=self.name)
                self.trouble = ""
            return True

    async def ended(self) -> None:
        """Wait for it if it is under way."""
        async with self._turn:
            pass

    def _tell(self, error: Exception) -> None:
        if isinstance(error, AwayError):
            return
        foreseen = isinstance(error, PublisherError)
        trouble = str(error) if foreseen else f"{type(error).__name__}: {error}"
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if foreseen:
            log.error("step failed; it is tried again", step=self.name, reason=trouble)
        else:
            log.error(
                "step failed in a way we did not foresee; it is tried again",
                step=self.name,
                exc_info=error,
            )


class Ticks:
    def __init__(self) -> None:
        self._steps: list[tuple[float, Step]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def every(self, interval: timedelta, step: Step) -> None:
        """Run `step` again and again, `interval` after it has ended."""
        self._steps.append((interval.total_seconds(), step))

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._go(*each)) for each in self._steps]

    async def stop(self) -> None:
        """Begin no step any more and wait for those under way."""
        self._stopping = True
        for _, step in self._steps:
            await step.ended()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _go(self, seconds: float, step: Step) -> None:
        while not self._stopping:
            await asyncio.sleep(seconds)
            if not self._stopping:
                await step.run()
