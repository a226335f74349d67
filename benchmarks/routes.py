"""`python -m benchmarks.routes`: the cost of an event with 2,000 routes, by how they ask and how many kinds there are.

CPU time of this process, so that a busy machine changes little. It writes no file.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from relay.config.settings import RouteOptions
from relay.events import Event, KindFacts, kind_of
from relay.routing import Routes

ROUTES = 2_000
EVENTS = 100_000
_NOW = datetime(2025, 1, 27, 21, 15, tzinfo=UTC)


def _routes(match: dict[str, object], field: str, *, listed: bool) -> Routes:
    """So many routes, each with another value, or two, of `field`."""
    options = []
    for number in range(ROUTES):
        value: object = [f"V{number}", f"W{number}"] if listed else f"V{number}"
        options.append(
            RouteOptions.model_validate({"name": f"r{number}", "match": match | {field: value}, "to": ["a"]})
        )
    return Routes(options)


def _events(kinds: int) -> list[Event]:
    made = [kind_of(KindFacts("tickstock:patterns:detected", f"event{number}")) for number in range(kinds)]
    return [
        Event(made[number % kinds], "s1", number, _NOW, _NOW, b'{"symbol":"V7","confidence":0.9}', b"{}")
        for number in range(EVENTS)
    ]


def _cost(routes: Routes, events: list[Event]) -> float:
    """Microseconds an event, once each kind has been seen."""
    batches = [events[first : first + 100] for first in range(0, len(events), 100)]
    for batch in batches[: len(batches) // 4]:
        routes.split(batch)
    begun = time.process_time()
    for batch in batches:
        routes.split(batch)
    return (time.process_time() - begun) / len(events) * 1e6


def main() -> None:
    """Measure and print."""
    print(f"{ROUTES:,} routes, {EVENTS:,} events, µs of CPU an event")
    for name, field, listed in (
        ("an equality", "payload.symbol", False),
        ("a list of two", "payload.symbol", True),
        ("a list of two event names", "event", True),
    ):
        routes = _routes({}, field, listed=listed)
        costs = [f"{kinds:,} kinds {_cost(routes, _events(kinds)):.2f}" for kinds in (1, 4_000, 8_000, 20_000)]
        print(f"{name:<28}{'; '.join(costs)}", flush=True)


if __name__ == "__main__":
    main()
