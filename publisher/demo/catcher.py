"""A mail server for the demo: takes every mail over real SMTP and keeps it in memory."""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from publisher.demo.reading import as_utf8

_KEEP = 1_000
_MAX_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """One mail as it came over the wire."""

    number: int
    """1 for the first ever caught; never used again."""
    received_at: datetime
    mail_from: str
    """The envelope's, empty for a bounce; see `data` for what the mail itself claims."""
    recipients: tuple[str, ...]
    data: bytes


class Catcher:
    """An SMTP server that accepts everything up to 10 MB a mail and forgets what is oldest."""

    def __init__(self, *, keep: int = _KEEP) -> None:
        self.messages: list[Caught] = []
        """The newest `keep` mails, oldest first."""
        self.count = 0
        """All that were ever accepted, also those no longer kept."""
        self.port = 0
        """Where it listens, once started."""
        self._keep = keep
        self._server: asyncio.Server | None = None
        self._sessions: set[SMTP] = set()

    async def start(self, host: str, port: int) -> None:
        """Listen in the running event loop; port 0 takes any free one. Raises OSError if taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and hang up on whoever is still connected; what was caught stays."""
        if self._server is None:
            return
        self._server.close()
        ending = []
        for session in self._sessions:
            if session.transport is not None and session._handler_coroutine is not None:
                session.transport.close()
                # The loop may end right after this; aiosmtpd offers no other way to wait for it.
                ending.append(session._handler_coroutine)
        await asyncio.gather(*ending, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def handle_DATA(self, _smtp: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd when a mail has come in whole."""
        self.count += 1
        self.messages.append(
            Caught(
                number=self.count,
                received_at=datetime.now(UTC),
                mail_from=as_utf8(envelope.mail_from or ""),
                recipients=tuple(as_utf8(address) for address in envelope.rcpt_tos),
                data=envelope.original_content or b"",
            )
        )
        del self.messages[: -self._keep]
        return f"250 2.0.0 Caught as {self.count}"

    def _session(self) -> SMTP:
        self._sessions = {session for session in self._sessions if session.transport is not None}
        session = SMTP(
            self,
            data_size_limit=_MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="catcher.localhost",  # given, or it asks the DNS at every connection
            ident="publisher mail catcher",
            loop=asyncio.get_running_loop(),
        )
        self._sessions.add(session)
        return session


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there on 127.0.0.1, or the next free one above it."""
    for port in range(preferred, min(preferred + 200, 65_536)):
        with suppress(OSError):
            return _bound(port)
    return _bound(0)


def _bound(port: int) -> int:
    """The port that a socket gets when it asks for `port`; raises OSError when that is taken."""
    with socket.socket() as probe:
        # As asyncio's servers do: connections of an earlier run in TIME_WAIT take no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return int(probe.getsockname()[1])
