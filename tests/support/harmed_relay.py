"""The relay with two sinks that end its process when they meet certain events, and who starts it again each time.

Run as a program it is `tickstock-relay` with those sinks offered, and nothing else is another.
"""

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

from relay.cli import main
from relay.events import Event
from sinks import registry
from sinks.base import DELIVERED, Batching, DirectSink, Outcome, QueuedSink, SinkContext
from sinks.options import Options
from tests.support.relay_process import RelayProcess

HARM = "harm:"
"""How the text `pad` of a message begins that ends the process; what follows says how."""
SLOW = "slow"
"""The text `pad` of a message whose delivery takes an hour."""
HUNG = "TEST_HUNG"
"""Where a process that is about to hang leaves a file: the watchdog's eye, as a test has no time to wait for it."""


class HarmedRelay(RelayProcess):
    """A relay that may end at any time and is started again, as systemd does it."""

    program = (sys.executable, str(Path(__file__)))

    def live(self, goal: Callable[[], bool], *, most_ends: int = 10, seconds: float = 90) -> list[int]:
        """Start it again whenever it ends, until `goal`, which must not ask it, is reached; how each process ended."""
        ends: list[int] = []
        deadline = time.monotonic() + seconds
        while True:
            if self.process is None:
                self.launch()
            status = self._end_or(goal, deadline)
            if status is None:
                return ends
            ends.append(status)
            assert len(ends) <= most_ends, f"it ended {len(ends)} times"

    def _end_or(self, goal: Callable[[], bool], deadline: float) -> int | None:
        assert self.process is not None
        hung = Path(self._environment[HUNG])
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "it takes too long"
            if hung.exists():
                hung.unlink()
                self.send(signal.SIGABRT)  # as systemd's watchdog does
            elif goal():
                return None
            time.sleep(0.02)
        return self.wait()


class HarmOptions(Options):
    """Where what arrived is noted."""

    file: Path
    at_once: int = 1


def _harm(events: Sequence[Event]) -> None:
    for event in events:
        how = str(event.payload.get("pad", ""))
        if how.startswith(HARM):
            _WAYS[how.removeprefix(HARM).split(" ", maxsplit=1)[0]]()


def _hang() -> None:
    Path(os.environ[HUNG]).touch()
    while True:
        time.sleep(0.1)


def _out_of_memory() -> None:
    """As the kernel ends the process that needs too much."""
    os.kill(os.getpid(), signal.SIGKILL)


def _crash() -> None:
    """In C code."""
    ctypes.string_at(0)


_WAYS: dict[str, Callable[[], object]] = {
    "exit": lambda: os._exit(7),
    "memory": _out_of_memory,
    "crash": _crash,
    "hang": _hang,
}


class HarmedDirect(DirectSink):
    """Ends the process in the middle of a batch."""

    Options = HarmOptions

    def write(self, events: Sequence[Event]) -> None:
        _harm(events)


class HarmedQueue(QueuedSink):
    """Ends the process in a delivery."""

    Options = HarmOptions

    def __init__(self, options: HarmOptions, context: SinkContext) -> None:
        super().__init__(options, context)
        self._options = options

    def batching(self) -> Batching:
        return Batching(max_events=self._options.at_once, concurrency=4)

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:  # noqa: ARG002 - the contract's
        if any(event.payload.get("pad") == SLOW for event in events):
            self._options.file.with_suffix(".slow").touch()
            await asyncio.sleep(3600)
        _harm(events)
        with self._options.file.open("a") as file:
            file.writelines(f"{os.getpid()} {event.payload['n']}\n" for event in events)
        return DELIVERED


if __name__ == "__main__":
    offered = registry._offered()
    for name in ("HarmedDirect", "HarmedQueue"):
        offered[name.lower()] = EntryPoint(name, f"tests.support.harmed_relay:{name}", registry.GROUP)
    main()
