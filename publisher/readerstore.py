"""What a reader's own pages ask of the store, each in a short transaction of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from publisher.core.addresses import normalise
from publisher.core.identity import address_hash
from publisher.core.model import MAILABLE_STATES, SubscriberState, SubscriptionState
from publisher.core.notice import NoticeContent, NoticeKind
from publisher.core.preferences import (
    ONE_EXPORT_TOLD_IN,
    ONE_GOODBYE_IN,
    ChangeLink,
    Chosen,
    Leaving,
    Own,
    link_payload,
)
from publisher.core.tokens import Purpose
from publisher.core.wishes import Wishes
from publisher.errors import TransientError
from publisher.store import (
    address_changes,
    erasing,
    last_look,
    newsletters,
    notices,
    story,
    subscribers,
    subscriptions,
)
from publisher.store.engine import Database
from publisher.store.subscribers import Subscriber
from publisher.webstore import SignUps, wait_for_answers

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReaderStore(SignUps):
    """Satisfies the Protocols of `web.app.Subscribing`; called off the event loop, from several
    threads."""

    def own(self, subscriber_id: int) -> Own | None:
        """What a reader's page shows; None where the reader is no more."""
        with self.db.read() as conn:
            reader = subscribers.by_id(conn, subscriber_id)
            if reader is None or reader.state is SubscriberState.ERASED:
                return None
            found = subscriptions.of_reader(conn, subscriber_id)
            has_bounced = address_changes.is_cure(conn, reader, self.key)
        return Own(
            subscriber_id=reader.id,
            token_version=reader.token_version,
            address=reader.address,
            name=reader.name,
            zone=reader.zone,
            max_per_day=reader.max_per_day,
            state=reader.state,
            has_bounced=has_bounced,
            subscriptions=[
                Chosen(
                    subscription_id=each.id,
                    newsletter=each.newsletter,
                    state=each.state,
                    wishes=each.wishes,
                    paused_until=each.paused_until,
                )
                for each in found
            ],
        )

    def choose(self, subscriber_id: int, slug: str, wishes: Wishes, at: datetime) -> bool:
        """Give a subscription exactly these wishes; False where it has ended.

        Raises PermanentError when the newsletter does not come in the cadence wished for.
        """
        with self.db.write() as conn:
            known = subscriptions.find(conn, subscriber_id, slug)
            if known is None or known.state is not SubscriptionState.CONFIRMED:
                return False
            subscriptions.choose_anew(conn, known, self.newsletters[slug], wishes, at)
        return True

    def pause(self, subscriber_id: int, ends: Mapping[str, datetime | None], at: datetime) -> None:
        """Pause confirmed subscriptions, by slug, or let them go on (None).

        As with `leave`, no message of a paused one begins when it returns.
        """
        with self.db.write() as conn:
            known = [
                each
                for each in subscriptions.of_reader(conn, subscriber_id)
                if each.newsletter in ends and each.state is SubscriptionState.CONFIRMED
            ]
            for each in known:
                to = self.newsletters[each.newsletter]
                subscriptions.pause(conn, each, to, ends[each.newsletter], at)
        paused = [each.id for each in known if ends[each.newsletter]]
        wait_for_answers(lambda: self._has_in_flight(paused))

    def cap(self, subscriber_id: int, max_per_day: int | None, at: datetime) -> None:
        with self.db.write() as conn:
            subscribers.cap(conn, subscriber_id, max_per_day)
            subscriptions.wake_all(conn, subscriber_id, at)

    def join(self, subscriber_id: int, slug: str, consent: Mapping[str, str], at: datetime) -> bool:
        """Subscribe a reader who asks by a link of their own; False where they get it already, or
        may get no mail."""
        with self.db.write() as conn:
            reader = subscribers.by_id(conn, subscriber_id)
            if reader is None or reader.state not in MAILABLE_STATES:
                return False
            known = subscriptions.find(conn, subscriber_id, slug)
            if known is not None and known.state is SubscriptionState.CONFIRMED:
                return False
            to = self.newsletters[slug]
            wishes = known.wishes.within(to) if known is not None else Wishes()
            subscriptions.subscribe(conn, subscriber_id, to, wishes, consent=consent, now=at)
        return True

    def leave(self, subscription_id: int, *, by: str, at: datetime) -> bool:
        """End a subscription, and say goodbye to a reader who asked for it; False when it had
        ended before or does not exist. `by`: "operator", or by which way the reader left.

        When it returns, no message to the reader begins any more: one that a worker has looked up
        a moment before is waited for.
        """
        with self.db.write() as conn:
            ended = subscriptions.unsubscribe(conn, subscription_id, by=by, now=at)
            if ended and by != "operator":
                self._say_goodbye(conn, subscription_id, at)
        wait_for_answers(lambda: self._has_in_flight([subscription_id]))
        return ended

    def _say_goodbye(self, conn: Connection, subscription_id: int, at: datetime) -> None:
        known = subscriptions.now_of(conn, subscription_id)
        reader = subscribers.by_id(conn, known.subscriber_id) if known else None
        if known is None or reader is None or reader.state not in MAILABLE_STATES:
            return
        if known.newsletter not in self.newsletters:
            return  # nothing to come back to
        content = NoticeContent(
            newsletters=(known.newsletter,), links={Purpose.UNSUBSCRIBE.value: [known.id]}
        )
        self._tell(conn, reader, NoticeKind.GOODBYE, content, ONE_GOODBYE_IN, at)

    def leaving(self, subscription_id: int) -> Leaving | None:
        """What a link to leave finds; None where there is no such subscription (any more)."""
        with self.db.read() as conn:
            known = subscriptions.now_of(conn, subscription_id)
            reader = subscribers.by_id(conn, known.subscriber_id) if known else None
            if known is None or reader is None or reader.state is SubscriberState.ERASED:
                return None
            title = newsletters.title(conn, known.newsletter)
        is_offered = known.newsletter in self.newsletters
        return Leaving(
            subscriber_id=reader.id,
            newsletter=known.newsletter,
            title=title or "",
            state=known.state,
            wishes=known.wishes,
            paused_until=known.paused_until,
            may_return=is_offered
            and reader.state in MAILABLE_STATES
            and known.state is SubscriptionState.UNSUBSCRIBED,
        )

    def ask_change(self, subscriber_id: int, address: str, at: datetime) -> None:
        """Have a checked address asked whether it is the reader's new one."""
        with self.db.write() as conn:
            address_changes.ask(conn, subscriber_id, address, self.key, at)

    def new_address(self, link: ChangeLink) -> str | None:
        """The address that the link confirms; None where it has served, or was forgotten."""
        with self.db.read() as conn:
            return address_changes.waiting(conn, link, self.key)

    def change_address(self, link: ChangeLink, at: datetime) -> bool:
        """Confirm it; False where the link confirms nothing."""
        with self.db.write() as conn:
            return address_changes.confirm(conn, link, self.key, at)

    def everything(self, subscriber_id: int, at: datetime) -> Mapping[str, object] | None:
        """All that the books hold of a reader, for the reader to have.

        They are told of it by mail, as somebody else may have come by their link.
        """
        with self.db.write() as conn:
            self._tell_of_export(conn, subscriber_id, at)
        with self.db.read() as conn:
            reader = subscribers.by_id(conn, subscriber_id)
            if reader is None or reader.state is SubscriberState.ERASED:
                return None
            return {
                "reader": asdict(reader),
                "subscriptions": [
                    asdict(each) for each in subscriptions.of_reader(conn, subscriber_id)
                ],
                "mails": [asdict(each) for each in story.mails(conn, subscriber_id)],
                "notices": [asdict(each) for each in story.notices(conn, subscriber_id)],
                "bounces": [asdict(each) for each in story.bounces(conn, subscriber_id)],
            }

    def erase(self, subscriber_id: int, at: datetime) -> bool:
        """Forget a reader, so that nothing tells who they were; False where they are no more.

        When it returns, no byte of their addresses is in the files of an SQLite database, unless
        the log says that they are still to be cleaned.
        """
        with self.db.write() as conn:
            texts = erasing.erase(conn, subscriber_id, self.key, at)
        if texts is None:
            return False
        wait_for_answers(partial(self._is_in_flight, subscriber_id))
        if self.db.is_sqlite:  # with PostgreSQL it may take long, and the daemon does it
            clean(self.db, texts)
        return True

    def _tell_of_export(self, conn: Connection, subscriber_id: int, at: datetime) -> None:
        reader = subscribers.by_id(conn, subscriber_id)
        if reader is None or reader.state not in MAILABLE_STATES:
            return
        known = subscriptions.of_reader(conn, subscriber_id)
        zones = [
            each.zone or self.newsletters[each.newsletter].zone
            for each in known
            if each.state is SubscriptionState.CONFIRMED and each.newsletter in self.newsletters
        ]
        payload = link_payload(reader.id, reader.token_version)
        content = NoticeContent(
            links={Purpose.PREFERENCES.value: payload}, zone=next(filter(None, zones), reader.zone)
        )
        self._tell(conn, reader, NoticeKind.DATA_EXPORT, content, ONE_EXPORT_TOLD_IN, at)

    def _tell(
        self,
        conn: Connection,
        reader: Subscriber,
        kind: NoticeKind,
        content: NoticeContent,
        within: timedelta,
        at: datetime,
    ) -> None:
        """Unless they were told so `within` that time."""
        notices.enqueue(
            conn,
            kind,
            reader.address,
            address_hash(normalise(reader.address), self.key),
            reader.locale,
            content,
            at,
            within=within,
            subscriber_id=reader.id,
        )

    def _has_in_flight(self, subscription_ids: Sequence[int]) -> bool:
        with self.db.read() as conn:
            return any(last_look.is_in_flight(conn, each) for each in subscription_ids)

    def _is_in_flight(self, subscriber_id: int) -> bool:
        with self.db.read() as conn:
            return erasing.is_in_flight(conn, subscriber_id)


def clean(db: Database, texts: Sequence[str] = ()) -> bool:
    """Let nothing of readers who were erased stay in the database's files; whether something did.

    That it cannot be done now is told in the log; the next call does it. `texts`: of
    `Database.scrub`.
    """
    with db.read() as conn:
        last = erasing.unclean(conn)
    if last is None:
        return False
    try:
        is_clean, reason = db.scrub(texts), "somebody reads in it"
    except TransientError as error:
        is_clean, reason = False, str(error)
    if not is_clean:
        log.warning(
            "a reader is erased, but the database's files cannot be cleaned of deleted text now; "
            "the daemon tries again every minute",
            subscriber=last,
            reason=reason,
        )
        return False
    with db.write() as conn:
        erasing.note_clean(conn, last)
    return True
