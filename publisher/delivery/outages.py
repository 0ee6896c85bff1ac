"""Which relays cannot be used now, so that not every connection has to find out by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from publisher.core.relay import Relay
from publisher.delivery.connection import Connection, RelayError

_FIRST_PAUSE = 1.0  # seconds between attempts to reach a relay that is away: doubled each time
_LONGEST_PAUSE = 60.0
_FIRST_REFUSED = 60.0  # seconds until one that refuses us is asked again
_LONGEST_REFUSED = 1800.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    reason: str
    pause: float
    """Seconds, in all."""
    until: float


class Outages:
    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that only goes forward."""
        self._seconds = seconds
        self._outages: dict[Relay, Outage] = {}
        self._short_at = -_LONGEST_PAUSE

    @property
    def now(self) -> Mapping[str, Outage]:
        """By the relay's name."""
        return {relay.name: outage for relay, outage in self._outages.items()}

    async def open(self, connection: Connection) -> None:
        """Open it unless it is open, or its relay was away just now. Raises RelayError."""
        outage = self._outages.get(connection.relay)
        if outage and self._seconds() < outage.until:
            raise RelayError(outage.reason)
        if connection.is_open:
            return
        try:
            await connection.open()
        except RelayError as error:
            if error.ours:  # the connections that there are can go on
                self._tell_of_shortage(str(error))
            else:
                self.note(connection.relay, str(error), refused=error.refused)
            raise

    def remaining(self, relay: Relay) -> float:
        """Seconds until it makes sense to try this relay again."""
        outage = self._outages.get(relay)
        return max(_FIRST_PAUSE, outage.until - self._seconds()) if outage else _FIRST_PAUSE

    def note(self, relay: Relay, reason: str, *, refused: bool) -> None:
        """It is away, or `refused` to work for us, which patience alone does not mend."""
        known, now = self._outages.get(relay), self._seconds()
        if known and now < known.until:
            return  # another connection found the same
        first, longest = (
            (_FIRST_REFUSED, _LONGEST_REFUSED) if refused else (_FIRST_PAUSE, _LONGEST_PAUSE)
        )
        pause = min(max(known.pause * 2, first), longest) if known else first
        self._outages[relay] = Outage(reason=reason, pause=pause, until=now + pause)
        say = log.error if refused else log.warning
        say("relay cannot be used", reason=reason, retry_in=pause)

    def _tell_of_shortage(self, reason: str) -> None:
        if self._seconds() > self._short_at + _LONGEST_PAUSE:
            log.warning("a connection cannot be opened; others are used", reason=reason)
        self._short_at = self._seconds()

    def over(self, relay: Relay) -> None:
        """It took, or refused for good, a mail: it works."""
        if self._outages.pop(relay, None):
            log.info("relay works again", relay=relay.name)
