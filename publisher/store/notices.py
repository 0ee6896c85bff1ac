"""Notices in the store: enqueued once whatever is asked, and forgotten when they have served.

A notice has a variant and a delivery of its own, so that it is rendered, claimed and sent as the
mails of editions are.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Label,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)

from publisher.core.model import MAILABLE_STATES, OPEN_STATES, DeliveryState, SubscriberState
from publisher.core.notice import Notice, NoticeContent, NoticeKind
from publisher.store import suppressions
from publisher.store.tables import (
    BigId,
    delivery,
    notice,
    rendering,
    subscriber,
    suppression,
    variant,
)

KEPT = timedelta(days=2)
"""For so long after its end a notice is known: longer than any `within` of `enqueue`."""

CHUNK = 200
"""Notices forgotten in one transaction."""


def enqueue(
    conn: Connection,
    kind: NoticeKind,
    address: str,
    address_hash: str,
    locale: str,
    content: NoticeContent,
    now: datetime,
    *,
    within: timedelta = timedelta(0),
    subscriber_id: int | None = None,
    subscription_id: int | None = None,
    states: Collection[SubscriberState] = MAILABLE_STATES,
) -> bool:
    """Have a notice sent to a checked address; False when it got one of this kind `within` that
    time, or may get no mail.

    What is refused does the same work as what is sent: from outside nobody can tell. With
    `subscription_id` it is not sent any more once that subscription has ended. `states`: of a
    reader who may get it.
    """
    # Each row follows from the one before, or from none: the statements are always the same.
    same = (notice.c.kind == kind, notice.c.address_hash == address_hash)
    recent = select(notice.c.id).where(
        *same, or_(notice.c.created_at > now - within, notice.c.occasion == now.isoformat())
    )
    noted = {
        notice.c.kind: kind,
        notice.c.address_hash: address_hash,
        notice.c.occasion: now.isoformat(),
        notice.c.address: address,
        notice.c.locale: locale,
        notice.c.content: asdict(content),
        notice.c.created_at: now,
    }
    notice_id = conn.execute(
        insert(notice)
        .from_select(list(noted), select(*_constants(noted)).where(~recent.exists()))
        .returning(notice.c.id)
    ).scalar()
    variant_id = conn.execute(
        insert(variant)
        .from_select(
            [variant.c.notice_id, variant.c.hash, variant.c.locale],
            select(notice.c.id, literal(""), notice.c.locale).where(
                notice.c.id == _number(notice_id)
            ),
        )
        .returning(variant.c.id)
    ).scalar()
    state = case(
        (_unmailable(address_hash, subscriber_id, states), DeliveryState.SUPPRESSED.value),
        else_=DeliveryState.PENDING.value,
    )
    row = _constants(
        {
            delivery.c.subscriber_id: subscriber_id,
            delivery.c.subscription_id: subscription_id,
            delivery.c.domain: address.rpartition("@")[2],
            delivery.c.attempt: 0,
            delivery.c.in_doubt: False,
            delivery.c.enhanced_status: "",
            delivery.c.reply: "",
            delivery.c.relay: "",
        }
    )
    written = conn.execute(
        insert(delivery)
        .from_select(
            ["notice_id", "variant_id", "state", *(each.name for each in row)],
            select(variant.c.notice_id, variant.c.id, state.label("state"), *row).where(
                variant.c.id == _number(variant_id)
            ),
        )
        .returning(delivery.c.state)
    ).scalar()
    return written == DeliveryState.PENDING


def find(conn: Connection, notice_id: int) -> Notice:
    row = conn.execute(select(notice).where(notice.c.id == notice_id)).one()
    content = dict(row.content)
    return Notice(
        kind=NoticeKind(row.kind),
        address=row.address,
        locale=row.locale,
        content=NoticeContent(
            newsletters=tuple(content["newsletters"]),
            known=tuple(content["known"]),
            links=content["links"],
            zone=content["zone"],
        ),
        created_at=row.created_at,
    )


def counts(conn: Connection) -> Mapping[str, int]:
    """Notices by state, of those that are still known."""
    rows = conn.execute(
        select(delivery.c.state, func.count())
        .where(delivery.c.edition_id.is_(None))
        .group_by(delivery.c.state)
    )
    return dict(rows.all())


def clear(conn: Connection, now: datetime, chunk: int = CHUNK) -> bool:
    """Forget the next notices that ended `KEPT` ago, addresses and all; False when none is left."""
    open_ones = select(delivery.c.id).where(
        delivery.c.notice_id == notice.c.id,
        delivery.c.state.in_(OPEN_STATES) | (delivery.c.answered_at > now - KEPT),
    )
    ids = list(
        conn.execute(
            select(notice.c.id)
            .where(notice.c.created_at <= now - KEPT, ~open_ones.exists())
            .order_by(notice.c.created_at)
            .limit(chunk)
        ).scalars()
    )
    delete_all(conn, ids)
    return bool(ids)


def delete_all(conn: Connection, ids: Sequence[int]) -> None:
    """Forget these notices, whatever has become of them."""
    if not ids:
        return
    variants = select(variant.c.id).where(variant.c.notice_id.in_(ids))
    conn.execute(delete(delivery).where(delivery.c.notice_id.in_(ids)))
    conn.execute(delete(rendering).where(rendering.c.variant_id.in_(variants)))
    conn.execute(delete(variant).where(variant.c.notice_id.in_(ids)))
    conn.execute(delete(notice).where(notice.c.id.in_(ids)))


def _unmailable(
    address_hash: str, subscriber_id: int | None, states: Collection[SubscriberState]
) -> ColumnElement[bool]:
    suppressed = select(suppression.c.since).where(
        suppression.c.address_hash == address_hash, suppressions.FOREVER
    )
    reader = select(subscriber.c.id).where(
        subscriber.c.id == _number(subscriber_id), subscriber.c.state.not_in(states)
    )
    return suppressed.exists() | reader.exists()


def _number(value: int | None) -> ColumnElement[int]:
    """Of no row where it is None, by the same statement as any other."""
    return literal(value, BigId)


def _constants(values: "Mapping[Column[Any], object]") -> list[Label[Any]]:  # Any: columns differ
    return [literal(value, each.type).label(each.name) for each, value in values.items()]
