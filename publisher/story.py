"""A reader's story for the operator who is asked: what they chose, what waits, what they got or
did not get, and why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from publisher.app import App
from publisher.core.edition import Reader, Slot
from publisher.core.model import SubscriptionState
from publisher.core.story import EditionFacts, WhyNot, sentence, why_not
from publisher.errors import NotFoundError
from publisher.newsletters import plan
from publisher.store import editions, readership, shelf, slots, subscribers, subscriptions
from publisher.store import story as store
from publisher.store.subscribers import Subscriber
from publisher.store.subscriptions import Subscription


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A subscription as it stands now."""

    newsletter: str
    state: SubscriptionState
    consent: Mapping[str, str]
    """What they agreed to: when and how, and when and how it ended."""
    categories: Sequence[str] | None
    """None: the newsletter's."""
    slot: Slot | None
    paused_until: datetime | None
    waiting: Sequence[str]
    """Titles of what they would get if it were due now."""
    corrections: Sequence[str]
    """Titles of what was corrected since they got it, to be told with that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    reader: Subscriber
    zone: ZoneInfo
    """The reader's, by which they tell the time."""
    subscriptions: Sequence[Standing]
    mails: Sequence[store.Mail]
    """The newest first."""
    notices: Sequence[store.Notified]
    bounces: Sequence[store.Bounced]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What an edition was to a reader: a mail, or a reason why there is none."""

    reader: Subscriber
    zone: ZoneInfo
    edition: EditionFacts
    mail: store.Mail | None
    why_not: WhyNot | None
    sentence: str
    """Of the reason."""


def tell(app: App, address: str) -> Story:
    """Raises NotFoundError when nobody has the address, PermanentError when nobody can have it."""
    with app.db.read() as conn:
        reader = _reader(conn, address)
        standing = [
            _standing(app, conn, reader, each) for each in subscriptions.of_reader(conn, reader.id)
        ]
        return Story(
            reader=reader,
            zone=_zone(app, conn, reader),
            subscriptions=standing,
            mails=store.mails(conn, reader.id),
            notices=store.notices(conn, reader.id),
            bounces=store.bounces(conn, reader.id),
        )


def part(app: App, address: str, edition_id: int) -> Part:
    """Raises as `tell` does, and NotFoundError when there is no such edition."""
    with app.db.read() as conn:
        reader = _reader(conn, address)
        edition = store.about_edition(conn, edition_id)
        if edition is None:
            raise NotFoundError(
                f"there is no edition {edition_id} (one that nobody gets leaves no trace)"
            )
        zone = _zone(app, conn, reader)
        mail = next(iter(store.mails(conn, reader.id, edition_id)), None)
        why, said = None, ""
        if mail is None:
            configured = app.newsletters.get(edition.newsletter)
            repeats = configured is not None and configured.repeats
            facts = store.about_reader(conn, reader, edition_id, edition, repeats=repeats)
            why = why_not(edition_id, edition, facts)
            said = sentence(why, edition, facts, lambda moment: local(moment, zone))
        return Part(
            reader=reader, zone=zone, edition=edition, mail=mail, why_not=why, sentence=said
        )


def local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"


def _reader(conn: Connection, address: str) -> Subscriber:
    reader = subscribers.find(conn, address)
    if reader is None:
        raise NotFoundError(f"there is no subscriber {address}")
    return reader


def _zone(app: App, conn: Connection, reader: Subscriber) -> ZoneInfo:
    """The one they gave, else that of what they get, else the site's."""
    chosen = [each.slot_id for each in subscriptions.of_reader(conn, reader.id)]
    times = [slots.find(conn, slot_id).time for slot_id in chosen if slot_id is not None]
    return ZoneInfo(reader.zone or next((each.zone for each in times), app.site.zone))


def _standing(app: App, conn: Connection, reader: Subscriber, its: Subscription) -> Standing:
    slot = slots.find(conn, its.slot_id) if its.slot_id is not None else None
    waiting: Sequence[str] = ()
    corrections: Sequence[str] = ()
    if slot is not None and its.state is SubscriptionState.CONFIRMED:
        waiting, corrections = _waiting(app, conn, reader, its, slot)
    return Standing(
        newsletter=its.newsletter,
        state=its.state,
        consent=its.consent,
        categories=tuple(its.categories) if its.categories is not None else None,
        slot=slot,
        paused_until=its.paused_until if its.is_paused(app.clock()) else None,
        waiting=waiting,
        corrections=corrections,
    )


def _waiting(
    app: App, conn: Connection, reader: Subscriber, its: Subscription, slot: Slot
) -> tuple[Sequence[str], Sequence[str]]:
    """By the decision that planning goes by."""
    edition = replace(editions.foreseen(conn, slot.id, app.clock()), cursor=its.id - 1)
    alone = Reader(
        subscription_id=its.id,
        subscriber_id=reader.id,
        after_seq=its.after_seq,
        choice=its.categories,
        locale=reader.locale,
        domain=reader.address.rpartition("@")[2],
    )
    decision = plan.decided(conn, readership, app.newsletters, edition, [alone])
    ids = [article_id for content in decision.contents for article_id in content.article_ids]
    corrected = [each for content in decision.contents for each in content.correction_ids]
    titles = shelf.titles(conn, [*ids, *corrected])
    return [titles[each] for each in ids], [titles[each] for each in corrected]
