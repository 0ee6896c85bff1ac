"""What a reader's links may do, and when a pause ends."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.preferences import (
    ChangeLink,
    ReaderLink,
    change_of,
    change_payload,
    choosing_payload,
    in_a_month,
    link_of,
    link_payload,
    pause_end,
)

NOW = datetime(2026, 3, 20, 23, 30, tzinfo=UTC)
MOMENTS = st.integers(0, 2**33).map(lambda each: datetime.fromtimestamp(each, UTC))


@given(st.integers(1), st.integers(1), MOMENTS)
def test_what_is_signed_into_a_link_is_read_from_it(
    number: int, version: int, at: datetime
) -> None:
    link = link_of(link_payload(number, version))
    assert link == ReaderLink(subscriber_id=number, token_version=version)
    assert link.is_owners(version)
    assert not link.is_owners(version + 1)
    assert change_of(change_payload(number, version, at)) == ChangeLink(
        subscriber_id=number, token_version=version, asked_at=at
    )


@given(st.integers(1))
def test_who_may_leave_may_choose_and_no_more(version: int) -> None:
    link = link_of(choosing_payload(7))
    assert link is not None
    assert not link.is_owners(version)


@pytest.mark.parametrize("payload", [[], [1], ["1", 1], [1, "1"], [1, 1, 1]])
def test_another_payload_is_no_link(payload: list[int | str]) -> None:
    assert link_of(payload) is None
    assert change_of(["1", *payload]) is None
    assert change_of([1, 1, 10**30]) is None


@pytest.mark.parametrize(
    ("day", "zone", "end"),
    [
        ("2026-03-22", "UTC", datetime(2026, 3, 22, tzinfo=UTC)),
        ("2026-03-22", "Europe/Berlin", datetime(2026, 3, 21, 23, tzinfo=UTC)),
        ("2026-03-30", "Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        ("2026-03-22", "Asia/Tokyo", datetime(2026, 3, 21, 15, tzinfo=UTC)),
        ("2026-03-21", "America/New_York", datetime(2026, 3, 21, 4, tzinfo=UTC)),
    ],
)
def test_a_pause_ends_with_the_day_before(day: str, zone: str, end: datetime) -> None:
    assert pause_end(day, zone, NOW) == end


@pytest.mark.parametrize(
    ("day", "zone"),
    [
        ("2026-03-20", "UTC"),
        ("2026-03-21", "Asia/Tokyo"),  # there it is that day already
        ("2028-04-01", "UTC"),
        ("tomorrow", "UTC"),
        ("", "UTC"),
        ("2026-02-30", "UTC"),
    ],
)
def test_a_day_that_cannot_end_a_pause_is_refused(day: str, zone: str) -> None:
    with pytest.raises(ValueError, match=r"is not|is more"):
        pause_end(day, zone, NOW)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
def test_a_month_is_thirty_days_to_their_midnight(zone: str) -> None:
    assert timedelta(days=29) < in_a_month(zone, NOW) - NOW <= timedelta(days=30)
