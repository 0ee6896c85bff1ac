"""A claimed mail to one reader, and what came of it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from publisher.core.outcome import Outcome
from publisher.core.refusal import Refusal

CHECK_HOLDS = 1.0
"""Seconds. A message begins so soon after the books said that it may, or they are asked again; who
has written down that a reader left waits so long before saying that no more mail will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the ledger that a worker has claimed."""

    delivery_id: int
    claim: str
    lease_until: datetime
    attempt: int
    """This one, counted from 1."""
    first_attempt_at: datetime
    rendering_id: int
    edition_id: int | None
    """None: it is a notice's."""
    notice_id: int | None = None
    newsletter: str
    """Its slug; `NOTICES` where it is a notice."""
    planned_at: datetime
    subscriber_id: int | None
    """None: of a notice to somebody who is no reader."""
    subscription_id: int | None
    token_version: int = 1
    """Of the subscriber, for the link to their page."""
    address: str
    name: str
    domain: str
    """Where the address receives mail."""
    refused_before: bool = False
    """Whether the domain refused this very mail at the last attempt, for policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a claimed row is to say from now on."""

    delivery_id: int
    claim: str
    outcome: Outcome
    relay: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    jobs: Sequence[Job]
    to_render: Sequence[int]
    """Variants that due rows wait for: they have no rendering, or one that is out of date."""
    urgent: Collection[int] = ()
    """Those of them for which a reader sits and waits: the notices'."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """Mails a minute at most, of the newsletters that have such a limit."""
    refusals: Sequence[Refusal] = ()
