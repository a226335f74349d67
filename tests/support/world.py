"""A small world around the watchdog for tests: a clock that is moved, TickStockPL's API as a view, restarts.

Events go through the real normaliser, runs, alerts and watchdog; only the clock and the API's answers are made up.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement, Event
from relay.runs.runs import Runs
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun, Schedule, Status
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import (
    HISTORY_EVERY,
    SCHEDULE_EVERY,
    SCHEDULE_NOW,
    ApiState,
    _is_old,
    with_history,
    without_history,
)
from relay.watchdog.incidents import Incidents
from relay.watchdog.quiet import Quiet
from relay.watchdog.silences import Silences
from relay.watchdog.watchdog import Watchdog
from tests.support.wire import event

IDLE = Status(is_running=False)
REFUSED = "cannot reach http://localhost:8080: refused"
HOUR = timedelta(hours=1)
NIGHT = 6 * HOUR


@dataclass
class World:
    """Everything around one relay."""

    now: datetime
    options: WatchdogOptions = field(default_factory=WatchdogOptions)
    shelves: dict[str, MemoryShelf] = field(default_factory=dict)
    announcements: list[tuple[datetime, Announcement]] = field(default_factory=list)
    incident_events: list[tuple[datetime, Announcement]] = field(default_factory=list)
    """What was announced of incidents, apart from all else."""
    api_up: bool = True
    status: Status = IDLE
    schedule: Schedule | None = None
    history: list[HistoryRun] = field(default_factory=list)
    is_disconnected: bool = False
    """Events are published, and do not arrive."""
    is_alive: bool = True
    """Whether the relay runs; events while it does not are lost."""

    history_works: bool = True
    history_alone: bool = False
    """The history answers although the status does not."""
    stopped_at: datetime | None = None
    silenced: list[Callable[[Event], bool]] = field(default_factory=list)
    """What is kept quiet."""
    alerts_heard: list[str] = field(default_factory=list)
    """`name state` of each alert that people are told of, in order."""

    def __post_init__(self) -> None:
        self.view = ApiState()
        self.start_relay()

    def start_relay(self) -> None:
        """A new process on the shelves that the last one left; its subscription too, unless that was stopped."""
        shelf = self.shelves.setdefault
        self.runs = Runs(shelf("runs", MemoryShelf()))
        self.alerts = Alerts(shelf("alerts", MemoryShelf()))
        self.watchdog = Watchdog(self.options, self.runs, self.alerts, shelf("watchdog", MemoryShelf()), self.now)
        self.silences = Silences(shelf("silences", MemoryShelf()))
        self.quiet = Quiet(
            self.silences,
            lambda: self.options,
            shelf("quiet", MemoryShelf()),
            lambda event: self.incidents.id_of(event, self.now),
        )
        self.incidents = Incidents(
            shelf("incidents", MemoryShelf()),
            self.runs,
            self.alerts,
            lambda: self.options.learned,
            quiet=self._is_quiet,
        )
        gap = (self.stopped_at, self.now) if self.stopped_at else None
        self.watchdog.note_connection(self.now, adopted=gap is None, gap=gap)
        self.view = ApiState()
        self.is_alive, self.stopped_at = True, None

    def stop_relay(self) -> None:
        """The process is gone."""
        self.is_alive, self.stopped_at = False, self.now

    def poll(self) -> None:
        """Ask the API, as the poller does."""
        wants_history = self.watchdog.wants_history or _is_old(self.view.history_at, self.now, HISTORY_EVERY)
        if wants_history and self.history_works and (self.api_up or self.history_alone):
            self.view = with_history(self.view, self.history, self.now)
        elif wants_history and (self.api_up or self.watchdog.wants_history):
            error = "http://localhost:8080 answered 500" if self.api_up else REFUSED
            self.view = without_history(self.view, error, self.now)
        if not self.api_up:
            since = self.view.failing_since or self.now
            self.view = replace(self.view, failing_since=since, error=REFUSED)
            return
        self.view = replace(self.view, answered_at=self.now, failing_since=None, error=None, status=self.status)
        if _is_old(self.view.schedule_at, self.now, SCHEDULE_NOW if self.watchdog.wants_history else SCHEDULE_EVERY):
            self.view = replace(self.view, schedule=self.schedule, schedule_at=self.now)

    def hear(self, one: Event) -> None:
        """An event arrives now."""
        if not self.is_alive or self.is_disconnected:
            return
        self.runs.count_received(self.now, 1)
        if self.runs.wants(one.kind):
            self._keep(self.runs.observe(one, self.now))
        if one.kind.domain == "errors":
            self.incidents.observe(one, self.runs.run_of(one, self.now), self.now)
        if self.watchdog.wants(one.kind):
            self._keep(self.watchdog.observe(one, self.now))

    def publish(self, one: Event) -> None:
        """TickStockPL does what the event says, its API shows it, and the event arrives."""
        if one.event == "processing_started":
            self.status = Status(is_running=True, run_id=one.run_id, start_time=one.received)
        elif one.event == "processing_completed":
            self.status = IDLE
        self.hear(one)

    def tell(self, channel: str, name: str, **payload: Any) -> None:
        """TickStockPL publishes an event now."""
        self.publish(event(channel, name, self.now, **payload))

    def tick(self) -> None:
        """One look of the watchdog, after a poll."""
        if self.is_alive:
            self.poll()
            self._keep(self.watchdog.tick(self.now, self.view))
            self._keep(self.alerts.tick(self.now))
            self.incident_events += [(self.now, event) for event in self.incidents.tick(self.now)]
            self._keep(self.quiet.tick(self.now, self.alerts))

    def until(self, moment: datetime, step: float = 30.0) -> None:
        """Let time pass."""
        while self.now < moment:
            self.now = min(moment, self.now + timedelta(seconds=step))
            self.tick()

    def pass_(self, minutes: float, step: float = 30.0) -> None:
        """Let some minutes pass."""
        self.until(self.now + timedelta(minutes=minutes), step)

    def play(self, events: Iterable[Event], stop: Callable[[], bool] = lambda: False, step: float = 30.0) -> None:
        """Events arrive when they happen; in a night before them it is looked less often."""
        for one in events:
            if one.received - self.now > NIGHT:
                self.until(one.received - HOUR, max(step, 600.0))
            self.until(one.received, step)
            if stop():
                return
            self.publish(one)
            if one.domain == "processing":
                self.tick()

    def _keep(self, announcements: list[Announcement]) -> None:
        if not announcements:
            return
        seen = self.incidents.see(announcements, self.now)
        self.announcements += [(self.now, announcement) for announcement in seen]
        self.quiet.announced(seen, self.now)
        for each in seen:
            if "alert" in each.payload and not self.quiet.silencing(each.as_event("world", 0, self.now), self.now):
                self.alerts_heard.append(f"{each.event} {each.payload['state']}")

    def _is_quiet(self, event: Event, incident: str) -> bool:
        is_silenced = self.quiet.silencing(event, self.now, incident) is not None
        return is_silenced or any(matches(event) for matches in self.silenced)

    @property
    def alerts_announced(self) -> list[str]:
        """`name state` of each alert, in order."""
        return [
            f"{announcement.event} {announcement.payload['state']}"
            for _, announcement in self.announcements
            if "alert" in announcement.payload
        ]

    def alert(self, name: str, state: str = "firing") -> dict[str, Any]:
        """The payload of the last such alert."""
        return next(
            announcement.payload
            for _, announcement in reversed(self.announcements)
            if announcement.channel == f"relay:alert:{name}" and announcement.payload["state"] == state
        )
