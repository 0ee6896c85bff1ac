"""Makes the renderings that due mails wait for, from what their articles say now."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from jinja2 import Environment
from sqlalchemy import Connection

from publisher.core.edition import VariantContent
from publisher.core.model import DeliveryState, Newsletter, Rendering, Site
from publisher.errors import PublisherError
from publisher.newsletters.render import EditionContent, fingerprint, render

RETRY = timedelta(minutes=5)
"""How long mails wait whose template fails: time to mend it."""

log = structlog.get_logger()


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class RenderingBook(Protocol):
    def content(self, conn: Connection, variant_id: int) -> VariantContent: ...

    def add(
        self,
        conn: Connection,
        variant_id: int,
        made: Rendering,
        *,
        fingerprint: str,
        change: int,
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


@dataclass(slots=True, kw_only=True)
class Renderer:
    db: Database
    book: RenderingBook
    ledger: Ledger
    newsletters: Mapping[str, Newsletter]
    site: Site
    templates: Environment
    key_id: str
    fingerprints: Mapping[str, str] = field(init=False, default_factory=dict)
    """By newsletter: of the templates, settings and key its mails are made with."""

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Look at the templates again: an operator may have changed them."""
        seen = {
            slug: f"{self.key_id}:{fingerprint(each, self.site, self.templates)}"
            for slug, each in self.newsletters.items()
        }
        if seen != self.fingerprints and self.templates.cache is not None:
            # Jinja sees that a file changed, not that another now stands before it.
            self.templates.cache.clear()
        self.fingerprints = seen

    def make(self, variant_id: int, now: datetime) -> None:
        """Store a current rendering of the variant.

        Where nothing is left of its articles its mails are cancelled; where the template fails
        they wait, with the reason, and everything else goes out.
        """
        self.refresh()
        with self.db.read() as conn:
            content = self.book.content(conn, variant_id)
        newsletter = self.newsletters.get(content.newsletter)
        if newsletter is None:
            return  # renamed since the claim, by a process with a newer configuration
        if not content.articles and not newsletter.send_when_empty:
            self._set_aside(
                variant_id, DeliveryState.CANCELLED, "every article of it was withdrawn", now
            )
            return
        try:
            made = self.mail(newsletter, content)
        except Exception as error:  # whatever it is, it must not hold up other mails
            foreseen = isinstance(error, PublisherError)
            reason = str(error) if foreseen else f"{type(error).__name__}: {error}"
            log.error(
                "mail cannot be rendered",
                newsletter=newsletter.slug,
                reason=reason,
                exc_info=not foreseen,
            )
            self._set_aside(variant_id, DeliveryState.DEFERRED, reason, now, now + RETRY)
            return
        with self.db.write() as conn:
            self.book.add(
                conn,
                variant_id,
                made,
                fingerprint=self.fingerprints[newsletter.slug],
                change=content.change,
                now=now,
            )

    def mail(self, newsletter: Newsletter, content: VariantContent) -> Rendering:
        """The mail of this content. Raises what `render` raises."""
        shown = newsletter.max_articles
        return render(
            EditionContent(
                newsletter=newsletter,
                site=self.site,
                cadence=content.cadence,
                articles=content.articles[:shown],
                more=content.articles[shown:],
                categories=content.categories,
                planned_at=content.planned_at,
                locale=content.locale,
                zone=content.zone,
                key_id=self.key_id,
            ),
            self.templates,
        )

    def find(self, rendering_id: int) -> Rendering:
        with self.db.read() as conn:
            return self.book.find(conn, rendering_id)

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
