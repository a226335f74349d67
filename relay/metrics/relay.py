"""What the relay says about itself at `/metrics`: read from the living objects at each scrape.

Nothing is counted here, so nothing can disagree; the events' own metrics are the prometheus sink's. docs/metrics.md is
generated from these families.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Protocol

from prometheus_client import disable_created_metrics
from prometheus_client.core import InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from relay.config.settings import Settings
from relay.lanes.breaker import BreakerState
from relay.lanes.lane import Lane
from relay.lanes.queued import QueuedLane
from relay.lifecycle.parts import Parts
from relay.metrics.families import Sample, counter, counters, gauge, gauges
from relay.process import logs

disable_created_metrics()  # type: ignore[no-untyped-call]  # a counter's birthday is of use to nobody here and doubles what is scraped


class OpenConnections(Protocol):
    """What a web server says of its connections."""

    @property
    def closed(self) -> Mapping[str, int]:
        """Those that it ended itself, by reason."""
        ...

    def __len__(self) -> int:
        """Those that are open."""
        ...


class RelayMetrics(Collector):
    """A collector over one daemon's parts."""

    def __init__(self, parts: Parts, connections: OpenConnections) -> None:
        """`connections` are the web server's."""
        self._parts = parts
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        """Every family, also those that are zero: a series that is absent cannot be alerted on."""
        yield InfoMetricFamily("tickstock_relay_build", "The relay's version.", {"version": version("tickstock-relay")})
        yield from self._intake()
        yield from self._lanes()
        yield from self._keeping()
        yield from self._web()

    def _intake(self) -> Iterator[Metric]:
        parts = self._parts
        link, intake = parts.subscription, parts.intake
        yield gauge("tickstock_relay_subscribed", "1 while subscribed to all patterns.", float(link.subscribed))
        yield counter(
            "tickstock_relay_subscriptions", "Times that a subscription began, handed over or new.", link.connects
        )
        yield counter("tickstock_relay_received_messages", "Messages taken from Redis.", intake.received)
        yield counter(
            "tickstock_relay_batches", "Batches taken; messages by batches is the mean batch size.", intake.batches
        )
        yield gauge("tickstock_relay_last_batch_messages", "Messages in the last batch.", intake.last_size)
        yield counter(
            "tickstock_relay_overlap_duplicates", "Deliveries dropped because patterns overlap.", link.duplicates
        )
        yield gauge("tickstock_relay_unread_bytes", "Bytes that wait in the kernel's receive buffer.", link.unread())
        yield gauge(
            "tickstock_relay_lag_seconds", "Age of the oldest unread message, at least; 0 when all is read.", link.lag
        )
        yield counter("tickstock_relay_gaps", "Spans in which the relay was not subscribed.", parts.gaps.count)
        yield counter("tickstock_relay_gap_seconds", "How long those spans were, together.", parts.gaps.seconds)
        yield counter("tickstock_relay_unrouted_events", "Events that no route took.", intake.unrouted)
        yield gauge(
            "tickstock_relay_silences_active",
            "Silences and maintenance windows that keep alerts and errors from people now.",
            len(parts.quiet.active(parts.clock.now())),
        )
        throttled = [((route.name,), float(route.throttle.held)) for route in parts.routes.routes if route.throttle]
        yield counters(
            "tickstock_relay_throttled_events", "Events that a route's throttle held back.", ["route"], throttled
        )
        quarantined = [((reason,), float(count)) for reason, count in parts.quarantine.counts.items()]
        yield counters(
            "tickstock_relay_quarantined_messages",
            "Messages that are not JSON objects, or that ended processes (poison).",
            ["reason"],
            quarantined,
        )
        yield counter(
            "tickstock_relay_quarantine_dropped",
            "Quarantined messages that could not be kept.",
            parts.quarantine.dropped,
        )

    def _lanes(self) -> Iterator[Metric]:
        parts = self._parts
        lanes, now = parts.lanes, parts.clock.now()
        queued = {name: lane for name, lane in lanes.items() if isinstance(lane, QueuedLane)}
        depths = {name: lane.depth() for name, lane in queued.items()}

        def each(value: Callable[[Lane], float]) -> list[Sample]:
            return [((name,), float(value(lane))) for name, lane in lanes.items()]

        yield counters(
            "tickstock_relay_accepted_events", "Events that a lane took.", ["sink"], each(lambda lane: lane.accepted)
        )
        yield counters(
            "tickstock_relay_delivered_events", "Events that arrived.", ["sink"], each(lambda lane: lane.delivered)
        )
        dropped = [((n, why), float(count)) for n, lane in lanes.items() for why, count in lane.dropped.items()]
        yield counters(
            "tickstock_relay_dropped_events", "Events that a lane let go, by reason.", ["sink", "reason"], dropped
        )
        yield gauges(
            "tickstock_relay_lane_depth", "Events that wait in a lane.", ["sink"], each(lambda lane: lane.waiting)
        )
        oldest = [((n,), max(0.0, now.timestamp() - (d.oldest or now.timestamp()))) for n, d in depths.items()]
        yield gauges(
            "tickstock_relay_oldest_undelivered_seconds", "Age of the oldest event that waits.", ["sink"], oldest
        )
        yield gauges(
            "tickstock_relay_sink_failing", "1 while a sink fails.", ["sink"], each(lambda lane: bool(lane.error))
        )
        results = [((n, reason), float(count)) for n, lane in queued.items() for reason, count in lane.results.items()]
        yield counters("tickstock_relay_deliveries", "Deliveries by how they ended.", ["sink", "result"], results)
        retries = [((n,), float(lane.retries)) for n, lane in queued.items()]
        yield counters("tickstock_relay_retries", "Deliveries that were tried again.", ["sink"], retries)
        dead = [((n,), float(depth.dead)) for n, depth in depths.items()]
        yield gauges("tickstock_relay_dead_letters", "Dead letters that are kept.", ["sink"], dead)
        breakers = [((n,), float(lane.breaker.state is not BreakerState.CLOSED)) for n, lane in queued.items()]
        yield gauges("tickstock_relay_breaker_open", "1 while a sink's circuit breaker is open.", ["sink"], breakers)

    def _keeping(self) -> Iterator[Metric]:
        parts = self._parts
        yield gauge(
            "tickstock_relay_store_in_memory",
            "1 while the store cannot be written to disk.",
            float(bool(parts.store.trouble)),
        )
        yield counter(
            "tickstock_relay_store_losses", "Times that the store was found to have lost rows.", len(parts.store.losses)
        )
        yield gauge(
            "tickstock_relay_config_last_reload_successful",
            "1 when the last (re)load was taken.",
            float(not parts.reloads.refusal),
        )
        yield gauge(
            "tickstock_relay_config_last_reload_timestamp_seconds",
            "When it was.",
            parts.reloads.last_success.timestamp(),
        )
        yield gauge("tickstock_relay_config_hash", "Changes when the configuration does.", float(_hash(parts.settings)))
        yield gauge(
            "tickstock_relay_faulty_parts",
            "Parts of the relay's own work that fail now.",
            float(len(parts.health.faulty)),
        )
        yield counter("tickstock_relay_clock_steps", "Times that the wall clock was set.", parts.clock.steps)
        yield counter(
            "tickstock_relay_log_lines_dropped", "Lines of the log that could not be written.", logs.lines_dropped()
        )
        yield gauge("tickstock_relay_alerts_firing", "Alerts that fire now.", float(len(parts.alerts.firing())))

    def _web(self) -> Iterator[Metric]:
        connections = self._connections
        yield gauge(
            "tickstock_relay_http_connections",
            "Open connections to the relay's own web server.",
            float(len(connections)),
        )
        closed = [((reason,), float(count)) for reason, count in connections.closed.items()]
        text = "Connections that the web server ended: no whole head, no room, answer not read."
        yield counters("tickstock_relay_http_closed_connections", text, ["reason"], closed)


def _hash(settings: Settings) -> int:
    return zlib.crc32(repr(settings).encode())
