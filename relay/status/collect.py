"""Gathers a `Snapshot` from the living daemon: it reads, and touches nothing. Costs about a millisecond."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.metadata import version

from relay.config.settings import RedactionOptions
from relay.events import Phase
from relay.lanes.lane import Lane
from relay.lanes.queued import QueuedLane
from relay.lifecycle.parts import GetParts
from relay.redaction.redactor import Redactor
from relay.runs.run import PhaseRun, Run
from relay.status.hidden import without_secrets
from relay.status.snapshot import Band, FiringAlert, IntakeView, PhaseView, RunView, SinkView, Snapshot, Today
from relay.status.today import scheduled_runs, today
from relay.store.outbox import Depth
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Baseline, Usual
from relay.watchdog.result_check import data_usable, is_sound
from relay.watchdog.start_evidence import StartWindow, days_run

RUNS = 20
MOST_TEXTS = 4096
"""Texts of which it is remembered what of them is hidden."""
EARLY_PROGRESS = 5.0
"""Percent below which progress says too little about the end."""


class Viewpoint:
    """Looks at one daemon."""

    def __init__(self, get_parts: GetParts) -> None:
        """`get_parts` makes the record of the relay's parts."""
        self._parts = get_parts
        self._version = version("tickstock-relay")
        self._redaction: RedactionOptions | None = None
        self._hide: Callable[[str], str] = str

    def snapshot(self) -> Snapshot:
        """Everything, now."""
        parts = self._parts()
        now = parts.clock.now()
        self._learn_what_to_hide()
        remembered = list(parts.runs.newest_first())
        runs = [
            self._run(run, remembered if number == 0 or run.state.is_open else [], now)
            for number, run in enumerate(remembered[:RUNS])
        ]
        timezone, answer = self._today(runs, now)
        seen = Snapshot(
            at=now,
            version=self._version,
            name=parts.settings.installation,
            started=parts.started,
            timezone=timezone,
            today=answer,
            running=[run for run in runs if run.is_open],
            runs=runs,
            usual=runs[0].usual if runs else None,
            firing=[
                FiringAlert(
                    key=one.key,
                    severity=one.severity,
                    title=one.title,
                    message=one.message,
                    since=one.since,
                    run_id=one.run_id,
                )
                for one in parts.alerts.firing()
            ],
            alerts=parts.recent.alerts,
            errors=parts.recent.error_groups(),
            sinks=self._sinks(),
            intake=self._intake(),
            trouble=self._trouble(),
        )
        return without_secrets(seen, self._hide)

    def _learn_what_to_hide(self) -> None:
        rules = self._parts().settings.redaction
        if rules is not self._redaction:
            self._redaction = rules
            redact = Redactor(rules.patterns, rules.keys).redact_text if rules.enabled else str
            self._hide = lru_cache(MOST_TEXTS)(redact)  # what is shown is mostly what was shown before

    def _today(self, runs: list[RunView], now: datetime) -> tuple[str, Today]:
        parts = self._parts()
        run_schedule, options = parts.run_schedule, parts.settings.watchdog
        zone = run_schedule.timetable.timezone
        if options.enabled:
            current, coming = run_schedule.current, run_schedule.coming
        else:
            known_since = min([parts.started, *(run.began for run in runs)])
            current, coming = scheduled_runs(run_schedule.timetable, known_since, now, options.start_grace)
            found = days_run(parts.runs, StartWindow(current, now), ApiState()) if current is not None else None
            if current is not None and found is not None:
                current.run_id = found.run_id
        firing = parts.alerts.firing()
        return zone, today(current, coming, runs, firing, now, timezone=zone, enabled=run_schedule.enabled)

    def _run(self, run: Run, others: list[Run], now: datetime) -> RunView:
        """`others` to compare with; none: what is usual is not asked."""
        expected = Baseline(self._parts().settings.watchdog.learned, others, run) if others else None
        phases = [_phase(run, phase, expected, now) for phase in run.expected]
        phases += [_phase(run, phase, expected, now) for phase in run.phases if phase not in run.expected]
        is_open = run.state.is_open
        usable = data_usable(run)
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
            percent=_percent(phases) if is_open else None,
            eta=_eta(phases, now) if is_open else None,
            current_phase=run.current_phase,
            last_symbol=run.last_symbol,
            phases=phases,
            usual=_band(expected.duration()) if expected else None,
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
        )

    def _sinks(self) -> list[SinkView]:
        depths = self._parts().outbox.depths()
        types = {name: str(options.get("type", "")) for name, options in self._parts().settings.sinks.items()}
        return [
            self._sink(lane, types.get(name, ""), depths.get(name, Depth()))
            for name, lane in self._parts().lanes.items()
        ]

    def _sink(self, lane: Lane, type_: str, depth: Depth) -> SinkView:
        breaker = lane.breaker.state.value if isinstance(lane, QueuedLane) else None
        oldest = datetime.fromtimestamp(depth.oldest, self._parts().started.tzinfo) if depth.oldest else None
        return SinkView(
            name=lane.name,
            type=type_,
            accepted=lane.accepted,
            delivered=lane.delivered,
            waiting=max(0, lane.waiting),
            dropped=sum(lane.dropped.values()),
            dead=depth.dead,
            oldest=oldest,
            breaker=breaker,
            error=lane.error,
            failing_since=lane.failing_since,
        )

    def _intake(self) -> IntakeView:
        parts = self._parts()
        link, api = parts.subscription, parts.watch.api
        return IntakeView(
            subscribed=link.subscribed,
            since=parts.subscription_changed,
            reason=parts.not_ready,
            received=parts.intake.received,
            rate=parts.recent.rate(),
            rates=parts.recent.rates(),
            lag=link.lag,
            unread_bytes=link.unread(),
            quarantined=sum(parts.quarantine.counts.values()),
            gaps=parts.gaps.count,
            gap_seconds=parts.gaps.seconds,
            last_event_at=parts.runs.last_event_at,
            errors=parts.recent.errors,
            api="fails" if api.failing_since else "answers" if api.answers else "unknown",
            api_since=api.failing_since or api.answered_at,
        )

    def _trouble(self) -> list[str]:
        parts = self._parts()
        trouble = []
        if parts.store.trouble:
            trouble.append(f"The store cannot be written, all is kept in memory: {parts.store.trouble}")
        if parts.reloads.failed_tests:
            trouble.append(f"Configuration fails its own tests: {parts.reloads.failed_tests[0]}")
        if parts.reloads.refusal:
            trouble.append(f"New configuration was refused, the old one goes on: {parts.reloads.refusal[0]}")
        return trouble


def _phase(run: Run, phase: Phase, expected: Baseline | None, now: datetime) -> PhaseView:
    usual = _band(expected.phase(phase)) if expected else None
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
        last_symbol=its.last_symbol,
        symbols_processed=its.symbols_processed,
        symbols_total=its.symbols_total,
        usual=usual,
    )


def _phase_eta(its: PhaseRun, began: datetime, usual: Band | None, now: datetime) -> datetime | None:
    """As TickStockPL says, else from the pace so far, else as usual; never in the past."""
    if its.eta is not None and its.eta > now:
        return its.eta
    if its.percent is not None and its.percent >= EARLY_PROGRESS:
        elapsed = (its.moved_at - began).total_seconds()
        return max(now, began + timedelta(seconds=elapsed * 100 / its.percent)) if elapsed > 0 else None
    return max(now, began + timedelta(seconds=usual.median)) if usual else None


def _eta(phases: list[PhaseView], now: datetime) -> datetime | None:
    """When the run should end: its current phase's end, and the usual time of those to come; None if one is unknown."""
    at = max([now, *(phase.eta for phase in phases if phase.eta)])
    for phase in phases:
        if phase.state in ("running", "stalled") and phase.eta is None:
            return None
        if phase.state == "waiting":
            if phase.usual is None:
                return None
            at += timedelta(seconds=phase.usual.median)
    return at


def _percent(phases: list[PhaseView]) -> float:
    """How much of the run is done. Without history all phases weigh the same."""
    known = all(phase.usual for phase in phases)
    weights = [phase.usual.median if known and phase.usual else 1.0 for phase in phases]
    total = sum(weights)
    shares = [
        phase.percent or 0.0 if phase.state in ("running", "stalled") else 0.0 if phase.state == "waiting" else 100.0
        for phase in phases
    ]
    return sum(weight * share for weight, share in zip(weights, shares, strict=True)) / total if total else 0.0


def _band(usual: Usual | None) -> Band | None:
    return Band(median=usual.median, low=usual.low, high=usual.high, runs=usual.runs) if usual else None
