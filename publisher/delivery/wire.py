"""SMTP over a connection that stands: one command, one reply, and nothing that was not asked for.

Why our own: bytes that come unasked (all replies at once, a reply slipped in by somebody) must end
the connection and never be taken for an answer to what we say next.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import NamedTuple

_LINE = 4096  # octets; RFC 5321 section 4.5.3.1.5 says 512, and servers say more
_REPLY = 65_536  # octets of all its lines
_BLOCK = 65_536  # octets written before we look whether they are taken
_MESSAGE = 600.0  # seconds for all blocks together, or an octet a minute would hold us for days
_START_INPUT = 354
# RFC 5321 section 4.2. Some servers end a line without CR; what they say is plain all the same.
_REPLY_LINE = re.compile(rb"([2-5][0-5][0-9])(?:([ -])(.*))?", re.DOTALL)
_UNFIT = re.compile(rb"[\x00-\x1f\x7f]")
_REPEATED = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds of patience (RFC 5321 section 4.5.3.2); each is for a whole reply, however slow."""

    connect: float = 60
    """For each step until the relay is ready: connecting, its greeting, TLS, log-in."""
    command: float = 300
    data: float = 180
    """For each block of a message to be taken."""
    final_dot: float = 600
    """Giving up sooner sends twice."""
    idle: float = 30
    """A connection kept for longer is often gone at the other end."""

    @property
    def after_data(self) -> float:
        """The most that may pass between DATA and the end of the attempt."""
        return self.command + _MESSAGE + self.final_dot


PATIENT = Limits()


class WireError(Exception):
    """The connection is of no more use; `str()` says what happened to it."""

    def __init__(self, what: str, *, asked: bool) -> None:
        """`asked`: what was to be said is written, so that it may have been heard."""
        super().__init__(what)
        self.asked = asked


class Reply(NamedTuple):
    code: int
    text: str
    """Its lines joined by spaces."""


class GarbledError(ValueError):
    """What came is no reply."""


class ReplyReader:
    """Puts a reply together from the pieces in which it comes."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._size = 0
        self._code = 0
        self._lines: list[str] = []

    def feed(self, data: bytes) -> Reply | None:
        """The reply once it is whole; what came behind it is left in `rest`.

        Raises GarbledError for what is no reply, or one without end.
        """
        self._rest += data
        while (end := self._rest.find(b"\n", 0, _LINE)) >= 0:
            line = bytes(self._rest[:end]).removesuffix(b"\r")
            del self._rest[: end + 1]
            self._size += end + 1
            if self._size > _REPLY:
                raise GarbledError(f"a reply of more than {_REPLY} octets")
            if self._take(line):
                reply = Reply(self._code, _joined(self._lines))
                self._size, self._lines = 0, []
                return reply
        if len(self._rest) >= _LINE:
            raise GarbledError(f"a line of more than {_LINE} octets")
        return None

    @property
    def rest(self) -> int:
        """How many octets have come behind the last reply."""
        return len(self._rest)

    def _take(self, line: bytes) -> bool:
        """Whether this line was the last one."""
        found = _REPLY_LINE.fullmatch(line)
        if found is None:
            raise GarbledError(f"no reply: {line[:100].decode('utf-8', 'replace')}")
        code = int(found[1])
        if self._lines and code != self._code:
            raise GarbledError(f"a reply that is both {self._code} and {code}")
        self._code = code
        self._lines.append((found[3] or b"").decode("utf-8", "replace"))
        return found[2] != b"-"


class Wire(asyncio.Protocol):
    """Speaks over a transport that it is made the protocol of (`transport.set_protocol`)."""

    def __init__(self, transport: asyncio.WriteTransport, limits: Limits) -> None:
        self._transport = transport
        self._limits = limits
        self._replies = ReplyReader()
        self._answer: asyncio.Future[Reply] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._broken = ""
        self._spoke_unasked = False
        transport.set_write_buffer_limits(_BLOCK)

    @property
    def is_open(self) -> bool:
        return not self._broken and not self._transport.is_closing()

    async def command(self, line: str, *, within: float | None = None) -> Reply:
        """Say one line and hear the reply; it is written before anything is awaited.

        Raises WireError when no reply comes, or more than a reply.
        """
        octets = line.encode()
        if _UNFIT.search(octets):
            raise ValueError("a command is one line of text")
        self._listen()
        self._transport.write(octets + b"\r\n")
        reply = await self._reply(within or self._limits.command)
        if self._spoke_unasked:
            raise WireError(self._broken, asked=True)
        return reply

    async def message(self, message: bytes) -> Reply:
        """Hand over the message and its final dot, and hear what becomes of it.

        The message ends with CRLF and has no line that begins with a dot (see
        `message.compose`). Its reply stands whatever came behind it: to doubt a yes sends twice.
        Raises WireError.
        """
        octets = memoryview(message + b".\r\n")
        blocks = [octets[at : at + _BLOCK] for at in range(0, len(octets), _BLOCK)]
        try:
            async with asyncio.timeout(_MESSAGE):
                for block in blocks[:-1]:
                    self._check()
                    self._transport.write(block)
                    async with asyncio.timeout(self._limits.data):
                        await self._writable.wait()
        except TimeoutError:
            self._break("the message was not taken in time")
        self._listen()
        self._transport.write(blocks[-1])
        return await self._reply(self._limits.final_dot)

    def drop(self) -> None:
        """Close without a word."""
        self._break("closed by us")

    async def leave(self) -> None:
        """Close as the protocol wants it, without waiting long for it."""
        if self.is_open:
            try:
                await self.command("QUIT", within=2)
            except WireError:
                return
            self._broken = "closed by us"
            self._transport.close()

    def _listen(self) -> None:
        """From here on a reply may come."""
        self._check()
        self._answer = asyncio.get_running_loop().create_future()

    def _check(self) -> None:
        if not self._broken and self._transport.is_closing():
            self._broken = "connection lost"
        if self._broken:
            raise WireError(self._broken, asked=False)

    async def _reply(self, seconds: float) -> Reply:
        assert self._answer is not None  # `_listen` made it
        try:
            async with asyncio.timeout(seconds):
                return await self._answer
        except TimeoutError:
            self._break(f"no answer within {seconds:g} seconds")
            return await self._answer  # `_break` put its error there
        finally:
            self._answer = None

    def _break(self, what: str, *, unasked: bool = False) -> None:
        # What we said last leaves the buffer last: while something is in it, that was not heard.
        asked = not self.is_open or not self._transport.get_write_buffer_size()
        if not self._broken:
            self._broken = what
            self._spoke_unasked = unasked
            self._transport.abort()
        self._writable.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WireError(self._broken, asked=asked))

    # what asyncio calls

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        if self._answer is None or self._answer.done():
            self._break("the server spoke without being asked", unasked=True)
            return
        if self._transport.get_write_buffer_size():
            self._break("the server answered before it had heard us out")
            return
        try:
            reply = self._replies.feed(data)
        except GarbledError as error:
            self._break(str(error))
            return
        if reply is not None:
            self._answer.set_result(reply)
            if self._replies.rest:
                self._break("the server said more than it was asked", unasked=True)

    def eof_received(self) -> None:
        self._break("the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._break(f"connection lost: {exc}" if exc else "connection lost")

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()


def _joined(lines: list[str]) -> str:
    """The lines of a reply as one; a status that each of them begins with stands once."""
    found = _REPEATED.match(lines[0])
    if found is None:
        return " ".join(lines)
    return " ".join([lines[0], *(line.removeprefix(found[0]) for line in lines[1:])])
