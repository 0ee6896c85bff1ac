"""The facts that planning an edition works on: slots, editions and their readers, as rows tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from publisher.core.model import Article, Cadence, Category, Choice, EditionState, SlotTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    id: int
    time: SlotTime
    next_due_at: datetime | None
    """None: an immediate slot with nothing to send, and nobody's pause to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    id: int
    newsletter: str
    slot_id: int
    cadence: Cadence
    zone: str
    upto_seq: int
    """It holds nothing that became public after this place in the order."""
    planned_at: datetime
    """The date its mails bear."""
    enqueued: int
    """How many are to get it: written at planning, never recomputed."""
    cursor: int
    """The last subscription that has been looked at."""
    state: EditionState
    choice: Choice
    """The newsletter's categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A confirmed subscription that shares the edition's slot."""

    subscription_id: int
    subscriber_id: int
    after_seq: int
    choice: Choice | None
    """Their own categories; None for the newsletter's."""
    locale: str
    domain: str
    """Where their address receives mail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantContent:
    """What a variant of an edition is made of, as it stands now."""

    name: str = ""
    """In the address at which everybody can read it; empty for what is no edition."""
    newsletter: str
    cadence: Cadence
    zone: str
    locale: str
    planned_at: datetime
    articles: tuple[Article, ...]
    """In the order of the edition, without what was withdrawn since planning."""
    withdrawn: tuple[str, ...] = ()
    """Ids of what was."""
    corrections: tuple[Article, ...] = ()
    """Given before and corrected since."""
    categories: Mapping[str, Category]
    change: int
    """The counter when this was read."""
