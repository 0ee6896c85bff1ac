"""How things stand, for the operator: counts, what is due, what waits, what was quarantined."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from publisher.core.edition import Slot
from publisher.core.refusal import Refusal
from publisher.store import (
    control,
    ledger,
    notices,
    pings,
    publication,
    quarantine,
    refusals,
    shelf,
    slots,
    subscriptions,
    totals,
    uncertain,
)
from publisher.store.pings import Unannounced
from publisher.store.quarantine import Quarantined


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    articles: int
    """Public ones."""
    feeds: int
    """Categories that have had an article."""
    embargo_ends: datetime | None
    """When the next article that waits becomes public."""
    subscriptions: Mapping[str, int]
    """Confirmed ones, by newsletter."""
    next_due: Sequence[Slot]
    deliveries: Mapping[str, int]
    """Mails of editions by state, those included of which only totals are kept."""
    notices: Mapping[str, int]
    """By state, of those of the last days."""
    backlog: int
    """Mails and notices still to go out."""
    uncertain: int
    """Mails that wait for the operator's word."""
    paused: Mapping[str, str]
    """Newsletters that are, and why (empty: an operator did)."""
    refusals: Sequence[Refusal]
    hubs: Sequence[Unannounced]
    """Those that do not know of every feed as it is now."""
    quarantined: int
    quarantine: Sequence[Quarantined]
    """The newest of them."""


def read(conn: Connection) -> Status:
    return Status(
        articles=shelf.count(conn, None),
        feeds=len(shelf.categories(conn)),
        embargo_ends=publication.next_due_at(conn),
        subscriptions=subscriptions.counts(conn),
        next_due=slots.next_dues(conn, 5),
        deliveries=totals.counts(conn),
        notices=notices.counts(conn),
        backlog=ledger.open_count(conn),
        uncertain=uncertain.count(conn),
        paused=control.paused(conn),
        refusals=refusals.listing(conn),
        hubs=pings.unannounced(conn),
        quarantined=quarantine.count(conn),
        quarantine=quarantine.listing(conn, 20),
    )
