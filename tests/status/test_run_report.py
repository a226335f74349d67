"""What there is to know of one run: one report for page, JSON and command line."""

from dataclasses import replace
from datetime import timedelta

import pytest

from relay.runs.findings import Usable
from relay.status.run_report import RunReport
from relay.status.run_reports import report
from tests.support.days import DUE, SCHEDULE, a_run
from tests.support.reported import ReportedWorld
from tests.support.wire import event, upto

DAY = "2025-01-27"


def world_of_days(days: int = 8) -> ReportedWorld:
    """A week and more of good runs before the Monday."""
    world = ReportedWorld(DUE - timedelta(days=days), schedule=SCHEDULE)
    for number in range(days, 0, -1):
        start = DUE - timedelta(days=number)
        world.play(a_run(start, f"before-{number}"), step=1800)
    world.until(DUE - timedelta(minutes=1), 3600)
    return world


def test_a_good_run_is_a_yes_with_all_its_numbers_as_usual() -> None:
    world = world_of_days()
    world.play(a_run(DUE), step=60)
    world.pass_(2)
    made = world.report("r1")
    assert made.verdict.headline.endswith("completed")
    assert (made.verdict.icon, made.verdict.mood, made.data.word) == ("ok", "good", Usable.YES)
    assert "All 4 phases ended well in 35 min, as usual." in made.verdict.cause
    assert {line.name: line.verdict for line in made.results} == {
        "symbols": "as usual",
        "success rate": "as usual",
        "indicators": "as usual",
        "patterns": "as usual",
    }
    assert [phase.state for phase in made.timeline.phases] == ["completed"] * 4
    assert made.timeline.ended == made.ended
    assert made.event_count == len(a_run(DUE))
    assert sum(made.phase_counts.values()) == made.event_count - 2
    assert made.facts()["usable"] == "yes"


def test_the_day_is_the_page_of_its_run_and_the_others_are_at_its_foot() -> None:
    world = world_of_days()
    world.play(a_run(DUE), step=60)
    world.play(a_run(DUE + timedelta(hours=1), "r2", start_with={"trigger_type": "manual"}), step=60)
    world.pass_(1)
    made = world.report(DAY)
    assert (made.run_id, [one.key for one in made.same_day]) == ("r1", ["r2"])
    assert [one.key for one in world.report("r2").same_day] == ["r1"]
    assert world.report("r2").before is not None


def test_a_run_that_goes_on_says_where_it_is_and_nothing_is_called_missing() -> None:
    world = world_of_days()
    world.play(upto(a_run(DUE), "cache_completed"), step=60)
    world.play(a_run(DUE)[len(upto(a_run(DUE), "cache_completed")) :][:4], step=60)
    made = world.report("r1")
    assert (made.verdict.icon, made.data.word, made.is_open) == ("running", Usable.NOT_YET, True)
    assert "In indicators since 16:21" in made.verdict.cause
    assert "ends about" in made.verdict.cause
    assert [phase.state for phase in made.timeline.phases] == ["completed", "completed", "running", "waiting"]
    assert made.timeline.usual_end is not None


def test_a_failed_run_says_no_and_what_to_do() -> None:
    world = world_of_days()
    world.play(upto(a_run(DUE), "indicator_processing_started"), step=60)
    world.tell("errors", "error", message="disk full", error_code="DISK", run_id="r1")
    world.tell("processing:status", "processing_completed", run_id="r1", status="failed")
    world.pass_(1)
    made = world.report("r1")
    assert (made.verdict.mood, made.data.word) == ("bad", Usable.NO)
    assert "tickstock-relay trigger" in [step.command for step in made.steps]
    assert [group.code for group in made.errors] == ["DISK"]
    assert [alert.key for alert in made.alerts] == ["run_failed:r1"]
    assert any("Run ended: failed" in line.text for line in made.milestones)
    assert made.error_count == 1


def test_a_stall_is_on_the_timeline_from_the_last_progress_to_the_next() -> None:
    world = world_of_days()
    events = upto(a_run(DUE), "cache_started")
    world.play(events[:6], step=60)
    still_since = world.now
    world.pass_(20)
    assert world.report("r1").timeline.stalls[0].ended is None
    world.tell("import:progress", "import_progress", run_id="r1", percent_complete=90, completed_symbols=450)
    goes_on = world.now
    world.pass_(1)
    made = world.report("r1")
    [stall] = made.timeline.stalls
    assert (stall.phase, stall.began, stall.ended) == ("import", still_since, goes_on)
    assert [alert.resolved_at is not None for alert in made.alerts] == [True]


@pytest.mark.parametrize(
    ("minutes", "icon", "word", "headline"),
    [
        (-30, "waiting", Usable.NOT_YET, "Run of Mon 27 Jan is due at 16:10"),
        (2, "waiting", Usable.NOT_YET, "Run of Mon 27 Jan is due now"),
        (10, "never", Usable.NO, "Run of Mon 27 Jan has not started"),
        (600, "never", Usable.NO, "Run of Mon 27 Jan has not started"),
    ],
)
def test_a_day_has_a_page_before_its_run_and_when_there_is_none(
    minutes: int, icon: str, word: Usable, headline: str
) -> None:
    world = world_of_days()
    world.now = DUE - timedelta(hours=1)
    world.until(DUE + timedelta(minutes=minutes), 30)
    made = world.report(DAY)
    assert (made.run_id, made.due, made.verdict.icon) == (None, DUE, icon)
    assert (made.data.word, made.verdict.headline) == (word, headline)
    assert [one.key for one in made.runs_before] == ["before-1", "before-2", "before-3"]
    assert any(check.answer.startswith("idle") for check in made.checks)
    assert all(phase.usual for phase in made.timeline.phases)


@pytest.mark.parametrize("asked", ["nothing", "2025-01-18", "2019-03-04", "2025-13-99", "2026-01-05"])
def test_what_is_not_known_says_why_and_how_to_search_the_archive(asked: str) -> None:
    world = world_of_days(2)
    found = world.no_report(asked)
    assert found.reason
    assert found.archive_command is not None
    assert asked in found.archive_command


def test_the_archive_is_searched_in_the_days_of_the_run_by_its_id() -> None:
    world = world_of_days()
    world.play(a_run(DUE, "it's"), step=60)
    today = world.report("it's").archive_command
    assert today is not None
    assert today.startswith("zstdcat -f /var/lib/tickstock-relay/archive/events.jsonl | jq -c --arg r")
    world.now += timedelta(days=3)
    later = world.report("it's").archive_command
    assert later is not None
    assert "/events-2025-01-27-*.jsonl* |" in later


def test_secrets_are_left_out_of_every_text() -> None:
    world = world_of_days(1)
    world.play(a_run(DUE)[:3], step=60)
    world.tell("errors", "error", message="SECRET in message", traceback="SECRET in trace", context={"dsn": "SECRET"})
    world.tell("processing:status", "processing_completed", run_id="r1", status="failed", error="SECRET reason")
    world.pass_(1)
    hiding = replace(world.sources(), hide=lambda text: text.replace("SECRET", "[redacted]"))
    made = report(hiding, "r1")
    assert isinstance(made, RunReport)
    assert "SECRET" not in str(made.facts())


def test_a_run_of_the_apis_history_has_a_page_without_phases() -> None:
    world = world_of_days(1)
    run = world.runs.begin("old", world.now, DUE - timedelta(days=5), is_reconstructed=True)
    world.runs.end(run, run.state.COMPLETED, world.now, ended_at=DUE - timedelta(days=5) + timedelta(minutes=35))
    made = world.report("old")
    assert made.is_from_api
    assert made.events == []
    assert {phase.state for phase in made.timeline.phases} == {"skipped"}


def test_events_of_two_runs_at_once_are_kept_apart() -> None:
    world = world_of_days(1)
    both = sorted([*a_run(DUE), *a_run(DUE + timedelta(minutes=1), "r2")], key=lambda one: one.received)
    world.play(both, step=60)
    assert world.report("r1").event_count == world.report("r2").event_count == len(a_run(DUE))
    world.logs.observe([event("errors", "error", world.now, message="x", context={"run_id": "r1"})], world.now)
    assert (len(world.report("r1").errors), len(world.report("r2").errors)) == (1, 0)


def test_a_trouble_that_a_sound_end_has_cleared_is_told_beside_the_run_s_own_words() -> None:
    world = world_of_days()
    start = upto(a_run(DUE), "import_started")
    world.play(start, step=60)
    for number in range(15):
        world.tell("errors", "error", message=f"try {number}", error_code="LIMIT", run_id="r1")
    world.pass_(1)
    assert "high error rate" in world.report("r1").verdict.headline
    world.play(a_run(DUE)[len(start) :], step=60)
    world.pass_(30)
    verdict = world.report("r1").verdict
    assert (verdict.headline.endswith("completed"), verdict.mood) == (True, "good")
    assert verdict.cleared is not None
    assert "high error rate" in verdict.cleared
    assert "Cleared" in verdict.cleared


def test_one_error_does_not_change_what_a_run_is() -> None:
    world = world_of_days()
    world.play(upto(a_run(DUE), "import_started"), step=60)
    world.tell("errors", "error", message="odd answer", run_id="r1", severity="error")
    world.pass_(1)
    made = world.report("r1")
    assert made.verdict.headline.endswith("is in progress")
    assert made.error_count == 1
