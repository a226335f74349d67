"""A relay of the tests that waits between commit and consumption: see `tests.support.slow_commit`."""

import sys
from pathlib import Path
from typing import Any

from tests.support.relay_process import RelayProcess
from tests.support.slow_commit import DELAY, PROGRAM


class SlowRelay(RelayProcess):
    """It waits so many milliseconds."""

    program = (sys.executable, str(PROGRAM))

    def __init__(self, directory: Path, redis_url: str, delay: int, **more: Any) -> None:
        super().__init__(directory, redis_url, environment={DELAY: str(delay)}, **more)
