"""The relay's configurations in the benchmarks, as YAML text: what an operator would write, only more of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shapes import INDICATORS, SYMBOLS

SECRET = "whsec_YmVuY2htYXJrLW9ubHktbm90LWEtc2VjcmV0"  # noqa: S105 - signs requests to our own receiver on loopback
EVERYTHING = "{name: everything, match: {}, to: [metrics, archive]}"
NINE_MORE = (
    '{name: errors, match: {severity: ">=error"}, to: [alerts]}',
    "{name: critical, match: {severity: critical}, to: [alerts]}",
    '{name: strong patterns, match: {event: pattern_detected, payload.confidence: ">=0.9"}, to: [alerts]}',
    "{name: run, match: {domain: processing}, to: [alerts]}",
    "{name: phases, match: {domain: [import, cache], action: [started, completed]}, to: [alerts]}",
    '{name: extreme, match: {event: indicator_calculated, payload.values.value: ">=99.9"}, to: [alerts]}',
    '{name: indicator alerts, match: {channel: "tickstock:alerts:*"}, to: [alerts]}',
    "{name: unhealthy, match: {event: streaming_health, payload.status: [warning, critical]}, to: [alerts]}",
    "{name: import at GOOGL, match: {event: import_progress, payload.current_symbol: GOOGL}, to: [alerts]}",
)
TO_WEBHOOK = '{name: app, match: {event: pattern_detected, payload.confidence: ">=0.9"}, to: [app]}'


def _watch_lists(count: int) -> list[str]:
    """Routes as they pile up in practice: one for a symbol, half of them on patterns, half on an indicator."""
    routes = []
    for number in range(count):
        symbol, indicator = SYMBOLS[number // 2 % len(SYMBOLS)], INDICATORS[number % len(INDICATORS)]
        match = (
            f'{{event: pattern_detected, payload.symbol: {symbol}, payload.confidence: ">=0.98"}}'
            if number % 2
            else f"{{event: indicator_calculated, payload.symbol: {symbol}, payload.indicator: {indicator}, "
            f'payload.values.value: ">=99.5"}}'
        )
        routes.append(f"{{name: watch {number}, match: {match}, to: [alerts]}}")
    return routes


ROUTES: dict[str, Callable[[], list[str]]] = {
    "default": lambda: [EVERYTHING],
    "ten": lambda: [EVERYTHING, *NINE_MORE],
    "two_hundred": lambda: [EVERYTHING, *NINE_MORE, *_watch_lists(190)],
    "webhook": lambda: [EVERYTHING, *NINE_MORE, TO_WEBHOOK],
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one relay of the benchmarks lives and whom it talks to."""

    directory: Path
    redis_port: int
    neighbour_port: int  # stands in for TickStockPL's API and receives the webhooks
    http_port: int

    @property
    def archive(self) -> Path:
        """Where every event is archived."""
        return self.directory / "archive"

    @property
    def state(self) -> Path:
        """Where the store is."""
        return self.directory / "state"


def write(name: str, place: Place) -> Path:
    """Writes the configuration called `name`; returns its file."""
    sinks = [
        "metrics: {type: prometheus}",
        f"archive: {{type: jsonl, directory: {place.archive}, rotate: daily}}",
    ]
    if name != "default":
        sinks.append(f"alerts: {{type: jsonl, directory: {place.directory}/alerts}}")
    if name == "webhook":
        url = f"http://127.0.0.1:{place.neighbour_port}/hook/{place.directory.name}"
        sinks.append(f"app: {{type: webhook, url: {url}, secret: {SECRET}}}")
    lines = [
        f'redis: {{url: "redis://127.0.0.1:{place.redis_port}/0", patterns: ["tickstock:*"]}}',
        f"tickstockpl: {{base_url: http://127.0.0.1:{place.neighbour_port}}}",
        "sinks:",
        *(f"  {sink}" for sink in sinks),
        "routes:",
        *(f"  - {route}" for route in ROUTES[name]()),
        f"state_dir: {place.state}",
        f"http: {{listen: 127.0.0.1:{place.http_port}}}",
    ]
    for directory in (place.archive, place.state, place.directory / "alerts"):
        directory.mkdir(parents=True, exist_ok=True)
    file = place.directory / "config.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file
