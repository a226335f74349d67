"""The stand-in's one clock: simulated time runs `speed` times as fast as real time.

Everything waits on simulated time; what is claimed in events and answers is either that time itself or the real
moment at which it comes. It must stay the only place where the stand-in sleeps for time to pass.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Literal

ClockKind = Literal["real", "simulated"]
A_LONG_TIME = 86_400.0
"""Real seconds for which one waits for a clock that stands still; what sets it going wakes those who wait."""


class Clock:
    """Simulated time from `start` (default: real now), `speed` simulated seconds a real one.

    `kind` decides what events claim: "real" the real moment, "simulated" the simulated one. With `held` it stands still
    at its start until `begin`.
    """

    def __init__(
        self, *, speed: float = 1.0, start: datetime | None = None, kind: ClockKind = "real", held: bool = False
    ) -> None:
        if not 0 < speed < float("inf"):
            raise ValueError(f"speed must be a number above 0, not {speed}")
        if start is not None and start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self.speed = speed
        self.kind = kind
        self._given = start
        self.begin()
        self.is_held = held

    def begin(self) -> None:
        """Sets it to its start, now, and going."""
        self.is_held = False
        self.began = time.monotonic()
        """What `time.monotonic()` was when it began."""
        self._real_start = datetime.now(UTC)
        self.start = (self._given or self._real_start).astimezone(UTC)

    def now(self) -> datetime:
        """Simulated time, UTC."""
        if self.is_held:
            return self.start
        return self.start + timedelta(seconds=(time.monotonic() - self.began) * self.speed)

    def claimed(self, moment: datetime) -> datetime:
        """What an event says for the simulated `moment`, UTC."""
        if self.kind == "simulated":
            return moment.astimezone(UTC)
        return self._real_start + (moment - self.start) / self.speed

    @property
    def scale(self) -> float:
        """What a simulated second is in claimed durations."""
        return 1.0 if self.kind == "simulated" else 1.0 / self.speed

    def real_seconds_until(self, moment: datetime) -> float:
        """Real seconds until the simulated `moment`; never below 0."""
        if self.is_held:
            return A_LONG_TIME if moment > self.start else 0.0
        return max(0.0, (moment - self.now()).total_seconds() / self.speed)

    async def sleep_until(self, moment: datetime) -> None:
        """Waits for a simulated moment."""
        await asyncio.sleep(self.real_seconds_until(moment))


class Bell:
    """Wakes everyone who waits at the moment of ringing; nobody later."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wakes all who wait now."""
        event = self._event
        self._event = asyncio.Event()
        event.set()

    async def wait(self, seconds: float | None) -> bool:
        """Waits for the next ring, at most `seconds`; True when it rang."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        return True
