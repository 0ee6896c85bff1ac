"""What an operator decides about a newsletter's mails: hold them, go on, give up, slow, resend."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, true, update

from publisher.core.model import (
    MAILABLE_STATES,
    DeliveryState,
    EditionState,
    SubscriptionState,
)
from publisher.core.standing import WATCHED, Day
from publisher.store import editions, readership
from publisher.store.ledger import GIVEN_UP, GOING_OUT
from publisher.store.tables import (
    bounce,
    delivery,
    edition,
    newsletter,
    subscriber,
    subscription,
    variant_article,
)

_MISSING = (DeliveryState.FAILED, DeliveryState.CANCELLED)


def pause(conn: Connection, slug: str, now: datetime, reason: str = "") -> int:
    """Hold what goes out and plan nothing more, until `resume`; returns how many editions go out.

    What comes out meanwhile folds into the next edition.
    """
    conn.execute(
        update(newsletter)
        .where(newsletter.c.slug == slug)
        .values(paused_at=func.coalesce(newsletter.c.paused_at, now), pause_reason=reason)
    )
    return _set_state(conn, slug, GOING_OUT, {"state": EditionState.PAUSED})


def resume(conn: Connection, slug: str, now: datetime) -> int:
    """Let paused editions go on where they were held; what bounced before counts no more."""
    conn.execute(
        update(newsletter)
        .where(newsletter.c.slug == slug, newsletter.c.paused_at.is_not(None))
        .values(paused_at=None, pause_reason="", watched_since=now)
    )
    state = case((edition.c.planned, EditionState.SENDING.value), else_=EditionState.PLANNING.value)
    return _set_state(conn, slug, (EditionState.PAUSED,), {"state": state})


def paused(conn: Connection) -> Mapping[str, str]:
    """The newsletters that are paused, and why (empty: an operator did)."""
    rows = conn.execute(
        select(newsletter.c.slug, newsletter.c.pause_reason)
        .where(newsletter.c.paused_at.is_not(None))
        .order_by(newsletter.c.slug)
    )
    return {row.slug: row.pause_reason for row in rows}


def cancel(conn: Connection, slug: str, now: datetime) -> int:
    """Give up what has not gone out; a mail being handed over is settled by its worker."""
    former = (*GOING_OUT, EditionState.PAUSED)
    ids = select(edition.c.id).where(edition.c.newsletter == slug, edition.c.state.in_(former))
    ending = list(conn.execute(ids).scalars())
    # The editions first: from here on a worker that gives rows back waits, and then cancels them.
    count = _set_state(conn, slug, former, {"state": EditionState.CANCELLED, "finished_at": now})
    conn.execute(
        update(delivery)
        .where(
            delivery.c.edition_id.in_(ending),
            delivery.c.state.in_([DeliveryState.PENDING, DeliveryState.DEFERRED]),
        )
        .values(state=GIVEN_UP, answered_at=now)
    )
    return count


def resend(
    conn: Connection, slug: str, edition_id: int | None, *, repeats: bool = False
) -> Mapping[int, int]:
    """Send an edition again to those who did not get it, and to nobody else; how many, by edition.

    Without an id: the newest edition of each slot. Who has left since, or whose address does not
    exist, is not among them; what may have arrived is not either (see `store.uncertain`). What they
    were given meanwhile by another newsletter is left out, unless this one `repeats` it.
    """
    newest = select(func.max(edition.c.id)).where(edition.c.newsletter == slug)
    ids = newest.group_by(edition.c.slot_id) if edition_id is None else [edition_id]
    bounced = (
        select(bounce.c.id)
        .where(
            bounce.c.edition_id == delivery.c.edition_id,
            bounce.c.subscriber_id == delivery.c.subscriber_id,
            bounce.c.kind == "hard",
        )
        .exists()
    )
    reader_stays = (
        select(subscription.c.id)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(
            subscription.c.subscriber_id == delivery.c.subscriber_id,
            subscription.c.newsletter == slug,
            subscription.c.state == SubscriptionState.CONFIRMED,
            subscriber.c.state.in_(MAILABLE_STATES),
        )
        .exists()
    )
    counts: dict[int, int] = {}
    over = edition.c.state.in_([EditionState.FINISHED, EditionState.CANCELLED])
    for row in conn.execute(
        select(edition.c.id, over.label("is_over"), edition.c.planned).where(
            edition.c.newsletter == slug, edition.c.id.in_(ids), edition.c.totals.is_(None)
        )
    ).all():
        missing = (
            delivery.c.edition_id == row.id,
            delivery.c.state.in_(_MISSING),
            ~bounced,
            reader_stays,
        )
        has_all = _leave_out_given(conn, row.id, missing, by=slug if repeats else None)
        result = conn.execute(
            update(delivery)
            .where(*missing, delivery.c.id.not_in(has_all))
            .values(
                state=DeliveryState.PENDING,
                attempt=0,
                first_attempt_at=None,
                next_attempt_at=None,
                rendering_id=None,
            )
        )
        if result.rowcount:
            counts[row.id] = int(result.rowcount)
            if row.is_over:
                # One that was cancelled while it was planned goes to those it was planned for.
                conn.execute(
                    update(edition)
                    .where(edition.c.id == row.id)
                    .values(state=EditionState.SENDING, planned=True, finished_at=None)
                )
    return counts


def _leave_out_given(
    conn: Connection, edition_id: int, missing: Iterable[ColumnElement[bool]], *, by: str | None
) -> Sequence[int]:
    """Let these mails hold only what their readers were not given by another mail; returns those of
    which nothing is left. `by`: only by a mail of this newsletter.
    """
    other, its, mine = delivery.alias("other"), variant_article.alias(), variant_article.alias()
    rows = conn.execute(
        select(delivery.c.id, delivery.c.variant_id, mine.c.article_id)
        .join(mine, mine.c.variant_id == delivery.c.variant_id)
        .join(other, other.c.subscriber_id == delivery.c.subscriber_id)
        .join(its, its.c.variant_id == other.c.variant_id)
        .join(edition, edition.c.id == other.c.edition_id)
        .where(
            *missing,
            other.c.id != delivery.c.id,
            its.c.article_id == mine.c.article_id,
            readership.given(other),
            readership.holds(its, other),
            edition.c.newsletter == by if by is not None else true(),
        )
    ).all()
    given: dict[tuple[int, int], set[str]] = {}
    for row in rows:
        given.setdefault((row.id, row.variant_id), set()).add(row.article_id)
    has_all = []
    for (delivery_id, variant_id), ids in given.items():
        less = editions.variant_without(conn, edition_id, variant_id, ids)
        if less is None:
            has_all.append(delivery_id)
        else:
            conn.execute(
                update(delivery).where(delivery.c.id == delivery_id).values(variant_id=less)
            )
    return has_all


def set_rate(conn: Connection, slug: str, mails_a_minute: int | None) -> None:
    """None: as many as the relays take."""
    conn.execute(update(newsletter).where(newsletter.c.slug == slug).values(rate=mails_a_minute))


def rates(conn: Connection) -> Mapping[str, int]:
    """Mails a minute at most, of the newsletters that have such a limit."""
    rows = conn.execute(
        select(newsletter.c.slug, newsletter.c.rate).where(newsletter.c.rate.is_not(None))
    )
    return {row.slug: row.rate for row in rows}


def last_day(conn: Connection, slug: str, now: datetime) -> Day:
    """What became of a newsletter's mails in the last 24 hours, or since it was resumed."""
    resumed = conn.execute(
        select(newsletter.c.watched_since).where(newsletter.c.slug == slug)
    ).scalar()
    since = max(now - WATCHED, resumed or now - WATCHED)
    kinds = conn.execute(
        select(bounce.c.kind, func.count())
        .join(edition, edition.c.id == bounce.c.edition_id)
        .where(
            bounce.c.kind.in_(["hard", "complaint"]),
            bounce.c.received_at > since,
            edition.c.newsletter == slug,
        )
        .group_by(bounce.c.kind)
    )
    found = {kind: int(count) for kind, count in kinds}
    day = Day(mails=0, hard=found.get("hard", 0), complaints=found.get("complaint", 0))
    if not day.may_matter:
        return day
    mails = conn.execute(
        select(func.count())
        .select_from(delivery.join(edition, edition.c.id == delivery.c.edition_id))
        .where(
            edition.c.newsletter == slug,
            delivery.c.state.in_([DeliveryState.SENT, DeliveryState.FAILED]),
            delivery.c.answered_at > since,
        )
    ).scalar_one()
    return Day(mails=int(mails), hard=day.hard, complaints=day.complaints)


def _set_state(
    conn: Connection,
    slug: str,
    former: Collection[EditionState],
    values: Mapping[str, object],
) -> int:
    result = conn.execute(
        update(edition)
        .where(and_(edition.c.newsletter == slug, edition.c.state.in_(list(former))))
        .values(**values)
    )
    return int(result.rowcount)
