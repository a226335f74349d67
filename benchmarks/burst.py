"""`python -m benchmarks.burst`: a minute at twice what our relay sustains.

Nothing may be lost, and the metrics must show the queue. First a short flood tells what it sustains beside the
publisher; then the burst, at twice that, but never more than disk and memory have room for (it says so). What the relay
cannot take yet queues in the kernel and in Valkey, whose output limit is off here.
"""

from __future__ import annotations

import argparse
import sys
import time

from benchmarks import archive, contenders, running, system, vitals
from benchmarks.neighbour import Beside
from benchmarks.publisher import Publisher

PROBE = 200_000
BYTES_A_LINE, BYTES_QUEUED = 900, 600
CONTENDER = contenders.Contender("burst", "tickstock-relay", config="ten")


def sustained(valkey: system.Valkey, beside: Beside) -> float:
    """Events a second that it drains while the publisher floods."""
    with running.start(CONTENDER, valkey, beside) as relay, Publisher(valkey.port, PROBE) as publisher:
        begin = time.perf_counter()
        publisher.go()
        publisher.finish()
        relay.wait_done(0, 120)
        return PROBE / (time.perf_counter() - begin)


def affordable(rate: float, seconds: float) -> float:
    """The rate, or the most that half of the free disk and half of the free memory can hold."""
    pages = system.available_memory() / 2 / BYTES_QUEUED
    lines = system.free_bytes(system.CACHE) / 2 / BYTES_A_LINE
    return min(rate, 2 * pages / seconds, lines / seconds)


def burst(valkey: system.Valkey, beside: Beside, rate: float, seconds: float) -> archive.Ledger:
    """Publishes, and prints every five seconds what is queued and what the relay says about it."""
    count = int(rate * seconds)
    with (
        running.start(CONTENDER, valkey, beside) as relay,
        Publisher(valkey.port, count, rate=rate, blocks=True) as publisher,
    ):
        if not isinstance(relay, running.Relay):
            raise TypeError("a burst is for the relay")
        begin = time.perf_counter()
        publisher.go()
        while publisher.publishing() or not archive.has_stopped(relay.archive):
            facts = "  ".join(f"{name} {value:.5g}" for name, value in vitals.sample(relay).items())
            print(
                f"{time.perf_counter() - begin:6.1f} s  queued {valkey.queued_bytes() / 1e6:,.0f} MB  {facts}",
                flush=True,
            )
            if time.perf_counter() - begin > 10 * seconds + 60:
                break
            time.sleep(5 if seconds > 20 else 0.5)
        published = publisher.finish()
        print(
            f"published {count:,} in {published:.1f} s ({count / published:,.0f}/s), drained after "
            f"{time.perf_counter() - begin:.1f} s, peak {system.memory(relay.pid) / 1e6:.0f} MB"
        )
        relay.end()  # and with it what is being compressed
        return archive.check(relay.archive, count)


def main() -> int:
    """Finds the rate, runs the burst and judges it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.burst", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, help="instead of twice what is sustained")
    arguments = parser.parse_args()
    system.CACHE.mkdir(parents=True, exist_ok=True)
    with system.Valkey() as valkey, Beside() as beside:
        wanted = arguments.rate or 2 * sustained(valkey, beside)
        rate = affordable(wanted, arguments.seconds)
        print(
            f"{rate:,.0f} events/s for {arguments.seconds:.0f} s"
            + ("" if rate == wanted else f" (bounded by disk and memory; twice what is sustained is {wanted:,.0f})")
        )
        ledger = burst(valkey, beside, rate, arguments.seconds)
    print(f"missing {ledger.missing:,}, twice {ledger.twice:,}, torn {ledger.strange:,}, other lines {ledger.others:,}")
    return 1 if ledger.missing or ledger.twice or ledger.strange else 0


if __name__ == "__main__":
    sys.exit(main())
