"""The run schedule: one run a day however the clock, the schedule and restarts move."""

from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.config.watchdog import ScheduleOptions
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import Schedule
from relay.watchdog.run_schedule import RunSchedule
from tests.support.examples import examples
from tests.support.wire import utc

AHEAD = utc("2025-03-03 23:15")  # 18:15 in New York: the clock is two hours ahead
START = utc("2025-03-03 14:00")  # a Monday; the clocks go forward on the Sunday after
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.integers(1, 20 * 60)),
        st.tuples(st.just("restart"), st.just(0)),
        st.tuples(st.just("move"), st.integers(0, 23)),
    ),
    max_size=60,
)


def new_run_schedule(shelf: MemoryShelf, now: datetime) -> RunSchedule:
    run_schedule = RunSchedule(ScheduleOptions(), shelf)
    run_schedule.advance(now)
    return run_schedule


@given(steps)
def test_no_day_is_due_twice_and_days_come_in_order(moves: list[tuple[str, int]]) -> None:
    shelf, now = MemoryShelf(), START
    run_schedule = new_run_schedule(shelf, now)
    days: list[date] = []
    for what, number in moves:
        if what == "pass":
            now += timedelta(minutes=number)
        elif what == "restart":
            run_schedule = new_run_schedule(shelf, now)
        else:
            run_schedule.learn(Schedule(trigger_time=f"{number:02}:10"), now, now)
        for _ in run_schedule.advance(now):
            assert run_schedule.current is not None
            if not days or run_schedule.current.day != days[-1]:
                days.append(run_schedule.current.day)
        assert run_schedule.coming is not None
        assert run_schedule.coming.due > now
        assert run_schedule.current is None or run_schedule.coming.day > run_schedule.current.day
    assert days == sorted(set(days))


@given(st.lists(st.integers(1, 60 * 10), min_size=1, max_size=400))
@examples(30)
def test_with_a_fixed_schedule_every_trading_day_is_due_once_over_restarts(minutes: list[int]) -> None:
    shelf, now = MemoryShelf(), START
    days = []
    for number in minutes:
        run_schedule = new_run_schedule(shelf, now)
        now += timedelta(minutes=number)
        days += [run_schedule.current.day for _ in run_schedule.advance(now) if run_schedule.current]
    trading = [date(2025, 3, 3) + timedelta(days=n) for n in range(400)]
    open_days = [day for day in trading if day.weekday() < 5 and day not in (date(2025, 4, 18), date(2025, 5, 26))]
    assert days == open_days[: len(days)]
    last = utc(f"{open_days[len(days)]} 20:10")
    assert now < last + timedelta(hours=1)


def test_a_day_moved_by_next_run_keeps_its_time_when_that_time_comes_near() -> None:
    run_schedule = new_run_schedule(MemoryShelf(), START)
    moved = utc("2025-03-03 22:00")
    for minute in range(0, 9 * 60, 5):
        now = START + timedelta(minutes=minute)
        following = moved if now < moved else utc("2025-03-04 21:10")
        run_schedule.learn(Schedule(trigger_time="16:10", next_run=following), now, now)
        run_schedule.advance(now)
        assert (run_schedule.current is None) == (now < moved)
    assert run_schedule.coming is not None
    assert run_schedule.coming.due == utc("2025-03-04 21:10")


def test_a_next_run_read_at_the_due_moment_itself_is_already_tomorrow_s() -> None:
    run_schedule = new_run_schedule(MemoryShelf(), START)
    near = utc("2025-03-03 21:09")  # its clock is ahead of ours
    run_schedule.learn(Schedule(trigger_time="16:10", next_run=utc("2025-03-04 21:10")), near, near)
    assert run_schedule.coming is not None
    assert (run_schedule.coming.due, run_schedule.coming.is_planned) == (utc("2025-03-03 21:10"), True)


def test_what_cannot_be_read_on_the_shelf_is_armed_anew() -> None:
    shelf = MemoryShelf()
    shelf.put("run_schedule", "{")
    coming = new_run_schedule(shelf, START).coming
    assert coming is not None
    assert coming.due == utc("2025-03-03 21:10")


def test_what_a_clock_that_was_ahead_has_noted_is_believed_no_longer() -> None:
    run_schedule = new_run_schedule(MemoryShelf(), AHEAD)
    assert run_schedule.note_asked(AHEAD) == AHEAD
    right = AHEAD - timedelta(hours=2)
    assert run_schedule.note_asked(right) == right
    run_schedule.learn(Schedule(trigger_time="16:20"), AHEAD, AHEAD)
    run_schedule.learn(Schedule(trigger_time="17:30"), right, right)
    assert f"{run_schedule.timetable.trigger_time:%H:%M}" == "17:30"


def test_a_day_that_a_clock_ahead_took_for_missed_is_due_again() -> None:
    run_schedule = new_run_schedule(MemoryShelf(), AHEAD)
    assert run_schedule.current is not None
    day = run_schedule.current.day
    run_schedule.current.state = State.MISSED
    before_due = run_schedule.current.due - timedelta(hours=4)
    run_schedule.advance(before_due)
    assert run_schedule.coming is not None
    assert run_schedule.coming.day == day
    run_schedule.advance(run_schedule.coming.due)
    assert run_schedule.current is not None
    assert (run_schedule.current.day, run_schedule.current.state) == (day, State.DUE)


def test_what_an_answer_does_not_say_stays_as_it_was() -> None:
    shelf = MemoryShelf()
    run_schedule = new_run_schedule(shelf, START)
    given = Schedule(trigger_time="15:30", timezone="America/Chicago", enabled=True, market_check=True)
    for minute, answer in enumerate((given, Schedule(), Schedule(next_run=START))):
        now = START + timedelta(minutes=minute)
        run_schedule.learn(answer, now, now)
        saved = run_schedule._saved
        assert (saved.trigger_time, saved.timezone, saved.enabled) == ("15:30", "America/Chicago", True)
        assert saved.market_check is True
        assert run_schedule.coming is not None
        assert run_schedule.coming.due == utc("2025-03-03 21:30")
    now = START + timedelta(minutes=10)
    run_schedule.learn(Schedule(enabled=False, market_check=False), now, now)
    again = RunSchedule(ScheduleOptions(), shelf)
    assert (again._saved.market_check, again.enabled, again._saved.trigger_time) == (False, False, "15:30")
