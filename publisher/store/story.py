"""What the books hold of one reader: their mails, their bounces, and why one may be missing."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, func, select, true

from publisher.core.model import DeliveryState, EditionState
from publisher.core.schedule import day_begins
from publisher.core.selection import Item
from publisher.core.story import EditionFacts, ReaderFacts, SubscriptionFacts, Told
from publisher.store import readership, subscriptions
from publisher.store.subscribers import Subscriber
from publisher.store.tables import (
    article,
    bounce,
    delivery,
    edition,
    membership,
    newsletter,
    notice,
    slot,
    variant,
    variant_article,
    variant_correction,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A delivery to the reader."""

    edition: int
    newsletter: str
    slot: str
    planned_at: datetime
    edition_state: EditionState
    titles: tuple[str, ...]
    """In the mail's order; of those withdrawn before it was made, too."""
    corrections: tuple[str, ...]
    """Titles of articles given before, of whose corrections it tells."""
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    answered_at: datetime | None
    smtp_status: int | None
    enhanced_status: str
    reply: str
    """The server's last, or why we set it aside."""
    relay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notified:
    """A notice to the reader, of those that are still known."""

    kind: str
    created_at: datetime
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime | None
    answered_at: datetime | None
    smtp_status: int | None
    enhanced_status: str
    reply: str
    relay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced:
    kind: str
    edition: int | None
    status: str
    diagnostic: str
    received_at: datetime


def mails(conn: Connection, subscriber_id: int, edition_id: int | None = None) -> list[Mail]:
    """The reader's mails, the newest first, or that of one edition."""
    statement = (
        select(
            delivery,
            edition.c.newsletter,
            edition.c.planned_at,
            edition.c.state.label("edition_state"),
            slot.c.key,
        )
        .join(edition, edition.c.id == delivery.c.edition_id)
        .join(slot, slot.c.id == edition.c.slot_id)
        .where(delivery.c.subscriber_id == subscriber_id)
        .order_by(delivery.c.id.desc())
    )
    if edition_id is not None:
        statement = statement.where(delivery.c.edition_id == edition_id)
    titles = _titles(conn, variant_article, subscriber_id)
    corrections = _titles(conn, variant_correction, subscriber_id)
    return [
        Mail(
            edition=row.edition_id,
            newsletter=row.newsletter,
            slot=row.key,
            planned_at=row.planned_at,
            edition_state=EditionState(row.edition_state),
            titles=tuple(titles.get(row.id, ())),
            corrections=tuple(corrections.get(row.id, ())),
            state=DeliveryState(row.state),
            attempts=row.attempt,
            next_attempt_at=row.next_attempt_at,
            answered_at=row.answered_at,
            smtp_status=row.smtp_status,
            enhanced_status=row.enhanced_status,
            reply=row.reply,
            relay=row.relay,
        )
        for row in conn.execute(statement)
    ]


def _titles(conn: Connection, held: Table, subscriber_id: int) -> Mapping[int, Sequence[str]]:
    """Of the articles that the reader's mails hold, by delivery."""
    statement = (
        select(delivery.c.id, article.c.title)
        .join(held, held.c.variant_id == delivery.c.variant_id)
        .join(article, article.c.id == held.c.article_id)
        .where(delivery.c.subscriber_id == subscriber_id, readership.holds(held))
        .order_by(delivery.c.id, held.c.position)
    )
    found: dict[int, list[str]] = {}
    for row in conn.execute(statement):
        found.setdefault(row.id, []).append(row.title)
    return found


def notices(conn: Connection, subscriber_id: int) -> list[Notified]:
    """The reader's notices, the newest first."""
    rows = conn.execute(
        select(delivery, notice.c.kind, notice.c.created_at)
        .join(notice, notice.c.id == delivery.c.notice_id)
        .where(delivery.c.subscriber_id == subscriber_id)
        .order_by(delivery.c.id.desc())
    )
    return [
        Notified(
            kind=row.kind,
            created_at=row.created_at,
            state=DeliveryState(row.state),
            attempts=row.attempt,
            next_attempt_at=row.next_attempt_at,
            answered_at=row.answered_at,
            smtp_status=row.smtp_status,
            enhanced_status=row.enhanced_status,
            reply=row.reply,
            relay=row.relay,
        )
        for row in rows
    ]


def bounces(conn: Connection, subscriber_id: int) -> list[Bounced]:
    """What came back of the reader's mails, the newest first."""
    rows = conn.execute(
        select(bounce).where(bounce.c.subscriber_id == subscriber_id).order_by(bounce.c.id.desc())
    )
    return [
        Bounced(
            kind=row.kind,
            edition=row.edition_id,
            status=row.status,
            diagnostic=row.diagnostic,
            received_at=row.received_at,
        )
        for row in rows
    ]


def about_edition(conn: Connection, edition_id: int) -> EditionFacts | None:
    row = conn.execute(
        select(edition, slot.c.key, slot.c.zone, newsletter.c.categories)
        .join(slot, slot.c.id == edition.c.slot_id)
        .join(newsletter, newsletter.c.slug == edition.c.newsletter)
        .where(edition.c.id == edition_id)
    ).first()
    if row is None:
        return None
    return EditionFacts(
        newsletter=row.newsletter,
        slot=row.key,
        zone=row.zone,
        planned_at=row.planned_at,
        state=EditionState(row.state),
        totals_only=row.totals is not None,
        choice=row.categories,
        articles=_articles(conn, edition_id),
    )


def about_reader(
    conn: Connection, reader: Subscriber, edition_id: int, about: EditionFacts, *, repeats: bool
) -> ReaderFacts:
    """What an edition's planning may have seen of a reader, as far as the books know it now.

    `repeats`: to the newsletter it does not matter what others gave.
    """
    return ReaderFacts(
        state=reader.state,
        subscription=_subscription(conn, reader, edition_id, about.newsletter),
        max_per_day=reader.max_per_day,
        got_that_day=_got_that_day(
            conn, reader.id, edition_id, day_begins(about.planned_at, about.zone)
        ),
        held=_held(conn, reader.id, edition_id, by=about.newsletter if repeats else None),
        cleared_upto=int(
            conn.execute(
                select(func.coalesce(func.max(edition.c.upto_seq), 0)).where(
                    edition.c.id < edition_id, edition.c.totals.is_not(None)
                )
            ).scalar_one()
        ),
    )


def _subscription(
    conn: Connection, reader: Subscriber, edition_id: int, newsletter_slug: str
) -> SubscriptionFacts | None:
    found = subscriptions.find(conn, reader.id, newsletter_slug)
    if found is None:
        return None
    planning = conn.execute(
        select(edition.c.planned, edition.c.cursor).where(edition.c.id == edition_id)
    ).one()
    return SubscriptionFacts(
        state=found.state,
        given_at=_noted(found.consent, "given_at"),
        ended_at=_noted(found.consent, "ended_at"),
        slot=found.slot,
        paused_until=found.paused_until,
        choice=found.categories,
        looked_at=planning.planned or planning.cursor >= found.id,
    )


def _articles(conn: Connection, edition_id: int) -> Sequence[Told]:
    held = (
        select(variant_article.c.article_id)
        .join(variant, variant.c.id == variant_article.c.variant_id)
        .where(variant.c.edition_id == edition_id)
    )
    rows = conn.execute(
        select(
            article.c.id,
            article.c.seq,
            article.c.published_at,
            article.c.received_at,
            membership.c.category,
        )
        .join(membership, membership.c.article_id == article.c.id)
        .where(article.c.id.in_(held), membership.c.removed_at.is_(None))
        .order_by(article.c.seq, article.c.id, membership.c.position)
    )
    found: dict[str, Told] = {}
    for row in rows:
        known = found.get(row.id)
        categories = (*known.item.categories, row.category) if known else (row.category,)
        found[row.id] = Told(
            item=Item(id=row.id, seq=row.seq or 0, categories=categories),
            public_at=max(row.published_at, row.received_at),
        )
    return list(found.values())


def _got_that_day(
    conn: Connection, subscriber_id: int, edition_id: int, midnight: datetime
) -> list[int]:
    statement = (
        select(edition.c.id)
        .join(delivery, delivery.c.edition_id == edition.c.id)
        .where(
            delivery.c.subscriber_id == subscriber_id,
            readership.given(),
            edition.c.planned_at >= midnight,
            edition.c.id < edition_id,
        )
        .order_by(edition.c.id)
    )
    return list(conn.execute(statement).scalars())


def _held(
    conn: Connection, subscriber_id: int, edition_id: int, *, by: str | None
) -> Mapping[str, Sequence[int]]:
    """The reader's mails that hold articles of the edition; `by`: only of this newsletter."""
    its = (
        select(variant_article.c.article_id)
        .join(variant, variant.c.id == variant_article.c.variant_id)
        .where(variant.c.edition_id == edition_id)
    )
    rows = conn.execute(
        select(variant_article.c.article_id, delivery.c.edition_id)
        .join(delivery, delivery.c.variant_id == variant_article.c.variant_id)
        .join(edition, edition.c.id == delivery.c.edition_id)
        .where(
            delivery.c.subscriber_id == subscriber_id,
            readership.given(),
            readership.holds(),
            edition.c.newsletter == by if by is not None else true(),
            variant_article.c.article_id.in_(its),
        )
        .order_by(delivery.c.edition_id)
    )
    held: dict[str, list[int]] = {}
    for row in rows:
        held.setdefault(row.article_id, []).append(row.edition_id)
    return held


def _noted(consent: Mapping[str, str], key: str) -> datetime | None:
    with suppress(KeyError, TypeError, ValueError):
        moment = datetime.fromisoformat(consent[key])
        return moment if moment.tzinfo else None
    return None
