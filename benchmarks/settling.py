"""What settling the configuration of newsletters takes: `python -m benchmarks.settling 1000000`.

Fills a database with so many subscriptions in some hundred slots, and settles the same, another
hour, another slug, and two newsletters that become one.
"""

import random
import tempfile
import time as clock
from dataclasses import replace
from datetime import UTC, datetime, time
from itertools import product
from pathlib import Path

import typer
from sqlalchemy import insert, select

from publisher.core.model import Cadence, Newsletter
from publisher.core.wishes import Wishes, slot_for
from publisher.store import newsletters, schema, slots
from publisher.store.engine import Database
from publisher.store.tables import subscriber, subscription

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
AT_ONCE = 50_000
MORNING = Newsletter(slug="morning", title="The Morning", cadences=tuple(Cadence))
DAILY = replace(MORNING, slug="daily", title="The Daily")
WISHES = [
    Wishes(cadence=cadence, at=time(hour) if hour else None, zone=zone)
    for cadence, hour, zone in product(
        (None, *Cadence), (None, *range(5, 21)), (None, "Europe/Berlin", "Asia/Tokyo")
    )
]


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{folder}/publisher.db")
        schema.prepare(db)
        settle(db, MORNING, DAILY)
        fill(db, count)
        size = Path(db.name).stat().st_size // 2**20
        typer.echo(f"{count} subscriptions, {size} MiB")
        with timed("the same again"):
            settle(db, MORNING, DAILY)
        later = replace(MORNING, at=time(8))
        with timed("another hour"):
            settle(db, later, DAILY)
        renamed = replace(later, slug="dawn", formerly=("morning",))
        with timed("another slug"):
            settle(db, renamed, DAILY)
        with db.write() as conn:
            own = select(subscription).where(subscription.c.id % 10 == 0)
            both = [dict(row) for row in conn.execute(own).mappings()]
            for each in both:
                each |= {"newsletter": "daily"}
                del each["id"]
            conn.execute(insert(subscription), both)
        with timed("two become one"):
            settle(db, replace(DAILY, formerly=("dawn", "morning")))
        db.close()


def settle(db: Database, *configured: Newsletter) -> None:
    """As every command does."""
    with db.read() as conn:
        if newsletters.is_settled(conn, configured):
            return
    with db.write() as conn:
        newsletters.settle(conn, configured, NOW)


def fill(db: Database, count: int) -> None:
    chance = random.Random(1)  # noqa: S311
    with db.write() as conn:
        slot_ids = {each: slots.ensure(conn, slot_for(MORNING, each), NOW) for each in WISHES}
    for start in range(0, count, AT_ONCE):
        numbers = range(start + 1, min(start + AT_ONCE, count) + 1)
        people = [
            {
                "id": number,
                "address": f"reader{number}@reader.example",
                "address_key": f"reader{number}@reader.example",
                "state": "active",
                "created_at": NOW,
            }
            for number in numbers
        ]
        chosen = [WISHES[0] if chance.random() < 0.6 else chance.choice(WISHES) for _ in numbers]
        rows = [
            {
                "subscriber_id": number,
                "newsletter": "morning",
                "state": "confirmed",
                "consent": {"given_at": NOW.isoformat(), "how": "a benchmark"},
                "cadence": wishes.cadence,
                "at": wishes.at.strftime("%H:%M") if wishes.at else None,
                "zone": wishes.zone,
                "slot_id": slot_ids[wishes],
            }
            for number, wishes in zip(numbers, chosen, strict=True)
        ]
        with db.write() as conn:
            conn.execute(insert(subscriber), people)
            conn.execute(insert(subscription), rows)


class timed:  # noqa: N801 — read as a word
    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        self.begun = clock.perf_counter()

    def __exit__(self, *_: object) -> None:
        typer.echo(f"{self.what}: {(clock.perf_counter() - self.begun) * 1000:.1f} ms")


if __name__ == "__main__":
    typer.run(main)
