"""Which run an event belongs to: in any order, without ids, repeated, late, and whatever ids are invented."""

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Phase
from relay.runs.runs import MAX_OPEN, Runs
from relay.store.shelf import MemoryShelf
from tests.support.examples import examples
from tests.support.followed import START, minutes, names, only_run, played
from tests.support.wire import a_run, event


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


def test_a_run_started_again_under_its_old_id_is_a_new_run() -> None:
    runs = Runs(MemoryShelf())
    played(runs, a_run(START, "daily"))
    announcements = played(runs, a_run(START + timedelta(days=1), "daily"))
    assert (names(announcements)[0], names(announcements)[-1]) == ("started", "completed")
    assert len(list(runs.newest_first())) == 2


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
