"""Makes the renderings that due mails wait for, from what their articles say now."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from jinja2 import Environment
from sqlalchemy import Connection

from publisher.core.edition import VariantContent
from publisher.core.headers import one_line
from publisher.core.links import edition_url
from publisher.core.model import DeliveryState, Newsletter, Rendering, Site
from publisher.core.notice import NOTICES, Notice
from publisher.core.tokens import Purpose
from publisher.errors import OverrunError, PublisherError, TransientError
from publisher.newsletters.notices import MailContent, NoticeMail
from publisher.newsletters.render import EditionContent, fingerprints

RETRY = timedelta(minutes=5)
"""How long mails wait whose template fails: time to mend it."""

log = structlog.get_logger()


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class RenderingBook(Protocol):
    def content(self, conn: Connection, variant_id: int) -> VariantContent | Notice | None: ...

    def newest(self, conn: Connection, variant_id: int) -> Rendering | None: ...

    def add(
        self,
        conn: Connection,
        variant_id: int,
        made: Rendering,
        *,
        fingerprint: str,
        change: int,
        without: Collection[str],
        now: datetime,
    ) -> None: ...

    def find(self, conn: Connection, rendering_id: int) -> Rendering: ...


class Ledger(Protocol):
    def settle_variant(
        self,
        conn: Connection,
        variant_id: int,
        state: DeliveryState,
        reason: str,
        *,
        now: datetime,
        next_attempt_at: datetime | None = None,
    ) -> None: ...

    def bring_forward(
        self, conn: Connection, newsletters: Collection[str], now: datetime
    ) -> int: ...


class Press(Protocol):
    """What makes mails of contents: see `newsletters.press`."""

    @property
    def templates(self) -> Environment: ...

    def render(self, content: MailContent) -> Rendering: ...

    def renew(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Overrun:
    """A rendering that was cut off: others by the same templates are not begun for a while."""

    fingerprint: str
    reason: str
    until: datetime


@dataclass(slots=True, kw_only=True)
class Renderer:
    db: Database
    book: RenderingBook
    ledger: Ledger
    newsletters: Mapping[str, Newsletter]
    site: Site
    press: Press
    key_id: str
    notice_sender: str
    link: Callable[[Purpose, Sequence[int | str], str], str]
    """The address of a signed link: its purpose, what is signed into it, and the key's id."""
    fingerprints: Mapping[str, str] = field(init=False, default_factory=dict)
    """By newsletter, and for notices: of the templates, settings and key its mails are made with.
    """

    _overruns: dict[str, _Overrun] = field(init=False, default_factory=dict)
    """By newsletter, and of notices: the last."""
    _told: set[tuple[str, str]] = field(init=False, default_factory=set)
    """Fingerprint and reason of failures that are in the log."""

    def __post_init__(self) -> None:
        self.fingerprints = self._look()

    def refresh(self, now: datetime) -> None:
        """Look at the templates again: an operator may have changed them.

        Mails that could not be rendered are then tried at once.
        """
        seen = self._look()
        changed = [slug for slug in seen if seen[slug] != self.fingerprints.get(slug)]
        if not changed:
            return
        before, self.fingerprints = self.fingerprints, seen
        try:
            self.press.renew()
            self._bring_forward(changed, now)
        except TransientError:
            self.fingerprints = before  # to be seen again
            raise

    def make(self, variant_id: int, now: datetime) -> None:
        """Store a current rendering of the variant.

        Where nothing is left of its articles its mails are cancelled; where the template fails
        they wait, with the reason, and everything else goes out. Raises TransientError when the
        database cannot be written, or when `close` was called: then nothing has changed.
        """
        self.refresh(now)
        with self.db.read() as conn:
            content = self.book.content(conn, variant_id)
        if content is None:
            return
        if isinstance(content, Notice):
            self._make(variant_id, NOTICES, partial(self.notice, content), content, now)
            return
        newsletter = self.newsletters.get(content.newsletter)
        if newsletter is None:
            return  # renamed since the claim, by a process with a newer configuration
        if not content.articles and not newsletter.send_when_empty:
            self._set_aside(
                variant_id, DeliveryState.CANCELLED, "every article of it was withdrawn", now
            )
            return
        mail = partial(self.mail, newsletter, content)
        self._make(variant_id, newsletter.slug, mail, content, now)

    def _make(
        self,
        variant_id: int,
        slug: str,
        mail: Callable[[], Rendering],
        content: VariantContent | Notice,
        now: datetime,
    ) -> None:
        begun_with = self.fingerprints[slug]
        last = self._overruns.get(slug)
        if last and last.fingerprint == begun_with and now < last.until:
            self._set_aside(variant_id, DeliveryState.DEFERRED, last.reason, now, last.until)
            return
        try:
            made = mail()
        except TransientError:
            raise
        except Exception as error:  # whatever it is, it must not hold up other mails
            self._fail(variant_id, slug, begun_with, error, now)
            return
        self._keep(variant_id, made, content, begun_with, now)

    def _keep(
        self,
        variant_id: int,
        made: Rendering,
        content: VariantContent | Notice,
        begun_with: str,
        now: datetime,
    ) -> None:
        of_articles = content if isinstance(content, VariantContent) else None
        with self.db.write() as conn:
            self.book.add(
                conn,
                variant_id,
                made,
                fingerprint=begun_with,
                change=of_articles.change if of_articles else 0,
                without=of_articles.withdrawn if of_articles else (),
                now=now,
            )

    def current(self, variant_id: int, now: datetime) -> Rendering | None:
        """The variant as its articles stand now, for whoever reads it on the web.

        None when nothing is left of it. Raises TransientError when it cannot be rendered now.
        """
        with self.db.read() as conn:
            if found := self.book.newest(conn, variant_id):
                return found
            content = self.book.content(conn, variant_id)
        if content is None or isinstance(content, Notice):
            return None
        self.refresh(now)
        newsletter = self.newsletters.get(content.newsletter)
        if newsletter is None or not content.articles:
            return None
        begun_with = self.fingerprints[newsletter.slug]
        last = self._overruns.get(newsletter.slug)
        if last and last.fingerprint == begun_with and now < last.until:
            raise TransientError(last.reason)
        try:
            made = self.mail(newsletter, content)
        except PublisherError as error:
            reason = one_line(str(error))
            if isinstance(error, OverrunError):  # or each visitor could have it tried again
                self._overruns[newsletter.slug] = _Overrun(
                    fingerprint=begun_with, reason=reason, until=now + RETRY
                )
            raise TransientError(reason) from error
        self._keep(variant_id, made, content, begun_with, now)
        return made

    def mail(self, newsletter: Newsletter, content: VariantContent) -> Rendering:
        """The mail of this content. Raises what `Press.render` raises."""
        shown = newsletter.max_articles
        return self.press.render(
            EditionContent(
                newsletter=newsletter,
                site=self.site,
                cadence=content.cadence,
                articles=content.articles[:shown],
                more=content.articles[shown:],
                corrections=content.corrections,
                categories=content.categories,
                planned_at=content.planned_at,
                locale=content.locale,
                zone=content.zone,
                url=edition_url(self.site, content.name) if content.name else "",
                key_id=self.key_id,
            )
        )

    def notice(self, notice: Notice) -> Rendering:
        """The mail of this notice. Raises what `Press.render` raises."""

        def titles(slugs: Sequence[str]) -> tuple[str, ...]:
            return tuple(self.newsletters[each].title for each in slugs if each in self.newsletters)

        links = {
            purpose: self.link(Purpose(purpose), payload, self.key_id)
            for purpose, payload in notice.content.links.items()
        }
        return self.press.render(
            NoticeMail(
                notice=notice,
                site=self.site,
                sender=self.notice_sender,
                newsletters=titles(notice.content.newsletters),
                known=titles(notice.content.known),
                links=links,
                key_id=self.key_id,
            )
        )

    def find(self, rendering_id: int) -> Rendering:
        with self.db.read() as conn:
            return self.book.find(conn, rendering_id)

    def close(self) -> None:
        """Give up what is being rendered; what is asked for afterwards is made again."""
        self.press.close()

    def _look(self) -> Mapping[str, str]:
        notices = (self.notice_sender, sorted(self.newsletters))
        made_for = {**self.newsletters, NOTICES: notices}
        found = fingerprints(made_for, self.site, self.press.templates)
        return {slug: f"{self.key_id}:{each}" for slug, each in found.items()}

    def _fail(
        self, variant_id: int, slug: str, begun_with: str, error: Exception, now: datetime
    ) -> None:
        foreseen = isinstance(error, PublisherError)
        reason = one_line(str(error) if foreseen else f"{type(error).__name__}: {error}")
        if (begun_with, reason) not in self._told:  # not for each of ten thousand variants
            self._told.add((begun_with, reason))
            log.error(
                "mail cannot be rendered",
                newsletter=slug or "notices",
                reason=reason,
                exc_info=not foreseen,
            )
        again = now + RETRY
        if isinstance(error, OverrunError):
            self._overruns[slug] = _Overrun(fingerprint=begun_with, reason=reason, until=again)
            again += timedelta(seconds=1)  # behind those that were not tried: one of them is next
        self._set_aside(variant_id, DeliveryState.DEFERRED, reason, now, again)
        if self.fingerprints.get(slug) != begun_with:  # mended while it was rendered
            self._bring_forward([slug], now)

    def _bring_forward(self, newsletters: Collection[str], now: datetime) -> None:
        with self.db.write() as conn:
            self.ledger.bring_forward(conn, newsletters, now)

    def _set_aside(
        self,
        variant_id: int,
        state: DeliveryState,
        reason: str,
        now: datetime,
        next_attempt_at: datetime | None = None,
    ) -> None:
        with self.db.write() as conn:
            self.ledger.settle_variant(
                conn, variant_id, state, reason, now=now, next_attempt_at=next_attempt_at
            )
