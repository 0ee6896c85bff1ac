"""Rates, room, refusals and standing: the small decisions that hold sending back."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.bounce import after_hard_bounces
from publisher.core.delivery import CHECK_HOLDS, Job
from publisher.core.model import DeliveryState, SubscriberState
from publisher.core.refusal import FIRST_WAIT, LONGEST_WAIT, next_try
from publisher.core.room import Room
from publisher.core.standing import Day, pause_reason
from publisher.delivery.last_check import LastCheck
from publisher.delivery.rates import Rates
from publisher.errors import TransientError
from tests.unit.test_lanes import Clock, job

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


def test_room_counts_down_in_all_by_domain_and_by_newsletter() -> None:
    room = Room(4, domains={"slow.example": 1}, newsletters={"rated": 2})
    assert room.admit("slow.example", "daily")
    assert not room.admit("slow.example", "daily")
    assert room.admit("a.example", "rated")
    assert room.admit("a.example", "rated")
    assert not room.admit("a.example", "rated")
    assert (room.full_domains, room.full_newsletters) == (["slow.example"], ["rated"])
    assert room.free == 1
    assert room.admit("a.example", "daily")
    assert not room.admit("a.example", "daily")


@given(
    a_minute=st.integers(1, 100_000),
    steps=st.lists(st.floats(0.001, 30), min_size=1, max_size=60),
)
def test_a_rate_is_never_exceeded_by_more_than_a_second_of_it(
    a_minute: int, steps: list[float]
) -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.update({"daily": a_minute})
    sent = 0
    for step in steps:
        clock.now += step
        room = rates.room()["daily"]
        rates.count(["daily"] * room)
        sent += room
    assert sent <= clock.now * a_minute / 60 + max(1, a_minute / 60) + 1e-6


def test_a_rate_is_reached_and_can_be_changed_and_lifted() -> None:
    clock = Clock()
    rates = Rates(clock)
    rates.update({"daily": 600})
    assert rates.room() == {"daily": 0}
    clock.now += 0.5
    assert rates.room() == {"daily": 5}
    rates.count(["daily"] * 5)
    rates.update({"daily": 60})
    clock.now += 1
    assert rates.room() == {"daily": 1}
    rates.update({})
    assert rates.room() == {}


def test_the_wait_for_a_domain_that_refuses_grows_to_hours() -> None:
    waits, now = [], NOW
    for _ in range(8):
        until = next_try(NOW, now)
        waits.append(until - now)
        now = until
    assert waits[0] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT


@pytest.mark.parametrize(
    ("mails", "hard", "complaints", "says"),
    [
        (999, 999, 999, None),
        (1000, 39, 0, None),
        (1000, 40, 0, "40 of 1000 mails"),
        (100_000, 3_999, 99, None),
        (100_000, 4_000, 0, "4.0%"),
        (1000, 0, 1, "complained about 1 of 1000"),
        (2000, 0, 1, None),
        (0, 0, 0, None),
    ],
)
def test_harm_pauses(mails: int, hard: int, complaints: int, says: str | None) -> None:
    day = Day(mails=mails, hard=hard, complaints=complaints)
    reason = pause_reason(day)
    assert (reason is None) == (says is None)
    if says is not None:
        assert reason is not None
        assert says in reason
        assert day.may_matter


def test_one_hard_bounce_removes_nobody_three_do() -> None:
    states = [after_hard_bounces(count) for count in (1, 2, 3)]
    assert states == [
        SubscriberState.BOUNCING,
        SubscriberState.BOUNCING,
        SubscriberState.SUPPRESSED,
    ]


class Books:
    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.instead: dict[int, DeliveryState] = {}
        self.away = False
        self.takes = [0.0]

    async def ask(self, jobs: Sequence[Job]) -> Mapping[int, DeliveryState]:
        self.asked.append([each.delivery_id for each in jobs])
        await asyncio.sleep(self.takes.pop(0) if self.takes else 0)
        if self.away:
            raise TransientError("the disk is full")
        return self.instead


async def test_many_connections_ask_in_one_question() -> None:
    books = Books()
    check = LastCheck(books.ask)
    books.instead = {3: DeliveryState.CANCELLED}
    states = await asyncio.gather(*(check.state_instead(job(n, "a.example")) for n in range(8)))
    assert states == [None, None, None, DeliveryState.CANCELLED, None, None, None, None]
    assert len(books.asked) <= 2


async def test_an_answer_that_took_too_long_is_asked_for_again() -> None:
    books = Books()
    books.takes = [CHECK_HOLDS + 0.05]
    check = LastCheck(books.ask)
    assert await check.state_instead(job(1, "a.example")) is None
    assert books.asked == [[1], [1]]


async def test_while_the_books_cannot_be_read_nothing_goes_out() -> None:
    books = Books()
    books.away = True
    check = LastCheck(books.ask)
    assert await check.state_instead(job(1, "a.example")) is DeliveryState.PENDING
    books.away = False
    assert await check.state_instead(job(1, "a.example")) is None
