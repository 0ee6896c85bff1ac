"""The composition root as a whole: on top of a site's feeds, from articles to editions to mails.

As in `feedapp`, here is where functions of the store are given to the stages that asked for them.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from urllib.parse import urlsplit

from publisher.core import preferences, tokens
from publisher.core.addresses import parse_mailbox
from publisher.core.model import Newsletter
from publisher.core.notice import NOTICES
from publisher.core.standing import pause_reason
from publisher.delivery.carriers import Post
from publisher.delivery.worker import Totals, Worker
from publisher.errors import NotFoundError, TransientError
from publisher.feedapp import FeedApp
from publisher.kit import resources, secret
from publisher.kit.lock import Lock
from publisher.newsletters.forecast import Forecaster
from publisher.newsletters.plan import Planner
from publisher.newsletters.press import Press
from publisher.newsletters.renderings import Renderer
from publisher.store import (
    claims,
    control,
    editions,
    last_look,
    ledger,
    newsletters,
    notices,
    readership,
    refusals,
    renderings,
    signups,
    slots,
    totals,
)


class App(FeedApp):
    """The program's parts for one configuration; every method is one step of the data's way."""

    def close(self) -> None:
        self.press.close()
        super().close()

    # articles → editions

    @cached_property
    def planner(self) -> Planner:
        return Planner(
            db=self.db,
            slots=slots,
            editions=editions,
            readership=readership,
            newsletters=self.newsletters,
        )

    @cached_property
    def forecaster(self) -> Forecaster:
        return Forecaster(
            db=self.db,
            slots=slots,
            editions=editions,
            readership=readership,
            newsletters=self.newsletters,
        )

    def newsletter(self, slug: str) -> Newsletter:
        """Raises NotFoundError, naming those there are."""
        if slug not in self.newsletters:
            there = ", ".join(self.newsletters) or "none is configured"
            raise NotFoundError(f"there is no newsletter '{slug}' (there is: {there})")
        return self.newsletters[slug]

    # editions → deliveries → outcomes

    @cached_property
    def keys(self) -> secret.SigningKeys:
        given = self.settings.secret
        return secret.load(
            self.settings.var / "secret.key", given.get_secret_value() if given else None
        )

    @cached_property
    def suppression_key(self) -> bytes:
        return secret.load_suppression_key(self.settings.var / "suppression.key")

    def lost_keys(self) -> list[str]:
        """Signing keys that links in mails sent lately need and that are no longer there."""
        with self.db.read() as conn:
            return sorted(renderings.key_ids(conn).difference(self.keys.all))

    @cached_property
    def press(self) -> Press:
        own = self.settings.path(self.settings.mail.templates)
        return Press([own, resources.folder("templates/email")])

    @cached_property
    def renderer(self) -> Renderer:
        return Renderer(
            db=self.db,
            book=renderings,
            ledger=ledger,
            newsletters=self.newsletters,
            site=self.site,
            press=self.press,
            key_id=self.keys.current[0],
            notice_sender=self.settings.notice_sender(),
            link=self.link,
        )

    def unsubscribe_url(self, subscription_id: int, key_id: str) -> str:
        """The link in this subscription's mails; it never expires. Raises as `link` does."""
        return self.link(tokens.Purpose.UNSUBSCRIBE, [subscription_id], key_id)

    def preferences_url(self, subscriber_id: int, token_version: int, key_id: str) -> str:
        """The link to a reader's own page; it never expires. Raises as `link` does."""
        payload = preferences.link_payload(subscriber_id, token_version)
        return self.link(tokens.Purpose.PREFERENCES, payload, key_id)

    def link(self, purpose: tokens.Purpose, payload: Sequence[int | str], key_id: str) -> str:
        """The page for this purpose, with what is signed into its address.

        Raises TransientError when the key was taken away: a mail made with it cannot be made again
        as it was, until somebody puts the key back.
        """
        key = self.keys.all.get(key_id)
        if key is None:
            raise TransientError(f"the signing key {key_id} of this mail's links is gone")
        return f"{self.site.url}/{purpose}/{tokens.sign(purpose, payload, key_id, key)}"

    def worker(self) -> Worker:
        """A sender of what is due; to be run by whoever holds the sender's lock."""
        return Worker(
            db=self.db,
            claims=claims,
            last_look=last_look,
            ledger=ledger,
            refusals=refusals,
            renderer=self.renderer,
            relays=self.settings.relays,
            post=self.post,
            batch=self.settings.mail.batch,
            clock=self.clock,
        )

    @cached_property
    def post(self) -> Post:
        return Post(
            senders={slug: parse_mailbox(each.sender)[1] for slug, each in self.newsletters.items()}
            | {NOTICES: parse_mailbox(self.settings.notice_sender())[1]},
            unsubscribe_url=self.unsubscribe_url,
            preferences_url=self.preferences_url,
            hostname=_greeting(urlsplit(self.site.url).hostname or "localhost"),
            resend=self.settings.mail.after_crash == "resend",
        )

    @property
    def sender_lock(self) -> Lock:
        """Who holds it is the only one that sends from this database on this machine."""
        return Lock(self.settings.var / "sender.lock")

    def take_back(self) -> int:
        """Take back the rows of senders that are gone; returns how many.

        On SQLite the caller holds the lock, so all who had any are gone. On PostgreSQL others may
        send from elsewhere: those are gone whose lease has run out. What could not be rendered is
        tried again: its template may have been mended meanwhile.
        """
        with self.db.write() as conn:
            ledger.bring_forward(conn, [*self.newsletters, NOTICES], self.clock())
            refusals.forget_relays(conn)
            return claims.reclaim(
                conn, self.clock(), all_workers=self.db.is_sqlite, resend=self.post.resend
            )

    async def deliver(self) -> Totals:
        """Try once everything that is pending or deferred. The caller holds the sender's lock."""
        self.take_back()
        now = self.clock()
        self.hasten(now)
        sent = await self.worker().run(due_by=now)
        self.finish_editions()
        self.clear_editions()
        self.forget()
        return sent

    def hasten(self, now: datetime) -> None:
        """Let everything be tried at once: what was deferred, and where mail was refused."""
        with self.db.write() as conn:
            refusals.hasten(conn, now)
            ledger.hasten(conn, now)

    def watch_standing(self) -> list[tuple[str, str]]:
        """Pause the newsletters whose mail does harm; which, and why."""
        now = self.clock()
        with self.db.read() as conn:
            held = control.paused(conn)
            found = [
                (slug, reason)
                for slug in self.newsletters
                if slug not in held and (reason := pause_reason(control.last_day(conn, slug, now)))
            ]
        for slug, reason in found:
            with self.db.write() as conn:
                control.pause(conn, slug, now, reason)
        return found

    def finish_editions(self) -> int:
        """Close what is done, and what belongs to a newsletter given up for good."""
        with self.db.write() as conn:
            newsletters.give_up(conn, self.clock())
            return editions.finish(conn, self.clock())

    def clear_editions(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Let editions become totals that ended `mail.keep_days` ago; how many began or went on.

        Asked to stop it leaves the rest to the next time.
        """
        ended_before = self.clock() - timedelta(days=self.settings.mail.keep_days)
        with self.db.read() as conn:
            due = totals.due(conn, ended_before)
        for edition_id in due:
            more = True
            while more and not stopping():
                with self.db.write() as conn:
                    more = totals.clear(conn, edition_id, ended_before)
        return len(due)

    def forget(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Forget the notices that have served, and the sign-ups that nobody confirmed; a few in a
        transaction."""
        for forget in (notices.clear, signups.forget):
            more = True
            while more and not stopping():
                with self.db.write() as conn:
                    more = forget(conn, self.clock())


def _greeting(host: str) -> str:
    """How EHLO names us: a domain, or an address in brackets (RFC 5321 section 4.1.3)."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
