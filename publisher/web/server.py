"""Listens and answers inside the event loop that is running already, and stops when told."""

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from publisher.errors import ConfigurationError
from publisher.web.connections import Connection, protocol

DRAIN_SECONDS = 3
"""How long answers that are under way may take after `stop()`."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: any free one); raises ConfigurationError naming what is wrong."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # It listens at once: two sockets that are only bound can share a port.
        listening = socket.create_server(address[:2], family=family, backlog=128)
        # Its connections inherit it, and asyncio sets it on none of them (their `proto` is 0). Else
        # an answer's body waits 40 ms for a reader to acknowledge its head.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise ConfigurationError(_why_not(host, port, error)) from error


class Server:
    """Serves `app` on `sockets`, which it closes at the end."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        connection: type[Connection] | None = None,
        proxies: Sequence[str] = (),
    ) -> None:
        """`connection`: with other limits than those of `connections`. `proxies`: addresses and
        networks that are believed which client they ask for (X-Forwarded-For)."""
        self._sockets = list(sockets)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=connection or protocol(),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,  # the addresses asked for hold tokens
                server_header=False,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                timeout_graceful_shutdown=DRAIN_SECONDS,
            )
        )

    async def serve(self) -> None:
        """Returns after `stop()`, when the answers under way are out or have taken too long."""
        try:
            await self._uvicorn.serve(self._sockets)
        finally:
            for listening in self._sockets:
                listening.close()

    def stop(self) -> None:
        """Takes no more connections and lets `serve()` end, within about DRAIN_SECONDS."""
        self._uvicorn.should_exit = True


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the daemon, which has more to drain than this."""
        yield


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is taken (web.port): stop what uses it or choose another"
    if error.errno == errno.EACCES:
        return f"port {port} needs rights that this user does not have (web.port)"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host!r} is not an address of this machine (web.host)"
    return f"cannot listen on {host} port {port} (web.host, web.port): {error.strerror}"
