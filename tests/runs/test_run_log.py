"""What is kept of each run for its page: bounded, on a shelf, and counted exactly."""

from datetime import timedelta

import pytest

from relay.runs.event_ring import LAST_EVENTS
from relay.runs.run_log import KEPT_RUNS, MAX_GROUPS, RunLogs
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf
from tests.support.days import DUE, a_run
from tests.support.reported import ReportedWorld
from tests.support.wire import event


def played(steps: int = 20, errors: int = 0, runs: int = 1) -> ReportedWorld:
    """One run a day, with errors in its import."""
    world = ReportedWorld(DUE - timedelta(minutes=1))
    for number in range(runs):
        start = DUE + timedelta(days=number)
        events = a_run(start, f"r{number}", steps=steps)
        hurt = [
            event("errors", "error", start + timedelta(minutes=2), message=f"try {n} failed", component="vendor")
            for n in range(errors)
        ]
        world.play(sorted([*events, *hurt], key=lambda one: one.received), step=600)
    return world


@pytest.mark.parametrize("steps", [2, 20, 400])
def test_all_events_are_counted_and_the_last_are_kept(steps: int) -> None:
    world = played(steps)
    run = world.runs.get("r0")
    assert run is not None
    log, events = world.logs.log_of(run), world.logs.events_of(run)
    assert log is not None
    assert log.events == len(a_run(DUE, steps=steps))
    assert log.phases["import"] == steps + 1
    assert len(events) == min(log.events, LAST_EVENTS)
    assert events[-1].event == "processing_completed"


@pytest.mark.parametrize(("steps", "errors"), [(2, 3), (30, 1), (400, 60)])
def test_a_restart_forgets_nothing(steps: int, errors: int) -> None:
    world = played(steps, errors)
    run = world.runs.get("r0")
    assert run is not None
    world.logs.save()
    again = RunLogs(world.shelves["run_logs"], world.runs)
    assert list(again.events_of(run)) == list(world.logs.events_of(run))
    assert again.log_of(run) == world.logs.log_of(run)
    again.observe([event("import:progress", "import_progress", world.now, run_id="r0", percent_complete=3)], world.now)
    again.save()
    third = RunLogs(world.shelves["run_logs"], world.runs)
    assert list(third.events_of(run)) == list(again.events_of(run))


def test_saving_along_the_way_is_the_same_as_saving_at_the_end() -> None:
    world = played(2)
    run = world.runs.get("r0")
    assert run is not None
    for number in range(1300):
        world.logs.observe(
            [event("import:progress", "import_progress", world.now, run_id="r0", percent_complete=number / 20)],
            world.now,
        )
        if number % 37 == 0:
            world.logs.save()
    world.logs.save()
    again = RunLogs(world.shelves["run_logs"], world.runs)
    assert list(again.events_of(run)) == list(world.logs.events_of(run))
    assert sum(key.startswith("events:") for key in world.shelves["run_logs"].items()) <= LAST_EVENTS / 50 + 1


def test_errors_that_say_the_same_are_one_group_with_the_newest_words_and_its_traceback() -> None:
    world = ReportedWorld(DUE)
    world.play(a_run(DUE)[:5], step=600)
    for number in range(3):
        world.tell(
            "errors", "error", message=f"attempt {number} failed", error_code="DB", severity="error",
            context={"attempt": number, "run_id": "r1"}, traceback=["Traceback\n", f"line {number}\n"],
        )  # fmt: skip
    run = world.runs.get("r1")
    assert run is not None
    log = world.logs.log_of(run)
    assert log is not None
    [group] = log.errors
    assert (group.count, group.code, group.message) == (3, "DB", "attempt 2 failed")
    assert (group.context, group.traceback) == ({"attempt": "2"}, "Traceback\nline 2")


def test_kinds_of_errors_are_bounded_and_all_are_counted() -> None:
    world = ReportedWorld(DUE)
    world.play(a_run(DUE)[:2], step=600)
    for number in range(80):
        world.tell("errors", "error", message="x" * (number + 1))
    run = world.runs.get("r1")
    assert run is not None
    log = world.logs.log_of(run)
    assert log is not None
    assert len(log.errors) == MAX_GROUPS
    assert run.errors == 80


def test_only_the_last_runs_are_kept_and_their_pieces_go_with_them() -> None:
    world = played(runs=KEPT_RUNS + 3)
    world.logs.save()
    numbers = {key.split(":")[1] for key in world.shelves["run_logs"].items() if not key.startswith("day")}
    assert len(numbers) == KEPT_RUNS
    first = world.runs.get("r0")
    assert first is not None
    assert (world.logs.log_of(first), list(world.logs.events_of(first))) == (None, [])


def test_what_cannot_be_read_on_the_shelf_is_forgotten() -> None:
    shelf = MemoryShelf()
    for key in ("run:x", "events:1", "events:000000001:000000", "day:2025-01-27"):
        shelf.put(key, "{")
    RunLogs(shelf, Runs(MemoryShelf()))
    assert shelf.items() == {}
