"""All subscriptions as they leave this program: what a spreadsheet, or another program, gets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from publisher.core.model import SubscriberState, SubscriptionState
from publisher.core.schedule import WEEKDAYS
from publisher.store.tables import subscriber, subscription

_PAGE = 1_000  # rows in memory at a time
_ENDS_ALL = (SubscriberState.SUPPRESSED,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A subscription; the fields are the columns of `core.csv_import.EXPORTED`, in their order."""

    address: str
    name: str
    newsletter: str
    state: str
    """Of the subscription, or `suppressed`."""
    categories: str
    """These and the next four: empty where the reader has it as the newsletter does."""
    cadence: str
    at: str
    weekday: str
    zone: str
    locale: str
    since: str
    """When its reader agreed, here or where they were imported from."""
    consent: str
    """The record of it, JSON; of who was imported with one, that one."""


def everyone(
    conn: Connection, newsletter: str | None = None, state: str | None = None
) -> Iterator[Exported]:
    """A line for each subscription, read as they are asked for; without erased readers."""
    statement = (
        select(
            subscriber.c.address,
            subscriber.c.name,
            subscriber.c.locale,
            subscriber.c.state.label("reader_state"),
            subscription,
        )
        .join(subscription, subscription.c.subscriber_id == subscriber.c.id)
        .where(subscription.c.became.is_(None), subscriber.c.state != SubscriberState.ERASED)
        .order_by(subscriber.c.id, subscription.c.newsletter)
    )
    if newsletter is not None:
        statement = statement.where(subscription.c.newsletter == newsletter)
    if state in _ENDS_ALL:
        statement = statement.where(subscriber.c.state == state)
    elif state is not None:
        statement = statement.where(
            subscription.c.state == state, subscriber.c.state.not_in(_ENDS_ALL)
        )
    for row in conn.execute(statement, execution_options={"yield_per": _PAGE}):
        yield Exported(
            address=row.address,
            name=row.name,
            newsletter=row.newsletter,
            state=row.reader_state if row.reader_state in _ENDS_ALL else row.state,
            categories=",".join(row.categories or ()),
            cadence=row.cadence or "",
            at=row.at or "",
            weekday="" if row.weekday is None else WEEKDAYS[row.weekday],
            zone=row.zone or "",
            locale=row.locale,
            since=row.consent.get("source_given_at") or row.consent.get("given_at", ""),
            consent=_consent(row.consent),
        )


STATES = (*SubscriptionState, *_ENDS_ALL)
"""What can be asked for."""


def _consent(record: Mapping[str, str]) -> str:
    return record.get("source_consent") or json.dumps(record)
