"""One glance's answer: which run it is about, in which colour, in which words."""

from datetime import date, timedelta
from typing import Any

import pytest

from relay.runs.signals import State
from relay.schedule.timetable import Timetable
from relay.status.snapshot import RunView, Today
from relay.status.today import scheduled_runs, today
from relay.watchdog.alerts import Alert, Stage
from relay.watchdog.run_schedule import ScheduledRun
from tests.support.wire import utc

DUE = utc("2025-01-27 21:10")  # Monday 16:10 in New York
NEXT = utc("2025-01-28 21:10")
DAY = date(2025, 1, 27)


def scheduled(state: State = State.DUE, **more: Any) -> ScheduledRun:
    return ScheduledRun(day=DAY, due=DUE, state=state, **more)


COMING = ScheduledRun(day=date(2025, 1, 28), due=NEXT)


def run(state: str = "completed", *, run_id: str = "r1", after: float = 0, **more: Any) -> RunView:
    began = DUE + timedelta(minutes=after)
    return RunView(run_id=run_id, state=state, began=began, run_date="2025-01-27", **more)


def answer(
    current: ScheduledRun | None, runs: list[RunView], minutes: float = 60, alerts: Any = (), **more: Any
) -> Today:
    now = DUE + timedelta(minutes=minutes)
    return today(current, COMING, runs, alerts, now, timezone="America/New_York", **more)


@pytest.mark.parametrize(
    ("state", "mood", "words"),
    [
        ("running", "busy", "is in progress"),
        ("stalled", "bad", "has stalled"),
        ("completed", "good", "completed"),
        ("failed", "bad", "failed"),
        ("cancelled", "warning", "was cancelled"),
        ("partial", "warning", "completed partially"),
    ],
)
def test_the_days_run_decides(state: str, mood: str, words: str) -> None:
    result = answer(scheduled(State.RUNNING, run_id="r1"), [run(state)])
    assert (result.mood, result.headline) == (mood, f"Today’s run {words}")  # noqa: RUF001
    assert result.next_due == NEXT


@pytest.mark.parametrize(
    ("finding", "tone", "result", "mood"),
    [
        ("zero_results", "bad", "completed, no results", "bad"),
        ("phase_missing", "warn", "completed, no cache", "warning"),
        ("too_slow", "warn", "completed, slow", "warning"),
    ],
)
def test_a_completed_run_is_shown_with_what_is_wrong_with_it(finding: str, tone: Any, result: str, mood: str) -> None:
    """Also when the alert about it was cleared, silenced, or never fired."""
    ended = run(findings=[finding], tone=tone, result=result)
    shown = answer(scheduled(State.RUNNING, run_id="r1"), [ended])
    assert (shown.mood, shown.headline) == (mood, f"Today’s run {result}")  # noqa: RUF001


@pytest.mark.parametrize(
    ("state", "mood", "words"),
    [(State.DUE, "waiting", "is due now"), (State.LATE, "bad", "is late"), (State.MISSED, "bad", "never started")],
)
def test_without_a_run_the_slot_decides_and_friday_does_not_count(state: State, mood: str, words: str) -> None:
    friday = run(run_id="friday", after=-3 * 1440)
    friday.run_date = "2025-01-24"
    result = answer(scheduled(state), [friday])
    assert (result.mood, result.headline) == (mood, f"Today’s run {words}")  # noqa: RUF001
    assert "16:10 EST" in result.detail


def test_a_run_with_alerts_about_it_is_not_simply_good() -> None:
    def firing(severity: str, run_id: str | None) -> list[Alert]:
        return [Alert(key="k", stage=Stage.FIRING, since=DUE, severity=severity, title="", message="", run_id=run_id)]

    settled = scheduled(State.RUNNING, run_id="r1")
    assert answer(settled, [run()], alerts=firing("warning", "r1")).mood == "warning"
    assert answer(settled, [run()], alerts=firing("critical", "r1")).mood == "bad"
    assert answer(settled, [run()], alerts=firing("critical", "another")).mood == "good"
    assert answer(settled, [run("failed")], alerts=firing("warning", "r1")).mood == "bad"


@pytest.mark.parametrize(
    ("minutes", "whose"),
    [(60, "Today’s"), (60 + 24 * 60, "Yesterday’s"), (60 + 3 * 24 * 60, "Monday’s"), (9 * 24 * 60, "The 27 Jan")],  # noqa: RUF001
)
def test_a_day_is_called_as_people_call_it(minutes: float, whose: str) -> None:
    assert answer(scheduled(State.RUNNING, run_id="r1"), [run()], minutes).headline == f"{whose} run completed"


def test_which_run_is_the_days_is_looked_up_and_not_decided_here() -> None:
    going = run("running", run_id="by-hand", after=-5, is_scheduled=False)
    assert answer(scheduled(State.LATE), [going, run(run_id="r0", after=-3)]).headline == "Today’s run is late"  # noqa: RUF001
    result = answer(scheduled(State.MISSED), [run("running", run_id="r2", after=1420)], 1425)
    assert result.headline == "Today’s run is in progress"  # noqa: RUF001 - the next day's, which began early


def test_a_manual_run_before_the_due_time_is_not_todays_but_one_after_it_is() -> None:
    assert answer(scheduled(State.LATE), [run(after=-120, is_scheduled=False)]).state == "late"
    assert answer(scheduled(State.RUNNING, run_id="r1"), [run(after=40, is_scheduled=False)]).headline.startswith(
        "Today"
    )


def test_a_run_that_goes_on_is_told_before_one_that_has_ended() -> None:
    again = run("running", run_id="r2", after=50, is_scheduled=False)
    result = answer(scheduled(State.RUNNING, run_id="r1"), [again, run("failed")])
    assert (result.run_id, result.headline) == ("r2", "A manual run is in progress")


def test_what_was_not_planned_is_nobodys_fault() -> None:
    result = answer(scheduled(is_excused=True), [])
    assert (result.mood, result.headline) == ("waiting", "Today’s run was not planned")  # noqa: RUF001


def test_a_schedule_that_is_off_has_no_next_run_and_says_why() -> None:
    result = answer(scheduled(), [run()], enabled=False)
    assert result.next_due is None
    assert "switched off" in result.next_note


def test_a_new_relay_knows_nothing_and_says_so() -> None:
    result = answer(None, [])
    assert (result.state, result.mood, result.headline) == ("unknown", "waiting", "No run is known yet")


def test_without_a_watchdog_the_timetable_alone_tells_late_from_due() -> None:
    long_ago = DUE - timedelta(days=1)
    current, coming = scheduled_runs(Timetable(), long_ago, DUE + timedelta(minutes=4), 300)
    assert current is not None
    assert coming is not None
    assert (current.state, current.day, coming.due) == (State.DUE, DAY, NEXT)
    current, _ = scheduled_runs(Timetable(), long_ago, DUE + timedelta(minutes=6), 300)
    assert current is not None
    assert current.state is State.LATE
    assert scheduled_runs(Timetable(), DUE + timedelta(seconds=1), DUE + timedelta(minutes=6), 300)[0] is None
