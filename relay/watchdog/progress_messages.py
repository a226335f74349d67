"""What can be wrong with a run that goes on, in words for whoever is woken by it.

Pure; `relay.watchdog.progress_check` decides.
"""

from dataclasses import dataclass
from datetime import datetime

from relay.events import Phase, Severity
from relay.events.wording import clock_time, duration, figure
from relay.runs.run import Run
from relay.watchdog.api_state import ApiState


@dataclass(frozen=True, slots=True)
class RunProblem:
    """One trouble of a run. `name` is the alert's; `phase` where it is."""

    name: str
    severity: Severity
    title: str
    message: str
    phase: Phase | None
    last_symbol: str | None


def stalled(run: Run, api: ApiState, moved_at: datetime) -> RunProblem:
    """No progress since `moved_at`."""
    phase = run.current_phase
    its = run.phases[phase] if phase else None
    parts = [f"No progress since {clock_time(moved_at, utc=True)}"]
    if its is not None and its.percent is not None:
        parts.append(f", at {figure(its.percent)} %")
    if its is not None and its.symbols_processed is not None and its.symbols_total:
        parts.append(f" ({its.symbols_processed} of {its.symbols_total} symbols)")
    symbol = its.last_symbol if its is not None else run.last_symbol
    parts.append(f"; the last symbol was {symbol}." if symbol else "; no symbol was named.")
    parts.append(f" The run began at {clock_time(run.began, moved_at)}.")
    parts.append(" TickStockPL's API says that it is running." if api.is_running else "")
    around = " around that symbol" if symbol else ""
    parts.append(f" Look at the job's log{around}; `tickstock-relay cancel` ends the run.")
    where = f"in {phase}" if phase else "between two phases"
    return RunProblem("run_stalled", Severity.ERROR, f"{run.title} is stalled {where}", "".join(parts), phase, symbol)


def no_events(run: Run, api: ApiState, last_event_at: datetime) -> RunProblem:
    """No event of any kind since `last_event_at`, and no answer of the API."""
    phase = run.current_phase
    since = f" since {clock_time(api.failing_since, last_event_at)}" if api.failing_since else ""
    message = (
        f"No event of any kind since {clock_time(last_event_at, utc=True)}, and the API has not"
        f" answered{since}{_error(api)}."
        f" The run was{_in(phase) or ' between two phases'}; the last symbol was {run.last_symbol or 'not named'}."
        " TickStockPL, its host or Redis may be down: look whether its processes live."
    )
    title = f"{run.title} is silent, and so is the API"
    return RunProblem("run_no_events", Severity.CRITICAL, title, message, phase, run.last_symbol)


def events_missing(run: Run, api: ApiState, others_come: bool) -> RunProblem:
    """The API shows the run, and its events do not come."""
    phase = run.current_phase
    received = (
        f"no event of it has come since {clock_time(run.last_seen, utc=True)}"
        if run.events
        else "no event of it has come"
    )
    others = (
        "Other events do come, so the relay receives, and this run is not published"
        if others_come
        else "No other event comes either, so perhaps nothing reaches Redis, or the relay is subscribed elsewhere"
    )
    asked = f" at {clock_time(api.answered_at, api.answered_at)}" if api.answered_at else ""
    progress = f", at {figure(api.status.progress)} %" if api.status and api.status.progress is not None else ""
    message = (
        f"TickStockPL's API said{asked} that it is running{_in(phase)}{progress}; {received}. {others}: compare the"
        " Redis URL and the channel patterns here with TickStockPL's, and look at its Redis errors."
    )
    title = f"{run.title}: its events are missing"
    return RunProblem("events_missing", Severity.ERROR, title, message, phase, run.last_symbol)


def overdue(run: Run, deadline: datetime, now: datetime) -> RunProblem:
    """Still going on after `deadline`."""
    phase = run.current_phase
    reached = run.phases[phase].percent if phase else None
    done = f", at {figure(reached)} %" if reached is not None else ""
    message = (
        f"It began at {clock_time(run.began, utc=True)} and should have ended by"
        f" {clock_time(deadline, run.began, named=True)}. At {clock_time(now, now)} it was"
        f"{_in(phase) or ' between two phases'}{done}. The day's results will be late: look at what it waits for."
    )
    return RunProblem("run_overdue", Severity.ERROR, f"{run.title} is still running", message, phase, run.last_symbol)


def slow(run: Run, phase: Phase, began: datetime, limit: float, now: datetime) -> RunProblem:
    """A phase over its limit that makes progress."""
    its = run.phases[phase]
    reached = f", at {figure(its.percent)} % at {clock_time(now, now)}" if its.percent is not None else ""
    message = (
        f"The {phase} phase has been running since {clock_time(began, utc=True)}; {duration(limit)} is the"
        " limit. It makes"
        f" progress{reached}: the run will end late."
    )
    title = f"{run.title} is slow in {phase}"
    return RunProblem("phase_slow", Severity.WARNING, title, message, phase, its.last_symbol)


def disputed(run: Run) -> RunProblem:
    """Its events come, and the API says that it is idle."""
    message = (
        f"Events show the run since {clock_time(run.began, utc=True)}; TickStockPL says that it is idle, and"
        " its history does not have"
        " the run. Does `tickstockpl.base_url` name the right one?"
    )
    title = f"{run.title}: TickStockPL says it is idle"
    return RunProblem("run_disputed", Severity.WARNING, title, message, run.current_phase, run.last_symbol)


def goes_on(run: Run, now: datetime) -> str:
    """That a run is no longer stuck."""
    phase = run.current_phase
    its = run.phases[phase] if phase else None
    symbol = f", at {its.last_symbol}" if its and its.last_symbol else ""
    reached = f", {figure(its.percent)} %" if its and its.percent is not None else ""
    return f"At {clock_time(now, now)} the run goes on{_in(phase)}{symbol}{reached}."


def _in(phase: Phase | None) -> str:
    return f" in {phase}" if phase else ""


def _error(api: ApiState) -> str:
    return f" ({api.error})" if api.error else ""
