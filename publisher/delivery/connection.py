"""One kept connection to a mail relay: opened when needed, one mail at a time.

aiosmtplib connects, secures and logs in; then our own protocol speaks (see `wire`). `send` never
raises for what a server says or fails to say: every attempt ends in an `Answer`.
"""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from aiosmtplib import SMTP, SMTPAuthenticationError, SMTPResponseException

from publisher.core.addresses import check, needs_smtputf8
from publisher.core.outcome import Answer, Kind, Stage
from publisher.core.relay import Relay
from publisher.core.replies import printable_reply
from publisher.delivery.wire import PATIENT, Limits, Reply, Wire, WireError
from publisher.errors import PermanentError, TransientError
from publisher.kit.shortage import is_shortage

_YES = {Stage.MAIL: (250,), Stage.RCPT: (250, 251), Stage.DATA: (354,), Stage.DOT: range(200, 300)}
_CLOSING = 421  # the server ends the session, whatever was asked (RFC 5321 section 3.8)
_RESET = 20.0  # seconds; the answer to the mail before is known, and waits for it


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    sender: str
    recipient: str
    message: bytes


class RelayError(TransientError):
    """The relay cannot be used now: it is away, or refuses us as a whole."""

    def __init__(self, sentence: str, *, refused: bool = False, ours: bool = False) -> None:
        """`refused`: it was reached and does not want us, so trying again soon is of no use.
        `ours`: this machine has no handle left for one more connection."""
        super().__init__(sentence)
        self.refused = refused
        self.ours = ours


class Connection:
    def __init__(self, relay: Relay, *, hostname: str, limits: Limits = PATIENT) -> None:
        """`hostname` is how we greet the relay."""
        self.relay = relay
        self._hostname = hostname
        self._limits = limits
        self._wire: Wire | None = None
        self._takes_smtputf8 = False
        self._size_limit: int | None = None
        self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the next mail can go over it as it is."""
        idle = asyncio.get_running_loop().time() - self._used_at
        return self._wire is not None and self._wire.is_open and idle < self._limits.idle

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
            timeout=self._limits.connect,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()  # now, so that `send` knows what the server offers
            self._wire = _take_over(client, self._limits)
        except Exception as error:  # whatever hinders it, no mail is to blame
            client.close()
            raise RelayError(
                f"relay {relay.name}: {_why(error, relay)}",
                refused=_is_refusal(error),
                ours=_is_short(error),
            ) from (None if isinstance(error, SMTPAuthenticationError) else error)  # it has secrets
        except asyncio.CancelledError:
            client.close()
            raise
        self._takes_smtputf8 = client.supports_extension("smtputf8")
        self._size_limit = _size(client.esmtp_extensions.get("size"))
        self._used_at = asyncio.get_running_loop().time()

    async def send(self, envelope: Envelope, wanted: Callable[[], Awaitable[bool]]) -> Answer:
        """Hand over one mail to one recipient; the answer is the server's, or what went wrong.

        `wanted` is asked as late as can be, right before DATA. If it says no the mail is broken
        off (NOT_WANTED). What it raises is raised, after the connection was dropped.
        """
        try:
            recipient = check(envelope.recipient)
        except PermanentError as error:
            return _refused(str(error))
        try:
            await self.open()
        except RelayError as error:
            return Answer(kind=Kind.LOST, text=str(error))
        size = len(envelope.message)
        if needs_smtputf8(recipient) and not self._takes_smtputf8:
            return _refused("5.6.7 the relay does not take international addresses (SMTPUTF8)")
        if self._size_limit and size > self._size_limit:
            most = self._size_limit
            return _refused(f"5.3.4 the mail has {size} bytes, the relay takes at most {most}")
        try:
            answer = await self._transact(envelope, recipient, wanted)
        except BaseException:  # also when cancelled: nobody knows what would be answered next
            self._drop()
            raise
        self._used_at = asyncio.get_running_loop().time()
        return answer

    async def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            try:
                await wire.leave()
            finally:
                wire.drop()

    def _drop(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.drop()

    async def _transact(
        self, envelope: Envelope, recipient: str, wanted: Callable[[], Awaitable[bool]]
    ) -> Answer:
        wire = self._wire
        assert wire is not None  # open() made it
        stage = Stage.MAIL
        try:
            reply = await wire.command(self._mail(envelope, recipient))
            if reply.code in _YES[stage]:
                stage = Stage.RCPT
                reply = await wire.command(f"RCPT TO:<{recipient}>")
            if stage is Stage.RCPT and reply.code in _YES[stage]:
                if not await wanted():
                    await self._reset(wire)
                    return Answer(kind=Kind.NOT_WANTED, stage=stage)
                stage = Stage.DATA
                reply = await wire.command("DATA")
            if stage is Stage.DATA and reply.code in _YES[stage]:
                stage = Stage.DOT
                reply = await wire.message(envelope.message)
        except WireError as error:
            self._drop()
            after_data = stage is Stage.DOT and error.asked
            return _lost(stage, str(error), after_data=after_data)
        return await self._heard(wire, stage, reply)

    def _mail(self, envelope: Envelope, recipient: str) -> str:
        command = f"MAIL FROM:<{envelope.sender}>"
        if self._size_limit is not None:
            command += f" SIZE={len(envelope.message)}"
        return f"{command} SMTPUTF8" if needs_smtputf8(recipient) else command

    async def _heard(self, wire: Wire, stage: Stage, reply: Reply) -> Answer:
        """The answer that ended a mail; the connection is ready for the next one, or gone."""
        taken = stage is Stage.DOT and reply.code in _YES[stage]
        if not taken and reply.code < 400:
            # Garbage, or a yes where none may stand: who believes it loses the mail.
            self._drop()
            said = f"unexpected {reply.code} {reply.text}"
            return _lost(stage, said, after_data=stage is Stage.DOT)
        if reply.code == _CLOSING:
            self._drop()
        elif not taken:
            await self._reset(wire)
        return Answer(
            kind=Kind.ANSWERED, stage=stage, code=reply.code, text=printable_reply(reply.text)
        )

    async def _reset(self, wire: Wire) -> None:
        """Make ready for the next mail; else this connection is of no more use."""
        try:
            reply = await wire.command("RSET", within=_RESET)
        except WireError:
            self._drop()
        else:
            if reply.code != 250:
                self._drop()


def _take_over(client: SMTP, limits: Limits) -> Wire:
    """From aiosmtplib, which would not mind what comes unasked."""
    protocol, transport = client.protocol, client.transport
    if protocol is None or transport is None or transport.is_closing():
        raise WireError("the server closed the connection", asked=False)
    if protocol._buffer:  # a reply to what nobody said yet: whose were those before it?
        raise WireError("the server said more than it was asked", asked=False)
    wire = Wire(cast("asyncio.WriteTransport", transport), limits)
    transport.set_protocol(wire)
    return wire


def _size(offered: str | None) -> int | None:
    """RFC 1870: None where SIZE is not offered, 0 where there is no limit."""
    if offered is None:
        return None
    return int(offered) if offered.isascii() and offered.isdigit() and len(offered) < 20 else 0


def _lost(stage: Stage, what: str, *, after_data: bool) -> Answer:
    kind = Kind.LOST_AFTER_DATA if after_data else Kind.LOST
    return Answer(kind=kind, stage=stage, text=printable_reply(what))


def _refused(why: str) -> Answer:
    return Answer(kind=Kind.REFUSED_HERE, text=printable_reply(why))


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, SMTPResponseException) and error.code >= 500


def _is_short(error: BaseException | None) -> bool:
    """Whether the machine had no handle or memory for the connection."""
    while error is not None:
        if isinstance(error, OSError) and is_shortage(error):
            return True
        error = error.__cause__
    return False


def _why(error: Exception, relay: Relay) -> str:
    """What hinders us, in words for the operator and without the password."""
    said = str(error) or type(error).__name__
    if isinstance(error, SMTPResponseException):
        said = f"{error.code} {error.message}" if error.code > 0 else error.message
    if isinstance(error, SMTPAuthenticationError):
        said = f"does not take user and password of mail.relays ({said})"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            said = f"its certificate cannot be trusted: {cause.verify_message}"
        cause = cause.__cause__
    for secret in _secrets(relay):  # servers repeat the line that they did not like
        said = said.replace(secret, "…")
    return printable_reply(said)


def _secrets(relay: Relay) -> list[str]:
    """The password in all forms in which it is said."""
    if not relay.password:
        return []
    plain = f"\0{relay.username}\0{relay.password}"
    encoded = [b64encode(each.encode()).decode() for each in (plain, relay.password)]
    return [*encoded, *(each.rstrip("=") for each in encoded), relay.password]
