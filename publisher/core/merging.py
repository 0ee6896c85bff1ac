"""Two subscriptions of one reader that become one: which of them stays, and where it goes on."""

from dataclasses import dataclass

from publisher.core.model import SubscriptionState

_RANKS = (SubscriptionState.UNSUBSCRIBED, SubscriptionState.PENDING, SubscriptionState.CONFIRMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What counts of a subscription when its newsletter becomes another."""

    id: int
    state: SubscriptionState
    chosen_at: str
    """When its reader joined or left, in ISO format; empty where nobody knows."""
    after_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    stays: int
    goes: int
    after_seq: int
    """Of the one that stays, from now on."""


def merge(one: Standing, other: Standing) -> Merged:
    """Which of the two a reader keeps, with its wishes.

    Who left one newsletter and reads the other goes on reading: leaving was said of that one, and
    what was kept is still wanted. Of two alike the reader's last word counts.

    A reader of both goes on after the lower of the two places. After the higher one they would miss
    what only the one that lags, say a weekly, was still to bring. What they were given beyond the
    lower place is in the ledger, and planning leaves it out, so nothing comes twice.
    """
    goes, stays = sorted((one, other), key=_weight)
    read_both = goes.state == stays.state == SubscriptionState.CONFIRMED
    return Merged(
        stays=stays.id,
        goes=goes.id,
        after_seq=min(goes.after_seq, stays.after_seq) if read_both else stays.after_seq,
    )


def _weight(each: Standing) -> tuple[int, str, int]:
    return _RANKS.index(each.state), each.chosen_at, each.id
