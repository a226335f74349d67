"""What came of a fault, seen from outside: numbers that are missing or twice, holes, counters that add up."""

import time
from collections import Counter
from collections.abc import Callable

from tests.support import Numbered, RelayProcess, until


def missing_and_repeated(traffic: Numbered, found: Counter[int]) -> tuple[set[int], int]:
    """The numbers that Redis handed to a subscriber and that are not there; how many are there once too often."""
    return traffic.taken - found.keys(), found.total() - len(found)


def holes(numbers: set[int]) -> int:
    """How many runs of numbers in a row there are."""
    return sum(number - 1 not in numbers for number in numbers)


def seconds_until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """How long it took until it held; fails when that is longer than `seconds`."""
    begun = time.monotonic()
    until(condition, seconds, what=what)
    return time.monotonic() - begun


def assert_counters_add_up(relay: RelayProcess) -> None:
    """received = counted + quarantined, and in each lane accepted = delivered + dropped + waiting."""

    def total(name: str, **labels: str) -> float:
        samples = metrics.get(f"tickstock_relay_{name}", [])
        return sum(value for found, value in samples if labels.items() <= found.items())

    metrics = relay.metrics()
    events = metrics.get("tickstock_events_total", [])
    counted = sum(value for labels, value in events if labels["channel"].startswith(("tickstock:", "other")))
    assert total("received_messages_total") == counted + total("quarantined_messages_total")
    for labels, accepted in metrics["tickstock_relay_accepted_events_total"]:
        sink = labels["sink"]
        places = total("delivered_events_total", sink=sink) + total("dropped_events_total", sink=sink)
        assert accepted == places + total("lane_depth", sink=sink), sink
        assert total("lane_depth", sink=sink) >= 0, sink
