"""What a hub's answer means: taken, again later, or not again."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.core.ping import ATTEMPTS, LONGEST_WAIT, Heard, Verdict, judge

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def heard(status: int | None, retry_after: str = "") -> Heard:
    return Heard(status=status, said="so", retry_after=retry_after)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 226, 299])
def test_any_2xx_is_a_yes(status: int) -> None:
    assert judge(heard(status, "3600"), 3, NOW) == Verdict(taken=True)


@pytest.mark.parametrize("status", [301, 308, 400, 401, 403, 404, 405, 410, 413, 422, 451, 499])
def test_what_would_be_refused_again_is_given_up(status: int) -> None:
    assert judge(heard(status, "3600"), 1, NOW) == Verdict()


@pytest.mark.parametrize("status", [302, 303, 304, 307, 408, 500, 501, 502, 504, 599, 100, 700])
def test_what_may_pass_is_tried_again_for_this_feed(status: int) -> None:
    assert judge(heard(status, "3600"), 1, NOW) == Verdict(next_attempt_at=NOW + MINUTE)


@pytest.mark.parametrize("status", [None, 429, 503])
def test_a_hub_that_is_away_or_overrun_is_left_in_peace(status: int | None) -> None:
    rest = NOW + MINUTE
    assert judge(heard(status), 1, NOW) == Verdict(next_attempt_at=rest, rest_until=rest)
    late = judge(heard(status), 5, NOW)
    assert late == Verdict(next_attempt_at=NOW + 16 * MINUTE, rest_until=rest)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("0", MINUTE),
        ("30", MINUTE),
        ("600", 10 * MINUTE),
        (" 600 ", 10 * MINUTE),
        ("Sat, 21 Nov 2026 13:00:00 GMT", HOUR),
        ("Sat, 21 Nov 2026 13:00:00", HOUR),
        ("Sat, 21 Nov 2026 14:00:00 +0100", HOUR),
        ("Sat, 21 Nov 2020 13:00:00 GMT", MINUTE),
        ("Sat, 21 Nov 2099 13:00:00 GMT", LONGEST_WAIT),
        ("99999999999999999999", LONGEST_WAIT),
        ("-5", MINUTE),
        ("soon", MINUTE),
        ("Sat, 99 Nov 2026 13:00:00 GMT", MINUTE),
        ("Sat, 21 Nov 99999 13:00:00 GMT", MINUTE),
        ("²", MINUTE),
        ("", MINUTE),
    ],
)
def test_it_may_say_for_how_long_within_reason(
    status: int, retry_after: str, wait: timedelta
) -> None:
    at = NOW + wait
    assert judge(heard(status, retry_after), 1, NOW) == Verdict(next_attempt_at=at, rest_until=at)


def test_a_hub_that_is_away_for_two_days_is_given_up() -> None:
    now, waits = NOW, list[timedelta]()
    for attempt in range(1, ATTEMPTS + 1):
        verdict = judge(heard(None), attempt, now)
        if verdict.next_attempt_at is None:
            break
        waits.append(verdict.next_attempt_at - now)
        now = verdict.next_attempt_at
    assert attempt == ATTEMPTS
    assert waits[:4] == [MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT
    assert timedelta(hours=46) < now - NOW < timedelta(hours=52)


def test_so_is_one_that_refuses_for_as_long_by_itself() -> None:
    assert judge(heard(500), ATTEMPTS, NOW) == Verdict()
    assert judge(heard(500), ATTEMPTS + 5, NOW) == Verdict()
    assert judge(heard(204), ATTEMPTS + 5, NOW).taken
