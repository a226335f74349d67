"""What a run's result means for the day's data, in a sentence for people. Pure.

Which word stands before it (No, Partly …) is decided in `relay.watchdog.result_check`.
"""

from collections.abc import Callable, Sequence

from relay.events import Phase
from relay.events.wording import day_name, figure, percent
from relay.runs.findings import Finding
from relay.runs.run import Run
from relay.runs.signals import State

_SINGULAR = frozenset({Phase.IMPORT, Phase.CACHE})


def because_of(finding: Finding, run: Run) -> str:
    """What `finding` means for the day's data."""
    return _SENTENCES[finding.name](run, finding)


def complete(run: Run) -> str:
    """The results of a run with which nothing is wrong."""
    counts = [*_symbols(run)]
    counts += [f"{figure(run.indicators_calculated)} indicators"] if run.indicators_calculated is not None else []
    counts += [f"{figure(run.patterns_detected)} patterns"] if run.patterns_detected is not None else []
    reported = f"{', '.join(counts)}." if counts else "Nothing was reported as wrong."
    return reported if run.is_whole else f"{reported} The run was for {_listed(run.expected)} only."


def unfinished(run: Run) -> str:
    """How far a run is that goes on."""
    return _done_phases(run) or "No phase is complete."


def _failed(run: Run, _: Finding) -> str:
    return _missing(run)


def _cancelled(run: Run, _: Finding) -> str:
    return f"{_missing(run)} They stay so unless it is run again."


def _partial(run: Run, _: Finding) -> str:
    return f"{', '.join(_symbols(run))} are complete." if _symbols(run) else "Not all symbols are complete."


def _zero(run: Run, _: Finding) -> str:
    return f"Nothing was computed for {_day(run)}."


def _few(run: Run, finding: Finding) -> str:
    what = finding.about.capitalize() or "Results"
    return f"{what} of {_day(run)} are probably incomplete."


def _low_rate(run: Run, _: Finding) -> str:
    if not run.symbols_failed:
        return f"Some symbols have no data for {_day(run)}."
    of = f" of {figure(run.symbols_processed)}" if run.symbols_processed else ""
    return f"{figure(run.symbols_failed)}{of} symbols have no data for {_day(run)}."


def _too_fast(_: Run, __: Finding) -> str:
    return "It took so little time that something may have been left out: check a few symbols before you use them."


def _too_slow(_: Run, __: Finding) -> str:
    return "The results are complete; they were late."


def _phase_missing(run: Run, finding: Finding) -> str:
    return f"{finding.about.capitalize()} of {_day(run)} may be those of the day before."


def _out_of_order(_: Run, __: Finding) -> str:
    return "A phase may have used old data of the phase before it."


def _unclear(_: Run, finding: Finding) -> str:
    return f"What TickStockPL said of the end of {finding.about or 'the run'} contradicts itself."


def _claims(_: Run, finding: Finding) -> str:
    return f"Two numbers of {finding.about} were reported, and they differ: one of them is wrong."


def _not_reported(run: Run, _: Finding) -> str:
    return f"By TickStockPL's API: {complete(run)}"


_SENTENCES: dict[str, Callable[[Run, Finding], str]] = {
    "run_failed": _failed,
    "run_cancelled": _cancelled,
    "run_partial": _partial,
    "zero_results": _zero,
    "low_success_rate": _low_rate,
    "few_results": _few,
    "result_unclear": _unclear,
    "claims_differ": _claims,
    "phase_missing": _phase_missing,
    "out_of_order": _out_of_order,
    "completion_not_reported": _not_reported,
    "too_slow": _too_slow,
    "too_fast": _too_fast,
}


def _missing(run: Run) -> str:
    """What is missing of it, and what there is all the same."""
    missing = [phase for phase in run.expected if phase not in _done(run)]
    what = _listed(missing).capitalize() if missing else "Some results"
    lacking = f"{what} of {_day(run)} {_be(missing)} missing."
    return f"{lacking} {_done_phases(run)}".rstrip()


def _done_phases(run: Run) -> str:
    done = _done(run)
    return f"{_listed(done).capitalize()} {_be(done)} complete." if done else ""


def _be(phases: Sequence[Phase]) -> str:
    return "is" if len(phases) == 1 and phases[0] in _SINGULAR else "are"


def _done(run: Run) -> list[Phase]:
    return [phase for phase, its in run.phases.items() if its.state is State.COMPLETED]


def _listed(phases: Sequence[Phase]) -> str:
    *first, last = phases
    return f"{', '.join(first)} and {last}" if first else str(last)


def _symbols(run: Run) -> list[str]:
    if run.symbols_processed is None:
        return []
    good = run.symbols_processed - min(run.symbols_failed or 0, run.symbols_processed)
    rate = f" ({percent(run.success_rate)})" if run.success_rate is not None else ""
    return [f"{figure(good)} of {figure(run.symbols_processed)} symbols{rate}"]


def _day(run: Run) -> str:
    return day_name(run.day)
