"""Runs that no event told of, worked out from the API: once, marked, and only where there is evidence."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from relay.events import Mark
from relay.runs.reconstruction import reconstruct, seed
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun, Status
from tests.support.followed import START, minutes, names, played
from tests.support.wire import a_run


def history(**changes: Any) -> HistoryRun:
    known: dict[str, Any] = {"run_id": "r1", "start_time": START, "end_time": minutes(35), "status": "completed"}
    return HistoryRun(**(known | {"duration_seconds": 2100.0, "symbols_processed": 505} | changes))


def test_a_run_wholly_inside_a_gap_is_told_once_and_marked() -> None:
    runs = Runs(MemoryShelf())
    gap = (minutes(-5), minutes(50))
    announcements = reconstruct(runs, [history()], None, gap, minutes(50))
    assert names(announcements) == ["started", "completed"]
    assert all(
        announcement.marks & Mark.RECONSTRUCTED and announcement.payload["reconstructed"] is True
        for announcement in announcements
    )
    assert (announcements[-1].payload["duration_seconds"], announcements[-1].payload["symbols_processed"]) == (
        2100,
        505,
    )
    assert reconstruct(runs, [history()], None, gap, minutes(51)) == []


def test_runs_outside_the_gap_and_rows_without_an_end_are_left_alone() -> None:
    runs = Runs(MemoryShelf())
    gap = (minutes(60), minutes(70))
    assert (
        reconstruct(runs, [history(), history(run_id="zombie", status="running", end_time=None)], None, gap, gap[1])
        == []
    )


def test_the_end_of_a_run_that_the_gap_swallowed_comes_from_the_history() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START)[:5])
    announcements = reconstruct(runs, [history(status="failed")], None, (minutes(12), minutes(40)), minutes(40))
    assert names(announcements)[-1] == "failed"
    assert announcements[-1].marks & Mark.RECONSTRUCTED
    assert runs.open == []


def test_a_run_that_only_the_status_shows_is_told_once_and_its_events_are_then_its_own() -> None:
    runs = Runs(MemoryShelf())
    status = Status(is_running=True, run_id="r1", start_time=START)
    gap = (START, minutes(3))
    assert names(reconstruct(runs, [], status, gap, minutes(3))) == ["started"]
    assert reconstruct(runs, [], status, gap, minutes(4)) == []
    announcements = played(runs, a_run(START)[3:])
    assert names(announcements)[-1] == "completed"
    assert announcements[-1].payload["duration_seconds"] == 2100


def test_what_was_usual_before_the_relay_s_time_is_entered_without_a_word() -> None:
    runs = Runs(MemoryShelf())
    rows = [history(run_id=f"d{n}", start_time=START - timedelta(days=n), end_time=None) for n in range(1, 6)]
    assert seed(runs, rows, START) == 5
    assert seed(runs, rows, START) == 0
    assert all(newer.began > older.began for newer, older in pairwise(runs.newest_first()))


def test_a_row_of_the_history_that_still_says_running_begins_nothing() -> None:
    runs = Runs(MemoryShelf())
    zombie = history(run_id="zombie", status="running", end_time=None)
    assert reconstruct(runs, [zombie], None, (minutes(-60), minutes(60)), minutes(60)) == []
    assert list(runs.newest_first()) == []
