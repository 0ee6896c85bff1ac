"""A mail server on a socket that does as it is told, and writes down all that it gets."""

import asyncio
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256

HELLO = "250-relay.example\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
REPLIES = {
    "CONNECT": "220 relay.example ESMTP",
    "EHLO": HELLO,
    "HELO": "250 relay.example",
    "MAIL": "250 2.1.0 Ok",
    "RCPT": "250 2.1.5 Ok",
    "DATA": "354 End data with <CR><LF>.<CR><LF>",
    "DOT": "250 2.0.0 Ok: queued",
    "RSET": "250 2.0.0 Ok",
    "NOOP": "250 2.0.0 Ok",
    "QUIT": "221 2.0.0 Bye",
}
_PATH = re.compile(r'(?:FROM|TO):<((?:"(?:[^"\\]|\\.)*"|[^>"])*)>', re.IGNORECASE)


class Deed(Enum):
    CLOSE = "close the connection without a word"
    HANG = "say nothing any more"
    WAIT = "answer as usual, but not before `go_on` is called"


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]
"""Whatever a server may do in place of a reply; returns what it said, as far as that matters."""
Deeds = str | bytes | Deed | Act


@dataclass
class Order:
    stage: str
    reply: Deeds
    times: int
    of: str


@dataclass(frozen=True)
class Mail:
    sender: str
    recipient: str
    data: bytes
    """As it came, without the final dot."""
    connection: int

    @property
    def digest(self) -> str:
        return sha256(self.data).hexdigest()


class _EndedError(Exception):
    """This connection is over."""


@dataclass
class SmtpServer:
    """Runs in a thread of its own; what it wrote down may be read at any time."""

    delay: float = 0
    """Seconds between the final dot and the answer to it."""
    most: int = 1000
    """Connections at a time; further ones are sent away."""
    port: int = 0
    tls: ssl.SSLContext | None = None
    """For TLS from the start; after STARTTLS see `rogue.starttls`."""
    mails: list[Mail] = field(default_factory=list)
    """Those it took: their final dot came, and it meant to answer 2xx."""
    arrived: list[Mail] = field(default_factory=list)
    """Those whose final dot came, whatever it answered then."""
    lines: list[str] = field(default_factory=list)
    """Every command, as it came."""
    begun: list[tuple[str, float]] = field(default_factory=list)
    """Whose messages began (DATA), and when (`time.monotonic`)."""
    connections: int = 0
    underway: int = 0
    """Mails between MAIL and the answer to their final dot, at this moment."""
    _orders: list[Order] = field(default_factory=list)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: asyncio.Server | None = None
    _talks: set["asyncio.Task[None]"] = field(default_factory=set)
    _gate: asyncio.Event = field(default_factory=asyncio.Event)

    def will(self, stage: str, reply: Deeds, *, times: int = 1, of: str = "") -> None:
        """At `stage` (a verb, CONNECT, or DOT) answer so, the next `times` times.

        `of`: only in mails to this address. Bytes go out as they are, text with a line end; after
        a 421 the connection is closed.
        """
        self._orders.append(Order(stage, reply, times, of))

    def always(self, stage: str, reply: Deeds, *, of: str = "") -> None:
        self.will(stage, reply, times=10**9, of=of)

    def forget_orders(self) -> None:
        self._orders.clear()

    def go_on(self) -> None:
        """Whoever waits, and all who would from now on, get their answer."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def to(self, recipient: str) -> list[Mail]:
        return [each for each in self.mails if each.recipient == recipient]

    def copies(self) -> Counter[str]:
        """How many mails each recipient got."""
        return Counter(each.recipient for each in self.mails)

    @contextmanager
    def running(self) -> Iterator["SmtpServer"]:
        thread = threading.Thread(target=self._run, name="smtp server")
        thread.start()
        self.listen()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def listen(self) -> None:
        """Listen, again on the same port if it did before."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def refuse(self) -> None:
        """Take no connection any more, and drop those there are."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._talk,
            "127.0.0.1",
            self.port,
            limit=2**24,
            backlog=512,
            ssl=self.tls,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._talks):
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks.add(task)
        self.connections += 1
        talk = _Talk(self, reader, writer, self.connections)
        # CancelledError too: what is over is over, and asyncio would complain of it.
        with suppress(_EndedError, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk.go_on()
        talk.leave()
        writer.transport.abort() if talk.broken else writer.close()
        self._talks.discard(task)

    async def opened(self) -> None:
        await self._gate.wait()

    def order_for(self, stage: str, recipient: str) -> Deeds:
        if stage == "CONNECT" and len(self._talks) > self.most:
            return "421 4.7.0 Too many connections"
        for each in self._orders:
            if each.stage == stage and each.times and each.of in ("", recipient):
                each.times -= 1
                return each.reply
        return REPLIES.get(stage, "500 5.5.1 What?")


class _Talk:
    """One connection."""

    def __init__(
        self,
        server: SmtpServer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._number = number
        self._sender = ""
        self._recipient = ""
        self._in_mail = False
        self.broken = False

    async def go_on(self) -> None:
        await self._answer("CONNECT")
        while True:
            line = (await self._reader.readuntil(b"\r\n")).decode("utf-8", "surrogateescape")
            self._server.lines.append(line[:-2])
            verb = line[:-2].partition(" ")[0].upper()
            if verb == "MAIL":
                self._sender = _path(line)
                self._enter()
            elif verb == "RCPT":
                self._recipient = _path(line)
            elif verb in ("RSET", "EHLO", "HELO"):
                self.leave()
            elif verb == "DATA":
                self._server.begun.append((self._recipient, time.monotonic()))
            said = await self._answer(verb)
            if verb == "QUIT":
                raise _EndedError
            if verb == "MAIL" and not said.startswith(b"2"):
                self.leave()
            if verb == "DATA" and said.startswith(b"354"):
                await self._take_data()

    async def _take_data(self) -> None:
        data = await self._reader.readuntil(b"\r\n.\r\n")
        mail = Mail(self._sender, self._recipient, data[:-3], self._number)
        self._server.arrived.append(mail)
        if self._server.delay:
            await asyncio.sleep(self._server.delay)
        order = self._server.order_for("DOT", self._recipient)
        if order is Deed.WAIT or (isinstance(order, str | bytes) and order[:1] in ("2", b"2")):
            self._server.mails.append(mail)
        try:
            await self._say("DOT", order)
        finally:
            self.leave()

    async def _answer(self, stage: str) -> bytes:
        recipient = self._recipient if stage in ("RCPT", "DATA") else ""
        return await self._say(stage, self._server.order_for(stage, recipient))

    async def _say(self, stage: str, order: Deeds) -> bytes:
        if order is Deed.CLOSE:
            self.broken = True
            raise _EndedError
        if order is Deed.WAIT:
            await self._server.opened()
            order = REPLIES[stage]
        if order is Deed.HANG:
            await asyncio.Event().wait()
        if not isinstance(order, str | bytes | Deed):
            return await order(self._reader, self._writer)
        said = order if isinstance(order, bytes) else f"{order}\r\n".encode()
        self._writer.write(said)
        await self._writer.drain()
        if said.startswith(b"421"):
            raise _EndedError
        return said

    def _enter(self) -> None:
        if not self._in_mail:
            self._in_mail = True
            self._server.underway += 1

    def leave(self) -> None:
        if self._in_mail:
            self._in_mail = False
            self._server.underway -= 1


def _path(line: str) -> str:
    found = _PATH.search(line)
    return found[1] if found else ""
