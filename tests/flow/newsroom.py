"""A site whose parts a test holds in its hands: articles come out, readers join, mails go out."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from publisher import settings
from publisher.app import App
from publisher.core.model import Cadence
from publisher.core.wishes import Wishes
from publisher.delivery.worker import Totals, Worker
from publisher.store import ledger, subscribers, subscriptions
from publisher.store.tables import delivery, edition, subscriber, subscription
from tests.flow.site import Site, free_port
from tests.flow.smtp import SmtpServer

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)  # a Monday


@dataclass
class Newsroom:
    site: Site
    app: App
    now: datetime = START

    def clock(self) -> datetime:
        return self.now

    def wait(self, **time_passing: float) -> None:
        self.now += timedelta(**time_passing)

    def publish(self, title: str, text: str = "Some text.") -> None:
        number = len(list((self.site.folder / "articles").iterdir())) + 1
        self.site.write(f"{number}.md", title, text, date=self.now.isoformat())
        for source in self.app.sources():
            self.app.take_in(source)
        self.app.make_public()

    def join(
        self,
        *names: str,
        address: str = "",
        newsletter: str = "daily",
        cadence: Cadence | None = None,
        at: time | None = None,
    ) -> None:
        """Readers, known by name; their addresses are of reader.example unless one is given."""
        with self.app.db.write() as conn:
            for name in names:
                reader = subscribers.ensure(
                    conn,
                    address or f"{name}@reader.example",
                    name=name,
                    zone="",
                    locale="",
                    now=self.now,
                )
                subscriptions.subscribe(
                    conn,
                    reader.id,
                    self.app.newsletter(newsletter),
                    Wishes(cadence=cadence, at=at),
                    consent={},
                    now=self.now,
                )

    def crowd(self, count: int) -> None:
        """So many readers at once."""
        self.join("reader0")
        with self.app.db.write() as conn:
            model = conn.execute(select(subscription)).mappings().one()
            people = [
                {
                    "address": f"reader{number}@reader.example",
                    "address_key": f"reader{number}@reader.example",
                    "name": f"Reader {number}",
                    "state": "active",
                    "created_at": self.now,
                }
                for number in range(1, count)
            ]
            conn.execute(insert(subscriber), people)
            ids = conn.execute(
                select(subscriber.c.id).where(subscriber.c.id != model["subscriber_id"])
            ).scalars()
            same = {k: v for k, v in model.items() if k not in ("id", "subscriber_id")}
            conn.execute(insert(subscription), [same | {"subscriber_id": each} for each in ids])

    def plan(self, newsletter: str = "daily") -> int:
        return self.app.planner.plan_now(newsletter, self.now)

    def digest_for(self, *names: str) -> None:
        """Readers who are to get a digest of one article."""
        self.join(*names)
        self.publish("One")
        assert self.plan() >= len(names)

    def deliver(self) -> Totals:
        """What `publisher deliver` does."""
        return asyncio.run(self.app.deliver())

    def worker(self) -> Worker:
        return self.app.worker()

    def rows(self) -> list[Mapping[str, Any]]:
        with self.app.db.read() as conn:
            statement = (
                select(delivery, subscriber.c.address, subscriber.c.name)
                .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
                .order_by(delivery.c.id)
            )
            return [dict(row) for row in conn.execute(statement).mappings()]

    def row(self, name: str) -> Mapping[str, Any]:
        """The last mail to this reader."""
        return [each for each in self.rows() if each["name"] == name][-1]

    def states(self) -> Counter[str]:
        with self.app.db.read() as conn:
            return Counter(ledger.counts(conn))

    def check_books(self) -> None:
        """Every edition's rows are as many as were enqueued."""
        with self.app.db.read() as conn:
            rows = conn.execute(
                select(edition.c.enqueued, func.count(delivery.c.id))
                .outerjoin(delivery, delivery.c.edition_id == edition.c.id)
                .group_by(edition.c.id)
            ).all()
        assert all(enqueued == count for enqueued, count in rows), rows


@contextmanager
def newsroom(
    folder: Path,
    server: SmtpServer | None,
    *,
    mail: str = "",
    more: str = "",
    port: int | None = None,
    smtp_port: int | None = None,
) -> Iterator[Newsroom]:
    """`mail`: further lines of the configuration's `[mail]`; `more`: further tables; `port`: of
    the web server, which is in every link; `smtp_port`: of a mail server without a `server`."""
    site = Site(
        folder,
        port=port or free_port(),
        smtp_port=server.port if server else smtp_port,
        mail=mail,
        more=more,
    )
    app = App(settings.load(folder / "config" / "publisher.toml", {}))
    room = Newsroom(site, app)
    app.clock = room.clock
    try:
        yield room
    finally:
        app.close()
