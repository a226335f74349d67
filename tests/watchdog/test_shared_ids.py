"""Publishers that call several runs the same: each is a run of its own, whatever was said of the others."""

from datetime import timedelta

import pytest

from relay.events import Event
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun, Status
from relay.watchdog.soundness import is_sound
from tests.support.days import DUE, a_run, world
from tests.support.wire import event, upto
from tests.support.world import IDLE, World

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def daily(number: int, *, status: str = "completed", run_id: str = "daily") -> list[Event]:
    """The run of Monday 27 January (0) or of a day after it."""
    start = DUE + number * DAY
    return a_run(start, run_id, status=status, start_with={"run_date": f"{start:%Y-%m-%d}"})


def row(number: int) -> HistoryRun:
    start = DUE + number * DAY
    return HistoryRun("daily", start.date(), start, start + 35 * MINUTE, "completed", 505, 5, 1250, 7575, 2100.0)


def about_runs(day: World) -> list[str]:
    return [each for each in day.alerts_announced if each.startswith("run_")]


@pytest.mark.parametrize("run_id", ["daily", "1", "2025"])
def test_each_day_that_fails_under_one_id_is_told_and_a_good_one_ends_them(run_id: str) -> None:
    day = world()
    day.play(daily(0, status="failed", run_id=run_id))
    day.play(daily(1, status="failed", run_id=run_id))
    day.pass_(5)
    assert about_runs(day) == ["run_failed firing"] * 2
    assert "Run of Tue 28 Jan" in day.alert("run_failed")["title"]
    day.play(daily(2, run_id=run_id))
    day.pass_(5)
    assert about_runs(day)[2:] == ["run_failed resolved"] * 2
    assert [is_sound(run) for run in day.runs.newest_first()] == [True, False, False]
    states = {one.payload["incident"]: one.payload["state"] for _, one in day.incident_events}
    assert list(states.values()) == ["over", "over"]


def test_the_history_row_of_yesterday_ends_no_run_of_today() -> None:
    day = world()
    day.play(daily(0))
    day.history = [row(0)]
    day.until(DUE + DAY)
    day.status = Status(is_running=True, run_id="daily")
    day.play(upto(daily(1), "indicator_processing_started"))
    assert [run.state for run in day.runs.newest_first()] == [State.RUNNING, State.COMPLETED]
    day.tell("processing:status", "processing_failed", run_id="daily")
    day.pass_(10)
    assert day.alerts_announced == ["run_failed firing"]


def test_a_history_that_is_read_later_takes_no_event_from_the_run_that_goes_on() -> None:
    day = world("2025-01-28 20:00", api_up=False)
    day.play(upto(daily(1), "import_started"))
    day.api_up, day.history, day.status = True, [row(-1), row(0)], Status(is_running=True, run_id="daily")
    day.pass_(1)
    assert len(list(day.runs.newest_first())) == 3, "the older ones are known by the history"
    day.tell("processing:status", "processing_failed", run_id="daily")
    assert next(day.runs.newest_first()).state is State.FAILED


def test_a_run_that_only_the_api_shows_is_not_taken_for_yesterdays() -> None:
    day = world()
    day.play(daily(0))
    day.until(DUE + DAY)
    day.is_disconnected, day.status = True, Status(is_running=True, run_id="daily", start_time=DUE + DAY)
    day.pass_(10)
    assert day.alerts_announced == ["events_missing firing"]
    assert next(day.runs.newest_first()).run_date == "2025-01-28"


@pytest.mark.parametrize("after", [timedelta(seconds=5), timedelta(seconds=20), 10 * MINUTE])
def test_a_run_that_is_tried_again_at_once_under_its_id_is_followed_and_clears_the_failure(after: timedelta) -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_completed"))
    day.tell("processing:status", "processing_completed", run_id="r1", status="failed")
    day.play(a_run(day.now + after))
    day.pass_(5)
    assert about_runs(day) == ["run_failed firing", "run_failed resolved"]
    assert [run.state for run in day.runs.newest_first()] == [State.COMPLETED, State.FAILED]


@pytest.mark.parametrize("stamp", [DUE, DUE + MINUTE, None])
def test_the_repeat_of_a_start_that_comes_after_the_end_begins_nothing(stamp: object) -> None:
    runs = Runs(MemoryShelf())
    for one in a_run(DUE):
        runs.observe(one, one.received)
    late = event("processing:status", "processing_started", DUE + 35.5 * MINUTE, stamp=stamp or "", run_id="r1")
    assert runs.observe(late, late.received) == []
    assert len(list(runs.newest_first())) == 1


@pytest.mark.parametrize("ahead", [2, 3.5, 60])
def test_the_repeat_of_a_start_whose_clock_is_ahead_of_the_end_begins_nothing(ahead: float) -> None:
    """A run that fails at once: its start, heard twice, claims to be later than its end."""
    day = world()
    start = event("processing:status", "processing_started", DUE, stamp=DUE + timedelta(seconds=ahead), run_id="r1")
    day.play([start])
    day.tell("processing:status", "processing_failed", run_id="r1")
    later = DUE + timedelta(seconds=90)
    stamp = DUE + timedelta(seconds=ahead + 0.4)
    day.play([event("processing:status", "processing_started", later, stamp=stamp, run_id="r1")])
    day.pass_(20)
    assert [run.state for run in day.runs.newest_first()] == [State.FAILED]
    assert about_runs(day) == ["run_failed firing"]


@pytest.mark.parametrize("first_heard", ["processing_completed", "import_progress", "cache_completed"])
def test_a_day_of_which_only_later_events_are_heard_is_told_apart_from_the_day_before(first_heard: str) -> None:
    """As after a gap in which it began."""
    day = world()
    day.play(daily(0))
    later = daily(1, status="failed")
    later = later[[one.event for one in later].index(first_heard) :]
    day.until(later[0].received)
    day.play(later)
    day.pass_(5)
    today, yesterday = day.runs.newest_first()
    assert (yesterday.state, yesterday.events) == (State.COMPLETED, len(daily(0)))
    assert (today.state, today.events) == (State.FAILED, len(later))
    assert "run_failed firing" in day.alerts_announced


def test_a_run_whose_end_was_only_inferred_is_not_resumed_by_the_start_of_the_next_day() -> None:
    day = world(api_up=False)
    day.play(upto(daily(0), "import_completed"))
    day.until(DUE + 14 * timedelta(hours=1), 600)
    day.play(daily(1))
    day.pass_(5)
    assert [run.run_date for run in day.runs.newest_first()] == ["2025-01-28", "2025-01-27"]
    assert "never_started firing" not in day.alerts_announced
    assert day.alerts_announced[-1] == "run_failed resolved"


def test_ids_outlive_a_restart_and_the_wire_reaches_the_newest() -> None:
    day = world()
    day.play(daily(0))
    day.play(upto(daily(1), "import_started"))
    day.start_relay()
    first, second = day.runs.get("daily"), day.runs.named("daily")
    assert first is not None
    assert second is not None
    assert (first.run_date, second.run_date) == ("2025-01-27", "2025-01-28")
    assert day.runs.get(second.run_id) is second
    assert day.runs.named("daily", DUE + 5 * MINUTE) is first
    day.status = IDLE
    day.tell("processing:status", "processing_failed", run_id="daily")
    assert (first.state, second.state) == (State.COMPLETED, State.FAILED)


def test_events_without_an_id_that_turn_out_to_be_of_a_used_one_keep_it_apart() -> None:
    day = world()
    day.play(daily(0, status="failed"))
    later = [one for one in daily(1) if one.event != "processing_started"][:4]
    for one in later:
        one.run_id = None
        one.payload.pop("run_id")
        day.until(one.received)
        day.hear(one)
    day.tell("processing:status", "processing_started", run_id="daily", run_date="2025-01-28")
    assert [run.state for run in day.runs.newest_first()] == [State.RUNNING, State.FAILED]
    assert len({run.run_id for run in day.runs.newest_first()}) == 2
