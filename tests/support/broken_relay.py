"""The relay with one method that raises, or never comes back, while a file says so.

Run as a program it is `tickstock-relay run`, and nothing else is another.
"""

import asyncio
import functools
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from tests.support.relay_process import RelayProcess
from tickstock_simulator.demo.other_clock import run_relay

BROKEN, TEXT = "TEST_BROKEN", "TEST_BROKEN_TEXT"
SECRET = "a-secret-in-an-error"  # noqa: S105 - which must not be shown


class BrokenRelay(RelayProcess):
    """A relay of which one method can be broken: `module:Class.method`."""

    program = (sys.executable, str(Path(__file__)))

    def choose(self, method: str, text: str = SECRET) -> None:
        """Which method it is, and the text of the error that it raises."""
        switch = self.directory / "broken"
        self._environment |= {
            BROKEN: f"{method} {switch}",
            TEXT: text,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    def set_broken(self, how: str | None) -> None:
        """`raises`, `hangs` (a coroutine function), or None: it works."""
        switch = self.directory / "broken"
        if how is None:
            switch.unlink()
        else:
            switch.with_suffix(".new").write_text(how)
            switch.with_suffix(".new").rename(switch)


def _break() -> None:
    method, path = os.environ[BROKEN].split(" ", 1)
    switch = Path(path)
    module, _, attribute = method.partition(":")
    owner_name, _, name = attribute.partition(".")
    owner = getattr(importlib.import_module(module), owner_name)
    works = getattr(owner, name)

    def is_broken() -> str:
        return switch.read_text() if switch.exists() else ""

    @functools.wraps(works)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if is_broken() == "raises":
            raise TypeError(os.environ[TEXT])
        return works(*args, **kwargs)

    @functools.wraps(works)
    async def wrapped_coroutine(*args: Any, **kwargs: Any) -> Any:
        if is_broken() == "raises":
            raise TypeError(os.environ[TEXT])
        if is_broken() == "hangs":
            await asyncio.Event().wait()
        return await works(*args, **kwargs)

    setattr(owner, name, wrapped_coroutine if asyncio.iscoroutinefunction(works) else wrapped)


def _main(config: Path) -> None:
    from relay.process import early_signals  # noqa: PLC0415 - for the process of its own only
    from relay.watchdog import poll  # noqa: PLC0415

    poll.LONGEST_TURN = -15.0  # a hang of the API's questions is noticed after five seconds, not after minutes
    early_signals.install()
    run_relay(config, prepare=_break)


if __name__ == "__main__":
    _main(Path(sys.argv[-1]))
