"""The lane of a sink that takes its time: from the outbox, in tasks of its own.

What it takes in is `relay.lanes.admission`'s, who delivers what next `relay.lanes.workers`', one call of the sink
`relay.lanes.attempt`'s, what follows from a failed one `relay.lanes.failures`'. Here is what is written down of it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
import structlog

from relay.config.settings import OutboxOptions
from relay.events import Event, Severity
from relay.lanes.admission import Admission
from relay.lanes.arrived import Arrived
from relay.lanes.attempt import attempt
from relay.lanes.breaker import Breaker, BreakerState
from relay.lanes.failures import FailureAction, Failures
from relay.lanes.incident_states import IncidentStates, MissedStates
from relay.lanes.lane import Lane
from relay.lanes.poison import ENOUGH, DeliveryWatch
from relay.lanes.redacted import RedactedRows
from relay.lanes.stored_event import unpacked
from relay.lanes.workers import Workers
from relay.process.clock import Clock
from relay.store.outbox import Depth, Outbox, Row
from sinks.base import SETTLED, Outcome, QueuedSink, Reason

ALONE = 1 << 20
"""Bytes from which on a lane makes one delivery at a time: each takes several times its size in memory."""
RETRY_SEEN_WITHIN = 5.0
"""Seconds within which a lane that rests notices an `outbox retry`; it looks once a second."""

log = structlog.get_logger(__name__)


class QueuedLane(Lane):
    """Delivers from the outbox, in tasks of its own."""

    def __init__(
        self,
        sink: QueuedSink,
        outbox: Outbox,
        options: OutboxOptions,
        *,
        clock: Clock,
        redact: Callable[[Event], Event],
        muted: Callable[[Event], str | None],
        tells_incidents: Callable[[Severity], bool] = lambda _severity: False,
        watch: DeliveryWatch | None = None,
    ) -> None:
        """`muted` says why an event must not wake anyone (silenced, a test, a replay), for alerting sinks.

        `tells_incidents` says whether the sink is sent incidents of a severity: then it needs no single parts of them.
        `watch` looks for what ends the process, in lanes whose rows outlive it.
        """
        super().__init__(sink)
        self._sink = sink
        self._outbox = outbox
        self._clock = clock
        self._stepped = clock.stepped
        self._watch = watch
        self._batching = sink.batching()
        self._large = asyncio.Lock()
        self._started = False
        self._redacted = RedactedRows(redact)
        self._arrived = Arrived(outbox)
        self.breaker = Breaker(options.breaker_failures, options.breaker_rest)
        self._failures = Failures(options, self.breaker)
        self._workers = Workers(
            self.name,
            outbox,
            self._batching,
            self.breaker,
            watch=watch,
            deliver=self._deliver,
            forget_arrived=self._arrived.flush,
            moment=self._moment,
        )
        self._states = IncidentStates(
            self.name,
            outbox,
            dropped=self.dropped,
            forget_arrived=self._arrived.flush,
            is_taken=self._workers.ready.holds,
        )
        self._missed = MissedStates()
        self._admission = Admission(
            sink,
            outbox,
            muted=muted,
            tells_incidents=tells_incidents,
            states=self._states,
            dropped=self.dropped,
            moment=self._moment,
            wake=self._workers.wake,
        )
        self.results: Counter[str] = Counter(dict.fromkeys(Reason, 0))
        """Deliveries by how they ended."""
        self.retries = 0

    def accept(self, events: Sequence[Event]) -> None:
        """Stage events for the outbox; the store's commit makes them safe."""
        self.accepted += len(events)
        self._admission.admit(events)

    def depth(self) -> Depth:
        """What is in this lane's part of the outbox."""
        return self._outbox.depth(self.name)

    def start(self) -> None:
        """Begin to deliver."""
        self._outbox.commit()  # what was accepted before the start is counted with what the last process left
        self.accepted += self._outbox.count_of(self.name) + self._admission.held - self.waiting
        self._started = True
        if self.depth().dead:
            self._miss_states()  # by the process or the lane before
        self._workers.start()

    async def stop(self, grace: float) -> None:
        """Finish the deliveries underway if they end in time; what waits stays in the outbox."""
        self._admission.release_latest()
        await self._workers.stop(grace)
        self._arrived.flush()
        await super().stop(grace)

    def tick(self, now: datetime) -> None:
        """Give up what has waited too long; count what a full outbox lost; look again, others may have revived rows."""
        self._follow_clock()
        if lost := self._outbox.dropped.pop(self.name, 0):
            self.dropped["outbox_full"] += lost
            self._miss_states()
        self._arrived.flush()
        if self._started:  # before that, what the last process or lane left is not this lane's yet
            self._recount()
        if self._clock.since_step >= SETTLED:
            self._expire(now)
        self._admission.forget_windows(now.timestamp())
        self._end_rest_if_asked(now.timestamp())
        self._workers.wake()

    def try_now(self, now: datetime) -> None:
        """End a rest and try at once what failed before."""
        self._outbox.hurry(self.name, now.timestamp())
        self.breaker.end_rest()
        self._workers.wake()

    def has_caught_up(self) -> bool:
        """Whether the sink has taken events again since it missed states of incidents; said once."""
        return self._missed.is_over(self.delivered, self._clock.now())

    def _miss_states(self) -> None:
        if self._sink.renders_incidents:
            self._missed.note(self.delivered)

    def _end_rest_if_asked(self, now: float) -> None:
        """`outbox retry` ends a rest: it writes to the store, in a process of its own."""
        if self.breaker.waits(now):
            since = max(now - RETRY_SEEN_WITHIN, self.breaker.resting_since)
            if self._outbox.was_revived(self.name, since, now):
                self.breaker.end_rest()

    def _expire(self, now: datetime) -> None:
        expired = self._outbox.expired(self.name, now.timestamp())
        if expired := [row for row in expired if not self._workers.ready.holds(row)]:
            self._dead_letter(expired, "expired", "waited too long")

    def _recount(self) -> None:
        """Rows that came or went by other hands: the command line drops and revives them, a damaged file loses them."""
        self._outbox.commit()  # a large batch may be staged and not yet committed
        gone = self.waiting - self._admission.held - self._outbox.count_of(self.name)
        if gone > 0:
            self.dropped["removed" if self._outbox.is_whole else "store_damaged"] += gone
        else:
            self.accepted -= gone

    def _moment(self) -> datetime:
        """What time it is."""
        now = self._clock.now()
        self._follow_clock()
        return now

    def _follow_clock(self) -> None:
        """When the clock was set, everything that waits for a time moves with it, before that time is looked at."""
        step = self._clock.stepped - self._stepped
        self._stepped = self._clock.stepped
        if step:
            self._workers.ready.clear()
            self._outbox.shift(self.name, step)
            self.breaker.shift(step)
            self._admission.shift(step)

    async def _deliver(self, rows: list[Row]) -> bool:
        """One delivery; whether its rows have come to an end, so that those behind them may go."""
        self._outbox.hold(rows)
        try:
            if sum(row.size for row in rows) < ALONE:
                return await self._deliver_held(rows)
            async with self._large:
                return await self._deliver_held(rows)
        finally:
            self._outbox.release(rows)

    async def _deliver_held(self, rows: list[Row]) -> bool:
        if not self._outbox.load(rows):
            return False  # somebody has dropped some of them; the others come next time
        if self._watch is None:
            return await self._deliver_loaded(rows)
        if self._watch.ends_of(rows) >= ENOUGH and (len(rows) > 1 or self._watch.was_alone(rows[0])):
            return self._give_up_poison(rows, self._watch.ends_of(rows))
        async with self._watch.delivery(self.name, rows):
            done = await self._deliver_loaded(rows)
            if self._watch.is_careful(self.name):
                self._arrived.flush()  # if the next one ends the process, these must not come again
        return done

    async def _deliver_loaded(self, rows: list[Row]) -> bool:
        events = [event for row in rows if (event := self._event_of(row))]
        if len(events) < len(rows):
            return False  # the damaged ones are dead letters; the others come next time
        delivery = rows[0].delivery or events[0].id
        if not rows[0].delivery and (rows[0].repeat_key or self._batching.max_events > 1):
            for row in rows:
                row.delivery = delivery
            self._outbox.postpone(rows)  # whatever happens, these go out together and under this id, or not at all
        self.retries += rows[0].attempts > 0
        outcome = await attempt(self._sink, self._redacted, rows, events, delivery)
        self.results[outcome.reason] += 1
        if outcome.delivered:
            self._has_arrived(rows)
            return True
        return self._has_failed(rows, outcome)

    def _event_of(self, row: Row) -> Event | None:
        try:
            return unpacked(row.event)
        except (msgspec.MsgspecError, ValueError) as error:
            self._dead_letter([row], "unreadable", f"cannot be read back: {error}")
            return None

    def _has_arrived(self, rows: list[Row]) -> None:
        if self.breaker.state is BreakerState.HALF_OPEN:
            self._workers.wake()  # the other workers may begin again
        self.breaker.succeeded()
        self.delivered += len(rows)
        self._well()
        for row in rows:
            row.event = b""
            self._forget(row)
        self._arrived.add(rows)

    def _has_failed(self, rows: list[Row], outcome: Outcome) -> bool:
        """Write down what follows from it; whether its rows have come to an end."""
        now = self._moment()
        error = f"{outcome.reason}: {outcome.detail}" if outcome.detail else str(outcome.reason)
        self._trouble(error, now)
        for row in rows:
            row.attempts += 1
            row.error = error
        verdict = self._failures.verdict(rows, outcome, self.delivered, now.timestamp())
        self.error += verdict.note
        if verdict.action is FailureAction.GIVE_UP:
            self._dead_letter(rows, outcome.reason, error)
            return True
        for row in rows:
            if verdict.action is FailureAction.SEND_SINGLY:
                row.delivery = unpacked(row.event).id
            else:
                row.not_before = verdict.not_before
        self._outbox.postpone(rows)
        if verdict.action is FailureAction.RETRY and self._sink.renders_incidents:
            self._states.withdraw_superseded(rows[0])
        return False

    def _give_up_poison(self, rows: list[Row], ends: int) -> bool:
        """A row that has ended the process again and again; of several, each is tried alone from now on."""
        if len(rows) == 1:
            self._dead_letter(rows, "poison", f"poison: the relay's process ended {ends} times while it was delivered")
            return True
        for row in rows:
            row.delivery = f"alone-{row.id}"  # to ask the event for its id could be what ends the process
        self._outbox.postpone(rows)
        return False

    def _dead_letter(self, rows: list[Row], reason: str, error: str) -> None:
        log.warning("events given up", lane=self.name, count=len(rows), error=error)
        self._outbox.dead_letter(rows, error)
        for row in rows:
            self._forget(row)
        self.dropped[reason] += len(rows)
        self._miss_states()

    def _forget(self, row: Row) -> None:
        """It has come to an end."""
        self._redacted.forget(row.id)
        self._failures.forget(row)
