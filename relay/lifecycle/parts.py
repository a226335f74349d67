"""The daemon's parts in one record, for what looks at them: tick, metrics, status and web server.

The record is frozen, and a reload replaces settings, routes and lanes; so those who look hold the function that makes
the record and ask it at each look.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry

from relay.config.links import Links
from relay.config.settings import Settings
from relay.intake import Intake
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.lifecycle.reload import Reloads
from relay.lifecycle.verbs import Verbs
from relay.process.clock import Clock
from relay.process.health import Health
from relay.routing import Routes
from relay.runs.gaps import Gaps
from relay.runs.recent import Recent
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.store.outbox import Outbox
from relay.store.shelf import StoredShelf
from relay.store.store import Store
from relay.subscription.subscription import Subscription
from relay.watchdog.alerts import Alerts
from relay.watchdog.incidents import Incidents
from relay.watchdog.poll import Watch
from relay.watchdog.quiet import Quiet
from relay.watchdog.run_schedule import RunSchedule
from relay.watchdog.self_check import SelfCheck
from relay.watchdog.silences import Silences
from relay.watchdog.summary import Summary


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the daemon consists of, as it is now."""

    settings: Settings
    started: datetime
    clock: Clock
    store: Store
    outbox: Outbox
    quarantine: Quarantine
    subscription: Subscription
    subscription_changed: datetime | None
    """When the subscription last began or ended."""
    intake: Intake
    routes: Routes
    lanes: Mapping[str, Lane]
    """The lanes in use, by their sinks' names."""
    runs: Runs
    run_logs: RunLogs
    gaps: Gaps
    recent: Recent
    watch: Watch
    alerts: Alerts
    incidents: Incidents
    summary: Summary
    quiet: Quiet
    """Of what nobody is told now: silences and maintenance windows."""
    silences: Silences
    silenced: StoredShelf
    """Where the silences are kept; the command line writes there too."""
    self_check: SelfCheck
    health: Health
    reloads: Reloads
    verbs: Verbs
    """What commands may ask for; it knows what they did."""
    links: Links
    """The addresses of pages, runbook and dashboard."""
    registry: CollectorRegistry
    """The metrics about relay and runs; each sink has a registry of its own."""

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


GetParts = Callable[[], Parts]
"""Makes the record of this moment."""
