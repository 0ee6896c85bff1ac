"""A slot is due exactly once a local day or week, whatever the clocks of its zone do."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.core.model import Cadence, SlotTime
from publisher.core.schedule import day_begins, latest_due, next_due, parse_at, slot_key

ZONES = sorted(zoneinfo.available_timezones() - {"Factory", "localtime"})
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


def daily(at: str, zone: str) -> SlotTime:
    return SlotTime(newsletter="daily", cadence=Cadence.DAILY, at=parse_at(at), zone=zone)


def weekly(weekday: int, at: str, zone: str) -> SlotTime:
    return SlotTime(
        newsletter="daily", cadence=Cadence.WEEKLY, weekday=weekday, at=parse_at(at), zone=zone
    )


ALERTS = SlotTime(newsletter="alerts", cadence=Cadence.IMMEDIATE)


def dues(slot: SlotTime, start: datetime, end: datetime) -> list[datetime]:
    """As the daemon walks them: each asked for from the one before."""
    found = []
    due = next_due(slot, start)
    while due is not None and due < end:
        found.append(due)
        due = next_due(slot, due)
    return found


def local(slot: SlotTime, start: str, count: int) -> list[str]:
    """The next `count` due moments after local midnight of `start`, in local time."""
    zone = ZoneInfo(slot.zone)
    moment = datetime.fromisoformat(start).replace(tzinfo=zone) - MOMENT
    found = dues(slot, moment.astimezone(UTC), moment.astimezone(UTC) + timedelta(days=60))
    return [f"{due.astimezone(zone):%m-%d %H:%M %z}" for due in found[:count]]


@pytest.mark.parametrize(
    ("slot", "start", "expected"),
    [
        pytest.param(
            daily("00:00", "America/Los_Angeles"),
            "2026-03-07",
            ["03-07 00:00 -0800", "03-08 00:00 -0800", "03-09 00:00 -0700", "03-10 00:00 -0700"],
            id="midnight, the day of the change and the day after it",
        ),
        pytest.param(
            weekly(0, "00:15", "Europe/Berlin"),
            "2026-03-23",
            ["03-23 00:15 +0100", "03-30 00:15 +0200", "04-06 00:15 +0200"],
            id="the Monday after the change",
        ),
        pytest.param(
            daily("02:30", "Europe/Berlin"),
            "2026-03-28",
            ["03-28 02:30 +0100", "03-29 03:30 +0200", "03-30 02:30 +0200"],
            id="a time that the clock jumps over",
        ),
        pytest.param(
            daily("02:30", "Europe/Berlin"),
            "2026-10-24",
            ["10-24 02:30 +0200", "10-25 02:30 +0200", "10-26 02:30 +0100"],
            id="a time that comes twice",
        ),
        pytest.param(
            daily("00:00", "Africa/Cairo"),
            "2026-04-23",
            ["04-23 00:00 +0200", "04-24 01:00 +0300", "04-25 00:00 +0300"],
            id="a day that starts at one",
        ),
        pytest.param(
            daily("02:00", "Australia/Lord_Howe"),
            "2026-10-03",
            ["10-03 02:00 +1030", "10-04 02:30 +1100", "10-05 02:00 +1100"],
            id="half an hour",
        ),
        pytest.param(
            daily("07:00", "Pacific/Apia"),
            "2011-12-29",
            ["12-29 07:00 -1000", "12-31 07:00 +1400", "01-01 07:00 +1400"],
            id="a day left out",
        ),
        pytest.param(
            weekly(4, "07:00", "Pacific/Apia"),
            "2011-12-19",
            ["12-23 07:00 -1000", "12-31 07:00 +1400", "01-06 07:00 +1400"],
            id="weekly on the day left out",
        ),
        pytest.param(
            daily("07:00", "Pacific/Kwajalein"),
            "1993-08-20",
            ["08-20 07:00 -1200", "08-22 07:00 +1200", "08-23 07:00 +1200"],
            id="another day left out",
        ),
        pytest.param(
            daily("07:00", "Pacific/Kwajalein"),
            "1969-09-29",
            ["09-29 07:00 +1100", "09-30 07:00 +1100", "10-01 07:00 -1200"],
            id="a day repeated",
        ),
        pytest.param(
            daily("23:45", "America/Toronto"),
            "1919-03-29",
            ["03-29 23:45 -0500", "03-31 00:45 -0400", "03-31 23:45 -0400"],
            id="a gap over midnight",
        ),
    ],
)
def test_a_local_time_through_the_clock_changes(
    slot: SlotTime, start: str, expected: list[str]
) -> None:
    assert local(slot, start, len(expected)) == expected


def test_an_immediate_slot_is_never_due_by_the_clock() -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    assert next_due(ALERTS, now) is None
    assert latest_due(ALERTS, now) is None


def test_next_is_strictly_after_and_latest_is_not() -> None:
    slot = daily("07:00", "Europe/Berlin")
    due = datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert next_due(slot, due - MOMENT) == due
    assert next_due(slot, due) == due + timedelta(days=1)
    assert latest_due(slot, due) == due
    assert latest_due(slot, due - MOMENT) == due - timedelta(days=1)


def test_moments_are_in_utc_whatever_zone_is_asked_in() -> None:
    asked = datetime(2026, 11, 20, 23, tzinfo=ZoneInfo("Asia/Tokyo"))
    due = next_due(daily("07:00", "Europe/Berlin"), asked)
    assert due == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert due.tzinfo is UTC


@pytest.mark.parametrize(
    ("slot", "key"),
    [
        (weekly(0, "07:00", "Europe/Berlin"), "daily/weekly@mon-07:00[Europe/Berlin]"),
        (weekly(6, "18:05", "UTC"), "daily/weekly@sun-18:05[UTC]"),
        (daily("07:00", "Europe/Berlin"), "daily/daily@07:00[Europe/Berlin]"),
        (ALERTS, "alerts/immediate"),
    ],
)
def test_slot_key(slot: SlotTime, key: str) -> None:
    assert slot_key(slot) == key


@pytest.mark.parametrize(
    ("moment", "zone", "began"),
    [
        ("2026-11-23T12:00", "UTC", "2026-11-23T00:00"),
        ("2026-11-23T00:00", "UTC", "2026-11-23T00:00"),
        ("2026-11-23T04:59", "America/New_York", "2026-11-22T05:00"),
        ("2026-11-23T05:00", "America/New_York", "2026-11-23T05:00"),
        ("2026-11-22T22:30", "Asia/Tokyo", "2026-11-22T15:00"),
        # 25 and 23 hours long.
        ("2026-10-25T22:59", "Europe/Berlin", "2026-10-24T22:00"),
        ("2026-03-29T21:59", "Europe/Berlin", "2026-03-28T23:00"),
        # A midnight that is left out, and one that comes twice.
        ("2026-09-06T12:00", "America/Santiago", "2026-09-06T04:00"),
        ("2026-11-01T05:30", "America/Havana", "2026-11-01T04:00"),
    ],
)
def test_when_a_day_began(moment: str, zone: str, began: str) -> None:
    at, begun = (datetime.fromisoformat(f"{each}:00+00:00") for each in (moment, began))
    assert day_begins(at, zone) == begun
    assert day_begins(begun, zone) == begun
    assert day_begins(begun - timedelta(seconds=1), zone) < begun


@pytest.mark.parametrize(
    ("text", "expected"),
    [("07:00", time(7)), ("7:30", time(7, 30)), (" 23:59 ", time(23, 59)), ("00:00", time(0))],
)
def test_a_time_of_day_is_read(text: str, expected: time) -> None:
    assert parse_at(text) == expected


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "07:00:00", "7 am", "-1:00", "٠٧:٠٠"])
def test_what_is_no_time_of_day_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="07:00"):
        parse_at(text)


# Every zone there is, around every clock change.

TIMES = ("00:00", "00:15", "01:59", "07:00", "12:00", "23:59")


def clock_changes(zone: str, first: int, last: int) -> tuple[tuple[datetime, timedelta], ...]:
    """When the zone's clock was moved from one year to another, and by how much."""
    info = ZoneInfo(zone)

    def offset(moment: datetime) -> timedelta:
        found = moment.astimezone(info).utcoffset()
        assert found is not None
        return found

    changes = []
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC)
    before = offset(moment)
    while moment < end:
        moment += timedelta(days=1)
        if (after := offset(moment)) != before:
            early, late = moment - timedelta(days=1), moment
            while late - early > HOUR / 60:
                middle = early + (late - early) / 2
                early, late = (middle, late) if offset(middle) == before else (early, middle)
            changes.append((late.replace(second=0, microsecond=0), after - before))
            before = after
    return tuple(changes)


def distinct_zones(first: int, last: int) -> dict[str, tuple[tuple[datetime, timedelta], ...]]:
    """Clock changes by zone, once for zones whose clocks went alike in these years."""
    start = datetime(first, 1, 1, tzinfo=UTC)
    alike = {
        (start.astimezone(ZoneInfo(zone)).utcoffset(), clock_changes(zone, first, last)): zone
        for zone in ZONES
    }
    return {zone: changes for (_, changes), zone in alike.items()}


def local_days(zone: str, start: datetime, end: datetime) -> list[date]:
    """The local dates that someone sees who looks at the clock every quarter of an hour."""
    info = ZoneInfo(zone)
    seen: dict[date, None] = {start.astimezone(info).date(): None}
    moment = start
    while moment < end:
        moment += HOUR / 4
        seen[moment.astimezone(info).date()] = None
    return list(seen)


def times_about(change: datetime, by: timedelta, zone: ZoneInfo) -> list[str]:
    """Times of day, among them those that the clock jumps over or that come twice."""
    before = (change - MOMENT).astimezone(zone).replace(tzinfo=None) + MOMENT
    odd = (before, before + by / 2, before + by, before + by - HOUR / 60)
    return sorted({*TIMES, *(f"{each:%H:%M}" for each in odd)})


def check_one_due_a_day_and_week(first: int, last: int) -> dict[str, int]:
    """In every zone around each of its clock changes in these years; how much was looked at."""
    counts = {"zones": 0, "changes": 0, "slots": 0, "due": 0}
    for zone, changes in distinct_zones(first, last).items():
        info = ZoneInfo(zone)
        counts["zones"] += 1
        for change, by in changes:
            counts["changes"] += 1
            start, end = change - timedelta(days=3), change + timedelta(days=3)
            days = local_days(zone, start, end)[1:-1]
            times = times_about(change, by, info)
            for at in times:
                slot = daily(at, zone)
                found = dues(slot, start - timedelta(days=1), end + timedelta(days=1))
                assert found == sorted(set(found))
                by_day = [day for due in found if (day := wanted_day(due, at, info)) in days]
                assert by_day == days, (zone, at)
                counts["slots"] += 1
                counts["due"] += len(found)
            every = (days[0] + n * timedelta(days=7) for n in range(-1, 3))
            weeks = [day.isocalendar()[:2] for day in every]
            for weekday in range(7):
                slot = weekly(weekday, times[counts["slots"] % len(times)], zone)
                found = dues(slot, start - timedelta(days=15), end + timedelta(days=22))
                by_week = [
                    wanted_day(due, f"{slot.at:%H:%M}", info).isocalendar()[:2] for due in found
                ]
                assert [week for week in by_week if week in weeks] == weeks, (zone, weekday)
                assert by_week == sorted(set(by_week)), (zone, weekday)
                counts["slots"] += 1
                counts["due"] += len(found)
    return counts


@pytest.mark.parametrize(
    ("first", "last", "changes"),
    [
        pytest.param(1969, 1970, 40, id="a day repeated"),
        pytest.param(1993, 1995, 200, id="another day left out"),
        pytest.param(2011, 2012, 100, id="a day left out"),
        pytest.param(2020, 2030, 700, id="ten years"),
        pytest.param(2005, 2035, 4000, id="thirty years", marks=pytest.mark.slow),
    ],
)
def test_every_zone_has_one_due_a_local_day_and_week_around_every_change(
    first: int, last: int, changes: int
) -> None:
    assert check_one_due_a_day_and_week(first, last)["changes"] > changes


def wanted_day(due: datetime, at: str, zone: ZoneInfo) -> date:
    """The day whose due moment this is: its own, or the one before where it moved past midnight."""
    here = due.astimezone(zone)
    return here.date() - timedelta(days=1) if here.time() < parse_at(at) else here.date()


MOMENTS = st.integers(-(70 * 365), 130 * 365).flatmap(
    lambda days: st.timedeltas(timedelta(days), timedelta(days + 1)).map(
        lambda past: datetime(1970, 1, 1, tzinfo=UTC) + past
    )
)
SLOTS = st.builds(
    SlotTime,
    newsletter=st.just("daily"),
    cadence=st.sampled_from((Cadence.DAILY, Cadence.WEEKLY)),
    at=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    weekday=st.integers(0, 6),
    zone=st.sampled_from(ZONES),
)


@given(SLOTS, MOMENTS)
def test_next_and_latest_agree(slot: SlotTime, moment: datetime) -> None:
    after, before = next_due(slot, moment), latest_due(slot, moment)
    assert after is not None
    assert before is not None
    assert before <= moment < after
    assert next_due(slot, before) == after
    assert latest_due(slot, after) == after
    assert latest_due(slot, after - MOMENT) == before
    assert timedelta(hours=22) <= after - before <= timedelta(days=8, hours=2)
