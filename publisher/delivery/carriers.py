"""Hands claimed mails over connections: each one try, from making it to the server's answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from publisher.core.addresses import check
from publisher.core.delivery import Job
from publisher.core.model import DeliveryState, Rendering
from publisher.core.outcome import Answer, Kind, Outcome, Scope, judge
from publisher.core.replies import printable_reply, without_mailbox
from publisher.delivery.connection import Connection, Envelope, RelayError
from publisher.delivery.lanes import Lanes
from publisher.delivery.last_check import LastCheck
from publisher.delivery.message import Recipient, compose, message_id
from publisher.delivery.outages import Outages
from publisher.delivery.refused import Refused
from publisher.errors import AwayError, PermanentError, TransientError

_PAUSE = 1.0  # seconds that a mail is held which cannot be made as the database cannot be used

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What every mail of this site needs besides its rendering."""

    senders: Mapping[str, str]
    """Envelope sender by newsletter, and of notices."""
    unsubscribe_url: Callable[[int, str], str]
    """The link of a subscription, signed with the key of this id."""
    preferences_url: Callable[[int, int, str], str]
    """The link of a subscriber and their token version, signed with the key of this id."""
    hostname: str
    """How we greet a relay."""
    resend: bool
    """Whether what may have arrived is sent again; else it stays uncertain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    lanes: Lanes
    outages: Outages
    refused: Refused
    last_check: LastCheck
    rendering: Callable[[int], Rendering]
    """Called in another thread: it may ask the database."""
    post: Post
    clock: Callable[[], datetime]
    longest: timedelta
    """That a message may take; none is begun whose lease has less room."""
    settle: Callable[[Job, Outcome, str], None]
    """Told what came of a mail, and through which relay."""
    stuck: Callable[[], None]
    """Told that a connection cannot be used."""
    away: dict[Connection, str] = field(default_factory=dict)
    """Connections whose relay cannot be used now, and why."""

    async def carry(self, connection: Connection) -> None:
        """Hand mails over a connection, one after the other, until cancelled."""
        relay = connection.relay
        while True:
            job = await self.lanes.next(relay.name)
            try:
                await self.outages.open(connection)
            except RelayError as error:
                self.away[connection] = str(error)
                self.lanes.put_back(job)  # for another connection, or for later
                self.stuck()
                await asyncio.sleep(self.outages.remaining(relay))
                continue
            self.away.pop(connection, None)
            outcome = await self._attempt(connection, job)
            if outcome.scope is Scope.RELAY:
                refused = (outcome.smtp_status or 0) >= 500
                self.outages.note(relay, f"relay {relay.name}: {outcome.reply}", refused=refused)
                await connection.close()
            elif outcome.smtp_status is not None:
                self.outages.over(relay)
            self.refused.learn(relay.name, job.domain, outcome, self.clock())
            self.lanes.refused = self.refused.pairs(self.clock())
            self.lanes.ended(job)
            self.settle(job, outcome, relay.name)

    async def _attempt(self, connection: Connection, job: Job) -> Outcome:
        instead: DeliveryState | None = None

        async def wanted() -> bool:
            nonlocal instead
            instead = await self.last_check.state_instead(job)
            if instead is None and self.clock() >= job.lease_until - self.longest:
                instead = DeliveryState.PENDING
            return instead is None

        try:
            envelope = await asyncio.to_thread(self.envelope, job)
        except PermanentError as error:
            answer = Answer(kind=Kind.REFUSED_HERE, text=printable_reply(str(error)))
        except AwayError:
            await asyncio.sleep(_PAUSE)  # or it would be claimed and given back all the time
            return Outcome(state=DeliveryState.PENDING)
        except Exception as error:
            if not isinstance(error, TransientError):
                log.exception("a mail cannot be made in a way we did not foresee")
            answer = Answer(kind=Kind.LOST, text=printable_reply(str(error)))
        else:
            answer = await connection.send(envelope, wanted)
        if instead is not None:
            return Outcome(state=instead)
        outcome = judge(
            answer,
            attempt=job.attempt,
            first_attempt_at=job.first_attempt_at,
            now=self.clock(),
            resend=self.post.resend,
            domain_takes_mail=job.refused_before
            and not self.refused.is_known(connection.relay.name, job.domain),
        )
        return replace(outcome, reply=without_mailbox(outcome.reply, job.address))

    def envelope(self, job: Job) -> Envelope:
        """The same bytes at every attempt: all that goes in comes from stored facts."""
        rendering = self.rendering(job.rendering_id)
        address = check(job.address)
        link = own_page = ""
        if job.edition_id is not None and job.subscription_id is not None:
            link = self.post.unsubscribe_url(job.subscription_id, rendering.key_id)
        # Not in notices: anybody may have had one sent, and whoever gets it may be another.
        if job.edition_id is not None and job.subscriber_id is not None:
            own_page = self.post.preferences_url(
                job.subscriber_id, job.token_version, rendering.key_id
            )
        message = compose(
            rendering,
            Recipient(address=address, name=job.name),
            message_id=message_id(
                # Not the newsletter's slug, which may be another at the next attempt.
                "notice" if job.edition_id is None else "edition",
                job.notice_id or job.edition_id or 0,
                job.subscriber_id or 0,
                date=job.planned_at,
                rendering=rendering,
            ),
            date=job.planned_at,
            unsubscribe_url=link,
            preferences_url=own_page,
        )
        return Envelope(
            sender=self.post.senders[job.newsletter], recipient=address, message=message
        )
