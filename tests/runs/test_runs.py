"""Runs followed from events in any order and shape, and over restarts."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Announcement, KindFacts, Mark, Phase, kind_of
from relay.runs.runs import MAX_OPEN, Runs
from relay.runs.signals import State
from relay.store.shelf import MemoryShelf
from tests.support.examples import examples
from tests.support.followed import START, minutes, names, only_run, played
from tests.support.shapes import run_messages
from tests.support.wire import a_run, event, read, upto
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


@given(st.randoms(use_true_random=False))
@examples(60)
def test_events_in_any_order_repeated_or_missing_leave_at_most_the_one_run(dice: Random) -> None:
    events = [one for one in a_run(START) if dice.random() > 0.2]
    events += dice.sample(events, k=len(events) // 2)
    dice.shuffle(events)
    runs = Runs(MemoryShelf())
    announcements = [found for one in events for found in runs.observe(one, minutes(35))]
    assert len(list(runs.newest_first())) <= 1
    steps = names(announcements)
    assert steps.count("started") <= 1
    assert sum(steps.count(end) for end in ("completed", "failed", "partial", "cancelled")) <= 1
    for announcement in announcements:
        assert announcement.payload.get("duration_seconds", 0) >= 0


@given(st.integers(0, 14))
def test_a_restart_at_any_moment_changes_nothing_that_is_told(cut: int) -> None:
    events = a_run(START)
    shelf = MemoryShelf()
    announcements = played(Runs(shelf), events[:cut]) + played(Runs(shelf), events[cut:])
    assert announcements == played(Runs(MemoryShelf()), events)


def test_without_ids_the_events_belong_to_the_only_run() -> None:
    announcements = played(runs := Runs(MemoryShelf()), a_run(START, run_id=None))
    assert names(announcements)[-1] == "completed"
    assert only_run(runs).is_unnamed
    assert announcements[-1].payload["duration_seconds"] == 2100
    again = played(runs, a_run(START + timedelta(days=1), run_id=None))
    assert names(again)[-1] == "completed"
    assert len(list(runs.newest_first())) == 2


def test_a_phase_alone_implies_a_run_which_later_gets_its_name() -> None:
    runs = Runs(MemoryShelf())
    progress = event("import:progress", "import_progress", START, percent_complete=10)
    assert runs.observe(progress, START) == []
    second = event("import:progress", "import_progress", minutes(1), percent_complete=15)
    assert names(runs.observe(second, minutes(1))) == ["started", "phase_started import"]
    runs.observe(event("import:progress", "import_progress", minutes(2), run_id="r9", percent_complete=20), minutes(2))
    run = only_run(runs)
    assert (run.run_id, run.is_unnamed, run.phases[Phase.IMPORT].percent) == ("r9", False, 20)


def test_one_event_without_a_run_proves_no_run_and_two_long_apart_do_not_either() -> None:
    runs = Runs(MemoryShelf())
    for minute in (0, 11, 22):
        assert played(runs, [event("import:progress", "import_progress", minutes(minute), percent_complete=10)]) == []
    assert list(runs.newest_first()) == []
    runs.loose.not_inferred = (minutes(23), minutes(30))
    assert played(runs, [event("import:progress", "import_progress", minutes(23), percent_complete=11)]) == []
    announcements = played(runs, [event("import:progress", "import_progress", minutes(30), percent_complete=12)])
    assert names(announcements) == ["started", "phase_started import"]
    assert only_run(runs).events == 3


@pytest.mark.parametrize("run_id", ["yesterday", None, "unknown"])
def test_what_was_sent_again_begins_ends_and_changes_nothing(run_id: str | None) -> None:
    runs = Runs(MemoryShelf())
    yesterday = a_run(START - timedelta(days=1), "yesterday")
    played(runs, yesterday)
    before = [run.last_seen for run in runs.newest_first()]
    later = START - timedelta(days=1) + timedelta(minutes=40)
    for sent in a_run(START - timedelta(days=1), run_id):
        sent.received = START + (sent.received - later)
        assert runs.observe(sent, sent.received) == []
    assert [run.last_seen for run in runs.newest_first()] == before
    assert runs.loose.sent_again is not None
    assert runs.loose.sent_again.day == (START - timedelta(days=1)).date()


def test_a_run_whose_clock_is_a_year_off_is_followed_if_it_says_which_day_it_is_of() -> None:
    runs = Runs(MemoryShelf())
    wrong = START - timedelta(days=365)
    start = event("processing:status", "processing_started", START, stamp=wrong, run_id="r1", run_date="2025-01-27")
    phase = event("import:started", "import_started", minutes(1), stamp=wrong, run_id="r1")
    assert names(played(runs, [start, phase])) == ["started", "phase_started import"]
    assert played(runs, [event("import:started", "import_started", minutes(1), stamp=wrong, run_id="r2")]) == []


def test_a_job_tracker_s_id_is_not_taken_for_a_run() -> None:
    runs = Runs(MemoryShelf())
    tracked = {"job_id": "job-17", "phase": "data_import", "percentage": 40, "completed": 202, "remaining": 303}
    assert runs.observe(event("monitoring", "job_progress_update", START, **tracked), START) == []
    played(runs, a_run(START)[:2])
    runs.observe(event("monitoring", "job_progress_update", minutes(1), **tracked), minutes(1))
    its = only_run(runs).phases[Phase.IMPORT]
    assert (its.percent, its.symbols_processed, its.symbols_total) == (40, 202, 505)


def test_two_runs_at_once_are_kept_apart() -> None:
    first, second = a_run(START, "scheduled"), a_run(minutes(1), "by-hand")
    runs = Runs(MemoryShelf())
    announcements = played(runs, sorted([*first, *second], key=lambda one: one.received))
    ends = {
        announcement.run_id: announcement.payload["duration_seconds"]
        for announcement in announcements
        if announcement.event == "run_completed"
    }
    assert ends == {"scheduled": 2100, "by-hand": 2100}


def test_a_phase_seen_only_at_its_end_has_the_duration_that_it_claims_and_no_invented_one() -> None:
    runs = Runs(MemoryShelf())
    done = event("patterns:completed", "pattern_processing_completed", START, run_id="r1", duration_seconds=1200)
    assert runs.observe(done, START)[-1].payload["duration_seconds"] == 1200
    without_duration = event("cache:completed", "cache_completed", START, run_id="r1")
    assert "duration_seconds" not in runs.observe(without_duration, START)[-1].payload


@pytest.mark.parametrize(
    ("claimed", "believed"),
    [(600, 600), ("600.5", 600.5), (570, 570), (600_000, 600), (0, 600), (-5, 600), ("soon", 600), (None, 600)],
)
def test_a_claimed_duration_counts_when_it_can_be_true(claimed: object, believed: float) -> None:
    runs = Runs(MemoryShelf())
    runs.observe(event("import:started", "import_started", START, run_id="r1"), START)
    done = event("import:completed", "import_completed", minutes(10), run_id="r1", duration_seconds=claimed)
    assert runs.observe(done, minutes(10))[-1].payload["duration_seconds"] == believed


def test_a_clock_that_writes_local_time_as_utc_does_not_fool_durations() -> None:
    runs = Runs(MemoryShelf())
    wrong = START - timedelta(hours=5)
    runs.observe(event("import:started", "import_started", START, stamp=wrong, run_id="r1"), START)
    done = event("import:completed", "import_completed", minutes(10), run_id="r1")
    assert runs.observe(done, minutes(10))[-1].payload["duration_seconds"] == 600


@pytest.mark.parametrize(
    ("claimed", "percent"),
    [(49.5, 49.5), (0.495, 49.5), ("49.5", 49.5), ("49.5%", 49.5), (1, 1), ("lots", 40), (250, 40)],
)
def test_progress_is_a_percentage_a_fraction_or_text(claimed: object, percent: float) -> None:
    runs = Runs(MemoryShelf())
    first = event("import:progress", "import_progress", START, run_id="r1", percent_complete=40)
    runs.observe(first, START)
    runs.observe(event("import:progress", "import_progress", START, run_id="r1", percent_complete=claimed), START)
    assert only_run(runs).phases[Phase.IMPORT].percent == pytest.approx(percent)


def test_progress_that_goes_back_after_a_retry_is_movement() -> None:
    runs = Runs(MemoryShelf())
    for minute, percent in enumerate((10, 80, 5)):
        at = minutes(minute)
        runs.observe(event("import:progress", "import_progress", at, run_id="r1", percent_complete=percent), at)
    its = only_run(runs).phases[Phase.IMPORT]
    assert (its.percent, its.moved_at) == (5, minutes(2))


def test_a_stalled_run_goes_on_with_the_first_movement_not_with_the_same_progress_again() -> None:
    runs = Runs(MemoryShelf())
    same = {"run_id": "r1", "percent_complete": 30, "current_symbol": "AAPL"}
    played(runs, [event("import:progress", "import_progress", minutes(n), **same) for n in range(6)])
    run = only_run(runs)
    assert run.phases[Phase.IMPORT].moved_at == START
    (stalled,) = runs.stall(run, minutes(6))
    assert (stalled.event, stalled.payload["phase"], stalled.payload["last_symbol"]) == (
        "run_stalled",
        "import",
        "AAPL",
    )
    assert runs.observe(event("import:progress", "import_progress", minutes(7), **same), minutes(7)) == []
    moved = event("import:progress", "import_progress", minutes(8), run_id="r1", percent_complete=31)
    assert names(runs.observe(moved, minutes(8))) == ["resumed"]
    assert run.state is State.RUNNING


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


def test_failed_symbols_may_be_a_list() -> None:
    runs = Runs(MemoryShelf())
    done = {"run_id": "r1", "failed_symbols": ["BRK.B", "BF.B"], "total_symbols": 100}
    announcements = runs.observe(event("import:completed", "import_completed", START, **done), START)
    assert (announcements[-1].payload["symbols_failed"], announcements[-1].payload["success_rate"]) == (2, 98.0)


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


def test_a_run_started_again_under_its_old_id_is_a_new_run() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START, "daily"))
    announcements = played(runs, a_run(START + timedelta(days=1), "daily"))
    assert (names(announcements)[0], names(announcements)[-1]) == ("started", "completed")
    assert len(list(runs.newest_first())) == 2


def test_test_and_replayed_events_move_nothing() -> None:
    runs = Runs(MemoryShelf())
    start = a_run(START)[0]
    for mark in (Mark.TEST, Mark.REPLAYED):
        start.marks = mark
        assert runs.observe(start, START) == []
    assert list(runs.newest_first()) == []


def test_invented_ids_fill_neither_memory_nor_disk_nor_push_out_real_runs() -> None:
    shelf = MemoryShelf()
    runs = Runs(shelf, keep=40)
    played(runs, a_run(START, "real"))
    for number in range(500):
        at = minutes(60 + number)
        runs.observe(event("processing:status", "processing_started", at, run_id=f"{number}" + "x" * 500), at)
    assert len(runs.open) <= MAX_OPEN
    assert len(shelf.items()) == 40
    assert runs.get("real") is not None
    assert sum(len(value) for value in shelf.items().values()) < 40 * 2000


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
    others = [("tickstock:market:ticks", "market_tick"), ("tickstock:indicators:calculated", "indicator_calculated")]
    others += [("tickstock:patterns:detected", "pattern_detected"), ("relay:run:started", "run_started")]
    others += [("tickstock:patterns:streaming", "pattern_detected"), ("tickstock:cache:sync_complete", "sync_complete")]
    assert all(Runs.wants(kind_of(KindFacts(*one))) for one in wanted)
    assert not any(Runs.wants(kind_of(KindFacts(*one))) for one in others)


def test_what_comes_late_or_again_after_the_end_begins_nothing_new() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START, run_id=None))
    late = event("patterns:progress", "pattern_progress", minutes(35.5), percent_complete=99)
    again = event("patterns:completed", "pattern_processing_completed", minutes(35.6), total_symbols=505)
    assert played(runs, [late, again]) == []
    assert len(list(runs.newest_first())) == 1


def test_a_start_that_comes_after_its_first_phase_belongs_to_that_run() -> None:
    runs = Runs(MemoryShelf())
    start, phase = a_run(START, run_id=None)[:2]
    assert names(played(runs, [phase, start])) == ["started", "phase_started import"]
    run = only_run(runs)
    assert (run.start_seen, run.started_at) == (True, START)


def test_progress_that_comes_after_the_phase_s_end_does_not_begin_it_again_but_a_retry_does() -> None:
    runs = Runs(MemoryShelf())
    played(runs, upto(a_run(START), "import_completed"))
    late = event(
        "import:progress", "import_progress", minutes(10.1), stamp=minutes(9.9), run_id="r1", percent_complete=98
    )
    assert runs.observe(late, minutes(10.1)) == []
    retry = event("import:started", "import_started", minutes(12), run_id="r1")
    assert names(runs.observe(retry, minutes(12))) == ["phase_started import"]
    assert only_run(runs).phases[Phase.IMPORT].attempts == 2


@pytest.mark.parametrize(
    ("claimed", "failed", "rate"),
    [(1, 0, 100.0), ("1", 0, 100.0), (1, 500, 1.0), (1.0, 0, 100.0), ("1%", 0, 1.0), (0, 505, 0.0)],
)
def test_a_rate_of_one_is_what_the_failures_make_of_it(claimed: object, failed: int, rate: float) -> None:
    runs = Runs(MemoryShelf())
    runs.observe(event("import:started", "import_started", START, run_id="r1"), START)
    claims = {"total_symbols": 505, "failed_symbols": failed, "success_rate": claimed}
    announcements = runs.observe(
        event("import:completed", "import_completed", minutes(1), run_id="r1", **claims), minutes(1)
    )
    assert announcements[-1].payload["success_rate"] == rate
