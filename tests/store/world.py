"""A small world to tell stories in: articles come out, readers subscribe, editions are planned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select

from publisher.core.intake import Offered, Version
from publisher.core.model import Cadence, Newsletter
from publisher.core.wishes import Wishes
from publisher.newsletters.forecast import Forecaster
from publisher.newsletters.plan import CHUNK, Planner
from publisher.store import (
    articles,
    editions,
    newsletters,
    publication,
    readership,
    slots,
    subscribers,
    subscriptions,
)
from publisher.store.engine import Database
from publisher.store.tables import (
    article,
    delivery,
    edition,
    subscriber,
    variant_article,
)

DAILY = Newsletter(
    slug="daily",
    title="The Daily",
    cadences=(Cadence.DAILY, Cadence.WEEKLY, Cadence.IMMEDIATE),
    at=time(7),
    zone="Europe/Berlin",
)
ALERTS = Newsletter(slug="alerts", title="Alerts", cadences=(Cadence.IMMEDIATE,), window=60)


@dataclass
class World:
    db: Database
    now: datetime = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)  # a Monday
    newsletters: tuple[Newsletter, ...] = (DAILY, ALERTS)
    chunk: int = CHUNK
    count: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settle()

    def settle(self) -> None:
        with self.db.write() as conn:
            newsletters.settle(conn, self.newsletters, self.now)

    @property
    def planner(self) -> Planner:
        by_slug = {each.slug: each for each in self.newsletters}
        return Planner(
            db=self.db,
            slots=slots,
            editions=editions,
            readership=readership,
            newsletters=by_slug,
            chunk=self.chunk,
        )

    @property
    def forecaster(self) -> Forecaster:
        return Forecaster(
            db=self.db,
            slots=slots,
            editions=editions,
            readership=readership,
            newsletters={each.slug: each for each in self.newsletters},
            chunk=self.chunk,
        )

    def wait(self, **time_passing: float) -> "World":
        self.now += timedelta(**time_passing)
        return self

    def take_in(
        self,
        title: str,
        *categories: str,
        published_at: datetime | None = None,
        too_old: bool = False,
    ) -> str:
        """An article that is not public yet; its id."""
        self.count += 1
        offered = Offered(
            title=title,
            summary="",
            body_html=f"<p>{title}</p>",
            categories=categories or ("news",),
            content_hash=title,
        )
        date = published_at or self.now
        with self.db.write() as conn:
            version = Version(offered=offered, published_at=date, updated_at=date, too_old=too_old)
            [self.ids[title]] = articles.add(
                conn,
                [(str(self.count), version)],
                source="test",
                host="news.example",
                now=self.now,
            )
        return self.ids[title]

    def publish(self, title: str, *categories: str) -> str:
        article_id = self.take_in(title, *categories)
        self.make_public()
        return article_id

    def make_public(self) -> None:
        """As the daemon does: in chunks, waking the immediate slots."""
        wake = {each.slug: self.now + timedelta(seconds=each.window) for each in self.newsletters}
        while True:
            with self.db.write() as conn:
                placed = publication.publish_due(conn, now=self.now)
                if placed.live:
                    slots.wake_immediate(conn, wake, self.now)
            if not placed:
                return

    def subscribe(
        self,
        name: str,
        to: Newsletter = DAILY,
        *,
        categories: Sequence[str] | None = None,
        cadence: Cadence | None = None,
        at: time | None = None,
        zone: str | None = None,
        since: datetime | None = None,
    ) -> None:
        """A new reader, or a change of wishes of one who is there."""
        with self.db.write() as conn:
            reader = subscribers.ensure(
                conn, f"{name}@reader.example", name=name, zone="", locale="", now=self.now
            )
            subscriptions.subscribe(
                conn,
                reader.id,
                to,
                Wishes(
                    categories=tuple(categories) if categories else None,
                    cadence=cadence,
                    at=at,
                    zone=zone,
                ),
                consent={},
                now=self.now,
                since=since,
            )

    def plan(self) -> int:
        return self.planner.plan_due(self.now)

    def mails(self, name: str, newsletter: str | None = None) -> list[list[str]]:
        """The titles of each mail enqueued for a reader so far, in the order of planning."""
        statement = (
            select(delivery.c.id, article.c.title)
            .join(edition, edition.c.id == delivery.c.edition_id)
            .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
            .join(variant_article, variant_article.c.variant_id == delivery.c.variant_id)
            .join(article, article.c.id == variant_article.c.article_id)
            .where(subscriber.c.name == name)
            .order_by(delivery.c.id, variant_article.c.position)
        )
        if newsletter:
            statement = statement.where(edition.c.newsletter == newsletter)
        mails: dict[int, list[str]] = {}
        with self.db.read() as conn:
            for row in conn.execute(statement):
                mails.setdefault(row.id, []).append(row.title)
        return list(mails.values())
