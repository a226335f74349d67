"""What follows from a batch: runs, watchdog, incidents and recent history see the events that they want.

Pure but for their shelves: nothing here waits, reads a socket or delivers.
"""

from collections.abc import Sequence
from datetime import datetime

from relay.events import Announcement, Event, Kind
from relay.events.newest import without_superseded
from relay.runs.recent import Recent
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.runs.signals import reports_progress
from relay.watchdog.day_log import DayCounts
from relay.watchdog.incidents import Incidents
from relay.watchdog.poll import Watch
from relay.watchdog.quiet import Quiet


class Tracker:
    """Keeps runs, their logs, watchdog, incidents, recent history and the day's counts up to date."""

    def __init__(
        self,
        runs: Runs,
        run_logs: RunLogs,
        watch: Watch,
        incidents: Incidents,
        recent: Recent,
        quiet: Quiet,
        day: DayCounts,
    ) -> None:
        self._runs = runs
        self._run_logs = run_logs
        self._watch = watch
        self._incidents = incidents
        self._recent = recent
        self._quiet = quiet
        self._day = day

    def wants(self, kind: Kind) -> bool:
        """Whether `observe` needs to see events of this kind; the same answer for a kind for ever."""
        return self._runs.wants(kind) or self._watch.wants(kind)  # errors among them, which `recent` wants too

    def observe(self, events: Sequence[Event], now: datetime) -> list[Announcement]:
        """Take a batch's events; returns what follows from them."""
        errors = [event for event in events if event.kind.domain == "errors"]
        announcements: list[Announcement] = []
        for event in without_superseded(events, reports_progress):
            announcements += self._runs.observe(event, now)
            if event.kind.domain == "errors":
                self._incidents.observe(event, self._runs.run_of(event, now), now)
        self._run_logs.observe(events, now)
        announcements += self._watch.observe(events, now)
        if errors:
            self._recent.observe(errors, now)
            self._quiet.observe(errors, now)
            self._day.observe(errors, now)
        return self.announced(announcements, now) if announcements or errors else []

    def announced(self, announcements: Sequence[Announcement], now: datetime) -> list[Announcement]:
        """Note what the relay announces: for incidents, for people who look later, and as kept back where it is quiet.

        Returns it with the incidents' names in the alerts.
        """
        seen = self._incidents.see(announcements, now)
        self._recent.announced(seen, now)
        self._run_logs.announced(seen, now)
        self._quiet.announced(seen, now)
        self._day.announced(seen, now)
        return seen
