"""What a worker knows of who refuses our mail, and what the books are to be told of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

import structlog
from sqlalchemy import Connection as Transaction

from publisher.core.model import DeliveryState
from publisher.core.outcome import Outcome, Scope
from publisher.core.refusal import Refusal, next_try
from publisher.delivery.outages import Outage

log = structlog.get_logger()


class RefusalBook(Protocol):
    def note(
        self,
        conn: Transaction,
        relay: str,
        domain: str,
        reason: str,
        now: datetime,
        until: datetime | None = None,
    ) -> None: ...

    def lift(self, conn: Transaction, relay: str, domain: str) -> None: ...


News = Callable[[RefusalBook, Transaction], None]


class Refused:
    def __init__(self, relays: Sequence[str]) -> None:
        self._relays = relays
        self._known: dict[tuple[str, str], Refusal] = {}
        self._news: list[News] = []
        self._told: Mapping[str, Outage] = {}

    def update(self, refusals: Sequence[Refusal]) -> None:
        """What the books say by now: another worker may have found one, an operator lifted it."""
        if not self._news:
            self._known = {(each.relay, each.domain): each for each in refusals if each.domain}

    def is_known(self, relay: str, domain: str) -> bool:
        """Whether the domain refused mail there and has taken none since."""
        return (relay, domain) in self._known

    def learn(self, relay: str, domain: str, outcome: Outcome, now: datetime) -> None:
        """From what became of a mail to the domain."""
        key = (relay, domain)
        known = self._known.get(key)
        if outcome.scope is Scope.DOMAIN:
            if known is not None and known.until > now:
                return
            since = known.since if known else now
            until = next_try(since, now)
            self._known[key] = Refusal(
                relay=relay, domain=domain, reason=outcome.reply, since=since, until=until
            )
            log.error(
                "domain refuses our mail; its readers wait, nobody is removed",
                domain=domain,
                relay=relay,
                reason=outcome.reply,
                until=until.isoformat(),
            )
            self._news.append(lambda book, conn: book.note(conn, relay, domain, outcome.reply, now))
        elif known is not None and outcome.state is DeliveryState.SENT:
            del self._known[key]
            log.info("domain takes our mail again", domain=domain, relay=relay)
            self._news.append(lambda book, conn: book.lift(conn, relay, domain))

    def pairs(self, now: datetime) -> Collection[tuple[str, str]]:
        """Relays and domains that are left in peace now."""
        return {key for key, each in self._known.items() if each.until > now}

    def domains(self, now: datetime) -> Collection[str]:
        """Domains that no relay may serve now."""
        pairs = self.pairs(now)
        return {
            domain for _, domain in pairs if all((relay, domain) in pairs for relay in self._relays)
        }

    def room(self, now: datetime) -> Mapping[str, int]:
        return dict.fromkeys(self.domains(now), 0)

    def take_news(self, outages: Mapping[str, Outage], now: datetime) -> Sequence[News]:
        """What is to be written down since the last time; relays' outages too."""
        news, self._news = self._news, []
        for relay, outage in outages.items():
            if self._told.get(relay) != outage:
                until = now + timedelta(seconds=outage.pause)
                news.append(partial(_note_relay, relay, outage.reason, now, until))
        for relay in self._told.keys() - outages.keys():
            news.append(partial(_lift_relay, relay))
        self._told = dict(outages)
        return news

    def keep(self, news: Sequence[News]) -> None:
        """It could not be written down yet."""
        self._news = [*news, *self._news]


def _note_relay(
    relay: str,
    reason: str,
    now: datetime,
    until: datetime,
    book: RefusalBook,
    conn: Transaction,
) -> None:
    book.note(conn, relay, "", reason, now, until)


def _lift_relay(relay: str, book: RefusalBook, conn: Transaction) -> None:
    book.lift(conn, relay, "")
