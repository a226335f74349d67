"""`python -m benchmarks.startup`: how soon our relay is ready, and what it costs when nothing happens.

Ready is systemd's READY=1, from the moment of starting the process, with a server that is up; the median of several
starts. Idle is the process's CPU time over a quiet span, subscribed, its API polled as configured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from benchmarks import contenders, running, system
from benchmarks.neighbour import Beside

SETTLE = 2.0  # seconds after the start that do not count as idle


def main() -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--idle-seconds", type=float, default=60)
    parser.add_argument("--config", choices=["default", "ten", "two_hundred"], default="default")
    arguments = parser.parse_args()
    contender = contenders.Contender("startup", "tickstock-relay", config=arguments.config)
    found: list[float] = []
    with system.Valkey() as valkey, Beside() as beside:
        for number in range(arguments.starts):
            with running.start(contender, valkey, beside) as relay:
                if not isinstance(relay, running.Relay):
                    raise TypeError("only the relay says READY=1")
                found.append(relay.ready_seconds)
                if number + 1 == arguments.starts:
                    time.sleep(SETTLE)
                    cpu = relay.cpu()
                    time.sleep(arguments.idle_seconds)
                    idle = (relay.cpu() - cpu) / arguments.idle_seconds
                    peak = system.memory(relay.pid) / 1e6
            system.wait_until(lambda: valkey.subscriptions() == 0, 10, "the last relay is still subscribed")
    print(f"start to READY=1: median {statistics.median(found):.3f} s of {', '.join(f'{one:.3f}' for one in found)}")
    print(f"idle: {100 * idle:.3f} % of a core over {arguments.idle_seconds:.0f} s; peak RSS {peak:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
