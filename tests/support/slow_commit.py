"""The relay that waits between the commit of a batch and its consumption: where a kill finds it half done.

Run as a program it is `tickstock-relay`, and nothing else is another.
"""

import os
import time
from pathlib import Path

from relay.cli import main
from relay.intake import Intake
from relay.lifecycle import parts
from relay.subscription.batch import Batch

DELAY = "TEST_COMMIT_DELAY_MS"
PROGRAM = Path(__file__)


class SlowIntake(Intake):
    """Takes its time."""

    def _commit(self, batch: Batch) -> None:
        super()._commit(batch)
        time.sleep(float(os.environ[DELAY]) / 1000)


if __name__ == "__main__":
    parts.Intake = SlowIntake  # type: ignore[attr-defined]
    main()
