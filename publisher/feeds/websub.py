"""Tells WebSub hubs which feeds have something new, so that they fetch it and pass it on (W3C)."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

import structlog
from sqlalchemy import Connection

from publisher.core.links import category_url
from publisher.core.model import Site
from publisher.core.ping import Heard, Ping, Verdict, Version, judge
from publisher.core.text import clean_line
from publisher.errors import TransientError
from publisher.feeds import manifest
from publisher.kit.fetch import fetch

_SECONDS = 20  # for a hub's whole answer
_LEASE = timedelta(seconds=45)  # what was claimed and has no answer by then is claimed again
_MOST_BYTES = 1024 * 1024
_SAID = 200  # characters of an answer that are worth keeping

log = structlog.get_logger()


class Database(Protocol):
    def read(self) -> AbstractContextManager[Connection]: ...

    def write(self) -> AbstractContextManager[Connection]: ...


class PingBook(Protocol):
    """`publisher.store.pings` is it."""

    def next_due(self, conn: Connection, hub: str, now: datetime) -> Ping | None: ...

    def claim(self, conn: Connection, seen: Ping, until: datetime) -> Ping | None: ...

    def answer(
        self, conn: Connection, claimed: Ping, verdict: Verdict, said: str, now: datetime
    ) -> None: ...


def feeds_in(folder: Path, site: Site) -> Mapping[str, Version]:
    """The feeds that the last build left in the feeds folder, by address."""
    return {
        category_url(site, slug) + name: Version(mark=mark, change=record.change)
        for slug, record in manifest.read(folder).categories.items()
        for name, mark in record.feeds.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinger:
    db: Database
    book: PingBook
    clock: Callable[[], datetime]
    _troubled: set[str] = field(default_factory=set)
    """Hubs of which it was said that they do not answer."""

    def ping(self, hub: str, stopping: Callable[[], bool] = lambda: False) -> int:
        """Tell a hub of all that is due, one after the other; how many it took.

        Asked to stop it leaves the rest to the next time.
        """
        taken = 0
        while not stopping() and (due := self._due(hub)):
            if claimed := self._claim(due):
                taken += self._tell(claimed, stopping)
        if taken:
            log.info("hub told", hub=hub, feeds=taken)
        return taken

    def _due(self, hub: str) -> Ping | None:
        with self.db.read() as conn:
            return self.book.next_due(conn, hub, self.clock())

    def _claim(self, due: Ping) -> Ping | None:
        with self.db.write() as conn:
            return self.book.claim(conn, due, self.clock() + _LEASE)

    def _tell(self, ping: Ping, stopping: Callable[[], bool]) -> bool:
        heard = tell(ping.hub, ping.topic, stopping)
        now = self.clock()
        verdict = judge(heard, ping.attempts, now)
        with self.db.write() as conn:
            self.book.answer(conn, ping, verdict, heard.said, now)
        self._log(ping, heard, verdict)
        return verdict.taken

    def _log(self, ping: Ping, heard: Heard, verdict: Verdict) -> None:
        if verdict.taken:
            if ping.hub in self._troubled:
                log.info("hub takes pings again", hub=ping.hub)
            self._troubled.discard(ping.hub)
        elif verdict.next_attempt_at is None:
            log.warning(
                "hub does not take a feed's news; given up until the next",
                hub=ping.hub,
                feed=ping.topic,
                reason=heard.said,
            )
        elif ping.hub not in self._troubled:
            self._troubled.add(ping.hub)
            log.warning("hub cannot be told; it is tried again", hub=ping.hub, reason=heard.said)


def tell(hub: str, topic: str, stopping: Callable[[], bool] = lambda: False) -> Heard:
    """Tell a hub that a feed has something new."""
    # The standard leaves it to hubs how publishers tell them: most know `hub.topic`, older ones
    # (Google's for one) `hub.url`.
    form = urlencode({"hub.mode": "publish", "hub.topic": topic, "hub.url": topic})
    try:
        answer = fetch(
            hub,
            method="POST",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=form.encode("ascii"),
            seconds=_SECONDS,
            most_bytes=_MOST_BYTES,
            stopping=stopping,
        )
    except TransientError as error:
        return Heard(status=None, said=clean_line(str(error))[:_SAID])
    said = f"{answer.status}"
    if 300 <= answer.status < 400:
        said += f" to {answer.headers.get('Location', '')}: name that in feeds.hubs"
    elif answer.headers.get("Content-Type", "").startswith("text/plain"):
        said += f" {answer.body[:_SAID].decode('utf-8', 'replace')}"
    return Heard(
        status=answer.status,
        said=clean_line(said)[:_SAID],
        retry_after=answer.headers.get("Retry-After", ""),
    )
