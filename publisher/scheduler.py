"""The daemon's clock: runs its steps every so often, each off the event loop and one at a time.

Ticks only look; what is due is a row in the database with its own time (`core.schedule`). So a
tick may come late, or twice, and nothing is lost or done twice.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from publisher.errors import PublisherError

log = structlog.get_logger()


class Ticks:
    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(
            executors={"default": AsyncIOExecutor()},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    def every(self, interval: timedelta, name: str, step: Callable[[], object]) -> None:
        """Call `step` in a thread every `interval`; what it raises is logged, and it goes on."""

        async def tick() -> None:
            await run_step(name, step)

        self._scheduler.add_job(
            tick, IntervalTrigger(seconds=interval.total_seconds()), id=name, name=name
        )

    def start(self) -> None:
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)


async def run_step(name: str, step: Callable[[], object]) -> None:
    """Call `step` in a thread; a fault in it is a line in the log, not the daemon's end."""
    try:
        await asyncio.to_thread(step)
    except PublisherError as error:
        log.error("step failed; it is tried again", step=name, reason=str(error))
    except Exception:
        log.exception("step failed in a way we did not foresee; it is tried again", step=name)
