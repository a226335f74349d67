"""Events as metrics: counted by channel and name, errors by component and code, durations of runs and phases.

Events are tallied by kind, and the tally is handed over to the counters when somebody asks for them. The names are an
interface (docs/metrics.md). Label values that the wire can invent are capped: beyond the cap they are counted under
`other`.
"""

from collections import Counter as Tally
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import Any

from prometheus_client import Counter, Histogram, Metric
from prometheus_client.registry import Collector
from pydantic import Field

from relay.events import LONGEST_LABEL, Event, Kind, PerKind, Phase
from relay.redaction.built_in import without_secrets
from sinks.base import DirectSink, SinkContext
from sinks.options import Options

DURATION_BUCKETS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1200, 1500, 1800, 2400, 3000, 3600, 5400, 7200)
"""Seconds, to two hours: a run takes some 35 minutes."""
MAX_TALLIED = 4096
MAX_TALLIED_BYTES = 4 << 20
"""Kinds in the tally at most, and what they may take: the wire can invent any number of any length."""
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
        registry.register(_BeforeScrape(self._hand_over))
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
        self._tally: Tally[Kind] = Tally()
        self._tally_size = 0
        self._noted = PerKind(_is_noted)
        self._children: dict[Kind, Counter] = {}
        self._series: set[tuple[str, str]] = set()
        self._codes: set[tuple[str, str]] = set()

    def write(self, events: Sequence[Event]) -> None:
        """Count a batch."""
        before = len(self._tally)
        self._tally.update(map(attrgetter("kind"), events))
        if len(self._tally) > before:
            self._tally_size += sum(kind.size for kind in islice(self._tally, before, None))
            if len(self._tally) > MAX_TALLIED or self._tally_size > MAX_TALLIED_BYTES:
                self._hand_over()
        noted = self._noted
        for event in events:
            if noted[event.kind]:
                self._note(event)

    def _hand_over(self) -> None:
        """Give what was tallied to the counter."""
        for kind, count in self._tally.items():
            child = self._children.get(kind) or self._child(kind)
            child.inc(count)
        self._tally.clear()
        self._tally_size = 0

    def _child(self, kind: Kind) -> Counter:
        pair = (_label(kind.channel), _label(kind.event))
        if pair not in self._series and len(self._series) >= self.options.max_events:
            return self._events.labels(OTHER, OTHER)
        self._series.add(pair)
        child = self._events.labels(*pair)
        if kind.is_short:
            if len(self._children) >= self.options.max_events:
                self._children.clear()
            self._children[kind] = child
        return child

    def _note(self, event: Event) -> None:
        if event.channel.startswith("relay:run:"):
            self._time(event)
        else:
            self._count_error(event)

    def _count_error(self, event: Event) -> None:
        component = _label(event.payload.get("component")) or _label(event.source)
        code = _label(event.payload.get("error_code")) or _label(event.payload.get("category"))
        if (component, code) not in self._codes:
            if len(self._codes) >= self.options.max_error_codes:
                component = code = OTHER
            self._codes.add((component, code))
        self._errors.labels(event.severity.label, component, code).inc()

    def _time(self, event: Event) -> None:
        """Durations as the run tracker worked them out: from the event where given, else from its times."""
        seconds = event.payload.get("duration_seconds")
        if not isinstance(seconds, int | float):
            return
        if event.event == "phase_completed" and event.phase:
            self._phases.labels(event.phase.value).observe(seconds)
        elif event.event in _ENDS:
            self._runs.observe(seconds)


class _BeforeScrape(Collector):
    """Has no metric of its own: it is asked first of all, and has the tally handed over."""

    def __init__(self, hand_over: Callable[[], None]) -> None:
        self._hand_over = hand_over

    def collect(self) -> list[Metric]:
        """Nothing."""
        self._hand_over()
        return []


def _is_noted(kind: Kind) -> bool:
    """Whether events of this kind are more than counted: errors and the ends of runs and phases."""
    return kind.event in ("error", "critical_error") or kind.domain == "errors" or kind.channel.startswith("relay:run:")


def _label(value: object) -> str:
    """A text that is too long to be a label is no label: what invents such must not take the places of others."""
    if value is None:
        return ""
    text = str(value) if isinstance(value, str | int | float) else OTHER
    return _hidden(text) if len(text) <= LONGEST_LABEL else OTHER


_hidden = lru_cache(MAX_TALLIED)(without_secrets)
"""A label without secrets: metrics are read from other machines."""
