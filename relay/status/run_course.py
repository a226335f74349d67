"""The course of a run against what is usual: its phases, its results, and the milestones of its story. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from relay.events import Phase
from relay.events.wording import duration, percent, plural
from relay.runs.findings import Usable
from relay.runs.logged import LoggedEvent
from relay.runs.recent import PastAlert
from relay.runs.run import PhaseRun, Run
from relay.runs.run_log import RunLog, Span
from relay.runs.signals import State
from relay.status.run_report import EventLine, PhaseLine, ResultLine, Timeline
from relay.status.run_view import band_of
from relay.watchdog.baseline import Baseline, Usual
from relay.watchdog.result_check import WORDS

LEAD = timedelta(minutes=5)
"""What is shown before the moment that a run was due."""
TAIL = 1.06
"""Of the span, so that marks at its end have room."""
RESULTS = {
    "symbols_processed": "symbols",
    "success_rate": "success rate",
    "indicators_calculated": "indicators",
    "patterns_detected": "patterns",
}


def timeline(run: Run, log: RunLog | None, baseline: Baseline, now: datetime) -> Timeline:
    """From the begin of the run to its end, now, or its usual end."""
    band = baseline.duration()
    ended = None if run.state.is_open else run.ended_at
    at = run.began
    phases = []
    for phase in [*run.expected, *(phase for phase in run.phases if phase not in run.expected)]:
        line = _phase_line(run, phase, baseline, at, now)
        phases.append(line)
        usual_end = (line.usually_begins or at) + timedelta(seconds=line.usual.median if line.usual else 0)
        at = line.ended or max(usual_end, at)
    usual_end_ = usual_end_of(run.began, band)
    last = max([ended or now, *([usual_end_[2]] if usual_end_ else [])])
    return Timeline(
        begins=run.began,
        ends=run.began + (last - run.began) * TAIL,
        phases=phases,
        now=None if ended else now,
        ended=ended,
        usual_end=usual_end_,
        stalls=[_ended_by(span, ended) for span in log.stalls] if log else [],
        gaps=list(log.gaps) if log else [],
    )


def timeline_of_day(due: datetime, baseline: Baseline | None, now: datetime) -> Timeline:
    """What would have happened, had the run started when it was due."""
    at, phases = due, []
    for phase in Phase:
        usual = band_of(baseline.phase(phase)) if baseline else None
        phases.append(PhaseLine(name=phase.value, state="waiting", usual=usual, usually_begins=at))
        at += timedelta(seconds=usual.median if usual else 0)
    usual_end = usual_end_of(due, baseline.duration() if baseline else None)
    shown = min(max(now, due), due + timedelta(hours=2))
    last = max([shown, due + timedelta(minutes=10), *([usual_end[2]] if usual_end else [])])
    begins = due - LEAD
    return Timeline(
        begins=begins, ends=begins + (last - begins) * TAIL, phases=phases, now=now, due=due, usual_end=usual_end
    )


def usual_end_of(began: datetime, band: Usual | None) -> tuple[datetime, datetime, datetime] | None:
    """From, median and to of the usual end of a run that began then."""
    if band is None:
        return None
    low, median, high = (began + timedelta(seconds=seconds) for seconds in (band.low, band.median, band.high))
    return low, median, high


def _ended_by(span: Span, ended: datetime | None) -> Span:
    return span if span.ended or ended is None else Span(began=span.began, ended=ended, phase=span.phase)


def _phase_line(run: Run, phase: Phase, baseline: Baseline, at: datetime, now: datetime) -> PhaseLine:
    usual, its = baseline.phase(phase), run.phases.get(phase)
    if its is None:
        state = "waiting" if run.state.is_open else "skipped"
        return PhaseLine(name=phase.value, state=state, usual=band_of(usual), usually_begins=at)
    began = its.started_at or its.first_seen
    seconds = max(0.0, (now - began).total_seconds()) if its.state.is_open else its.duration_seconds
    remark = baseline.remark_on_duration("", seconds, usual) if seconds is not None else None
    ended = its.ended_at
    if ended is not None and seconds is not None and not its.state.is_open:
        ended = began + timedelta(seconds=seconds)  # an end that another clock told must not bend the picture
    return PhaseLine(
        name=phase.value,
        state=its.state.value,
        began=began,
        ended=ended,
        seconds=seconds,
        percent=its.percent,
        done=its.symbols_processed,
        failed=its.symbols_failed,
        total=its.symbols_total,
        symbol=its.last_symbol if its.state is not State.COMPLETED else None,
        usual=band_of(usual),
        usually_begins=began,
        is_slow=remark is not None and remark[0] == "slow",
    )


def results(run: Run, baseline: Baseline) -> list[ResultLine]:
    """Each number of the run against the usual one."""
    about = {finding.about: finding for finding in run.findings or () if finding.about}
    total = max((its.symbols_total or 0 for its in run.phases.values()), default=0)
    lines = []
    for field, name in RESULTS.items():
        value = _value(run, field)
        band = baseline.count(field)
        finding = about.get(name)
        verdict, tone = _against(value, band, is_open=run.state.is_open)
        if finding is not None:
            verdict = verdict if tone else finding.title
            tone = "bad" if WORDS[finding.name] is Usable.NO else "warn"
        lines.append(
            ResultLine(
                name=name,
                value=value,
                total=total if field == "symbols_processed" and total else None,
                is_percent=field == "success_rate",
                usual=band_of(band),
                verdict=verdict,
                tone=tone,
            )
        )
    return lines


def _value(run: Run, field: str) -> float | None:
    """The run's own number; while it goes on, the largest that a phase has told."""
    value = getattr(run, field)
    if value is None and run.state.is_open:
        known = [number for its in run.phases.values() if (number := getattr(its, field)) is not None]
        value = max(known, default=None)
    return float(value) if value is not None else None


def _against(value: float | None, band: Usual | None, *, is_open: bool) -> tuple[str, str]:
    if value is None:
        return ("not known yet", "") if is_open else ("not reported", "")
    if value == 0 and not is_open:
        return "none", "bad"
    if band is None:
        return "usual not known", ""
    if value < band.low:
        return ("not done", "") if is_open else ("fewer than usual", "warn")
    return ("more than usual", "warn") if value > band.high else ("as usual", "good")


def milestones(run: Run, log: RunLog | None) -> list[EventLine]:
    """Runs and phases as they changed, alerts, gaps, errors in groups; the newest first."""
    lines = [*_course(run), *(_marks(log) if log else ())]
    return sorted(lines, key=lambda line: line.at)[::-1]  # of the same moment, what came later stands above


def _course(run: Run) -> Iterable[EventLine]:
    by = "by the scheduler" if run.is_scheduled else "by hand"
    unseen = "" if run.start_seen else "; its start was not received"
    yield EventLine(at=run.began, severity="info", text=f"Run started {by}{unseen}")
    for phase, its in run.phases.items():
        symbols = f", {plural(its.symbols_total, 'symbol')}" if its.symbols_total else ""
        began = its.started_at or its.first_seen
        yield EventLine(at=began, severity="info", phase=phase.value, text=f"{phase.capitalize()} started{symbols}")
        if its.ended_at is not None:
            is_well = its.state is State.COMPLETED
            text = f"{phase.capitalize()} {its.state.value}{_outcome(its)}"
            yield EventLine(at=its.ended_at, severity="info" if is_well else "error", phase=phase.value, text=text)
    if run.ended_at is not None:
        took = f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""
        severity = {State.COMPLETED: "info", State.FAILED: "error"}.get(run.state, "warning")
        yield EventLine(at=run.ended_at, severity=severity, text=f"Run ended: {run.state.value}{took}")


def _outcome(its: PhaseRun) -> str:
    symbols = f": {plural(its.symbols_total, 'symbol')}" if its.symbols_total else ""
    if its.symbols_total and its.symbols_processed is not None:
        good = its.symbols_processed - (its.symbols_failed or 0)
        symbols = f": {good:,} of {plural(its.symbols_total, 'symbol')}"
    if its.state is not State.COMPLETED:
        symbols = f" at {percent(its.percent)}" if its.percent is not None else ""
    return symbols + (f" in {duration(its.duration_seconds)}" if its.duration_seconds is not None else "")


def _marks(log: RunLog) -> Iterable[EventLine]:
    for alert in log.alerts:
        yield EventLine(at=alert.fired_at, severity=alert.severity, text=f"Alert: {alert.title}")
        if alert.resolved_at:
            yield EventLine(at=alert.resolved_at, severity="info", text=f"Alert cleared: {_cleared(alert)}")
    for gap in log.gaps:
        span = duration((gap.ended - gap.began).total_seconds()) if gap.ended else ""
        yield EventLine(at=gap.began, severity="warning", text=f"Gap of {span}: {gap.reason}")
    for group in log.errors:
        yield EventLine(
            at=group.first,
            severity=group.severity,
            phase=group.phase,
            text=f"{group.code}: {group.message}",
            count=group.count,
            until=group.last,
        )


def _cleared(alert: PastAlert) -> str:
    return f"{alert.title}. {alert.resolution}" if alert.resolution else alert.title


def event_lines(events: Sequence[LoggedEvent]) -> list[EventLine]:
    """The rows of the last events, the newest first."""
    return [
        EventLine(at=one.at, severity=one.severity, phase=one.phase, event=one.event, text=one.text)
        for one in reversed(events)
    ]
