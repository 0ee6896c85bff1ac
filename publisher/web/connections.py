"""Visitors' connections: no more than the process can spare, and none that only keeps silent.

Whoever connects and asks for nothing, or a letter at a time, would else hold a file handle for
ever, and a thousand of them take those that sending and the database need.
"""

import asyncio
import math
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from publisher.kit.shortage import file_limit

SECONDS = 30.0
"""Within which a request must have come whole, and an answer must make some way."""
MOST = 4096
"""Connections at a time, and at most half of the files that the process may have open."""


class Connection(H11Protocol):
    """uvicorn's, with a deadline; for a new one too many, that which asked longest ago is cut."""

    seconds: float
    most: int
    known: "dict[Connection, None]"
    """All that are open, in the order in which they last asked for something."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],  # whatever an application keeps
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # as uvicorn has it: a protocol is given more kinds of transports
        super().connection_made(transport)
        most = min(self.most, file_limit() // 2)
        while self.known and len(self.known) >= most:
            oldest = next(iter(self.known))
            del self.known[oldest]
            oldest.transport.abort()
        self.known[self] = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait_no_more()
        self.known.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def _look(self) -> None:
        """Wait for what is to come from the visitor, but not while they wait for us."""
        answering = self.cycle and not (self.cycle.more_body or self.cycle.response_complete)
        if not answering and self._deadline is None:
            self._wait()
        elif answering and self._deadline:
            self._wait_no_more()
            if self.known.pop(self, True) is None:
                self.known[self] = None

    def _wait(self, unsent: float = math.inf) -> None:
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self._deadline = self.loop.call_later(self.seconds, self._give_up, unsent)

    def _wait_no_more(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self, before: float) -> None:
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < before:
            self._wait(unsent)  # a slow reader of a large page
        else:
            self.transport.abort()


def protocol(seconds: float = SECONDS, most: int = MOST) -> type[Connection]:
    """What a server's connections are to be; for `uvicorn.Config(http=…)`."""
    limits = {"seconds": seconds, "most": most, "known": {}}
    return type("LimitedConnection", (Connection,), limits)
