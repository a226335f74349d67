"""The real relay on a clock that runs faster, in step with the stand-ins'.

Run as `python -m tickstock_simulator.demo.fast_relay`.
"""

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from relay.process.clock import Pace
from tickstock_simulator.demo.other_clock import run_relay

PATIENT = timedelta(minutes=30)
"""An answer of the API that a busy machine delays by a second is five minutes old on this clock: no contradiction."""
LOOK_EVERY = 10.0
"""Simulated seconds between two looks, where an hour lasts half a minute; once a second is for real time."""


def fast_clock(start: datetime, origin: float, speed: float) -> Callable[[], datetime]:
    """A clock that showed `start` when `time.monotonic()`, which all processes share, was `origin`."""

    def now() -> datetime:
        return start + timedelta(seconds=(time.monotonic() - origin) * speed)

    return now


def main(config: Path, clock: Callable[[], datetime], speed: float) -> None:
    """Run until SIGTERM.

    Raises:
        relay.config.load.ConfigError: the configuration has mistakes.
    """
    pace = Pace(tick=min(1.0, LOOK_EVERY / speed), disputed_after=PATIENT)
    run_relay(config, now=clock, boot=lambda: time.monotonic() * speed, pace=pace)


if __name__ == "__main__":
    _, path, begins, origin, speed = sys.argv
    main(Path(path), fast_clock(datetime.fromisoformat(begins), float(origin), float(speed)), float(speed))
