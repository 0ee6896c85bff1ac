"""What the web side asks of the store, each in a short transaction of its own."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from publisher.core.delivery import CHECK_HOLDS
from publisher.core.model import Newsletter, Site
from publisher.core.signup import SignUp, Standing
from publisher.errors import TransientError
from publisher.newsletters.page import page
from publisher.newsletters.renderings import Renderer
from publisher.store import (
    articles,
    category_settings,
    renderings,
    shelf,
    signups,
    subscribers,
    subscriptions,
    suppressions,
)
from publisher.store.engine import Database, touch

_LOOK_AGAIN = 2.0  # seconds for which the last look at the database holds


@dataclass(frozen=True, slots=True)
class WebStore:
    """What became of addresses; called off the event loop, from several threads."""

    db: Database

    def is_withdrawn(self, article_slug: str) -> bool:
        """Whether the article with this page was public and was withdrawn."""
        with self.db.read() as conn:
            return articles.is_withdrawn(conn, article_slug)

    def elsewhere(self, article_slug: str) -> str:
        with self.db.read() as conn:
            return articles.elsewhere(conn, article_slug)

    def category_now(self, former_slug: str) -> str | None:
        """The slug of the category that once had this one."""
        with self.db.read() as conn:
            return category_settings.now(conn, former_slug)

    def is_retired(self, category_slug: str) -> bool:
        """Whether the category was given up."""
        with self.db.read() as conn:
            return category_settings.is_retired(conn, category_slug)


def wait_for_answers(is_in_flight: Callable[[], bool]) -> None:
    """Wait for mails that a worker had looked up before something ended them; for as long as such a
    look holds, since then none begins any more."""
    over = time.monotonic() + CHECK_HOLDS
    while time.monotonic() < over and is_in_flight():
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class SignUps:
    """What signing up asks of the store; called off the event loop, from several threads."""

    db: Database
    newsletters: Mapping[str, Newsletter]
    key: bytes
    """Hashes addresses."""

    def categories(self) -> Mapping[str, str]:
        """Titles by slug, of all that there are."""
        with self.db.read() as conn:
            return {each.slug: each.title for each in shelf.categories(conn)}

    def ask(self, asked: SignUp, at: datetime) -> None:
        """Notes it and has the owner of the address asked; the same work whoever that is."""
        with self.db.write() as conn:
            signups.ask(conn, asked, self.key, at)

    def add(self, agreed: SignUp, at: datetime) -> None:
        """Subscribes at once one who agreed elsewhere, by the operator's word.

        Raises PermanentError for one who wanted to be forgotten.
        """
        with self.db.write() as conn:
            suppressions.refuse_erased(conn, agreed.address, self.key)
            reader = subscribers.ensure(
                conn,
                agreed.address,
                name=agreed.name,
                zone=agreed.zone,
                locale=agreed.locale,
                now=at,
            )
            for slug, wishes in agreed.wishes.items():
                to = self.newsletters[slug]
                subscriptions.subscribe(conn, reader.id, to, wishes, consent=agreed.consent, now=at)

    def standing(self, subscriber_id: int, asked_at: datetime) -> Standing | None:
        """What a link to confirm finds; None where its reader is no more."""
        with self.db.read() as conn:
            return signups.standing(conn, subscriber_id, asked_at)

    def confirm(
        self,
        subscriber_id: int,
        asked_at: datetime,
        chosen: Mapping[str, Mapping[str, str]],
        at: datetime,
    ) -> Sequence[str]:
        """Begins what was chosen, each with what its record is to say; the slugs of those that
        began."""
        with self.db.write() as conn:
            return signups.confirm(
                conn, subscriber_id, asked_at, chosen, self.newsletters, self.key, at
            )


@dataclass(frozen=True, slots=True)
class Editions:
    """Editions as everybody can read them; called off the event loop, from several threads."""

    db: Database
    renderer: Renderer
    site: Site
    clock: Callable[[], datetime]

    def page(self, name: str) -> str | None:
        """The edition's HTML, as its articles stand now; None when it can be read no longer.

        Raises NotFoundError when there never was such an edition, and TransientError when it
        cannot be made now.
        """
        with self.db.read() as conn:
            variant_id = renderings.variant_named(conn, name)
        if variant_id is None:
            return None
        rendering = self.renderer.current(variant_id, self.clock())
        return None if rendering is None else page(rendering, self.site)


class Readiness:
    """Whether the program can do its work: the database takes writes, and nothing else hinders."""

    def __init__(self, db: Database, hindrance: Callable[[], str]) -> None:
        """`hindrance` tells why mails cannot be sent, or feeds not be written, or nothing."""
        self._db = db
        self._hindrance = hindrance
        self._turn = threading.Lock()
        self._looked_at = -_LOOK_AGAIN
        self._trouble: str | None = None

    def trouble(self) -> str | None:
        """Why it cannot work now, in a sentence, or None. Called from several threads."""
        if reason := self._hindrance() or self._db.trouble:
            return reason
        with self._turn:
            if time.monotonic() - self._looked_at >= _LOOK_AGAIN:
                self._trouble = self._look()
                self._looked_at = time.monotonic()
            return self._trouble

    def _look(self) -> str | None:
        """A full disk is noticed only by writing to it."""
        try:
            with self._db.write() as conn:
                touch(conn)
        except TransientError as error:
            return str(error)
        return None
