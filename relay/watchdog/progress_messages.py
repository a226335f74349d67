"""What can be wrong with a run that goes on, in words for whoever is woken by it.

Pure; `relay.watchdog.progress_check` decides.
"""

from dataclasses import dataclass
from datetime import datetime

from relay.events import Phase, Severity
from relay.events.wording import NEW_YORK, at, clock, day_name, figure, lasting
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


def stalled(run: Run, api: ApiState, seconds: float) -> RunProblem:
    """No progress for `seconds`."""
    phase = run.current_phase
    its = run.phases[phase] if phase else None
    parts = [f"Its last progress was {lasting(seconds)} ago"]
    if its is not None and its.percent is not None:
        parts.append(f" at {figure(its.percent)} %")
    if its is not None and its.symbols_processed is not None and its.symbols_total:
        parts.append(f" ({its.symbols_processed} of {its.symbols_total} symbols)")
    symbol = its.last_symbol if its is not None else run.last_symbol
    parts.append(f"; the last symbol was {symbol}." if symbol else "; no symbol was named.")
    parts.append(f" The run began at {clock(run.began)}.")
    parts.append(" The API still calls it running." if api.is_running else "")
    parts.append(" Look at the job's log around that symbol; `tickstock-relay cancel` ends the run.")
    where = f"in the {phase} phase" if phase else "between two phases"
    return RunProblem("run_stalled", Severity.ERROR, f"{name(run)} has stalled {where}", "".join(parts), phase, symbol)


def no_events(run: Run, api: ApiState, seconds: float) -> RunProblem:
    """No event of any kind for `seconds`, and no answer of the API."""
    phase = run.current_phase
    since = f" since {clock(api.failing_since)}" if api.failing_since else ""
    message = (
        f"No event of any kind has come for {lasting(seconds)}, and the API has not answered{since}{_error(api)}."
        f" The run was{_in(phase) or ' between two phases'}; the last symbol was {run.last_symbol or 'not named'}."
        " TickStockPL, its host or Redis may be down: look whether its processes live."
    )
    title = f"{name(run)} went silent, and TickStockPL does not answer"
    return RunProblem("run_no_events", Severity.CRITICAL, title, message, phase, run.last_symbol)


def events_missing(run: Run, api: ApiState, others_come: bool) -> RunProblem:
    """The API shows the run, and its events do not come."""
    phase = run.current_phase
    received = f"no event of it has come since {clock(run.last_seen)}" if run.events else "no event has told of it"
    others = (
        "Other events do come, so the relay hears, and this run is not published"
        if others_come
        else "No other event comes either, so the relay may be deaf, or nothing reaches Redis"
    )
    progress = f" at {figure(api.status.progress)} %" if api.status and api.status.progress is not None else ""
    message = (
        f"The API shows it running{progress}{_in(phase)}, and {received}. {others}: compare the Redis URL and the"
        " channel patterns here with TickStockPL's, and look at its Redis errors."
    )
    title = f"{name(run)} is running, but its events do not arrive"
    return RunProblem("events_missing", Severity.ERROR, title, message, phase, run.last_symbol)


def overdue(run: Run, deadline: datetime) -> RunProblem:
    """Still going on after `deadline`."""
    phase = run.current_phase
    reached = run.phases[phase].percent if phase else None
    done = f", at {figure(reached)} %" if reached is not None else ""
    message = (
        f"It began at {clock(run.began)} and should have ended by {clock(deadline)}; it is"
        f"{_in(phase) or ' between two phases'}{done}. The day's results will be late: look at what it is waiting for."
    )
    return RunProblem("run_overdue", Severity.ERROR, f"{name(run)} is still going on", message, phase, run.last_symbol)


def slow(run: Run, phase: Phase, seconds: float, limit: float) -> RunProblem:
    """A phase over its limit that gets on."""
    its = run.phases[phase]
    reached = f", at {figure(its.percent)} %" if its.percent is not None else ""
    message = (
        f"It has been going on for {lasting(seconds)}; {lasting(limit)} is the limit. It gets on{reached}:"
        " the run will end late."
    )
    title = f"{name(run)}: the {phase} phase takes long"
    return RunProblem("phase_slow", Severity.WARNING, title, message, phase, its.last_symbol)


def disputed(run: Run) -> RunProblem:
    """Its events come, and the API says that it is idle."""
    message = (
        f"Events show the run since {at(run.began)}; TickStockPL says that it is idle, and its history does not have"
        " the run. Does `tickstockpl.base_url` name the right one?"
    )
    day = day_name(run.began.astimezone(NEW_YORK).date())
    title = f"Run of {day} goes on, but TickStockPL says it is idle"
    return RunProblem("run_disputed", Severity.WARNING, title, message, run.current_phase, run.last_symbol)


def goes_on(run: Run) -> str:
    """That a run is no longer stuck."""
    phase = run.current_phase
    its = run.phases[phase] if phase else None
    symbol = f", at {its.last_symbol}" if its and its.last_symbol else ""
    reached = f", {figure(its.percent)} % done" if its and its.percent is not None else ""
    return f"The run goes on{_in(phase)}{symbol}{reached}."


def name(run: Run) -> str:
    """`The scheduled run of Mon 27 Jan`."""
    which = "scheduled" if run.is_scheduled else "manual"
    return f"The {which} run of {run.began:%a} {run.began.day} {run.began:%b}"


def _in(phase: Phase | None) -> str:
    return f" in the {phase} phase" if phase else ""


def _error(api: ApiState) -> str:
    return f" ({api.error})" if api.error else ""
