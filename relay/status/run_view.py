"""One run as lists and the status page show it: how far it is, when it should end, how it ended. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from relay.config.watchdog import LearnedOptions
from relay.events import Phase
from relay.runs.findings import Finding, Usable
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.status.snapshot import Band, PhaseView, RunView, Tone
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Baseline, Usual
from relay.watchdog.result_check import data_usable
from relay.watchdog.soundness import is_sound

EARLY_PROGRESS = 5.0
"""Percent below which progress says too little about the end."""
FINDING_WORDS = {
    "zero_results": "no results",
    "low_success_rate": "low success rate",
    "too_fast": "too fast",
    "too_slow": "slow",
    "out_of_order": "out of order",
    "result_unclear": "result unclear",
    "claims_differ": "numbers differ",
    "completion_not_reported": "no report",
}
"""What follows `completed, `; those that name something are made in `result_words`."""


def run_view(
    run: Run,
    others: Sequence[Run],
    now: datetime,
    options: LearnedOptions,
    api: ApiState,
) -> RunView:
    """`others` to compare with; none: what is usual is not asked."""
    expected = Baseline(options, others, run) if others else None
    phases = [_phase(run, phase, expected, now) for phase in run.expected]
    phases += [_phase(run, phase, expected, now) for phase in run.phases if phase not in run.expected]
    is_open, usable = run.state.is_open, data_usable(run)
    percent, eta = _progress(run, phases, now, api) if is_open else (None, None)
    result, tone = result_words(run)
    return RunView(
        run_id=run.run_id,
        state=run.state.value,
        began=run.began,
        ended=run.ended_at,
        run_date=run.run_date,
        trigger=run.trigger_type,
        is_scheduled=run.is_scheduled,
        is_reconstructed=run.is_reconstructed,
        had_gap=run.had_gap,
        seconds=max(0.0, (now - run.began).total_seconds()) if is_open else run.duration_seconds,
        percent=percent,
        eta=eta,
        current_phase=run.current_phase,
        last_symbol=run.last_symbol,
        phases=phases,
        usual=band_of(expected.duration()) if expected else None,
        symbols_processed=run.symbols_processed,
        symbols_failed=run.symbols_failed,
        success_rate=run.success_rate,
        indicators_calculated=run.indicators_calculated,
        patterns_detected=run.patterns_detected,
        errors=run.errors,
        reason=run.reason,
        is_sound=is_sound(run),
        data_usable=usable.word.value,
        data_reason=usable.reason,
        findings=[finding.name for finding in run.findings or []],
        result=result,
        tone=tone,
    )


def result_words(run: Run) -> tuple[str, Tone]:
    """`completed`, `completed, no results`, `failed in patterns`; and its tone: good, warn, bad or busy."""
    if run.state.is_open:
        return run.state.value, "bad" if run.state is State.STALLED else "busy"
    broken = next((phase for phase, its in run.phases.items() if its.state is run.state), None)
    where = f" in {broken}" if broken else ""
    if run.state in (State.FAILED, State.CANCELLED):
        return f"{run.state.value}{where}", "bad" if run.state is State.FAILED else "warn"
    findings = [finding for finding in run.findings or () if finding.name != "run_partial"]
    if not findings:
        return run.state.value, "good" if run.state is State.COMPLETED else "warn"
    return f"{run.state.value}, {_finding_words(findings[0])}", "bad" if data_usable(run).word is Usable.NO else "warn"


def icon_of(run: RunView) -> str:
    """The sign of a run's result."""
    by_state = {"cancelled": "cancelled", "stalled": "stalled"}
    by_tone = {"busy": "running", "good": "ok", "warn": "warn", "bad": "failed"}
    return by_state.get(run.state, by_tone[run.tone])


def _finding_words(finding: Finding) -> str:
    if finding.name == "phase_missing":
        return f"no {finding.about or 'phase'}"
    if finding.name == "few_results":
        return f"few {finding.about or 'results'}"
    return FINDING_WORDS.get(finding.name, finding.title)


def band_of(usual: Usual | None) -> Band | None:
    """What is usual, as screens show it."""
    return Band(median=usual.median, low=usual.low, high=usual.high, runs=usual.runs) if usual else None


def _phase(run: Run, phase: Phase, expected: Baseline | None, now: datetime) -> PhaseView:
    usual = band_of(expected.phase(phase)) if expected else None
    its = run.phases.get(phase)
    if its is None:
        return PhaseView(name=phase.value, state="waiting" if run.state.is_open else "skipped", usual=usual)
    began = its.started_at or its.first_seen
    is_open = its.state.is_open
    return PhaseView(
        name=phase.value,
        state=its.state.value,
        began=began,
        ended=its.ended_at,
        seconds=max(0.0, (now - began).total_seconds()) if is_open else its.duration_seconds,
        percent=its.percent,
        eta=_phase_eta(its, began, usual, now) if is_open else None,
        still_since=its.moved_at if its.state is State.STALLED else None,
        last_symbol=its.last_symbol,
        symbols_processed=its.symbols_processed,
        symbols_failed=its.symbols_failed,
        symbols_total=its.symbols_total,
        usual=usual,
    )


def _phase_eta(its: PhaseRun, began: datetime, usual: Band | None, now: datetime) -> datetime | None:
    """As TickStockPL says, else from the pace so far, else as usual; never in the past, and None while stalled."""
    if its.state is State.STALLED:
        return None
    if its.eta is not None and its.eta > now:
        return its.eta
    if its.percent is not None and its.percent >= EARLY_PROGRESS:
        elapsed = (its.moved_at - began).total_seconds()
        return max(now, began + timedelta(seconds=elapsed * 100 / its.percent)) if elapsed > 0 else None
    return max(now, began + timedelta(seconds=usual.median)) if usual else None


def _progress(
    run: Run, phases: Sequence[PhaseView], now: datetime, api: ApiState
) -> tuple[float | None, datetime | None]:
    """How far the run is, in percent, and when it should end: by what is usual, else as the API says, else unknown."""
    if all(phase.usual for phase in phases):
        return _percent(phases), None if run.state is State.STALLED else _eta(phases, now)
    status = api.status
    if status is None or not api.is_running or status.run_id not in (None, run.published_id):
        return None, None
    eta = status.estimated_completion
    is_foretold = eta is not None and eta > now and run.state is not State.STALLED
    return status.progress, eta if is_foretold else None


def _eta(phases: Sequence[PhaseView], now: datetime) -> datetime | None:
    """Its current phase's end, and the usual time of those to come; None if one is unknown."""
    at = max([now, *(phase.eta for phase in phases if phase.eta)])
    for phase in phases:
        if phase.state in ("running", "stalled") and phase.eta is None:
            return None
        if phase.state == "waiting":
            if phase.usual is None:
                return None
            at += timedelta(seconds=phase.usual.median)
    return at


def _percent(phases: Sequence[PhaseView]) -> float:
    """How much of the run is done, its phases weighed by how long they usually take."""
    weights = [phase.usual.median if phase.usual else 0.0 for phase in phases]
    total = sum(weights)
    done = sum(weight * _share(phase) for weight, phase in zip(weights, phases, strict=True))
    return done / total if total else 0.0


def _share(phase: PhaseView) -> float:
    """How much of a phase is done; one that was skipped holds nothing up."""
    if phase.state in ("running", "stalled"):
        return phase.percent or 0.0
    return 0.0 if phase.state == "waiting" else 100.0
