"""Events as metrics: counted by channel and name, errors by component and code, durations of runs and phases.

Counting is once a batch, on children cached by kind. The names are an interface (docs/metrics.md). Label values that
the wire can invent are capped: beyond the cap they are counted under `other`.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from prometheus_client import Counter, Histogram
from pydantic import Field

from relay.events import Event, Kind, Phase
from sinks.base import DirectSink, SinkContext
from sinks.options import Options

DURATION_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1200, 1500, 1800, 2400, 3000, 3600, 5400, 7200)
"""Seconds, to two hours: a run takes some 35 minutes."""
OTHER = "other"
_ENDS = frozenset({"run_completed", "run_failed", "run_cancelled", "run_partial"})


class PrometheusOptions(Options):
    """Options of the sink `prometheus`."""

    max_events: int = Field(500, gt=0, description="Pairs of channel and event with a series of their own.")
    max_error_codes: int = Field(200, gt=0, description="Component and error code pairs with a series of their own.")


class PrometheusSink(DirectSink):
    """Counts into the registry that `/metrics` serves."""

    Options = PrometheusOptions
    options: PrometheusOptions

    def __init__(self, options: Any, context: SinkContext) -> None:
        """Create the metrics, at zero."""
        super().__init__(options, context)
        registry = context.registry
        self._events = Counter(
            "tickstock_events", "Events by channel and name.", ["channel", "event"], registry=registry
        )
        self._errors = Counter(
            "tickstock_errors",
            "Error events by severity, component and code.",
            ["severity", "component", "error_code"],
            registry=registry,
        )
        self._runs = Histogram(
            "tickstock_run_duration_seconds", "How long runs took.", buckets=DURATION_BUCKETS, registry=registry
        )
        self._phases = Histogram(
            "tickstock_phase_duration_seconds",
            "How long the phases of runs took.",
            ["phase"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        for phase in Phase:
            self._phases.labels(phase.value)
        self._children: dict[Kind, Counter] = {}
        self._series: set[tuple[str, str]] = set()
        self._codes: set[tuple[str, str]] = set()

    def write(self, events: Sequence[Event]) -> None:
        """Count a batch."""
        for kind, count in Tally(map(attrgetter("kind"), events)).items():
            child = self._children.get(kind) or self._child(kind)
            child.inc(count)
            if kind.event in ("error", "critical_error") or kind.domain == "errors":
                self._count_errors([event for event in events if event.kind is kind])
            elif kind.channel.startswith("relay:run:"):
                self._time([event for event in events if event.kind is kind])

    def _child(self, kind: Kind) -> Counter:
        pair = (_label(kind.channel), _label(kind.event))
        if pair not in self._series and len(self._series) >= self.options.max_events:
            return self._events.labels(OTHER, OTHER)
        self._series.add(pair)
        child = self._events.labels(*pair)
        if len(self._children) < self.options.max_events:
            self._children[kind] = child
        return child

    def _count_errors(self, events: list[Event]) -> None:
        for event in events:
            component = _label(event.payload.get("component")) or _label(event.source)
            code = _label(event.payload.get("error_code")) or _label(event.payload.get("category"))
            if (component, code) not in self._codes:
                if len(self._codes) >= self.options.max_error_codes:
                    component = code = OTHER
                self._codes.add((component, code))
            self._errors.labels(event.severity.label, component, code).inc()

    def _time(self, events: list[Event]) -> None:
        """Durations as the run tracker worked them out: from the event where given, else from its times."""
        for event in events:
            seconds = event.payload.get("duration_seconds")
            if not isinstance(seconds, int | float):
                continue
            if event.event == "phase_completed" and event.phase:
                self._phases.labels(event.phase.value).observe(seconds)
            elif event.event in _ENDS:
                self._runs.observe(seconds)


def _label(value: object) -> str:
    return value[:100] if isinstance(value, str) else "" if value is None else str(value)[:100]
