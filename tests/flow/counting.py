"""A lean mail server in a process of its own: takes every mail and writes a line about each.

Made for runs of a hundred thousand mails, which `smtp.SmtpServer` would keep in the memory of
the very process that looks on.
"""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

_REPLIES = {
    b"EHLO": b"250-relay.example\r\n250 8BITMIME\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass
class CountingServer:
    """What it has written down, as far as `look` has read it."""

    port: int
    copies: Counter[str] = field(default_factory=Counter)
    """How often a mail to each recipient came, whole, with its final dot."""
    differing: set[str] = field(default_factory=set)
    """Recipients whose copies were not the same to the byte."""
    connections: int = 0
    """Those open now."""
    _book: BinaryIO = field(kw_only=True)
    _rest: bytes = b""
    _digests: dict[str, str] = field(default_factory=dict)

    @property
    def arrived(self) -> int:
        """Mails, copies too."""
        self.look()
        return self.copies.total()

    @property
    def is_left(self) -> bool:
        """Whether nobody speaks with it any more, so that all that was sent has been counted."""
        self.look()
        return self.connections == 0

    def look(self) -> None:
        # The last line may be half there: it waits for its other half.
        *lines, self._rest = (self._rest + self._book.read()).split(b"\n")
        for line in lines:
            what, *more = line.decode().split()
            if what == "mail":
                recipient, digest = more
                self.copies[recipient] += 1
                if self._digests.setdefault(recipient, digest) != digest:
                    self.differing.add(recipient)
            else:
                self.connections += 1 if what == "open" else -1


@contextmanager
def counting(folder: Path, *, delay: float) -> Iterator[CountingServer]:
    """`delay`: seconds between a mail's final dot and the answer to it."""
    path = folder / "counted.txt"
    path.touch()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(path), str(delay)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        with path.open("rb") as book:
            yield CountingServer(port, _book=book)
    finally:
        process.kill()
        process.communicate()


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, book: int, delay: float) -> None:
        self._book = book
        self._delay = delay
        self._heard = bytearray()
        self._in_message = False
        self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._write_down("open")
        transport.write(b"220 relay.example ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._write_down("close")

    def data_received(self, data: bytes) -> None:
        searched = max(0, len(self._heard) - 4)
        self._heard += data
        while (end := self._heard.find(self._end, searched)) >= 0:
            end += len(self._end)
            heard = bytes(self._heard[:end])
            del self._heard[:end]
            searched = 0
            self._message(heard) if self._in_message else self._command(heard)

    @property
    def _end(self) -> bytes:
        return b"\r\n.\r\n" if self._in_message else b"\r\n"

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line.partition(b"<")[2].partition(b">")[0].decode()
        self._in_message = verb == b"DATA"
        self._transport.write(_REPLIES.get(verb, b"500 5.5.1 What?\r\n"))

    def _message(self, message: bytes) -> None:
        self._in_message = False
        self._write_down(f"mail {self._recipient} {sha256(message).hexdigest()}")
        answer = b"250 2.0.0 Ok: counted\r\n"
        asyncio.get_running_loop().call_later(self._delay, self._transport.write, answer)

    def _write_down(self, what: str) -> None:
        os.write(self._book, f"{what}\n".encode())  # whole lines: the other process reads along


async def _serve(path: str, delay: float) -> None:
    book = os.open(path, os.O_WRONLY | os.O_APPEND)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Talk(book, delay), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
