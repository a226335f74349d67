"""`python -m benchmarks.soak`: five million mixed events through our relay; is everything flat, is everything counted?

The events come in floods of bounded size: the next begins when the last is in the archive, so that the queue in Valkey
stays small and the relay never rests. Fails when a number is missing or twice, or the counter does not add up.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks import contenders, running, system, vitals
from benchmarks.archive import Ledger, Tail
from benchmarks.neighbour import Beside
from benchmarks.publisher import Publisher

BYTES_A_LINE = 900  # more than a line takes: what the disk must have room for
WARM_UP = 0.2  # the share of the events after which the slope is taken
Sample = tuple[int, dict[str, float]]


def _drain(tail: Tail, ledger: Ledger, until: int, patience: float) -> None:
    """Reads the archive until it has as many events, or nothing has come for so many seconds."""
    last, since = ledger.seen, time.monotonic()
    while ledger.seen < until and time.monotonic() - since < patience:
        for line in tail.lines():
            ledger.line(line)
        if ledger.seen != last:
            last, since = ledger.seen, time.monotonic()
        time.sleep(0.05)


def soak(relay: running.Relay, port: int, events: int, chunk: int) -> tuple[Ledger, list[Sample]]:
    """Publishes and follows.

    Returns:
        What the archive had, and a sample after each chunk.
    """
    tail, ledger, samples = Tail(relay.archive), Ledger(events), [(0, vitals.sample(relay))]
    for first in range(0, events, chunk):
        count = min(chunk, events - first)
        with Publisher(port, count, first=first, stop=first + count == events) as publisher:
            publisher.go()
            publisher.finish()
            _drain(tail, ledger, first + count, patience=30)
        samples.append((ledger.seen, vitals.sample(relay)))
        facts = "  ".join(f"{name} {value:.5g}" for name, value in samples[-1][1].items())
        print(f"{ledger.seen:>10,}  {facts}", flush=True)
        if ledger.seen < first + count:
            break
    return ledger, samples


def _slopes(samples: list[Sample], events: int) -> None:
    steady = [one for one in samples if one[0] >= WARM_UP * events]
    for name in samples[-1][1]:
        points = [(seen / 1e6, facts[name]) for seen, facts in steady if name in facts]
        if len(points) > 1:
            print(f"{name}: {points[0][1]:.5g} -> {points[-1][1]:.5g}, slope {vitals.slope(points):+.4g} per million")


def main() -> int:
    """Runs the soak and judges it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--chunk", type=int, default=100_000)
    parser.add_argument("--config", choices=["default", "ten", "two_hundred"], default="ten")
    arguments = parser.parse_args()
    system.CACHE.mkdir(parents=True, exist_ok=True)
    if system.free_bytes(system.CACHE) < arguments.events * BYTES_A_LINE * 1.5:
        print(f"soak: {arguments.events:,} events need more disk than is free; try --events", file=sys.stderr)
        return 1
    contender = contenders.Contender("soak", "tickstock-relay", config=arguments.config)
    with system.Valkey() as valkey, Beside() as beside, running.start(contender, valkey, beside) as relay:
        if not isinstance(relay, running.Relay):
            raise TypeError("a soak is for the relay")
        begin, cpu = time.perf_counter(), relay.cpu()
        ledger, samples = soak(relay, valkey.port, arguments.events, arguments.chunk)
        seconds, cpu = time.perf_counter() - begin, relay.cpu() - cpu
        found = vitals.metrics(relay)
        counted = sum(
            value
            for name, value in found.items()
            if name.startswith('tickstock_events_total{channel="tickstock:') and "bench:stop" not in name
        )
        _slopes(samples, arguments.events)
        peak = system.memory(relay.pid) / 1e6
        each = cpu / arguments.events * 1e6
        print(f"{ledger.seen:,} events in {seconds:.0f} s, {each:.1f} µs CPU each, peak {peak:.0f} MB")
        print(f"missing {ledger.missing:,}, twice {ledger.twice:,}, torn {ledger.strange:,}, counter {counted:,.0f}")
    return 1 if ledger.missing or ledger.twice or ledger.strange or counted != arguments.events else 0


if __name__ == "__main__":
    sys.exit(main())
