"""A step of the daemon may fail: that is told once, and it goes on. Clocks may be set."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from apscheduler.schedulers import base
from structlog.testing import capture_logs

from publisher import scheduler
from publisher.errors import TransientError
from publisher.scheduler import Step, Ticks

TICK = timedelta(milliseconds=5)


async def test_the_same_trouble_is_told_once_and_its_end_too() -> None:
    troubles: list[Exception | None] = [
        TransientError("the disk is full"),
        TransientError("the disk is full"),
        TransientError("the disk is gone"),
        None,
        None,
        TransientError("the disk is full"),
    ]

    def work() -> None:
        trouble = troubles.pop(0)
        if trouble:
            raise trouble

    step = Step("write", work)
    with capture_logs() as lines:
        while troubles:
            await step.run()
    assert [each.get("reason", each["event"]) for each in lines] == [
        "the disk is full",
        "the disk is gone",
        "step works again",
        "the disk is full",
    ]


async def test_an_unforeseen_fault_is_told_with_its_traceback_and_stops_nothing() -> None:
    step = Step("divide", lambda: 1 / 0)
    with capture_logs() as lines:
        await step.run()
        await step.run()
    assert [each["log_level"] for each in lines] == ["error"]
    assert isinstance(lines[0]["exc_info"], ZeroDivisionError)


async def test_a_step_never_runs_twice_at_once() -> None:
    running = 0
    most = 0

    def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        running -= 1

    step = Step("count", work)
    await asyncio.gather(*(step.run() for _ in range(50)))
    assert most == 1


async def test_stopping_waits_for_what_runs_and_begins_nothing_more() -> None:
    begun, may_end = threading.Event(), threading.Event()
    ended = 0

    def work() -> None:
        nonlocal ended
        begun.set()
        assert may_end.wait(10)
        ended += 1

    ticks = Ticks()
    ticks.every(TICK, Step("slow", work))
    with capture_logs() as lines:
        ticks.start()
        assert await asyncio.to_thread(begun.wait, 10)
        stopping = asyncio.create_task(ticks.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        may_end.set()
        await stopping
    assert ended == 1
    assert lines == []


class WallClock(datetime):
    ahead = timedelta()
    looked_at = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "WallClock":
        cls.looked_at += 1
        return cls.fromtimestamp(datetime.now(tz).timestamp(), UTC) + cls.ahead

    @classmethod
    async def set(cls, ahead: timedelta) -> None:
        """And wait until somebody has gone by it."""
        cls.ahead, cls.looked_at = ahead, 0
        while cls.looked_at < 4:
            await asyncio.sleep(TICK.total_seconds())


@pytest.mark.parametrize("moves", [[1], [1, 0], [-1], [-1, 0]], ids=str)
async def test_a_clock_that_is_set_puts_nothing_to_sleep(
    monkeypatch: pytest.MonkeyPatch, moves: list[int]
) -> None:
    for module in (base, scheduler):
        monkeypatch.setattr(module, "datetime", WallClock)
    monkeypatch.setattr(WallClock, "ahead", timedelta())
    done = 0

    def work() -> None:
        nonlocal done
        done += 1

    async def goes_on() -> None:
        before = done
        while done == before:
            await asyncio.sleep(TICK.total_seconds())

    ticks = Ticks()
    ticks.every(TICK, Step("count", work))
    ticks.start()
    async with asyncio.timeout(10):
        await goes_on()
        for days in moves:
            await WallClock.set(timedelta(days=days))
        await goes_on()
    await ticks.stop()
