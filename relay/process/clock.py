"""The wall clock, held against the time since boot each time it is read: the one place that knows of its steps.

The kernel's CLOCK_BOOTTIME is set by nobody and counts while the machine sleeps or the process is stopped. So what
really passed counts as passed, and what only the wall clock shows is a step.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

STEP = 1.5
"""Seconds from which on a difference is a step: more than a leap second."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast things are looked at; another one is for a clock that runs faster than the machine's."""

    tick: float = 1.0
    """Real seconds between two looks at everything that time alone can change."""
    disputed_after: timedelta = timedelta(minutes=5)
    """By the relay's clock: events came for so long after the API had become idle; they are of another TickStockPL."""


USUAL_PACE = Pace()


def utc_now() -> datetime:
    """What the wall clock shows."""
    return datetime.now(UTC)


def since_boot() -> float:
    """Seconds since the machine was started, those that it slept included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Another after each start of the machine; empty where the kernel does not tell it."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Step:
    """The wall clock was set: what it should have shown, and what it shows."""

    before: datetime
    after: datetime

    @property
    def seconds(self) -> float:
        """Forward, or back when negative."""
        return (self.after - self.before).total_seconds()


class Clock:
    """Two clocks, one judge. Reading it is how a step is noticed, so no time is used before its step is known."""

    def __init__(self, wall: Callable[[], datetime] = utc_now, boot: Callable[[], float] = since_boot) -> None:
        """`wall` is what is judged, `boot` is believed."""
        self._wall = wall
        self._boot = boot
        self._lock = threading.Lock()
        self._seen = self._read()
        self._started = self._seen[1]
        self._stepped_at: float | None = None
        self.stepped = 0.0
        """Seconds by which the wall clock was set since the start, all steps together."""
        self.steps = 0
        self.last_step: Step | None = None

    def now(self) -> datetime:
        """What time it is (UTC); a step since the last look has been noted."""
        with self._lock:
            wall, boot = self._read()
            seen_wall, seen_boot = self._seen
            self._seen = (wall, boot)
            if abs((wall - seen_wall).total_seconds() - (boot - seen_boot)) >= STEP:
                self._note(Step(seen_wall + timedelta(seconds=boot - seen_boot), wall), boot)
        return wall

    @property
    def since_step(self) -> float:
        """Seconds since the last step; infinite when there was none."""
        return math.inf if self._stepped_at is None else self._boot() - self._stepped_at

    @property
    def steady_for(self) -> float:
        """Seconds that the clock is known to be steady: since the last step, or the start."""
        return self._boot() - (self._started if self._stepped_at is None else self._stepped_at)

    def _note(self, step: Step, boot: float) -> None:
        self._stepped_at = boot
        self.stepped += step.seconds
        self.steps += 1
        self.last_step = step
        log.warning("the clock was set", seconds=round(step.seconds, 3))

    def _read(self) -> tuple[datetime, float]:
        """Both at one moment: a process that is stopped between the two readings reads again."""
        while True:
            before, wall, boot = self._boot(), self._wall(), self._boot()
            if boot - before < STEP / 2:
                return wall, boot
