"""Runs followed from their events, step by step and to the end, and over restarts."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, KindFacts, Mark, Phase, kind_of
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from tests.support.followed import START, minutes, names, only_run, played
from tests.support.shapes import run_messages
from tests.support.wire import a_run, event, read
from tickstock_simulator.flow import Run as SimulatedRun


def test_a_good_run_is_told_step_by_step_with_its_durations() -> None:
    announcements = played(runs := Runs(MemoryShelf()), a_run(START))
    assert names(announcements) == [
        "started",
        *(f"phase_{step} {phase}" for phase in Phase for step in ("started", "completed")),
        "completed",
    ]
    durations = {
        announcement.phase: announcement.payload["duration_seconds"]
        for announcement in announcements
        if announcement.event == "phase_completed"
    }
    assert durations == {Phase.IMPORT: 600, Phase.CACHE: 60, Phase.INDICATORS: 240, Phase.PATTERNS: 1200}
    end = announcements[-1].payload
    assert end["duration_seconds"] == 2100
    assert (end["symbols_processed"], end["patterns_detected"], end["indicators_calculated"]) == (505, 1250, 7575)
    assert end["success_rate"] == pytest.approx(99.0, abs=0.02)
    assert end["run_date"] == "2025-01-27"
    assert only_run(runs).surprises == []


@pytest.mark.parametrize("older", [False, True])
def test_the_stand_in_s_runs_are_understood_in_new_and_in_older_names(older: bool) -> None:
    runs = Runs(MemoryShelf())
    whole = SimulatedRun("r1", items=0)
    announcements: list[Announcement] = []
    for message in run_messages(whole, START, older=older):
        now = START + timedelta(seconds=message.offset)
        announcements += runs.observe(read(message.channel, message.body, now), now)
    assert names(announcements)[0] == "started"
    assert names(announcements)[-1] == "completed"
    assert [
        announcement.payload["duration_seconds"]
        for announcement in announcements
        if announcement.event == "phase_completed"
    ] == [600, 60, 240, 1200]
    assert announcements[-1].payload["duration_seconds"] == 2100
    assert only_run(runs).surprises == []


@given(st.integers(0, 14))
def test_a_restart_at_any_moment_changes_nothing_that_is_told(cut: int) -> None:
    events = a_run(START)
    shelf = MemoryShelf()
    announcements = played(Runs(shelf), events[:cut]) + played(Runs(shelf), events[cut:])
    assert announcements == played(Runs(MemoryShelf()), events)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("success", "completed"),
        ("failed", "failed"),
        ("error", "failed"),
        ("canceled", "cancelled"),
        ("partial", "partial"),
        ("completed_with_errors", "partial"),
        ("splendid", "completed"),
    ],
)
def test_every_final_status_is_understood(status: str, expected: str) -> None:
    announcements = played(Runs(MemoryShelf()), a_run(START, status=status))
    assert names(announcements)[-1] == expected


def test_a_run_that_fails_in_a_phase_fails_the_phase_too() -> None:
    runs = Runs(MemoryShelf())
    announcements = played(runs, a_run(START)[:3])
    end = event("processing:status", "processing_failed", minutes(7), run_id="r1", error="password missing")
    announcements = runs.observe(end, minutes(7))
    assert names(announcements) == ["phase_failed import", "failed"]
    assert announcements[0].payload["duration_seconds"] == 420
    assert announcements[1].payload["reason"] == "password missing"


def test_what_is_out_of_the_contract_s_order_is_remembered() -> None:
    events = a_run(START)
    early = event("cache:started", "cache_started", minutes(5), run_id="r1")
    played(runs := Runs(MemoryShelf()), sorted([*events, early], key=lambda one: one.received))
    assert only_run(runs).surprises == ["cache began before import had ended"]


def test_errors_are_counted_for_their_run() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START)[:2])
    error = {"severity": "error", "error_code": "RATE_LIMIT", "message": "slow down"}
    played(runs, [event("errors", "error", minutes(1), **error) for _ in range(3)])
    run = only_run(runs)
    assert (run.errors, run.last_error) == (3, "slow down")


def test_test_and_replayed_events_move_nothing() -> None:
    runs = Runs(MemoryShelf())
    start = a_run(START)[0]
    for mark in (Mark.TEST, Mark.REPLAYED):
        start.marks = mark
        assert runs.observe(start, START) == []
    assert list(runs.newest_first()) == []


def test_a_run_that_is_never_heard_of_again_is_closed_and_a_late_end_corrects_that() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START)[:-1])
    assert runs.tick(START + timedelta(hours=11)) == []
    announcements = runs.tick(START + timedelta(hours=13))
    assert (names(announcements), only_run(runs).state) == (["failed"], State.FAILED)
    late = a_run(START)[-1]
    assert [one.payload["corrected"] for one in runs.observe(late, START + timedelta(hours=14))] == [True]
    assert only_run(runs).state is State.COMPLETED


def test_only_kinds_that_say_something_about_runs_are_wanted() -> None:
    wanted = [("tickstock:import:progress", "import_progress"), ("tickstock:processing:status", "processing_failed")]
    wanted += [("tickstock:errors", "error"), ("tickstock:cache:started", "cache_started")]
    wanted += [("tickstock:cache:sync_complete", "sync_complete")]
    others = [("tickstock:market:ticks", "market_tick"), ("tickstock:indicators:calculated", "indicator_calculated")]
    others += [("tickstock:patterns:detected", "pattern_detected"), ("relay:run:started", "run_started")]
    others += [("tickstock:patterns:streaming", "pattern_detected"), ("tickstock:cache:ipo_assignment", "ipo_assigned")]
    assert all(Runs.wants(kind_of(KindFacts(*one))) for one in wanted)
    assert not any(Runs.wants(kind_of(KindFacts(*one))) for one in others)
