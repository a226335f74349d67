"""Events as metrics: counted once a batch, capped where the wire can invent labels, durations in their buckets."""

from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from relay.events import Event, Phase
from sinks.prometheus import PrometheusOptions, PrometheusSink
from sinks.testing import make_context, make_event
from tests.support.shapes import every_shape
from tests.support.wire import read, utc

NOW = utc("2025-01-27 21:15")


class Metrics:
    """The sink, and what a scrape would read."""

    def __init__(self, **options: int) -> None:
        context = make_context("metrics")
        self.registry: CollectorRegistry = context.registry
        self.sink = PrometheusSink(PrometheusOptions(**options), context)

    def write(self, *events: Event) -> None:
        self.sink.write(events)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def samples(self, name: str) -> list[dict[str, str]]:
        families = text_string_to_metric_families(generate_latest(self.registry).decode())
        return [sample.labels for family in families for sample in family.samples if sample.name == name]


def error(**payload: Any) -> Event:
    return make_event(payload)


def test_every_shape_of_the_wire_is_counted_by_channel_and_event() -> None:
    metrics = Metrics()
    events = [read(channel, data, NOW) for channel, data, _ in every_shape()]
    metrics.write(*events)
    metrics.write(*events)
    for event in events:
        same = sum(one.channel == event.channel and one.event == event.event for one in events)
        assert metrics.value("tickstock_events_total", channel=event.channel, event=event.event) == 2 * same
    assert sum(
        metrics.value("tickstock_events_total", **labels) or 0 for labels in metrics.samples("tickstock_events_total")
    ) == 2 * len(events)


def test_errors_are_counted_by_severity_component_and_code() -> None:
    metrics = Metrics()
    metrics.write(error(severity="critical", component="db", error_code="E1"), error(component="db", error_code="E1"))
    metrics.write(error(category="network"), error(component=7, error_code=None))
    name = "tickstock_errors_total"
    assert metrics.value(name, severity="critical", component="db", error_code="E1") == 1
    assert metrics.value(name, severity="error", component="db", error_code="E1") == 1
    assert metrics.value(name, severity="error", component="massive_fetcher", error_code="network") == 1
    assert metrics.value(name, severity="error", component="7", error_code="") == 1


def test_invented_channels_and_codes_are_counted_together_beyond_the_cap() -> None:
    metrics = Metrics(max_events=10, max_error_codes=5)
    for number in range(50):
        metrics.write(make_event({}, channel=f"tickstock:c{number}:x", event="e"))
    for number in range(50):
        metrics.write(error(component="c", error_code=f"E{number}"))
    events = metrics.samples("tickstock_events_total")
    codes = metrics.samples("tickstock_errors_total")
    assert len(events) == 11
    assert len(codes) == 6
    assert metrics.value("tickstock_events_total", channel="other", event="other") == 40 + 50
    assert metrics.value("tickstock_errors_total", severity="error", component="other", error_code="other") == 45
    metrics.write(make_event({}, channel="tickstock:c3:x", event="e"))
    assert metrics.value("tickstock_events_total", channel="tickstock:c3:x", event="e") == 2, "the known ones go on"


def test_a_text_of_more_than_120_characters_is_no_label() -> None:
    metrics = Metrics()
    metrics.write(error(component="c" * 120, error_code='x\ny"z\\'), error(component="c" * 121, error_code=["E"]))
    name = "tickstock_errors_total"
    assert metrics.value(name, severity="error", component="c" * 120, error_code='x\ny"z\\') == 1
    assert metrics.value(name, severity="error", component="other", error_code="other") == 1
    for number in range(100):
        metrics.write(make_event({}, channel=f"tickstock:{number}" + "d" * 1000, event=f"e{number}" * 1000))
    assert metrics.value("tickstock_events_total", channel="other", event="other") == 100
    assert len(metrics.samples("tickstock_events_total")) == 2


def test_long_names_do_not_pile_up_until_somebody_asks() -> None:
    metrics = Metrics()
    for number in range(50):
        metrics.write(make_event({}, channel="tickstock:a", event=f"{number}" * 1_000_000))
        assert sum(kind.size for kind in metrics.sink._tally) <= 8 << 20
    assert metrics.value("tickstock_events_total", channel="tickstock:a", event="other") == 50


@pytest.mark.parametrize(("seconds", "counted"), [(1200, True), (0.5, True), ("1200", False), (None, False)])
def test_durations_of_phases_and_runs_go_into_their_histograms(seconds: object, *, counted: bool) -> None:
    metrics = Metrics()

    def of(event: str, phase: Phase | None = None) -> Event:
        channel = f"relay:run:{event}"
        return make_event({"duration_seconds": seconds}, channel=channel, event=event, phase=phase)

    metrics.write(
        of("phase_completed", Phase.PATTERNS),
        of("run_completed"),
        of("run_failed"),
        of("run_started"),
    )
    assert metrics.value("tickstock_phase_duration_seconds_count", phase="patterns") == counted
    assert metrics.value("tickstock_run_duration_seconds_count") == 2 * counted
    if counted:
        assert isinstance(seconds, int | float)
        assert metrics.value("tickstock_phase_duration_seconds_sum", phase="patterns") == seconds
        assert metrics.value("tickstock_phase_duration_seconds_bucket", phase="patterns", le="7200.0") == 1
    assert metrics.value("tickstock_phase_duration_seconds_count", phase="import") == 0, "every phase is there at once"


def test_what_was_tallied_is_handed_over_once_a_kind_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.events.kind._kinds", {})
    metrics = Metrics()
    counted: list[float] = []
    events: Sequence[Event] = [make_event({"n": number}, channel="tickstock:a:b", event="e") for number in range(100)]
    metrics.write(events[0])
    assert metrics.value("tickstock_events_total", channel="tickstock:a:b", event="e") == 1
    child = metrics.sink._children[events[0].kind]
    increase = child.inc
    child.inc = lambda amount=1.0, exemplar=None: (counted.append(amount), increase(amount, exemplar))[1]  # type: ignore[func-returns-value,method-assign]
    for part in (events[:60], events[60:]):
        metrics.write(*part)
    assert counted == []
    assert metrics.value("tickstock_events_total", channel="tickstock:a:b", event="e") == 101
    assert counted == [100]


def test_invented_kinds_do_not_pile_up_until_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.prometheus.MAX_TALLIED", 10)
    metrics = Metrics(max_events=5)
    for number in range(100):
        metrics.write(make_event({}, channel=f"tickstock:a:{number}", event="e"))
    assert len(metrics.sink._tally) <= 10
    assert metrics.value("tickstock_events_total", channel="other", event="other") == 95
