"""When a run is due, held against hand-written dates and the properties that any timetable must have."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.schedule.timetable import Calendar, Timetable, is_half_day, is_trading_day, market_is_open

NEW_YORK = Timetable()
DAILY = Timetable(time(2, 30), calendar=Calendar.NONE)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
timetables = st.builds(
    Timetable,
    trigger_time=st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    timezone=st.sampled_from(["America/New_York", "UTC", "Asia/Tokyo", "Europe/Berlin", "Australia/Lord_Howe"]),
    calendar=st.sampled_from(Calendar),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2025-01-27", "2025-01-27 21:10"),  # winter
        ("2025-07-28", "2025-07-28 20:10"),  # summer
        ("2025-03-07", "2025-03-07 21:10"),  # Friday before the clocks go forward
        ("2025-03-10", "2025-03-10 20:10"),  # Monday after
        ("2025-10-31", "2025-10-31 20:10"),  # Friday before the clocks go back
        ("2025-11-03", "2025-11-03 21:10"),  # Monday after
        ("2025-11-28", "2025-11-28 21:10"),  # half day after Thanksgiving
        ("2025-12-24", "2025-12-24 21:10"),  # half day before Christmas
    ],
)
def test_the_run_is_due_at_ten_past_four_in_new_york_in_summer_and_winter(day: str, due: str) -> None:
    assert NEW_YORK.due_on(date.fromisoformat(day)) == utc(due)


@pytest.mark.parametrize(
    "day",
    [
        "2025-01-01",
        "2025-01-09",
        "2025-01-20",
        "2025-02-17",
        "2025-04-18",
        "2025-05-26",
        "2025-06-19",
        "2025-07-04",
        "2025-09-01",
        "2025-11-27",
        "2025-12-25",
        "2026-04-03",
        "2026-07-03",
        "2025-01-25",
        "2025-01-26",
    ],
)
def test_no_run_is_due_on_holidays_special_closings_and_weekends(day: str) -> None:
    assert NEW_YORK.due_on(date.fromisoformat(day)) is None


def test_half_days_are_trading_days() -> None:
    half_days = [date(2025, 7, 3), date(2025, 11, 28), date(2025, 12, 24)]
    assert all(is_half_day(day) and is_trading_day(day) for day in half_days)
    assert not is_half_day(date(2025, 7, 2))


def test_the_market_is_open_in_its_session_and_closes_early_on_half_days() -> None:
    hours = {"2025-01-27 14:29": False, "2025-01-27 14:30": True, "2025-01-27 20:59": True, "2025-01-27 21:00": False}
    hours |= {"2025-07-28 13:30": True, "2025-11-28 17:59": True, "2025-11-28 18:00": False, "2025-12-25 15:00": False}
    assert {moment: market_is_open(utc(moment)) for moment in hours} == hours


def test_a_local_time_that_does_not_exist_is_an_hour_later_by_the_new_clock() -> None:
    due = DAILY.due_on(date(2025, 3, 9))
    assert due == utc("2025-03-09 07:30")
    assert due.astimezone(ZoneInfo("America/New_York")).time() == time(3, 30)


def test_a_local_time_that_comes_twice_counts_once_the_first_time() -> None:
    daily = Timetable(time(1, 30), calendar=Calendar.NONE)
    assert daily.due_on(date(2025, 11, 2)) == utc("2025-11-02 05:30")
    assert daily.next_due(utc("2025-11-02 05:30")) == utc("2025-11-03 06:30")


def test_around_a_long_weekend() -> None:
    assert NEW_YORK.next_due(utc("2025-04-17 20:10")) == utc("2025-04-21 20:10")  # over Good Friday
    assert NEW_YORK.last_due(utc("2025-04-21 20:09")) == utc("2025-04-17 20:10")


@given(timetables, moments)
def test_nothing_is_due_between_the_last_and_the_next(timetable: Timetable, now: datetime) -> None:
    last, following = timetable.last_due(now), timetable.next_due(now)
    assert last is not None
    assert following is not None
    assert last <= now < following
    assert timetable.next_due(last) == following
    assert timetable.last_due(following - timedelta(microseconds=1)) == last


@given(timetables, moments)
def test_each_due_moment_is_the_one_of_its_day_and_shows_the_trigger_time(table: Timetable, now: datetime) -> None:
    due = table.next_due(now)
    assert due is not None
    local = due.astimezone(ZoneInfo(table.timezone))
    day = next(d for n in (0, 1) if table.due_on(d := local.date() - timedelta(days=n)) == due)
    wall = datetime.combine(day, table.trigger_time)
    shift = local.replace(tzinfo=None) - wall
    assert timedelta(0) <= shift <= timedelta(hours=1)
    assert shift == timedelta(0) or not _exists(wall, table.timezone)


def _exists(wall: datetime, zone: str) -> bool:
    there = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone))
    return there.replace(tzinfo=None) == wall


@given(st.sampled_from(sorted(available_timezones())), moments)
def test_every_zone_that_this_machine_knows_has_one_run_a_day_without_a_calendar(zone: str, now: datetime) -> None:
    table = Timetable(time(12, 0), zone, Calendar.NONE)
    days = [table.due_on(table.day_of(now) + timedelta(days=n)) for n in range(3)]
    assert None not in days
    assert len(set(days)) >= 2  # Samoa once had no 30 December
