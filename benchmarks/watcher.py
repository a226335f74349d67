"""Watches an archive grow, in a process of its own, and works out the latency from publishing to the visible line.

It notes (time, size) whenever the file's size has changed, asking about every 0.1 ms: that is its resolution, the same
for every contender. It reads the lines only when it is told that the contender is done (SIGTERM), so that it disturbs
little. Prints the p50, p99 and number of latencies in milliseconds; the first tenth is warm-up and left out.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path

from benchmarks import archive, system

NAP = 0.0001
PR_SET_TIMERSLACK = 29


def watch(directory: Path) -> list[float]:
    """Watches until SIGTERM, which comes when the contender is done; then reads the lines."""
    signals: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: signals.append(number))
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)  # else each nap is 50 µs longer
    times, sizes = array("q"), array("q")
    while not (found := archive.files(directory)) and not signals:
        time.sleep(NAP)
    if not found:
        return []
    descriptor, last = os.open(found[-1], os.O_RDONLY), 0
    while not signals:
        size = os.fstat(descriptor).st_size
        if size == last:
            time.sleep(NAP)
            continue
        times.append(time.time_ns() // 1000)
        sizes.append(size)
        last = size
    os.close(descriptor)
    return archive.latencies(found[-1], times, sizes)


def summary(found: list[float]) -> str:
    """The percentiles of what was measured after the warm-up."""
    steady = sorted(found[len(found) // 10 :])
    if not steady:
        return "nan nan 0"
    return f"{steady[len(steady) // 2]:.3f} {steady[int(len(steady) * 0.99)]:.3f} {len(steady)}"


def start(directory: Path) -> subprocess.Popen[str]:
    """Starts the watcher's process."""
    command = [sys.executable, "-m", "benchmarks.watcher", str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=system.ROOT)


if __name__ == "__main__":
    print(summary(watch(Path(sys.argv[1]))))
