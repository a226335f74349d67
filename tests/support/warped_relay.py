"""The relay on a clock of its own that runs faster, in step with the simulator's: a run of 35 minutes in half a minute.

The clock stands still until the relay is ready: how long a busy machine needs for its start is not a part of the day.
Run as a program it is `tickstock-relay run` with that clock, and nothing else is another.
"""

import os
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Self

from relay.runs.runs import Runs
from relay.store.store import Store
from tests.support.relay_process import RelayProcess
from tests.support.wire import a_run
from tickstock_simulator.demo.fast_relay import FastClock, write_origin
from tickstock_simulator.demo.other_clock import run_relay

CLOCK = "TEST_CLOCK"


class WarpedRelay(RelayProcess):
    """A relay to which it is `begins` when it is ready for the first time; then a second brings `speed` seconds."""

    program = (sys.executable, str(Path(__file__)))

    def set_clock(self, begins: datetime, speed: float) -> None:
        """Set its clock, which stands still."""
        self._environment |= {
            CLOCK: f"{begins.isoformat()} {speed} {self._origin}",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def start(self) -> Self:
        """Run it, and set its clock going when it is ready."""
        super().start()
        if not self._origin.exists():
            write_origin(self._origin, time.monotonic())
        return self

    @property
    def _origin(self) -> Path:
        """Where it looks whether its clock goes."""
        return self.directory / "clock"

    def remember(self, days: list[datetime]) -> None:
        """Have it know a run that began at each of these moments, each a little different."""
        store = Store(self.state / "relay.db")
        runs = Runs(store.shelf("runs"))
        for number, start in enumerate(days):
            slower = (number * 37 % 11 - 5) / 40
            minutes = (10 * (1 + slower), 0.7, 4 * (1 - slower / 2), 20 * (1 + slower / 3))
            day = f"{start:%Y-%m-%d}"
            for one in a_run(start, f"history-{number:02}", minutes=minutes, run_date=day, success_rate=99.0):
                runs.observe(one, one.received)
        store.close()


def _main(config: Path) -> None:
    begins, speed, origin = os.environ[CLOCK].split(" ", 2)
    clock = FastClock(datetime.fromisoformat(begins), float(speed), Path(origin))
    run_relay(config, now=clock.now, boot=clock.seconds)


if __name__ == "__main__":
    _main(Path(sys.argv[-1]))
