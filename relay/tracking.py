"""What follows from a batch: runs, watchdog and recent history see the events that they want, and announce what is new.

Pure but for their shelves: nothing here waits, reads a socket or delivers.
"""

from collections.abc import Sequence
from datetime import datetime

from relay.events import Announcement, Event, Kind
from relay.runs.recent import Recent
from relay.runs.runs import Runs
from relay.runs.signals import without_superseded
from relay.watchdog.poll import Watch


class Tracker:
    """Keeps runs, watchdog and recent history up to date."""

    def __init__(self, runs: Runs, watch: Watch, recent: Recent) -> None:
        self._runs = runs
        self._watch = watch
        self._recent = recent

    def wants(self, kind: Kind) -> bool:
        """Whether `observe` needs to see events of this kind; the same answer for a kind for ever."""
        return self._runs.wants(kind) or self._watch.wants(kind)  # errors among them, which `recent` wants too

    def observe(self, events: Sequence[Event], now: datetime) -> list[Announcement]:
        """Take a batch's events; returns what follows from them."""
        announcements = [
            announcement for event in without_superseded(events) for announcement in self._runs.observe(event, now)
        ]
        announcements += self._watch.observe(events, now)
        self._recent.observe(events, now)
        self.announced(announcements, now)
        return announcements

    def announced(self, announcements: Sequence[Announcement], now: datetime) -> None:
        """Remember what the relay announces, for people who look later."""
        self._recent.announced(announcements, now)
