"""The relay on a clock that a test sets back and forth while it runs.

Run as a program it is `tickstock-relay run` with that clock, and nothing else is another.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.relay_process import RelayProcess
from tickstock_simulator.demo.other_clock import run_relay

OFFSET_FILE = "TEST_CLOCK_OFFSET"


class SteppedRelay(RelayProcess):
    """A relay whose clock differs from ours by what a file says."""

    program = (sys.executable, str(Path(__file__)))

    def set_clock(self, seconds: float) -> None:
        """Have it be so many seconds later than it is, or earlier."""
        path = self.directory / "clock"
        fresh = path.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(path)
        self._environment |= {OFFSET_FILE: str(path), "PYTHONPATH": str(Path(__file__).parents[2])}


def _main(config: Path) -> None:
    offset = Path(os.environ[OFFSET_FILE])
    run_relay(config, now=lambda: datetime.now(UTC) + timedelta(seconds=float(offset.read_text())))


if __name__ == "__main__":
    _main(Path(sys.argv[-1]))
