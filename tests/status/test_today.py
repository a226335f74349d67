"""One glance's answer: which run it is about, in the words of that run's own page."""

from datetime import date, timedelta
from typing import Any

import pytest

from relay.runs.findings import Usable
from relay.runs.signals import State
from relay.schedule.timetable import Timetable
from relay.status.run_report import DataAnswer, Verdict
from relay.status.run_verdict import Words
from relay.status.snapshot import RunView, Today
from relay.status.today import scheduled_runs, shown_run, today
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


def words(headline: str, **more: Any) -> Words:
    verdict = Verdict(headline=headline, icon="failed", mood="bad", word="Failed", **more)
    return Words(verdict, DataAnswer(word=Usable.NO, sentence="Patterns are missing."), [])


def answer(headline: str, minutes: float = 60, shown: RunView | None = None, **more: Any) -> Today:
    now = DUE + timedelta(minutes=minutes)
    slot = scheduled(State.RUNNING, run_id="r1")
    return today(slot, COMING, shown or run(), words(headline, **more), now, timezone="America/New_York")


@pytest.mark.parametrize(
    ("headline", "minutes", "shown"),
    [
        ("Run of Mon 27 Jan failed in patterns", 60, "Today’s run failed in patterns"),  # noqa: RUF001
        ("Run of Mon 27 Jan has not started", 60, "Today’s run has not started"),  # noqa: RUF001
        ("Run of Mon 27 Jan failed in patterns", 60 + 24 * 60, "Run of Mon 27 Jan failed in patterns"),
        ("Run of Mon 27 Jan: high error rate", 60, "Today’s run: high error rate"),  # noqa: RUF001
        ("Manual run of Mon 27 Jan 17:02 completed", 60, "Manual run of Mon 27 Jan 17:02 completed"),
        ("No sign of the run of Mon 27 Jan", 60, "No sign of the run of Mon 27 Jan"),
    ],
)
def test_the_words_are_the_runs_own_and_the_days_run_is_todays(headline: str, minutes: float, shown: str) -> None:
    result = answer(headline, minutes)
    assert (result.headline, result.mood, result.icon) == (shown, "bad", "failed")
    assert (result.data, result.data_sentence, result.next_due) == ("No", "Patterns are missing.", NEXT)


def test_what_goes_on_now_and_what_has_cleared_stand_before_the_cause() -> None:
    result = answer("Run of Mon 27 Jan failed", cause="It broke.", again="Run again since 17:02.")
    assert result.detail == "Run again since 17:02. It broke."


def test_a_run_that_is_waited_for_is_not_replaced_by_friday_s_or_one_by_hand() -> None:
    by_hand = run("running", run_id="by-hand", after=-5, is_scheduled=False)
    friday = run(run_id="friday", after=-3 * 1440)
    assert shown_run(scheduled(State.LATE), [by_hand, friday]) is None
    assert shown_run(scheduled(State.DUE), [friday]) is None


@pytest.mark.parametrize(
    ("slot", "runs", "shown"),
    [
        (scheduled(State.RUNNING, run_id="r1"), ["failed"], "r1"),
        (scheduled(State.RUNNING, run_id="r1"), ["running:r2", "failed"], "r2"),
        (scheduled(State.MISSED), ["running:r2"], "r2"),
        (scheduled(is_excused=True), ["running:r2"], "r2"),
        (scheduled(is_excused=True), ["completed:r2"], None),
        (None, ["completed:r3", "completed"], "r3"),
        (None, [], None),
    ],
)
def test_a_run_that_goes_on_is_shown_before_one_that_has_ended(
    slot: ScheduledRun | None, runs: list[str], shown: str | None
) -> None:
    views = [run(state, run_id=name or "r1") for state, _, name in (text.partition(":") for text in runs)]
    found = shown_run(slot, views)
    assert (found.run_id if found else None) == shown


def test_a_schedule_that_is_off_has_no_next_run_and_says_why() -> None:
    result = today(scheduled(), COMING, None, None, NEXT, timezone="America/New_York", enabled=False)
    assert result.next_due is None
    assert "switched off" in result.next_note


def test_a_new_relay_knows_nothing_and_says_so() -> None:
    result = today(None, COMING, None, None, DUE, timezone="America/New_York")
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
