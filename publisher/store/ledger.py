"""The delivery ledger: which mail to whom is open, claimed or settled, and what the server said.

Workers claim and record beside all other writers (`Database.write(alone=False)`). So a claim passes
over rows that are locked, and what is given back holds on to its edition, lest that be cancelled
without it.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    bindparam,
    case,
    func,
    or_,
    select,
    update,
)

from publisher.core.delivery import Verdict
from publisher.core.model import OPEN_STATES, DeliveryState, EditionState, SubscriberState
from publisher.core.notice import NOTICES
from publisher.store import bounces
from publisher.store.tables import article, delivery, edition, subscriber, variant_article

_CLAIMABLE = (DeliveryState.PENDING, DeliveryState.DEFERRED)
_UNTRIED = (DeliveryState.PENDING, DeliveryState.CANCELLED, DeliveryState.SUPPRESSED)
GOING_OUT = (EditionState.PLANNING, EditionState.SENDING)
OF_CANCELLED = delivery.c.edition_id.in_(
    select(edition.c.id).where(edition.c.state == EditionState.CANCELLED)
)
_OF_ERASED = (
    select(subscriber.c.id)
    .where(
        subscriber.c.id == delivery.c.subscriber_id, subscriber.c.state == SubscriberState.ERASED
    )
    .exists()
)
GIVEN_UP = case(
    (delivery.c.in_doubt, DeliveryState.UNCERTAIN.value), else_=DeliveryState.CANCELLED.value
)
"""What a mail is that goes out no more: what may have arrived stays uncertain."""


def record(conn: Connection, verdicts: Sequence[Verdict], now: datetime) -> int:
    """Write down what came of claimed rows; returns how many were still ours.

    A worker that woke up after its lease was taken over changes nothing. A row that was given
    back, or turned out to be wanted no more, was not attempted: the claim leaves no trace in it.
    """
    for each in verdicts:
        if each.outcome.hard:
            bounces.note_hard(conn, each, now)
    untried = [each for each in verdicts if each.outcome.state in _UNTRIED]
    tried = [each for each in verdicts if each.outcome.state not in _UNTRIED]
    still_open = [each.delivery_id for each in verdicts if each.outcome.state in _CLAIMABLE]
    if still_open:
        theirs = select(delivery.c.edition_id).where(delivery.c.id.in_(still_open))
        held = select(edition.c.id).where(edition.c.id.in_(theirs)).order_by(edition.c.id)
        conn.execute(held.with_for_update(read=True))
    count = _let_go(conn, untried) + _write_answers(conn, tried, now)
    if still_open:  # by a worker that had them when an operator cancelled the edition
        conn.execute(
            update(delivery)
            .where(
                delivery.c.id.in_(still_open),
                delivery.c.state.in_(_CLAIMABLE),
                OF_CANCELLED,
            )
            .values(state=GIVEN_UP)
        )
    return count


def hasten(conn: Connection, now: datetime) -> int:
    """Let what is deferred be tried now, without waiting for its back-off."""
    result = conn.execute(
        update(delivery)
        .where(delivery.c.state == DeliveryState.DEFERRED, delivery.c.next_attempt_at > now)
        .values(next_attempt_at=now)
    )
    return int(result.rowcount)


def bring_forward(conn: Connection, newsletters: Collection[str], now: datetime) -> int:
    """Let mails that wait because they could not be rendered be tried now."""
    editions = select(edition.c.id).where(edition.c.newsletter.in_(sorted(newsletters)))
    theirs: ColumnElement[bool] = delivery.c.edition_id.in_(editions)
    if NOTICES in newsletters:
        theirs = theirs | delivery.c.edition_id.is_(None)
    result = conn.execute(
        update(delivery)
        .where(
            delivery.c.state == DeliveryState.DEFERRED,
            delivery.c.next_attempt_at > now,
            delivery.c.rendering_id.is_(None),
            theirs,
        )
        .values(next_attempt_at=now)
    )
    return int(result.rowcount)


def settle_variant(
    conn: Connection,
    variant_id: int,
    state: DeliveryState,
    reason: str,
    *,
    now: datetime,
    next_attempt_at: datetime | None = None,
) -> None:
    """Set aside the rows not yet tried of a variant that cannot be rendered, or holds nothing."""
    conn.execute(
        update(delivery)
        .where(
            delivery.c.variant_id == variant_id,
            delivery.c.state.in_(_CLAIMABLE),
            delivery.c.rendering_id.is_(None),
        )
        .values(
            state=state,
            reply=reason,
            answered_at=now,
            next_attempt_at=next_attempt_at,
        )
    )


def first_open(conn: Connection, subscriber_id: int, newsletter: str) -> int | None:
    """The place of the first article that a reader of a newsletter is to be sent yet."""
    first: int | None = conn.execute(
        select(func.min(article.c.seq))
        .select_from(delivery)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
        .join(article, article.c.id == variant_article.c.article_id)
        .where(
            delivery.c.subscriber_id == subscriber_id,
            edition.c.newsletter == newsletter,
            delivery.c.state.in_(OPEN_STATES),
        )
    ).scalar()
    return first


def cancel_open(conn: Connection, subscriber_id: int, newsletter: str) -> int:
    """Give up what a reader of a newsletter has not been sent yet (a claimed row: its worker)."""
    editions = select(edition.c.id).where(edition.c.newsletter == newsletter)
    result = conn.execute(
        update(delivery)
        .where(
            delivery.c.subscriber_id == subscriber_id,
            delivery.c.edition_id.in_(editions),
            delivery.c.state.in_(_CLAIMABLE),
        )
        .values(state=GIVEN_UP)
    )
    return int(result.rowcount)


def counts(conn: Connection, edition_id: int | None = None) -> Mapping[str, int]:
    """Deliveries by state, of one edition or of all; for notices see `store.notices`."""
    its: ColumnElement[bool] = delivery.c.edition_id.is_not(None)
    if edition_id is not None:
        its = delivery.c.edition_id == edition_id
    statement = select(delivery.c.state, func.count()).where(its).group_by(delivery.c.state)
    return dict(conn.execute(statement).all())


def open_count(conn: Connection) -> int:
    """How many mails and notices are still to go out, those of paused editions not counted."""
    of_its_edition = delivery.outerjoin(edition, edition.c.id == delivery.c.edition_id)
    return int(
        conn.execute(
            select(func.count())
            .select_from(of_its_edition)
            .where(
                delivery.c.state.in_(OPEN_STATES),
                edition.c.state.in_(GOING_OUT) | delivery.c.edition_id.is_(None),
            )
        ).scalar_one()
    )


def _let_go(conn: Connection, verdicts: Sequence[Verdict]) -> int:
    if not verdicts:
        return 0
    first = delivery.c.attempt == 1
    result = conn.execute(
        update(delivery)
        .where(delivery.c.id == bindparam("b_id"), delivery.c.claim == bindparam("b_claim"))
        .values(
            state=case(
                (bindparam("b_state") == DeliveryState.CANCELLED.value, GIVEN_UP),
                else_=bindparam("b_state"),
            ),
            attempt=delivery.c.attempt - 1,
            first_attempt_at=case((first, None), else_=delivery.c.first_attempt_at),
            rendering_id=case((first, None), else_=delivery.c.rendering_id),
            claim=None,
            lease_until=None,
        ),
        [
            {"b_id": each.delivery_id, "b_claim": each.claim, "b_state": each.outcome.state}
            for each in verdicts
        ],
    )
    return int(result.rowcount)


def _write_answers(conn: Connection, verdicts: Sequence[Verdict], now: datetime) -> int:
    if not verdicts:
        return 0
    result = conn.execute(
        update(delivery)
        .where(delivery.c.id == bindparam("b_id"), delivery.c.claim == bindparam("b_claim"))
        .values(
            state=bindparam("b_state"),
            next_attempt_at=bindparam("b_next"),
            in_doubt=or_(delivery.c.in_doubt, bindparam("b_in_doubt", type_=Boolean)),
            smtp_status=bindparam("b_status"),
            enhanced_status=bindparam("b_enhanced"),
            reply=case((_OF_ERASED, ""), else_=bindparam("b_reply")),
            relay=bindparam("b_relay"),
            # What is uncertain waits for the operator's word.
            answered_at=case(
                (bindparam("b_state") == DeliveryState.UNCERTAIN.value, None), else_=now
            ),
            claim=None,
            lease_until=None,
        ),
        [
            {
                "b_id": each.delivery_id,
                "b_claim": each.claim,
                "b_state": each.outcome.state,
                "b_next": each.outcome.next_attempt_at,
                "b_status": each.outcome.smtp_status,
                "b_enhanced": each.outcome.enhanced_status,
                "b_reply": each.outcome.reply,
                "b_relay": each.relay,
                "b_in_doubt": each.outcome.in_doubt,
            }
            for each in verdicts
        ],
    )
    return int(result.rowcount)
