"""The daemon's clock: runs its steps every so often, each off the event loop and one at a time.

Ticks only look; what is due is a row in the database with its own time (`core.schedule`). So a
tick may come late, or twice, and nothing is lost or done twice.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from publisher.errors import AwayError, PublisherError

_LOOK = 1.0  # seconds between looks whether the clock was set

log = structlog.get_logger()
# A tick that comes while its step still runs is passed over, which is no news.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


class Step:
    """A piece of work that is done again and again, in a thread, never twice at once.

    What it raises is a line in the log, not the daemon's end; the same trouble is told once.
    """

    def __init__(
        self, name: str, work: Callable[[], object], threads: Executor | None = None
    ) -> None:
        """`threads`: of its own, for work that may wait long on somebody else."""
        self.name = name
        self._work = work
        self._threads = threads
        self._turn = asyncio.Lock()
        self.trouble = ""
        """Why it could not be done the last time."""

    async def run(self) -> bool:
        """Whether it could be done."""
        async with self._turn:
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, self._work)
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


class _Every(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Counts from now on. APScheduler's own counts from the last time: after a month asleep it
    goes through each second of it, and holds up everything else.
    """

    def __init__(self, interval: timedelta) -> None:
        self.interval = interval

    def get_next_fire_time(
        self,
        previous: datetime | None,  # noqa: ARG002 — it is asked so
        now: datetime,
    ) -> datetime:
        return now + self.interval


class Ticks:
    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        self._steps: list[Step] = []
        self._watching: asyncio.Task[None] | None = None

    def every(self, interval: timedelta, step: Step, *, at_once: bool = False) -> None:
        """Run `step` every `interval`, the first time after one, or `at_once`."""
        self._steps.append(step)
        first = {"next_run_time": datetime.now(UTC)} if at_once else {}
        self._scheduler.add_job(step.run, _Every(interval), id=step.name, name=step.name, **first)

    def start(self) -> None:
        self._scheduler.start()
        self._watching = asyncio.create_task(self._watch_the_clock())

    async def stop(self) -> None:
        """Begin no step any more and wait for those under way, which the scheduler would cancel."""
        if self._watching:
            self._watching.cancel()
        self._scheduler.pause()
        for step in self._steps:
            await step.ended()
        self._scheduler.shutdown(wait=False)

    async def _watch_the_clock(self) -> None:
        """The scheduler goes by the clock on the wall: set back an hour, it would sleep an hour.

        And so it would if the clock was put right again meanwhile: its alarm is wound up already.
        """
        while True:
            await asyncio.sleep(_LOOK)
            now = datetime.now(UTC)
            for job in self._scheduler.get_jobs():
                if job.next_run_time > now + job.trigger.interval:
                    job.modify(next_run_time=now)
            self._scheduler.wakeup()
