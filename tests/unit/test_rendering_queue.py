"""The line of renderings: what a reader sits and waits for is made before all the rest."""

import asyncio
import threading

from publisher.delivery.rendering_queue import MOST, RenderingQueue


async def test_urgent_ones_are_next_however_many_wait() -> None:
    made: list[int] = []
    first_begun, go_on, done = asyncio.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def make(variant_id: int) -> None:
        if not made:
            loop.call_soon_threadsafe(first_begun.set)
            assert go_on.wait(10)
        made.append(variant_id)
        if len(made) == MOST + 2:
            loop.call_soon_threadsafe(done.set)

    queue = RenderingQueue(make, give_up=lambda: None, ready=lambda: None)
    running = asyncio.create_task(queue.run())
    assert queue.add(list(range(MOST)))
    await asyncio.wait_for(first_begun.wait(), 10)
    assert not queue.add([MOST])  # there is no room for one more
    assert queue.add([MOST + 1, MOST + 2], urgent={MOST + 1, MOST + 2})
    assert not queue.add([MOST + 1], urgent={MOST + 1})
    assert len(queue.waiting) == MOST + 2
    go_on.set()
    await asyncio.wait_for(done.wait(), 10)
    assert made == [0, MOST + 1, MOST + 2, *range(1, MOST)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
