"""What a tick consists of: everything that time alone can change, as a list of named parts."""

from collections.abc import Callable, Iterator
from datetime import datetime

from relay.events import Announcement
from relay.lifecycle.parts import Parts
from relay.lifecycle.ticking import Work
from relay.process import logs
from relay.process.health import Progress
from sinks.base import SETTLED


class TickParts:
    """The named parts of a tick over the daemon's parts."""

    def __init__(self, parts: Parts, say_status: Callable[[], None]) -> None:
        """`say_status` tells the service manager how it is."""
        self._parts = parts
        self._say_status = say_status
        self._progress = Progress()

    def __call__(self) -> Iterator[tuple[str, Work]]:
        """In this order; each works or fails alone."""
        parts = self._parts
        for name, lane in list(parts.lanes.items()):
            yield f"sink {name}", lane.tick
        yield "store", lambda _: parts.store.retry_disk()
        yield "changes by the command line", self._take_note_of_others
        yield "quarantine", lambda _: parts.quarantine.tick()
        yield "gaps", lambda _: parts.gaps.heartbeat(parts.subscription.known_until)
        yield "intake", lambda _: self._progress.check(parts.subscription.unread(), parts.intake.received)
        yield "recent history", lambda now: parts.recent.count(now, parts.intake.received)
        yield "run logs", parts.run_logs.tick
        yield "clock", lambda now: parts.self_check.clock(now, parts.clock)
        yield "watchdog", parts.watch.tick
        yield "reception", self._reception
        yield "self-check", self._self_check
        yield (
            "configuration",
            lambda now: parts.self_check.reload(parts.reloads.refusal, parts.reloads.last_success, now),
        )
        yield "configuration's tests", lambda now: parts.self_check.tests(parts.reloads.failed_tests, now)
        # behind all who judge: what fires does so with the words of this moment, and what is over no longer fires
        yield "alerts", parts.alerts.tick
        yield "silences", self._quiet
        yield "missed incidents", self._tell_again
        yield "incidents", parts.incidents.tick
        yield "summary", self._summary
        yield "status line", lambda _: self._say_status()
        yield "commit", lambda _: parts.store.commit()
        yield "log", lambda _: logs.sum_up()

    def _quiet(self, now: datetime) -> list[Announcement]:
        parts = self._parts
        if parts.watch.waits_for_clock:
            return []
        return parts.quiet.tick(now, parts.alerts, forget=parts.clock.since_step >= SETTLED)

    def _tell_again(self, _: datetime) -> None:
        parts = self._parts
        if sum(lane.has_caught_up() for lane in parts.lanes.values()):
            parts.incidents.tell_again()

    def _reception(self, now: datetime) -> list[Announcement]:
        parts = self._parts
        return parts.self_check.reception.tick(now, parts.subscription, parts.gaps, parts.runs, parts.watch.api)

    def _summary(self, now: datetime) -> list[Announcement]:
        parts = self._parts
        return [] if parts.watch.waits_for_clock else parts.summary.tick(now)

    def _self_check(self, now: datetime) -> list[Announcement]:
        parts = self._parts
        return parts.self_check.check(
            now, lanes=parts.lanes, store=parts.store, quarantine=parts.quarantine, subscription=parts.subscription
        )

    def _take_note_of_others(self, _: datetime) -> list[Announcement]:
        """The command line drops and revives deliveries, adds silences, and says what it did, in the same store."""
        parts = self._parts
        parts.store.commit()
        if not parts.store.changed_by_others():
            return []
        parts.verbs.look()
        return parts.verbs.left()
