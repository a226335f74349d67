"""Runs in lists and on the status page: how far, when they should end, how they ended; nothing is guessed."""

from datetime import datetime, timedelta

import pytest

from relay.config.watchdog import LearnedOptions
from relay.events import Severity
from relay.runs.findings import Finding
from relay.runs.signals import State
from relay.status.run_view import icon_of, result_words, run_view
from relay.status.snapshot import RunView
from relay.tickstockpl.models import Status
from relay.watchdog.api_state import ApiState
from tests.support.days import DUE, SCHEDULE, a_run
from tests.support.reported import ReportedWorld
from tests.support.wire import upto

OPTIONS = LearnedOptions()


def half_way(days: int) -> ReportedWorld:
    """In the middle of indicators, after so many days of good runs."""
    world = ReportedWorld(DUE - timedelta(days=days, hours=1), schedule=SCHEDULE)
    for number in range(days, 0, -1):
        world.play(a_run(DUE - timedelta(days=number), f"before-{number}"), step=3600)
    world.until(DUE, 3600)
    whole = a_run(DUE)
    begun = upto(whole, "indicator_processing_started")
    world.play(whole[: len(begun) + 9], step=60)
    return world


def view(world: ReportedWorld, api: ApiState) -> RunView:
    run = world.runs.get("r1")
    assert run is not None
    return run_view(run, list(world.runs.newest_first()), world.now, OPTIONS, api)


def api(progress: float | None, eta: datetime | None = None, run_id: str | None = "r1") -> ApiState:
    status = Status(is_running=True, run_id=run_id, progress=progress, estimated_completion=eta)
    return ApiState(answered_at=DUE, status=status)


def test_with_a_known_usual_it_is_weighed_by_how_long_the_phases_take() -> None:
    shown = view(half_way(8), api(99.0))
    assert shown.percent == pytest.approx(100 * (10 + 1 + 4 * 0.45) / 35, abs=1)
    assert shown.eta is not None
    assert timedelta(minutes=30) < shown.eta - DUE < timedelta(minutes=40)


@pytest.mark.parametrize(
    ("given", "percent", "has_eta"),
    [
        (api(37.0, DUE + timedelta(hours=1)), 37.0, True),
        (api(37.0, DUE - timedelta(hours=1)), 37.0, False),
        (api(None), None, False),
        (api(62.0, run_id="another"), None, False),
        (ApiState(), None, False),
    ],
)
def test_without_a_known_usual_the_api_s_progress_and_end_are_shown_else_none(
    given: ApiState, percent: float | None, has_eta: bool
) -> None:
    shown = view(half_way(1), given)
    assert (shown.percent, shown.eta is not None) == (percent, has_eta)


@pytest.mark.parametrize("days", [1, 8])
def test_a_stalled_phase_has_no_end_and_says_since_when(days: int) -> None:
    world = half_way(days)
    moved_at = world.now
    world.pass_(20)
    shown = view(world, api(37.0, DUE + timedelta(hours=1)))
    phase = next(phase for phase in shown.phases if phase.state == "stalled")
    assert (shown.state, shown.eta, phase.eta, phase.still_since) == ("stalled", None, None, moved_at)


@pytest.mark.parametrize(
    ("state", "findings", "words", "tone"),
    [
        (State.COMPLETED, [], "completed", "good"),
        (State.COMPLETED, ["zero_results"], "completed, no results", "bad"),
        (State.COMPLETED, ["phase_missing:cache"], "completed, no cache", "warn"),
        (State.COMPLETED, ["too_fast"], "completed, too fast", "warn"),
        (State.COMPLETED, ["few_results:patterns", "too_slow"], "completed, few patterns", "warn"),
        (State.PARTIAL, ["run_partial"], "partial", "warn"),
        (State.FAILED, ["run_failed"], "failed in indicators", "bad"),
        (State.CANCELLED, ["run_cancelled"], "cancelled in indicators", "warn"),
    ],
)
def test_what_was_found_is_said_on_the_row_of_the_run(state: State, findings: list[str], words: str, tone: str) -> None:
    world = half_way(1)
    run = world.runs.get("r1")
    assert run is not None
    world.runs.end(run, state, world.now, ended_at=world.now)
    run.findings = [
        Finding(name, Severity.ERROR, "title", "sentence", about)
        for name, _, about in (f.partition(":") for f in findings)
    ]
    assert result_words(run) == (words, tone)
    shown = view(world, ApiState())
    assert (shown.result, shown.tone) == (words, tone)
    assert icon_of(shown) in {"ok", "failed", "warn", "cancelled"}
