"""Metric families from plain numbers: one way to make each kind, for what is read at a scrape."""

from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Sample = tuple[tuple[str, ...], float]
"""Label values, and the number."""


def gauge(name: str, text: str, value: float | None) -> Metric:
    """One number; None for what never happened yet, which has no sample."""
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family


def counter(name: str, text: str, value: float) -> Metric:
    """One count; `_total` is put behind the name."""
    return CounterMetricFamily(name, text, value=value)


def gauges(name: str, text: str, labels: Iterable[str], samples: Iterable[Sample]) -> Metric:
    """A number for each combination of labels."""
    family = GaugeMetricFamily(name, text, labels=list(labels))
    for values, number in samples:
        family.add_metric(values, number)
    return family


def counters(name: str, text: str, labels: Iterable[str], samples: Iterable[Sample]) -> Metric:
    """A count for each combination of labels."""
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, number in samples:
        family.add_metric(values, number)
    return family
