"""The parts that live as long as the process: made here in the order in which they need each other, and wired.

Whoever looks at them (tick, metrics, status, web server) holds the one `Parts`. A reload replaces its `configuration`
in one step and nothing else; so ask for settings, routes and lanes at each look.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry

from relay.check.route_tests import failed_tests
from relay.config.links import Links
from relay.config.settings import Settings
from relay.events import Announcement, Event
from relay.intake import Intake
from relay.lanes.build import LaneSet, SinkEnvironment
from relay.lanes.lane import Lane
from relay.lanes.muting import why_muted
from relay.lanes.poison import DeliveryWatch
from relay.lanes.quarantine import Quarantine
from relay.lifecycle import journal
from relay.lifecycle.reload import Reloads
from relay.lifecycle.verbs import Verbs
from relay.normalize.normalize import Normalizer
from relay.process import log_secrets, systemd
from relay.process.clock import USUAL_PACE, Clock, Pace, boot_id
from relay.process.health import Health
from relay.process.operations import SHELF as OPERATIONS
from relay.routing import Routes
from relay.runs.gaps import Gaps
from relay.runs.recent import Recent
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.store.outbox import Outbox
from relay.store.store import FILE_NAME, Store
from relay.subscription.handover import Handover
from relay.subscription.poison import PoisonSearch
from relay.subscription.subscription import Subscription, SubscriptionChange
from relay.tracking import Tracker
from relay.watchdog.alerts import Alerts
from relay.watchdog.day_log import DayCounts
from relay.watchdog.incidents import ERRORS_END_AFTER, Incidents
from relay.watchdog.linking import linked
from relay.watchdog.poll import Watch
from relay.watchdog.quiet import Quiet
from relay.watchdog.run_schedule import RunSchedule
from relay.watchdog.self_check import SelfCheck
from relay.watchdog.silences import Silences
from relay.watchdog.summary import Summary
from sinks.base import QueuedSink


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a reload replaces: the settings in force, and what was made of them."""

    settings: Settings
    routes: Routes
    lane_set: LaneSet = field(default_factory=lambda: LaneSet({}, {}, []))
    """No lanes before the start: a sink may fail to start."""


class Parts:
    """What one relay consists of."""

    def __init__(
        self,
        settings: Settings,
        config_path: Path,
        clock: Clock,
        pace: Pace = USUAL_PACE,
        *,
        inherited: dict[str, int] | None = None,
        is_first_start: bool = True,
    ) -> None:
        """Make what must not fail. `inherited` are `systemd.inherited()`'s descriptors."""
        log_secrets.also(settings.redaction.patterns, settings.redaction.keys)
        self.clock = clock
        self.started = clock.now()
        self.configuration = Configuration(settings, Routes(settings.routes))
        self.store = Store(settings.state_dir / FILE_NAME, is_first_start=is_first_start)
        self.outbox = Outbox(self.store, settings.outbox)
        self.links = Links(settings.links, settings.name)
        self.health = Health(self.store.shelf("faults"))
        self.registry = CollectorRegistry(auto_describe=False)
        """The metrics about relay and runs; each sink has a registry of its own."""
        self._make_watchdog(pace)
        self._make_intake()
        self._make_subscription(inherited or {})
        self._make_commands(config_path)

    def _make_watchdog(self, pace: Pace) -> None:
        """Runs, and all that judges them or remembers what was said."""
        shelf, settings = self.store.shelf, self.settings
        self.alerts = Alerts(shelf("alerts"))
        self.runs = Runs(shelf("runs"))
        self.run_logs = RunLogs(shelf("run_logs"), self.runs)
        self.recent = Recent(shelf("recent"))
        self.watch = Watch(settings, self.runs, self.alerts, self.store, self.clock, pace)
        self.self_check = SelfCheck(self.alerts)
        self._silenced = shelf("silences")
        self.silences = Silences(self._silenced)
        self.quiet = Quiet(
            self.silences,
            lambda: self.settings.watchdog,
            shelf("quiet"),
            lambda event: self.incidents.id_of(event, self.clock.now()),
        )
        """Of what nobody is told now: silences and maintenance windows."""
        self.incidents = Incidents(
            shelf("incidents"),
            self.runs,
            self.alerts,
            lambda: self.settings.watchdog.learned,
            quiet=self._is_silenced,
            errors_end_after=self._errors_end_after,
        )
        self.summary = Summary(
            shelf("summary"),
            DayCounts(shelf("day")),
            self.runs,
            self.alerts,
            self.run_schedule,
            lambda: self.settings.watchdog.learned,
            lambda: self.settings.summary,
        )
        self.tracker = Tracker(
            self.runs, self.run_logs, self.watch, self.incidents, self.recent, self.quiet, self.summary.counts
        )

    def _make_intake(self) -> None:
        """The path of a batch; its lanes come with the start."""
        limits, bounds = self.settings.limits, self.settings.quarantine
        self.quarantine = Quarantine(
            self.settings.quarantine_file.parent,
            max_bytes=bounds.max_bytes,
            max_total_bytes=bounds.max_total_bytes,
            keep=bounds.keep,
            clock=self.clock,
        )
        self.intake = Intake(
            normalizer=Normalizer(
                max_bytes=limits.max_message_bytes, max_depth=limits.max_depth, max_values=limits.max_values
            ),
            routes=self.routes,
            lanes=self.lanes,
            store=self.store,
            quarantine=self.quarantine,
            tracker=self.tracker,
            prepared=self._prepared,
            boot=f"r{secrets.token_hex(6)}",
        )

    def _make_subscription(self, inherited: dict[str, int]) -> None:
        self.gaps = Gaps(self.store.shelf("gaps"))
        self.poison = PoisonSearch(self.store)
        self.watched_deliveries = DeliveryWatch(self.store, ended_otherwise=self.poison.ended_in_batch, boot=boot_id())
        redis = self.settings.redis
        self.subscription = Subscription(
            redis, Handover(redis, inherited), now=self.clock.now, changed=self.link_changed
        )

    def _make_commands(self, config_path: Path) -> None:
        """What commands and signals ask for."""
        now = self.clock.now
        self.reloads = Reloads(config_path, now)
        self.reloads.failed_tests = failed_tests(self.settings, now())
        self.verbs = Verbs(self.reloads, self.store.shelf(OPERATIONS), self._look_at_store, self.announce, now)

    @property
    def settings(self) -> Settings:
        """Those in force."""
        return self.configuration.settings

    @property
    def routes(self) -> Routes:
        """Those in force."""
        return self.configuration.routes

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes in use, by their sinks' names."""
        return self.configuration.lane_set.lanes

    @property
    def run_schedule(self) -> RunSchedule:
        """When runs are due, as the watchdog knows it."""
        return self.watch.dog.run_schedule

    @property
    def registries(self) -> Iterable[CollectorRegistry]:
        """What `/metrics` serves: the relay's own, and each sink's."""
        return [self.registry, *(lane.sink.context.registry for lane in self.lanes.values())]

    @property
    def not_ready(self) -> str:
        """Why the relay does not do its job now; empty when it does."""
        return "" if self.subscription.subscribed else "not subscribed to Redis"

    @property
    def unhealthy(self) -> str:
        """Which parts do not work although they should; empty when all do. A restart may help."""
        return "; ".join(f"faulty: {name} ({error})" for name, error in self.health.faulty.items())

    def announce(self, announcements: list[Announcement], now: datetime) -> None:
        """Send what a part has to say the way of all events, known to incidents, recent history and the like."""
        self.intake.announce(self.tracker.announced(announcements, now), now)

    def link_changed(self, link: SubscriptionChange) -> None:
        """Tell all whom it concerns that the subscription has begun or ended."""
        now = self.clock.now()
        announcements = self.gaps.changed(link, now)
        if announcements:
            self.runs.missed_events(now)
        gap = self.gaps.last if announcements else None
        self.watch.note_connection(now if link.subscribed else None, gap=gap, adopted=link.adopted)
        self.announce(announcements, now)
        systemd.status("subscribed" if link.subscribed else f"not subscribed: {link.reason}")  # more with the next tick

    def sink_environment(self, settings: Settings) -> SinkEnvironment:
        """What sinks and lanes get that are made of these settings."""
        return SinkEnvironment(
            clock=self.clock,
            store=self.store,
            outbox=self.outbox,
            muted=lambda event: why_muted(event, self._is_silenced),
            tells_incidents=lambda sink, severity: sink in self.routes.incident_sinks(severity),
            user_agent="tickstock-relay",
            installation=settings.installation,
            label=settings.name,
            redis=self.settings.redis,
            watch=self.watched_deliveries,
        )

    def _prepared(self, announcement: Announcement) -> Announcement:
        """What is announced as it travels: with its links; and a line of it in the log."""
        journal.tell(announcement)
        return linked(announcement, self.links)

    def _is_silenced(self, event: Event, incident: str = "") -> bool:
        return self.quiet.silencing(event, self.clock.now(), incident) is not None

    def _errors_end_after(self) -> float:
        """Seconds without a repeat after which errors outside of any run are over: ten of the sinks' windows."""
        sinks = [lane.sink for lane in self.lanes.values() if lane.sink.renders_incidents]
        windows = [sink.batching().repeat_window for sink in sinks if isinstance(sink, QueuedSink)]
        return 10 * max(windows, default=0.0) or ERRORS_END_AFTER

    def _look_at_store(self) -> None:
        """The command line drops and revives deliveries, and adds silences, in the same store."""
        self.store.commit()
        self.outbox.count()
        self._silenced.reload()
        self.silences.refresh()
