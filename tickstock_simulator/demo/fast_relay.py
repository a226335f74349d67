"""The real relay on a clock that runs faster, in step with the stand-ins'.

Run as `python -m tickstock_simulator.demo.fast_relay CONFIG START SPEED ORIGIN_FILE`.
"""

import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.process.clock import Pace
from tickstock_simulator.demo.other_clock import run_relay

PATIENT = timedelta(minutes=30)
"""An answer of the API that a busy machine delays by a second is five minutes old on this clock: no contradiction."""
LOOK_EVERY = 10.0
"""Simulated seconds between two looks, where an hour lasts half a minute; once a second is for real time."""


class FastClock:
    """Shows `start` until a file says what `time.monotonic()`, which all processes share, was when it began to go.

    How long a busy machine needs to start a relay is so no part of its day.
    """

    def __init__(self, start: datetime, speed: float, origin_file: Path) -> None:
        self._start = start.astimezone(UTC)
        self._speed = speed
        self._file = origin_file
        self._origin: float | None = None

    def seconds(self) -> float:
        """How long it has been going, by itself."""
        if self._origin is None:
            if not self._file.exists():
                return 0.0
            self._origin = float(self._file.read_text())
        return (time.monotonic() - self._origin) * self._speed

    def now(self) -> datetime:
        """What it shows, in UTC."""
        return self._start + timedelta(seconds=self.seconds())


def write_origin(origin_file: Path, origin: float) -> None:
    """Set a clock going that looks at this file."""
    whole = origin_file.with_suffix(".new")
    whole.write_text(repr(origin))
    whole.rename(origin_file)


def main(config: Path, clock: FastClock, speed: float) -> None:
    """Run until SIGTERM.

    Raises:
        relay.config.load.ConfigError: the configuration has mistakes.
    """
    pace = Pace(tick=min(1.0, LOOK_EVERY / speed), disputed_after=PATIENT)
    run_relay(config, now=clock.now, boot=clock.seconds, pace=pace)


if __name__ == "__main__":
    _, path, start, speed, origin_file = sys.argv
    main(Path(path), FastClock(datetime.fromisoformat(start), float(speed), Path(origin_file)), float(speed))
