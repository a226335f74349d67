"""What a tick consists of: everything that time alone can change, as a list of named parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from relay.events import Announcement
from relay.intake import Intake
from relay.lanes.lane import Lane
from relay.lanes.quarantine import Quarantine
from relay.lifecycle.reload import Reloads
from relay.lifecycle.ticking import Parts
from relay.process.clock import SETTLED, Clock
from relay.process.health import Progress
from relay.runs.gaps import Gaps
from relay.status.recent import Recent
from relay.store.outbox import Outbox
from relay.store.store import Store, StoredShelf
from relay.subscription.subscription import Subscription
from relay.watchdog.alerts import Alerts
from relay.watchdog.poll import Watch
from relay.watchdog.self_check import Vitals
from relay.watchdog.silences import Silences


@dataclass(frozen=True, kw_only=True)
class TickParts:
    """The daemon's parts, as far as a tick needs them."""

    lanes: Callable[[], Mapping[str, Lane]]
    clock: Clock
    store: Store
    outbox: Outbox
    quarantine: Quarantine
    gaps: Gaps
    subscription: Subscription
    intake: Intake
    recent: Recent
    vitals: Vitals
    watch: Watch
    alerts: Alerts
    silences: Silences
    silenced: StoredShelf
    reloads: Reloads
    _progress: Progress = field(default_factory=Progress)

    def parts(self) -> Parts:
        """In this order; each works or fails alone."""
        for name, lane in list(self.lanes().items()):
            yield f"sink {name}", lane.tick
        yield "store", lambda _: self.store.tend()
        yield "changes by the command line", self._take_note_of_others
        yield "quarantine", lambda _: self.quarantine.tick()
        yield "gaps", lambda _: self.gaps.heartbeat(self.subscription.known_until)
        yield "intake", lambda _: self._progress.look(self.subscription.unread(), self.intake.received)
        yield "recent history", lambda now: self.recent.count(now, self.intake.received)
        yield "clock", lambda now: self.vitals.clock(now, self.clock)
        yield "watchdog", self.watch.tick
        yield "alerts", self.alerts.tick
        yield "silences", self._silences_over
        yield "self-check", self._look_at_vitals
        yield "configuration", lambda now: self.vitals.reload(self.reloads.refusal, self.reloads.last_success, now)
        yield "commit", lambda _: self.store.commit()

    def _silences_over(self, now: datetime) -> list[Announcement]:
        if self.watch.waits_for_clock:
            return []
        return self.silences.tick(now, self.alerts, forget=self.clock.since_step >= SETTLED)

    def _look_at_vitals(self, now: datetime) -> list[Announcement]:
        return self.vitals.look(
            now, lanes=self.lanes(), store=self.store, quarantine=self.quarantine, subscription=self.subscription
        )

    def _take_note_of_others(self, _: datetime) -> None:
        """The command line drops and revives deliveries, and adds silences, in the same store."""
        self.store.commit()
        if self.store.changed_by_others():
            self.outbox.count()
            self.silenced.reload()
            self.silences.refresh()
