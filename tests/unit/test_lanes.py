"""No domain holds up the others, whatever it does with the connections it is given."""

import asyncio
from datetime import UTC, datetime

import pytest

from publisher.core.delivery import Job
from publisher.delivery.lanes import SLOW, Lanes

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
RELAY = "smtp://relay.example:25"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def job(number: int, domain: str) -> Job:
    return Job(
        delivery_id=number,
        claim="c",
        lease_until=NOW,
        attempt=1,
        first_attempt_at=NOW,
        rendering_id=1,
        edition_id=1,
        newsletter="daily",
        planned_at=NOW,
        subscriber_id=number,
        subscription_id=number,
        address=f"{number}@{domain}",
        name="",
        domain=domain,
    )


def jobs(count: int, domain: str, first: int = 0) -> list[Job]:
    return [job(first + number, domain) for number in range(count)]


async def begun(lanes: Lanes, connections: int, relay: str = RELAY) -> list[Job]:
    """What so many idle connections are given."""
    waiting = [asyncio.create_task(lanes.next(relay)) for _ in range(connections)]
    for _ in range(3):
        await asyncio.sleep(0)
    given = [each.result() for each in waiting if each.done()]
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    return given


@pytest.mark.parametrize(("connections", "share"), [(16, 8), (10, 5), (2, 1), (1, 1)])
async def test_one_domain_gets_half_of_the_connections(connections: int, share: int) -> None:
    lanes = Lanes(connections, Clock())
    lanes.add(jobs(40, "big.example"))
    assert len(await begun(lanes, connections)) == share


async def test_what_the_first_leaves_is_for_the_others_and_one_stays_free() -> None:
    lanes = Lanes(16, Clock())
    for place, domain in enumerate(("a.example", "b.example", "c.example", "d.example")):
        lanes.add(jobs(40, domain, 100 * place))
    given = [each.domain for each in await begun(lanes, 16)]
    assert len(given) >= 12
    assert min(given.count(domain) for domain in set(given)) >= 2

    lanes = Lanes(16, Clock())
    for place, domain in enumerate(("a.example", "b.example", "c.example")):
        lanes.add(jobs(40, domain, 100 * place))
        await begun(lanes, 16)
    lanes.add([job(999, "d.example")])
    assert [each.domain for each in await begun(lanes, 16)] == ["d.example"]


async def test_domains_take_turns() -> None:
    lanes = Lanes(4, Clock())
    lanes.add(jobs(3, "a.example"))
    lanes.add(jobs(3, "b.example", 10))
    first = await begun(lanes, 2)
    assert {each.domain for each in first} == {"a.example", "b.example"}


async def test_a_slow_domain_gives_back_what_is_beyond_its_room_and_is_claimed_no_more() -> None:
    clock = Clock()
    lanes = Lanes(8, clock)
    lanes.add(jobs(20, "slow.example"))
    under_way = await begun(lanes, 8)
    assert lanes.room() == {}
    clock.now += SLOW + 0.1
    assert lanes.room() == {"slow.example": 0}
    back = lanes.take_back()
    assert len(back) == 20 - 4
    assert lanes.held == 4
    assert not {each.delivery_id for each in back} & {each.delivery_id for each in under_way}
    for each in under_way:
        lanes.ended(each)
    assert lanes.room() == {"slow.example": 4}  # remembered, though nothing is in hand

    lanes.add([job(50, "slow.example")])
    [quick] = await begun(lanes, 1)
    lanes.ended(quick)
    assert lanes.room() == {}


async def test_all_slow_domains_together_have_the_room_of_one() -> None:
    clock = Clock()
    lanes = Lanes(8, clock)
    for place, domain in enumerate(("a.example", "b.example", "c.example")):
        lanes.add(jobs(10, domain, 100 * place))
        await begun(lanes, 8)
    clock.now += SLOW + 0.1
    held = lanes.held
    back = lanes.take_back()
    assert held - len(back) <= 7  # what is under way cannot be taken back
    assert set(lanes.room().values()) == {0}


async def test_a_refused_domain_waits_for_another_relay_and_goes_back_where_there_is_none() -> None:
    lanes = Lanes(4, Clock())
    lanes.refused = {(RELAY, "wary.example")}
    lanes.add(jobs(2, "wary.example"))
    assert await begun(lanes, 4) == []
    assert len(await begun(lanes, 1, "smtp://other.example:25")) == 1
    assert [each.domain for each in lanes.take_back(["wary.example"])] == ["wary.example"]


async def test_nothing_is_lost_with_a_connection_that_is_cancelled() -> None:
    lanes = Lanes(2, Clock())
    waiting = asyncio.create_task(lanes.next(RELAY))
    await asyncio.sleep(0)
    lanes.add(jobs(1, "a.example"))  # given to it, but it is cancelled before it learns of it
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert [each.delivery_id for each in lanes.take_all_back()] == [0]
    assert lanes.held == 0


async def test_what_is_put_back_is_next_again() -> None:
    lanes = Lanes(2, Clock())
    lanes.add(jobs(3, "a.example"))
    [first] = await begun(lanes, 1)
    lanes.put_back(first)
    assert await begun(lanes, 1) == [first]
