"""Sign-ups in the store: noted until the owner of the address confirms them, or for a week.

Whatever is known of an address, asking does the same work: from outside nobody can tell who reads
what, be it by how long it takes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import (
    Connection,
    case,
    delete,
    insert,
    literal,
    select,
    update,
)

from publisher.core.addresses import normalise
from publisher.core.identity import address_hash
from publisher.core.model import (
    MAILABLE_STATES,
    Newsletter,
    SubscriberState,
    SubscriptionState,
)
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.selection import choose
from publisher.core.signup import (
    ASKED_LOCALE,
    LASTS,
    LEFT_AT,
    ONE_MAIL_IN,
    SignUp,
    Standing,
    agreed,
    confirms,
    payload,
    waiting,
    without_asking,
)
from publisher.core.wishes import Wishes
from publisher.store import notices, subscriptions, suppressions
from publisher.store.subscriptions import Subscription
from publisher.store.tables import newsletter, subscriber, subscription

CHUNK = 200
"""Sign-ups forgotten in one transaction."""


def ask(conn: Connection, asked: SignUp, key: bytes, now: datetime) -> bool:
    """Note what is asked for, and ask the owner of the address; False when no mail goes out.

    Nothing changes for who is a reader already: anybody can give their address. `key` hashes
    addresses (`kit.secret.load_suppression_key`).
    """
    subscriber_id, address = _reader(conn, asked, now)
    consent = {**asked.consent, **({ASKED_LOCALE: asked.locale} if asked.locale else {})}
    states = {
        slug: state
        for slug, wishes in asked.wishes.items()
        if (state := _note(conn, subscriber_id, slug, wishes, consent, now))
    }
    pending = tuple(slug for slug in states if states[slug] is SubscriptionState.PENDING)
    content = NoticeContent(
        newsletters=pending,
        known=tuple(slug for slug in states if slug not in pending),
        links={"confirm": payload(subscriber_id, now)} if pending else {},
    )
    return notices.enqueue(
        conn,
        NoticeKind.CONFIRM,
        address,
        address_hash(normalise(asked.address), key),
        asked.locale,
        content,
        now,
        within=ONE_MAIL_IN,
        subscriber_id=subscriber_id,
    )


def standing(conn: Connection, subscriber_id: int, asked_at: datetime) -> Standing | None:
    """What a link made at that moment finds; None where its reader is no more."""
    its = select(subscriber).where(subscriber.c.id == subscriber_id)
    reader = conn.execute(its).first()
    if reader is None or reader.created_at > asked_at:
        return None
    known = subscriptions.of_reader(conn, subscriber_id)
    waiting = [each for each in known if confirms(each.state, each.consent, asked_at)]
    reading = [each for each in known if each.state is SubscriptionState.CONFIRMED]
    return Standing(
        address=reader.address,
        name=reader.name,
        waiting={each.newsletter: each.wishes for each in waiting},
        reading=[each.newsletter for each in reading],
    )


def confirm(
    conn: Connection,
    subscriber_id: int,
    asked_at: datetime,
    chosen: Mapping[str, Mapping[str, str]],
    offered: Mapping[str, Newsletter],
    key: bytes,
    now: datetime,
) -> Sequence[str]:
    """Begin what was `chosen` of that which a link made at that moment confirms; their slugs.

    `chosen`, by slug: for the record, to what it was agreed, how and from where.
    """
    found = standing(conn, subscriber_id, asked_at)
    slugs = set(found.waiting) & set(chosen) & set(offered) if found else set()
    confirmed = []
    for each in subscriptions.of_reader(conn, subscriber_id):
        if each.newsletter not in slugs:
            continue
        to = offered[each.newsletter]
        consent = agreed(each.consent, chosen[each.newsletter])
        subscriptions.subscribe(
            conn, subscriber_id, to, each.wishes.within(to), consent=consent, now=now
        )
        confirmed.append(each)
        if locale := each.consent.get(ASKED_LOCALE):
            its = update(subscriber).where(subscriber.c.id == subscriber_id)
            conn.execute(its.values(locale=locale))
    if confirmed and found:
        suppressions.come_back(conn, address_hash(normalise(found.address), key))
        _welcome(conn, confirmed, key, now)
    return [each.newsletter for each in confirmed]


def forget(conn: Connection, now: datetime, chunk: int = CHUNK) -> bool:
    """Forget the next sign-ups that nobody confirmed in time; False when none is left.

    With them goes who is known by nothing else. Who had left before has left, as they had.
    """
    rows = conn.execute(
        select(subscription.c.id, subscription.c.subscriber_id, subscription.c.consent)
        .where(
            subscription.c.state == SubscriptionState.PENDING,
            subscription.c.asked_at <= now - LASTS,
        )
        .order_by(subscription.c.asked_at)
        .limit(chunk)
    ).all()
    for row in rows:
        this = subscription.c.id == row.id
        if LEFT_AT in row.consent:
            former = without_asking(row.consent)
            values = {"state": SubscriptionState.UNSUBSCRIBED, "consent": former, "asked_at": None}
            conn.execute(update(subscription).where(this).values(**values))
        else:
            conn.execute(delete(subscription).where(this))
    if rows:
        its = select(subscription.c.id).where(subscription.c.subscriber_id == subscriber.c.id)
        conn.execute(
            delete(subscriber).where(
                subscriber.c.id.in_([row.subscriber_id for row in rows]),
                subscriber.c.state.in_(MAILABLE_STATES),
                ~its.exists(),
            )
        )
    return bool(rows)


def _reader(conn: Connection, asked: SignUp, now: datetime) -> tuple[int, str]:
    """Number and address of the reader, made now if unknown. Of one who gets something, or has
    left, or may not be mailed, nothing changes.

    The address is as it was first written: two that we take for the same, as `strasse` and `straße`
    before the @, may be two mailboxes, and only one of them is the reader's.
    """
    key = normalise(asked.address)
    row = {
        subscriber.c.address: asked.address,
        subscriber.c.address_key: key,
        subscriber.c.name: asked.name,
        subscriber.c.locale: asked.locale,
        subscriber.c.zone: asked.zone,
        subscriber.c.state: SubscriberState.ACTIVE,
        subscriber.c.token_version: 1,
        subscriber.c.created_at: now,
    }
    known = select(subscriber.c.id).where(subscriber.c.address_key == key)
    constants = [literal(value, each.type) for each, value in row.items()]
    conn.execute(
        insert(subscriber).from_select(list(row), select(*constants).where(~known.exists()))
    )
    has_begun = (
        select(subscription.c.id)
        .where(
            subscription.c.subscriber_id == subscriber.c.id,
            subscription.c.state != SubscriptionState.PENDING,
        )
        .exists()
    )
    stays = has_begun | subscriber.c.state.not_in(MAILABLE_STATES)
    written = conn.execute(
        update(subscriber)
        .where(subscriber.c.address_key == key)
        .values(
            name=case((stays, subscriber.c.name), else_=asked.name),
            locale=case((stays, subscriber.c.locale), else_=asked.locale),
            zone=case((stays, subscriber.c.zone), else_=asked.zone),
        )
        .returning(subscriber.c.id, subscriber.c.address)
    )
    row_written = written.one()
    return row_written.id, row_written.address


def _note(
    conn: Connection,
    subscriber_id: int,
    slug: str,
    wishes: Wishes,
    asked: Mapping[str, str],
    now: datetime,
) -> SubscriptionState | None:
    """Let a subscription wait with these wishes, unless it is confirmed; its state then.

    None for a newsletter that is not in the store: it was renamed by another process.
    """
    its = (subscription.c.subscriber_id == subscriber_id) & (subscription.c.newsletter == slug)
    row = {
        subscription.c.subscriber_id: subscriber_id,
        subscription.c.state: SubscriptionState.PENDING,
        subscription.c.consent: dict[str, str](),
        subscription.c.after_seq: 0,
    }
    constants = [literal(value, each.type) for each, value in row.items()]
    conn.execute(
        insert(subscription).from_select(
            [*row, subscription.c.newsletter],
            select(*constants, newsletter.c.slug).where(
                newsletter.c.slug == slug, ~select(subscription.c.id).where(its).exists()
            ),
        )
    )
    found = conn.execute(select(subscription).where(its)).first()
    if found is None:
        return None
    values: dict[str, object] = {
        "state": SubscriptionState.PENDING,
        "consent": waiting(found.consent, {"asked_at": now.isoformat(), **asked}),
        "asked_at": now,
        "categories": choose(wishes.categories, None, 0) if wishes.categories else None,
        **subscriptions.timing_of(wishes),
    }
    if found.state == SubscriptionState.CONFIRMED:
        values = {name: found._mapping[name] for name in values}  # as it was, by the same statement
    conn.execute(update(subscription).where(subscription.c.id == found.id).values(**values))
    return SubscriptionState(str(values["state"]))


def _welcome(
    conn: Connection, confirmed: Sequence[Subscription], key: bytes, now: datetime
) -> None:
    reader_id = confirmed[0].subscriber_id
    its = select(subscriber).where(subscriber.c.id == reader_id)
    reader = conn.execute(its).one()
    notices.enqueue(
        conn,
        NoticeKind.WELCOME,
        reader.address,
        address_hash(reader.address_key, key),
        reader.locale,
        NoticeContent(newsletters=tuple(each.newsletter for each in confirmed)),
        now,
        subscriber_id=reader_id,
        # Of several, each may end without the others.
        subscription_id=confirmed[0].id if len(confirmed) == 1 else None,
    )
