"""What the relay only inferred never outlives the truth: a run that goes on, a real end, a run that began again."""

from datetime import timedelta

import pytest

from relay.runs.signals import State
from relay.tickstockpl.models import HistoryRun, Status
from relay.watchdog.watchdog import Watchdog
from tests.support.days import DUE, a_run, world
from tests.support.wire import upto
from tests.support.world import IDLE, World


def broken_off(day: World, run_id: str = "r1") -> None:
    """Events of a run come sparsely, the API says that it is idle, and the relay infers that the run has failed."""
    day.play(upto(a_run(DUE, run_id), "cache_started"))
    day.status = IDLE
    day.pass_(8)
    assert day.alerts_announced == ["run_failed firing"]


def test_the_real_end_ends_what_was_said_of_the_inferred_one_at_once() -> None:
    day = world()
    broken_off(day)
    day.hear(a_run(DUE)[-1])
    day.tick()
    assert day.alerts_announced[:2] == ["run_failed firing", "run_failed resolved"]
    assert "completed. What was said of it before was only inferred." in day.alert("run_failed", "resolved")["message"]
    assert day.alerts_announced[2:] == ["phase_missing firing"]  # of indicators and patterns nothing was heard
    day.until(DUE + timedelta(hours=20), 600)
    assert len(day.alerts_announced) == 3


def test_the_real_end_in_the_history_ends_it_too() -> None:
    day = world()
    broken_off(day)
    day.history = [HistoryRun("r1", None, DUE, DUE + timedelta(minutes=35), "completed", 505, 5, 1250, 7575, 2100.0)]
    day.pass_(20)
    assert day.alerts_announced[:2] == ["run_failed firing", "run_failed resolved"]


def test_an_event_that_shows_that_the_run_goes_on_ends_it() -> None:
    day = world()
    broken_off(day)
    day.tell("cache:completed", "cache_completed", run_id="r1")
    day.tick()
    assert "run_failed resolved" in day.alerts_announced
    assert day.alert("run_failed", "resolved")["message"].startswith("The run goes on")
    assert "run_failed" not in [alert.name for alert in day.alerts.firing()]


def test_a_real_failure_is_not_said_twice() -> None:
    day = world()
    broken_off(day)
    day.tell("processing:status", "processing_failed", run_id="r1", error="database password missing")
    day.pass_(30)
    assert day.alerts_announced == ["run_failed firing"]


def test_an_inferred_completion_that_is_then_reported_is_not_held_against_the_run() -> None:
    day = world()
    day.play(a_run(DUE)[:-1])
    day.status = IDLE
    day.pass_(8)
    assert day.alerts_announced == ["completion_not_reported firing"]
    day.hear(a_run(DUE)[-1])
    day.tick()
    assert day.alerts_announced == ["completion_not_reported firing", "completion_not_reported resolved"]


@pytest.mark.parametrize("died_after", ["import_started", "import_progress", "indicator_progress"])
@pytest.mark.parametrize("manual", [False, True])
def test_a_run_that_began_again_as_another_ends_at_once_and_the_other_s_result_clears_it(
    died_after: str, *, manual: bool
) -> None:
    day = world()
    day.play(upto(a_run(DUE), died_after))
    day.pass_(2)
    again = day.now
    with_ = {"trigger_type": "manual"} if manual else {}
    day.play(upto(a_run(again, "r2", start_with=with_), "import_started"))
    day.pass_(0.5, step=10)
    first = day.runs.get("r1")
    assert first is not None
    assert (first.state, first.reason, first.followed_by) == (State.FAILED, "began again as r2", "r2")
    assert day.alerts_announced == ["run_failed firing"]
    assert "incomplete until the run r2 has completed" in day.alert("run_failed")["message"]
    assert scheduled_run_id(day.watchdog) == "r2"
    day.play(a_run(again, "r2")[2:])
    day.until(again + timedelta(hours=5), 300)
    assert day.alerts_announced == ["run_failed firing", "run_failed resolved"]


def test_a_run_that_began_again_unseen_by_the_api_says_nothing_once_the_other_has_completed() -> None:
    day = world(api_up=False)
    day.play(upto(a_run(DUE, minutes=(10, 1, 4, 20)), "indicator_progress"))
    for one in a_run(day.now + timedelta(minutes=1), "r2", minutes=(1, 1, 1, 1)):
        day.until(one.received)
        day.hear(one)
    day.api_up, day.status = True, IDLE
    day.until(DUE + timedelta(hours=3))
    assert "run_failed firing" not in day.alerts_announced
    assert day.alerts.firing() == []


def test_two_runs_that_really_overlap_are_both_left_alone() -> None:
    day = world()
    both = sorted([*a_run(DUE), *a_run(DUE + timedelta(minutes=1), "r2")], key=lambda one: one.received)
    for one in both:
        day.until(one.received)
        day.hear(one)
        day.status = Status(is_running=True, run_id="r2", start_time=DUE + timedelta(minutes=1))
    day.status = IDLE
    day.pass_(30)
    assert [run.state for run in day.runs.newest_first()] == [State.COMPLETED, State.COMPLETED]
    assert day.watchdog.alerts.firing() == []


def scheduled_run_id(watchdog: Watchdog) -> str | None:
    scheduled = watchdog.run_schedule.current
    return scheduled.run_id if scheduled is not None else None
