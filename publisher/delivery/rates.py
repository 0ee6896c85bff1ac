"""How many more mails of a newsletter may begin now, where an operator set so many a minute."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

_BURST = 1.0  # seconds' worth of mails that may go out at once


@dataclass(slots=True)
class _Allowance:
    a_minute: int
    left: float
    at: float


class Rates:
    """Token buckets: an allowance grows with time, up to a second's worth (or one mail)."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is a clock that only goes forward."""
        self._seconds = seconds
        self._allowances: dict[str, _Allowance] = {}

    def update(self, rates: Mapping[str, int]) -> None:
        """What the operator wants by now; a newsletter that is not named has no limit."""
        now = self._seconds()
        for slug in self._allowances.keys() - rates.keys():
            del self._allowances[slug]
        for slug, a_minute in rates.items():
            known = self._allowances.get(slug)
            if known is None:
                self._allowances[slug] = _Allowance(a_minute, 0.0, now)
            else:
                known.a_minute = a_minute

    def room(self) -> Mapping[str, int]:
        """Mails that may begin now, by newsletter with a limit."""
        now = self._seconds()
        for each in self._allowances.values():
            a_second = each.a_minute / 60
            most = max(1.0, a_second * _BURST)
            each.left = min(most, each.left + (now - each.at) * a_second)
            each.at = now
        return {slug: int(each.left) for slug, each in self._allowances.items()}

    def count(self, newsletters: Iterable[str]) -> None:
        for slug in newsletters:
            if slug in self._allowances:
                self._allowances[slug].left -= 1
