"""Visitors who connect and say little: they are cut, and never take the place of those who ask."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send

from publisher.web.connections import protocol
from publisher.web.server import Server, bind

LARGE = b"x" * 20_000_000
SECONDS = 0.5
ASK = b"GET / HTTP/1.1\r\nHost: news.example\r\n\r\n"

Visitor = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    body = b"news"
    if scope["path"] == "/large":
        body = LARGE
    elif scope["path"] == "/slow":
        await asyncio.sleep(3 * SECONDS)
    while scope["method"] == "POST" and (await receive()).get("more_body"):
        pass
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(most: int = 100) -> AsyncIterator[int]:
    """The port of a server that is impatient."""
    listening = bind("127.0.0.1", 0)
    server = Server(site, [listening], protocol(SECONDS, most))
    task = asyncio.create_task(server.serve())
    try:
        yield listening.getsockname()[1]
    finally:
        server.stop()
        await asyncio.wait_for(task, 10)


async def connect(port: int, said: bytes = b"") -> Visitor:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    return reader, writer


async def is_cut(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(1), 10) == b""
    except ConnectionError:
        return True


async def answer(visitor: Visitor) -> bytes:
    """Of a request that was sent before."""
    reader, writer = visitor
    said = await asyncio.wait_for(reader.readuntil(b"news"), 10)
    writer.close()
    return said


async def write_for_ever(writer: asyncio.StreamWriter) -> None:
    """Until it is known that the other side is gone."""
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"G",
        ASK[:-2],
        b"POST / HTTP/1.1\r\nHost: news.example\r\nContent-Length: 10\r\n\r\nhalf",
    ],
    ids=["nothing", "a letter", "half a head", "half a body"],
)
async def test_who_does_not_ask_to_the_end_is_cut(said: bytes) -> None:
    async with serving() as port:
        reader, writer = await connect(port, said)
        begun = time.monotonic()
        assert await is_cut(reader)
        assert time.monotonic() - begun >= SECONDS * 0.9
        writer.close()


async def test_who_asks_a_letter_at_a_time_is_cut() -> None:
    async with serving() as port:
        reader, writer = await connect(port)
        cut = asyncio.create_task(is_cut(reader))
        for letter in ASK * 10:
            writer.write(bytes([letter]))
            if (await asyncio.wait([cut], timeout=SECONDS / 5))[0]:
                break
        assert cut.done()
        assert cut.result()
        writer.close()


async def test_a_second_request_has_as_long_as_the_first() -> None:
    async with serving() as port:
        visitor = reader, writer = await connect(port, ASK)
        await asyncio.wait_for(reader.readuntil(b"news"), 10)
        writer.write(ASK)
        assert (await answer(visitor)).startswith(b"HTTP/1.1 200")
        reader, writer = await connect(port, ASK + ASK[:10])
        await asyncio.wait_for(reader.readuntil(b"news"), 10)
        assert await is_cut(reader)
        writer.close()


async def test_an_answer_may_take_longer_than_a_request() -> None:
    async with serving() as port:
        visitor = await connect(port, ASK.replace(b"/", b"/slow", 1))
        assert (await answer(visitor)).startswith(b"HTTP/1.1 200")


async def test_who_reads_slowly_gets_it_all_and_who_does_not_read_is_cut() -> None:
    async with serving() as port:
        ask = ASK.replace(b"/", b"/large", 1)
        slow, slow_writer = await connect(port, ask)
        _, stuck = await connect(port, ask)
        begun, got = time.monotonic(), 0
        while got < len(LARGE):
            got += len(await asyncio.wait_for(slow.read(1_000_000), 10))
            await asyncio.sleep(SECONDS / 10)
        assert time.monotonic() - begun > SECONDS, "or it was not slow"
        with pytest.raises(ConnectionError):
            await write_for_ever(stuck)
        slow_writer.close()
        stuck.close()


async def test_the_silent_make_room_for_those_who_ask() -> None:
    async with serving(most=20) as port:
        begun = time.monotonic()
        silent = [await connect(port) for _ in range(200)]
        for _ in range(50):
            assert (await answer(await connect(port, ASK))).startswith(b"HTTP/1.1 200")
        assert await is_cut(silent[0][0])
        assert time.monotonic() - begun < 10
        for _, writer in silent:
            writer.close()
