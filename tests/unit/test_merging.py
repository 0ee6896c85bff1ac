"""Two subscriptions of one reader become one."""

import pytest

from publisher.core.merging import Merged, Standing, merge
from publisher.core.model import SubscriptionState
from publisher.core.selection import united

CONFIRMED, PENDING, LEFT = (
    SubscriptionState.CONFIRMED,
    SubscriptionState.PENDING,
    SubscriptionState.UNSUBSCRIBED,
)
MAY, JUNE = "2026-05-01T08:00:00+00:00", "2026-06-01T08:00:00+00:00"


def standing(
    number: int, state: SubscriptionState, chosen_at: str = "", after_seq: int = 0
) -> Standing:
    return Standing(id=number, state=state, chosen_at=chosen_at, after_seq=after_seq)


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        # who left one reads the other on, whichever was later
        (standing(1, LEFT, JUNE, 9), standing(2, CONFIRMED, MAY, 5), (2, 1, 5)),
        (standing(1, LEFT, MAY, 3), standing(2, CONFIRMED, JUNE, 5), (2, 1, 5)),
        # confirmed beats pending, pending beats left
        (standing(1, CONFIRMED, MAY, 5), standing(2, PENDING, JUNE, 3), (1, 2, 5)),
        (standing(1, PENDING, MAY, 5), standing(2, LEFT, JUNE, 3), (1, 2, 5)),
        # the later word, or the later row where nobody knows
        (standing(1, CONFIRMED, JUNE, 5), standing(2, CONFIRMED, MAY, 5), (1, 2, 5)),
        (standing(1, CONFIRMED, "", 5), standing(2, CONFIRMED, "", 5), (2, 1, 5)),
        (standing(1, LEFT, JUNE, 5), standing(2, LEFT, MAY, 5), (1, 2, 5)),
        # a reader of both goes on after the lower place
        (standing(1, CONFIRMED, JUNE, 9), standing(2, CONFIRMED, MAY, 4), (1, 2, 4)),
        (standing(1, CONFIRMED, JUNE, 4), standing(2, CONFIRMED, MAY, 9), (1, 2, 4)),
    ],
)
def test_which_stays_and_where_it_goes_on(
    one: Standing, other: Standing, merged: tuple[int, int, int]
) -> None:
    stays, goes, after_seq = merged
    expected = Merged(stays=stays, goes=goes, after_seq=after_seq)
    assert merge(one, other) == merge(other, one) == expected


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ({"sport": 0}, {"world": 5}, {"sport": 0, "world": 5}),
        ({"sport": 3}, {"sport": 5}, {"sport": 3}),
        ({"*": 0}, {"*": 4}, {"*": 0}),
        ({"*": 2}, {"sport": 5}, {"*": 2, "sport": 2}),
        ({"*": 7}, {"sport": 5}, {"*": 7, "sport": 5}),
    ],
)
def test_newsletters_that_become_one_lose_no_article_of_either(
    one: dict[str, int], other: dict[str, int], both: dict[str, int]
) -> None:
    assert united(one, other) == united(other, one) == both
