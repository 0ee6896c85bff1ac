"""One kept connection to a mail relay: opened when needed, one mail at a time.

It never raises for what a server says or fails to say: every attempt ends in an `Answer`.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPResponse, SMTPResponseException

from publisher.core.addresses import check, needs_smtputf8
from publisher.core.outcome import Answer, Kind, printable_reply
from publisher.core.relay import Relay
from publisher.errors import PermanentError, TransientError

COMMAND_TIMEOUT = 60.0  # seconds
FINAL_DOT_TIMEOUT = 600.0  # seconds, RFC 5321 section 4.5.3.2.6: giving up sooner sends twice
LONGEST = 10 * COMMAND_TIMEOUT + FINAL_DOT_TIMEOUT
"""Seconds. No mail takes longer, from connecting, TLS and logging in to the final dot."""
IDLE_LIMIT = 30.0  # seconds; a connection kept for longer is often gone at the other end
_START_INPUT = 354
_CLOSING = 421  # the server ends the session, whatever was asked (RFC 5321 section 3.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    sender: str
    recipient: str
    message: bytes


class RelayError(TransientError):
    """The relay cannot be used now: it is away, or refuses us as a whole."""


class Connection:
    def __init__(self, relay: Relay, *, hostname: str) -> None:
        """`hostname` is how we greet the relay."""
        self.relay = relay
        self._hostname = hostname
        self._client: SMTP | None = None
        self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the next mail can go over it as it is."""
        idle = asyncio.get_running_loop().time() - self._used_at
        return self._client is not None and self._client.is_connected and idle < IDLE_LIMIT

    async def open(self) -> None:
        """Connect, secure and log in, unless that is done. Raises RelayError."""
        if self.is_open:
            return
        await self.close()
        relay = self.relay
        client = SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.username or None,
            password=relay.password or None,
            use_tls=relay.tls == "implicit",
            start_tls=relay.tls == "starttls",
            local_hostname=self._hostname,
            timeout=COMMAND_TIMEOUT,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()  # now, so that `send` knows what the server offers
        except Exception as error:  # whatever hinders it, no mail is to blame
            client.close()
            raise RelayError(f"relay {relay.name}: {_said(error)}") from error
        self._client = client
        self._used_at = asyncio.get_running_loop().time()

    async def send(self, envelope: Envelope) -> Answer:
        """Hand over one mail to one recipient; the answer is the server's, or what went wrong."""
        try:
            recipient = check(envelope.recipient)
        except PermanentError as error:
            return Answer(kind=Kind.REFUSED_HERE, text=_said(error))
        try:
            await self.open()
        except RelayError as error:
            return Answer(kind=Kind.LOST, text=str(error))
        client = self._client
        assert client is not None  # open() made it
        options: list[str] = []
        if needs_smtputf8(recipient):
            if not client.supports_extension("smtputf8"):
                return Answer(
                    kind=Kind.REFUSED_HERE,
                    text="5.6.7 the relay does not take international addresses (SMTPUTF8)",
                )
            options.append("SMTPUTF8")
        answer = await self._transact(client, envelope, recipient, options)
        self._used_at = asyncio.get_running_loop().time()
        if answer.kind is not Kind.ANSWERED or answer.code == _CLOSING:
            await self.close()
        return answer

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            with suppress(Exception):  # however politeness ends, it is over
                if client.is_connected:
                    await client.quit(timeout=2)
        finally:
            client.close()

    async def _transact(
        self, client: SMTP, envelope: Envelope, recipient: str, options: list[str]
    ) -> Answer:
        lost = Kind.LOST
        try:
            await client.mail(envelope.sender, options=options, encoding="utf-8")
            await client.rcpt(recipient, encoding="utf-8")
            await self._begin_data(client)
            lost = Kind.LOST_AFTER_DATA
            reply = await self._end_data(client, envelope.message)
        except SMTPResponseException as error:
            reply = SMTPResponse(error.code, error.message)
        except Exception as error:  # whatever broke, the mail is not settled
            client.close()
            return Answer(kind=lost, text=_said(error))
        taken = lost is Kind.LOST_AFTER_DATA and 200 <= reply.code < 300
        if not taken and not 400 <= reply.code < 600:
            # Garbage, or a yes where none may stand: who believes it loses the mail.
            client.close()
            said = f"unexpected {reply.code} {reply.message}" if reply.code > 0 else reply.message
            return Answer(kind=lost, text=printable_reply(said))
        if not taken and reply.code != _CLOSING:
            await self._reset(client)
        return Answer(kind=Kind.ANSWERED, code=reply.code, text=printable_reply(reply.message))

    async def _begin_data(self, client: SMTP) -> None:
        reply = await client.execute_command(b"DATA")
        if reply.code != _START_INPUT:
            raise SMTPDataError(reply.code, reply.message)

    async def _end_data(self, client: SMTP, message: bytes) -> SMTPResponse:
        """Our messages need no dots stuffed and no line ends mended (see `message.compose`)."""
        assert client.protocol is not None  # it has just answered
        client.protocol.write(message + b".\r\n")
        return await client.protocol.read_response(timeout=FINAL_DOT_TIMEOUT)

    async def _reset(self, client: SMTP) -> None:
        """Make ready for the next mail after a refusal; else this connection is of no more use."""
        try:
            await client.rset()
        except (SMTPException, OSError):
            client.close()


def _said(error: Exception) -> str:
    return printable_reply(str(error)) or type(error).__name__
