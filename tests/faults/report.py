"""What was broken on purpose and what came of it: one line each in the table at the end of `make test-faults`."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.parts import Numbered, RelayProcess, until

HEAD = ("fault", "injections", "messages", "lost", "duplicated", "recovered after")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table. `lost` and `duplicated` are messages or events, `recovered` is in seconds."""

    fault: str
    injections: int
    messages: int
    lost: int
    duplicated: int
    recovered: float | None
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        """As they are printed."""
        recovered = "-" if self.recovered is None else f"{self.recovered:.2f} s"
        counts = (f"{self.injections:,}", f"{self.messages:,}", f"{self.lost:,}", f"{self.duplicated:,}")
        return (self.fault, *counts, f"{recovered}  {self.remark}".rstrip())


class Report:
    """The lines so far."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(
        self,
        fault: str,
        *,
        injections: int,
        messages: int,
        lost: int = 0,
        duplicated: int = 0,
        recovered: float | None = None,
        remark: str = "",
    ) -> None:
        """Note what came of a fault."""
        self.lines.append(Line(fault, injections, messages, lost, duplicated, recovered, remark))

    def table(self) -> str:
        """All lines, in columns."""
        rows = [HEAD, *(line.cells() for line in sorted(self.lines, key=lambda line: line.fault))]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        shown = []
        for row in rows:
            middle = "  ".join(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True))
            shown.append(f"{row[0].ljust(widths[0])}  {middle}  {row[5]}".rstrip())
        shown.insert(1, "-" * max(map(len, shown)))
        return "\n".join(shown)


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
