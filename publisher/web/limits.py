"""How often one may sign up: by client, by network and by the domain that would get the mail.

Kept in memory, each process for itself; what is counted is not what is known of anybody.
"""

import math
import time
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

OF_CLIENT = (RateLimitItemPerMinute(10), RateLimitItemPerHour(60))
OF_NETWORK = (RateLimitItemPerMinute(20), RateLimitItemPerHour(120))
"""Of an IPv6 /64, which is one household or office with more addresses than can be counted."""
OF_DOMAIN = (RateLimitItemPerHour(1000),)
"""So many ask for a big provider's mailboxes within an hour after a word on television; more, from
however many clients, is somebody's list."""

MOST_KEYS = 10_000
"""Beyond it, all is counted anew: a flood from ever new addresses may fill no memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    of_client: tuple[RateLimitItem, ...] = OF_CLIENT
    of_network: tuple[RateLimitItem, ...] = OF_NETWORK
    of_domain: tuple[RateLimitItem, ...] = OF_DOMAIN
    _clients: "_Counter" = field(default_factory=lambda: _Counter())
    _domains: "_Counter" = field(default_factory=lambda: _Counter())

    def wait_of_client(self, host: str) -> int:
        """Count a try of this client; the seconds that it must wait, 0 where it need not."""
        client, network = _names(host)
        of_network = self._clients.wait(self.of_network, network) if network else 0
        return max(of_network, self._clients.wait(self.of_client, client))

    def wait_of_domain(self, domain: str) -> int:
        """The same of a domain that a mail would go to."""
        return self._domains.wait(self.of_domain, domain)


class _Counter:
    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)

    def wait(self, items: tuple[RateLimitItem, ...], name: str) -> int:
        if len(self._storage.events) >= MOST_KEYS:
            self._begin()
        for each in items:
            if not self._limiter.hit(each, name):
                free_at = self._limiter.get_window_stats(each, name).reset_time
                return max(1, math.ceil(free_at - time.time()))
        return 0


def _names(host: str) -> tuple[str, str]:
    """What a client is counted as, and its network where that is counted, too."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host, ""
    if not isinstance(address, IPv6Address):
        return str(address), ""
    if address.ipv4_mapped:
        return str(address.ipv4_mapped), ""
    return str(address), f"{int(address) >> 64:x}/64"
