"""The gauges of runs, schedule and watchdog at `/metrics`: read from the living runs at each scrape.

Runs are on the store, so these values survive a restart. Nothing is counted or remembered here; what the events count
is the prometheus sink's, what the relay says about itself is `relay.metrics.relay`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from relay.events import Phase
from relay.lifecycle.parts import Parts
from relay.metrics.families import Sample, gauge, gauges
from relay.runs.run import Run
from relay.runs.signals import State
from relay.watchdog.result_check import WORDS, last_good, usable_now

RUN_STATES = (State.RUNNING, State.STALLED, State.COMPLETED, State.PARTIAL, State.FAILED, State.CANCELLED)
DAY_STATES = (State.DUE, State.LATE, State.MISSED, State.RUNNING)
ACHIEVED = (State.COMPLETED, State.PARTIAL)
COUNTS = {
    "symbols_processed": "Symbols that the last ended run processed.",
    "indicators_calculated": "Indicators that the last ended run calculated.",
    "patterns_detected": "Patterns that the last ended run detected.",
}


class RunMetrics(Collector):
    """A collector over one daemon's runs and watchdog.

    A gauge of something that never happened yet has no sample; gauges of states have one for each state.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        runs = list(self._parts.runs.newest_first())
        yield from _course(runs)
        yield from _results(runs)
        yield from self._watch()

    def _watch(self) -> Iterator[Metric]:
        parts = self._parts
        run_schedule, api = parts.run_schedule, parts.watch.api
        current, coming = run_schedule.current, run_schedule.coming if run_schedule.enabled else None
        yield gauge(
            "tickstock_schedule_next_run_timestamp_seconds",
            "When the next run is due.",
            _seconds(coming.due if coming else None),
        )
        text = "1 while TickStockPL's schedule is switched on, as far as is known."
        yield gauge("tickstock_schedule_enabled", text, float(run_schedule.enabled))
        yield gauge(
            "tickstock_watchdog_enabled", "1 while the watchdog watches.", float(parts.settings.watchdog.enabled)
        )
        yield gauge("tickstock_watchdog_api_up", "1 while TickStockPL's API answers.", float(api.answers))
        yield gauge(
            "tickstock_watchdog_api_last_answer_timestamp_seconds", "When it last answered.", _seconds(api.answered_at)
        )
        yield gauge(
            "tickstock_watchdog_last_due_timestamp_seconds",
            "When the run was due whose time came last.",
            _seconds(current.due if current else None),
        )
        states = {state.value: float(current is not None and current.state is state) for state in DAY_STATES}
        yield gauges(
            "tickstock_watchdog_run_state",
            "1 for what became of the run that was due last.",
            ["state"],
            _by_label(states),
        )
        firing = Counter(alert.name for alert in parts.alerts.firing())
        yield gauges("tickstock_watchdog_alerts_firing", "Alerts that fire now, by name.", ["alert"], _by_label(firing))


def _course(runs: list[Run]) -> Iterator[Metric]:
    """Where the run stands that goes on, or that began last."""
    newest = runs[0] if runs else None
    going = next((run for run in runs if run.state.is_open), None)
    yield gauge("tickstock_run_in_progress", "Runs that go on now.", float(sum(run.state.is_open for run in runs)))
    yield gauge(
        "tickstock_run_last_start_timestamp_seconds",
        "When a run last started.",
        _seconds(newest.began if newest else None),
    )
    good = last_good(runs)
    yield gauge(
        "tickstock_run_last_completion_timestamp_seconds",
        "When a run with all phases last completed with sound results.",
        _seconds(good.ended_at if good else None),
    )
    states = {state.value: float(newest is not None and newest.state is state) for state in RUN_STATES}
    yield gauges(
        "tickstock_run_last_status", "1 for the state of the run that started last.", ["status"], _by_label(states)
    )
    shown = going or newest
    progress = {phase.value: _progress(shown, phase) for phase in Phase}
    text = "How much of a phase is done, 0 to 1, in the run that goes on, or else the last one."
    yield gauges("tickstock_phase_progress_ratio", text, ["phase"], _by_label(progress))


def _results(runs: list[Run]) -> Iterator[Metric]:
    """What ended runs took and achieved: each gauge from the newest run that tells it."""
    text = "1, 0.5 (partly) or 0: whether the data of the last ended run can be used; absent while that is not known."
    yield gauge("tickstock_data_usable", text, usable_now(runs))
    ended = sorted((run for run in runs if run.ended_at is not None), key=_ended, reverse=True)
    findings = {finding.name for finding in ended[0].findings or ()} if ended else set()
    yield gauges(
        "tickstock_run_last_finding",
        "1 for what the check of its result found wrong with the run that ended last, by the alert's name.",
        ["finding"],
        _by_label({name: float(name in findings) for name in WORDS}),
    )
    lasted = next((run.duration_seconds for run in ended if run.duration_seconds is not None), None)
    yield gauge("tickstock_run_last_duration_seconds", "How long the run took that ended last.", lasted)
    durations = {phase.value: seconds for phase in Phase if (seconds := _last_duration(runs, phase)) is not None}
    yield gauges(
        "tickstock_phase_last_duration_seconds",
        "How long the phase took when it last ended.",
        ["phase"],
        _by_label(durations),
    )
    for name, text in COUNTS.items():
        found = next((count for run in ended if (count := getattr(run, name)) is not None), None)
        yield gauge(f"tickstock_{name}", text, found)


def _last_duration(runs: Iterable[Run], phase: Phase) -> float | None:
    """Of the newest run in which the phase has completed; failed and cut off ones say nothing about its length."""
    ends = (run.phases[phase] for run in runs if phase in run.phases)
    done = (its.duration_seconds for its in ends if its.state in ACHIEVED)
    return next((seconds for seconds in done if seconds is not None), None)


def _progress(run: Run | None, phase: Phase) -> float:
    its = run.phases.get(phase) if run is not None else None
    if its is None:
        return 0.0
    return 1.0 if its.state in ACHIEVED else (its.percent or 0.0) / 100


def _ended(run: Run) -> datetime:
    return run.ended_at or run.first_seen


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment is not None else None


def _by_label(values: Mapping[str, float]) -> list[Sample]:
    return [((label,), number) for label, number in values.items()]
