"""How many more mails may be taken in hand: in all, of a slow domain, of a rated newsletter."""

from collections.abc import Mapping, Sequence


class Room:
    """Counts down as rows are admitted."""

    def __init__(
        self,
        free: int,
        *,
        domains: Mapping[str, int] | None = None,
        newsletters: Mapping[str, int] | None = None,
    ) -> None:
        """`domains` and `newsletters` that are not named may take all of `free`."""
        self.free = free
        self._domains = dict(domains or {})
        self._newsletters = dict(newsletters or {})

    @property
    def full_domains(self) -> Sequence[str]:
        return sorted(name for name, left in self._domains.items() if left <= 0)

    @property
    def full_newsletters(self) -> Sequence[str]:
        return sorted(name for name, left in self._newsletters.items() if left <= 0)

    def admit(self, domain: str, newsletter: str) -> bool:
        """Whether one more mail may be taken; if so it is counted."""
        if self.free <= 0:
            return False
        if self._domains.get(domain, 1) <= 0 or self._newsletters.get(newsletter, 1) <= 0:
            return False
        self.free -= 1
        if domain in self._domains:
            self._domains[domain] -= 1
        if newsletter in self._newsletters:
            self._newsletters[newsletter] -= 1
        return True
