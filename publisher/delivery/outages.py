"""Which relays cannot be used now, so that not every connection has to find out by itself."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from publisher.core.relay import Relay
from publisher.delivery.connection import Connection, RelayError

_FIRST_PAUSE = 1.0  # seconds between attempts to reach a relay that is away: doubled each time
_LONGEST_PAUSE = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outage:
    reason: str
    pause: float
    until: float


class Outages:
    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that only goes forward."""
        self._seconds = seconds
        self._outages: dict[Relay, _Outage] = {}

    async def open(self, connection: Connection) -> None:
        """Open it unless it is open, or its relay was away just now. Raises RelayError."""
        if connection.is_open:
            return
        outage = self._outages.get(connection.relay)
        if outage and self._seconds() < outage.until:
            raise RelayError(outage.reason)
        try:
            await connection.open()
        except RelayError as error:
            self.note(connection.relay, str(error))
            raise
        self._outages.pop(connection.relay, None)

    def remaining(self, relay: Relay) -> float:
        """Seconds until it makes sense to try this relay again."""
        outage = self._outages.get(relay)
        return max(0.0, outage.until - self._seconds()) if outage else 0.0

    def note(self, relay: Relay, reason: str) -> None:
        """It cannot be used, for a while that doubles each time."""
        known, now = self._outages.get(relay), self._seconds()
        if known and now < known.until:
            return  # another connection found the same
        pause = min(known.pause * 2, _LONGEST_PAUSE) if known else _FIRST_PAUSE
        self._outages[relay] = _Outage(reason=reason, pause=pause, until=now + pause)
        log.warning("relay cannot be used", reason=reason, retry_in=pause)
