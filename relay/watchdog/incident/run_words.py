"""How the troubles of a run read: headline, cause, whether the day's data is usable, what to do. Pure.

One function an alert; each takes the alert as it fired and the run as it is now.
"""

import re
from collections.abc import Callable

from relay.events.wording import day_name, duration, plural
from relay.runs.findings import Usable
from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog.data_sentences import unfinished
from relay.watchdog.incident.record import Part
from relay.watchdog.incident.text import (
    Action,
    Data,
    Facts,
    Words,
    again,
    joined,
    minute,
    moment_of,
    not_yet,
    of_result,
    progress_of,
    second,
    sentence,
    sentences,
    symbols_done,
    uncapitalised,
    where_of,
)

CANCEL = "tickstock-relay cancel"
CONNECT = "tickstock-relay check --connect"
TOP = "tickstock-relay top"

OfRun = Callable[[Part, Run, Facts], Words]


def _stalled(part: Part, run: Run, _facts: Facts) -> Words:
    phase = where_of(run)
    course = run.phases[phase] if phase else None
    symbol = part.facts.get("last_symbol") or run.last_symbol
    since = second(moment_of(part.facts.get("moved_at")) or (course.moved_at if course else run.last_seen))
    progress, done = progress_of(course), symbols_done(course)
    last = f"the last symbol was {symbol}" if symbol else "no symbol was named"
    job = f"the {phase} job" if phase else "TickStockPL"
    around = f" around symbol {symbol}" if symbol else ""
    return Words(
        f"{run.title} is stalled {f'in {phase}' if phase else 'between two phases'}",
        f"No progress since {since}{f' at {progress}' if progress else ''}; {last}.",
        not_yet(run),
        (
            Action(f"Look at the log of {job}{around}: does it wait for the database or the vendor?"),
            Action("If it does not go on, end the run.", CANCEL),
            Action("Start it again.", "tickstock-relay trigger"),
        ),
        f"no progress since {since}{f', at {symbol}' if symbol else ''}{f', {done}' if done else ''}",
    )


def _no_events(part: Part, run: Run, _facts: Facts) -> Words:
    return Words(
        f"{run.title} is silent, and so is the API",
        part.message,
        Data(Usable.UNKNOWN, f"The run was {_in(run)} when its last event came."),
        (
            Action("Look whether TickStockPL's host and processes are up."),
            Action("Look whether Redis is up.", CONNECT),
        ),
        "neither its events nor answers of the API come",
    )


def _events_missing(part: Part, run: Run, _facts: Facts) -> Words:
    return Words(
        f"{run.title}: its events are missing",
        part.message,
        Data(Usable.UNKNOWN, "The run may be well; the relay cannot see its results."),
        (
            Action("Compare the Redis URL and the channel patterns here with TickStockPL's.", CONNECT),
            Action("Look at TickStockPL's log for Redis errors."),
        ),
        "the API shows it running, and none of its events come",
    )


def _overdue(part: Part, run: Run, _facts: Facts) -> Words:
    return Words(
        f"{run.title} is still running",
        part.message,
        Data(Usable.NOT_YET, sentences("The day's results are late.", unfinished(run))),
        (Action(f"Look at what {where_of(run) or 'it'} waits for.", TOP),),
        f"it began at {minute(run.began)}, {_in(run)}",
    )


def _slow(part: Part, run: Run, _facts: Facts) -> Words:
    phase = part.facts.get("phase") or where_of(run) or "a phase"
    return Words(
        f"{run.title} is slow in {phase}",
        part.message,
        Data(Usable.NOT_YET, sentences("The run will end late.", unfinished(run))),
        (Action("Nothing yet. Watch it.", TOP),),
        f"{phase} takes longer than its limit",
    )


def _disputed(part: Part, run: Run, _facts: Facts) -> Words:
    look = Action("Look whether `tickstockpl.base_url` names the right TickStockPL.", CONNECT)
    return Words(f"{run.title}: TickStockPL says it is idle", part.message, Data(Usable.UNKNOWN), (look,))


def _failed(_part: Part, run: Run, facts: Facts) -> Words:
    phase, error = where_of(run), facts.error
    done = symbols_done(run.phases.get(phase) if phase else None)
    first = (error.message if error is not None else "") or run.reason or ""
    first = re.sub(rf"^(phase )?{phase}( phase)? failed: +", "", first, flags=re.IGNORECASE)
    reached = f" ({done})" if done else ""
    symbol = f", at symbol {run.last_symbol}{reached}" if run.last_symbol else ""
    stopped = f"It stopped at {second(run.ended_at)}{_after(run)}{symbol}." if run.ended_at else ""
    recovery = error.recovery if error is not None else None
    return Words(
        f"{run.title} failed{f' in {phase}' if phase else ''}",
        sentences(sentence(first), stopped),
        of_result(run, facts),
        (
            Action(sentence(recovery or "Look at the first error and remove its cause")),
            again(facts),
            Action("Watch the new run. When it completes with sound results, this clears by itself.", TOP),
        ),
        first or "TickStockPL gave no reason",
        run.ended_at,
    )


def _cancelled(_part: Part, run: Run, facts: Facts) -> Words:
    phase = where_of(run)
    return Words(
        f"{run.title} was cancelled{f' in {phase}' if phase else ''}",
        f"It was cancelled at {second(run.ended_at)}{_after(run)}." if run.ended_at else "It was cancelled.",
        of_result(run, facts),
        (Action("If nobody meant that, ask who cancelled it."), again(facts)),
        f"it had run for {duration(run.duration_seconds)}" if run.duration_seconds is not None else "",
        run.ended_at,
    )


def _zero(_part: Part, run: Run, facts: Facts) -> Words:
    counts = {"symbol": run.symbols_processed, "indicator": run.indicators_calculated, "pattern": run.patterns_detected}
    reported = [plural(number, what) for what, number in counts.items() if number is not None]
    return Words(
        f"{run.title} completed without results",
        sentence(f"TickStockPL reported success, with {joined(reported) or 'no numbers'}"),
        of_result(run, facts),
        (Action("Check the vendor's limits and the database."), again(facts)),
        joined(reported),
        run.ended_at,
    )


def _result(headline: str, *steps: Action) -> OfRun:
    """The words about a result that the run's findings explain; `{about}` is what the finding is about."""

    def words(part: Part, run: Run, facts: Facts) -> Words:
        findings = run.findings or []
        of_this = next((finding for finding in findings if finding.name == part.name), None)
        about = of_this.about if of_this is not None and of_this.about else "results"
        cause = " ".join(finding.sentence for finding in findings) or part.message
        return Words(
            f"{run.title} {headline.format(about=about)}",
            cause,
            not_yet(run) if run.state.is_open else of_result(run, facts),
            steps or (Action("Look at the errors of this run."), again(facts)),
            uncapitalised(of_this.sentence if of_this is not None else part.message),
            run.ended_at,
        )

    return words


def _after(run: Run) -> str:
    return f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""


def _in(run: Run) -> str:
    phase = where_of(run)
    if not phase:
        return "between two phases"
    progress = progress_of(run.phases.get(phase))
    return f"in {phase} at {progress}" if progress else f"in {phase}"


OF_RUN: dict[str, OfRun] = {
    "run_stalled": _stalled,
    "run_no_events": _no_events,
    "events_missing": _events_missing,
    "run_overdue": _overdue,
    "phase_slow": _slow,
    "run_disputed": _disputed,
    "run_failed": _failed,
    "run_cancelled": _cancelled,
    "zero_results": _zero,
    "run_partial": _result("completed partially"),
    "few_results": _result("completed with few {about}"),
    "low_success_rate": _result("has a low success rate"),
    "phase_missing": _result("completed without {about}"),
    "too_fast": _result(
        "completed too fast",
        Action("Compare the results with those of the day before."),
        Action("Look whether something was skipped, and whether it was a half day."),
    ),
    "too_slow": _result("was slower than usual", Action("Nothing today. If it comes again: what has changed?")),
    "out_of_order": _result(
        "ran out of order", Action("Look at TickStockPL's log: why did its phases not run in order?")
    ),
    "result_unclear": _result(
        "has an unclear result", Action("Look at TickStockPL's log: how did the run really end?")
    ),
    "claims_differ": _result("reported numbers that differ", Action("Count in the database which of them is right.")),
    "completion_not_reported": _result(
        "ended without a report", Action("Look at TickStockPL's log: why was its last event not published?")
    ),
}
"""By the alert's name."""


def eased(part: Part, run: Run | None, facts: Facts) -> Words:
    """The trouble has cleared, and the day's run has not ended soundly yet: the headline of that."""
    resolution = sentence(part.resolution)
    if run is None:
        return Words(f"Cleared: {part.title}", resolution, Data(Usable.UNKNOWN), short=resolution)
    data = not_yet(run) if run.state.is_open else of_result(run, facts)
    name, phase = run.title, where_of(run)
    day = day_name(facts.day) if facts.day else "the day"
    title = {
        "never_started": f"Run of {day} started late",
        "run_not_planned": f"Run of {day} started",
        "run_stalled": f"{name} goes on{f' in {phase}' if phase else ''}",
        "run_no_events": f"{name} is heard again",
        "events_missing": f"{name} is heard again",
        "run_overdue": f"{name} has ended",
        "error_rate": f"{name}: no more high error rate",
    }.get(part.name, f"{name}: no more trouble now")
    if part.name == "run_stalled":
        resolution = _was_stalled(part, run)
    step = Action("Nothing, unless it stalls again." if part.name == "run_stalled" else "Nothing yet. Watch it.", TOP)
    is_open = run.state is State.RUNNING
    return Words(
        title, resolution, data, (step,) if is_open else (again(facts),), uncapitalised(resolution).rstrip(".")
    )


def _was_stalled(part: Part, run: Run) -> str:
    since, until = moment_of(part.facts.get("moved_at")), part.cleared_at
    symbol = f", at {part.facts['last_symbol']}" if part.facts.get("last_symbol") else ""
    begin = f" from {second(since).rpartition(' ')[0]}" if since else ""
    was = f"It was stalled{begin}{f' to {second(until)}' if until else ''}{symbol}."
    progress = progress_of(run.phases.get(phase)) if (phase := where_of(run)) else ""
    now = [*filter(None, [f"at {run.last_symbol}" if run.last_symbol else "", progress])]
    return sentences(was, f"Now {', '.join(now)}." if now and run.state.is_open else "")
