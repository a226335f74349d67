"""Once a second: everything that time alone can change, part by part.

Each part works or fails alone. The service manager's watchdog is fed by a tick in which no part was faulty, never by
the loop itself.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from relay.events import Announcement
from relay.process import systemd
from relay.process.clock import USUAL_PACE
from relay.process.health import Health

log = structlog.get_logger(__name__)

Work = Callable[[datetime], Iterable[Announcement] | None]
"""One part of a tick: what there is to announce."""
NamedWork = Iterable[tuple[str, Work]]


class Ticker:
    """Runs the parts that `parts` gives; `announce` hands on what they have to say, `publish` what Health has."""

    def __init__(
        self,
        parts: Callable[[], NamedWork],
        health: Health,
        announce: Callable[[list[Announcement], datetime], None],
        publish: Callable[[list[Announcement], datetime], None],
        tick: float = USUAL_PACE.tick,
    ) -> None:
        """`publish` is the shortest way to the sinks: it must need none of the parts."""
        self._parts = parts
        self._health = health
        self._announce = announce
        self._publish = publish
        self._tick = tick

    async def run(self, now: Callable[[], datetime]) -> None:
        """Tick for ever."""
        feed = systemd.watchdog_interval()
        fed = float("-inf")
        while True:
            self.once(now())
            systemd.resend()
            is_time = feed and time.monotonic() - fed > feed * 0.75  # not at each tick, and never one tick too late
            if is_time and not self._health.faulty and systemd.alive():
                fed = time.monotonic()
            await asyncio.sleep(min(self._tick, feed or self._tick))

    def once(self, now: datetime) -> None:
        """One tick."""
        for name, work in self._parts():
            self._health.attempt(name, lambda work=work: self._do(work, now))  # type: ignore[misc]
        if announcements := self._health.tick(now):
            try:
                self._publish(announcements, now)
            except Exception:
                log.exception("a fault could not be announced", faulty=list(self._health.faulty))

    def _do(self, work: Work, now: datetime) -> None:
        if announcements := list(work(now) or ()):
            self._announce(announcements, now)
