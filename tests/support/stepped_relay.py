"""The relay on a clock that a test sets back and forth while it runs.

Run as a program it is `tickstock-relay run` with that clock, and nothing else is another.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.relay_process import RelayProcess

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
    import uvloop  # noqa: PLC0415 - for the process of its own only

    from relay.config.load import load  # noqa: PLC0415
    from relay.daemon import Daemon  # noqa: PLC0415
    from relay.process.logs import set_up  # noqa: PLC0415

    offset = Path(os.environ[OFFSET_FILE])

    def now() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset.read_text()))

    async def run() -> None:
        await Daemon(settings, config, now=now).run()

    settings = load(config)
    set_up(settings.log)
    uvloop.run(run())


if __name__ == "__main__":
    _main(Path(sys.argv[-1]))
