"""Subscriptions that an operator brings in from elsewhere, many in one transaction.

Who left, or may not be mailed, is never brought back: only they themselves can do that.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, insert, select, update

from publisher.core.csv_import import Refused, Wanted
from publisher.core.identity import address_hash
from publisher.core.model import Newsletter, SlotTime, SubscriberState, SubscriptionState
from publisher.core.selection import choose
from publisher.core.signup import LEFT_AT, agreed
from publisher.core.wishes import slot_for
from publisher.store import counter, newsletters, slots, subscriptions
from publisher.store.tables import subscriber, subscription, suppression

IMPORTED = "imported by an operator"
"""How the consent record says that it came about."""

_UNMAILABLE = {
    SubscriberState.SUPPRESSED: "may not be mailed: the address is suppressed",
    SubscriberState.ERASED: "may not be mailed: the reader was erased",
}
_UNWANTED = {"erased": "had themselves forgotten; only they can come back"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Who will be a reader of the newsletter."""

    wanted: Wanted
    subscriber_id: int | None
    subscription_id: int | None
    """Of a sign-up that waits for its confirmation."""
    consent: Mapping[str, str]
    """What that sign-up has noted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How those stand whom a file names."""

    new: Sequence[Newcomer]
    there_already: int
    refused: Sequence[Refused]


def look(conn: Connection, batch: Sequence[Wanted], slug: str, hash_key: bytes) -> Found:
    """How each of the batch, no address twice, stands to a newsletter; the key hashes addresses."""
    hashes = {each.key: address_hash(each.key, hash_key) for each in batch}
    unwanted = suppressed(conn, hashes.values())
    known = _known(conn, hashes, slug)
    new, refused, there_already = [], [], 0
    for each in batch:
        row = known.get(each.key)
        if reason := unwanted.get(hashes[each.key]):
            refused.append(_refused(each, _UNWANTED.get(reason, f"may not be mailed: {reason}")))
        elif row is None:
            new.append(Newcomer(wanted=each, subscriber_id=None, subscription_id=None, consent={}))
        elif row.reader_state in _UNMAILABLE:
            refused.append(_refused(each, _UNMAILABLE[row.reader_state]))
        elif row.state == SubscriptionState.CONFIRMED:
            there_already += 1
        # Who left and was signed up again since has not confirmed it: anybody may have asked.
        elif row.state == SubscriptionState.UNSUBSCRIBED or (row.id and LEFT_AT in row.consent):
            refused.append(_refused(each, "has left this newsletter; only they can come back"))
        else:
            new.append(
                Newcomer(
                    wanted=each,
                    subscriber_id=row.reader_id,
                    subscription_id=row.id,
                    consent=row.consent or {},
                )
            )
    return Found(new=new, there_already=there_already, refused=refused)


def keep(
    conn: Connection, new: Sequence[Newcomer], to: Newsletter, *, source: str, now: datetime
) -> None:
    """Confirm what `look` found in the same transaction; `source` names the file for the record.

    They begin with what becomes public from now on. Of who is known as a reader already nothing
    changes but what was empty.
    """
    if not new:
        return
    ids = _readers(conn, new, now)
    head = counter.head(conn)
    newsletters.look_again(conn, to)
    slot_ids: dict[SlotTime, int] = {}
    made, confirmed = [], []
    for each in new:
        wishes = each.wanted.wishes
        time = slot_for(to, wishes)
        if time not in slot_ids:
            slot_ids[time] = slots.ensure(conn, time, now)
        values = {
            "state": SubscriptionState.CONFIRMED,
            "consent": agreed(each.consent, _record(each.wanted, source, now)),
            "categories": choose(wishes.categories, None, head) if wishes.categories else None,
            **subscriptions.timing_of(wishes),
            "slot_id": slot_ids[time],
            "after_seq": head,
        }
        if each.subscription_id is None:
            reader_id = each.subscriber_id or ids[each.wanted.key]
            made.append({**values, "subscriber_id": reader_id, "newsletter": to.slug})
        else:
            confirmed.append({**values, "its_id": each.subscription_id})
    if made:
        conn.execute(insert(subscription), made)
    if confirmed:
        conn.execute(
            update(subscription).where(subscription.c.id == bindparam("its_id")), confirmed
        )


def suppressed(conn: Connection, hashes: Collection[str]) -> Mapping[str, str]:
    """Which of these addresses (`core.identity.address_hash`) may not be mailed, and why."""
    rows = conn.execute(
        select(suppression.c.address_hash, suppression.c.reason).where(
            suppression.c.address_hash.in_(list(hashes))
        )
    )
    return {row.address_hash: row.reason or "the address is suppressed" for row in rows}


def _known(
    conn: Connection, keys: Collection[str], slug: str
) -> dict[str, Any]:  # Any: a row of what is selected
    its = (subscription.c.subscriber_id == subscriber.c.id) & (subscription.c.newsletter == slug)
    rows = conn.execute(
        select(
            subscriber.c.address_key,
            subscriber.c.id.label("reader_id"),
            subscriber.c.state.label("reader_state"),
            subscription.c.id,
            subscription.c.state,
            subscription.c.consent,
        )
        .outerjoin(subscription, its)
        .where(subscriber.c.address_key.in_(list(keys)))
    )
    return {row.address_key: row for row in rows}


def _readers(conn: Connection, new: Sequence[Newcomer], now: datetime) -> dict[str, int]:
    """Make those who are unknown, fill in what was empty of the others; ids of the new by key."""
    unknown = [each.wanted for each in new if each.subscriber_id is None]
    known = [each for each in new if each.subscriber_id is not None]
    if known:
        columns = ("name", "locale", "zone")
        conn.execute(
            update(subscriber)
            .where(subscriber.c.id == bindparam("its_id"))
            .values(
                {
                    each: case(
                        (subscriber.c[each] == "", bindparam(f"its_{each}")),
                        else_=subscriber.c[each],
                    )
                    for each in columns
                }
            ),
            [
                {
                    "its_id": each.subscriber_id,
                    "its_name": each.wanted.name,
                    "its_locale": each.wanted.locale,
                    "its_zone": each.wanted.wishes.zone or "",
                }
                for each in known
            ],
        )
    if not unknown:
        return {}
    rows = conn.execute(
        insert(subscriber).returning(subscriber.c.id, subscriber.c.address_key),
        [
            {
                "address": each.address,
                "address_key": each.key,
                "name": each.name,
                "locale": each.locale,
                "zone": each.wishes.zone or "",
                "state": SubscriberState.ACTIVE,
                "created_at": now,
            }
            for each in unknown
        ],
    )
    return {row.address_key: row.id for row in rows}


def _record(wanted: Wanted, source: str, now: datetime) -> dict[str, str]:
    record = {
        "given_at": now.isoformat(),
        "how": IMPORTED,
        "file": source,
        "source_given_at": wanted.subscribed_at,
        "source_consent": wanted.consent,
    }
    return {key: value for key, value in record.items() if value}


def _refused(wanted: Wanted, reason: str) -> Refused:
    return Refused(line=wanted.line, address=wanted.address, reason=reason)
