"""The lane of a sink that takes its time: from the outbox, in a task of its own.

Group, deliver, retry, pause when the other side is down, give up what cannot be delivered. Nothing here waits for more
than its own sink.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import structlog

from relay.config.settings import OutboxOptions
from relay.events import Event, Mark, Severity, decode, encode
from relay.events.incidents import incident_of, is_part_of_incident
from relay.events.wording import clock as clock_text
from relay.lanes.breaker import Breaker, BreakerState
from relay.lanes.lane import Lane
from relay.lanes.latest import Latest
from relay.lanes.poison import ENOUGH, DeliveryWatch
from relay.lanes.ready import Chain, Ready
from relay.lanes.redacted import RedactedRows
from relay.process.clock import Clock
from relay.store.outbox import Depth, Outbox, Row
from sinks.base import SETTLED, Outcome, QueuedSink, Reason

ALONE = 1 << 20
"""Bytes from which on a lane makes one delivery at a time: each takes several times its size in memory."""
HANG_SECONDS = 60.0
"""A delivery that takes longer is taken for hanging; sinks have shorter timeouts of their own."""
LEAST_WAIT = 0.01
"""Seconds between two looks at the outbox for rows that are due later."""
SHIFT_WAIT = 0.05
"""Seconds between two looks while the clock was set and times are still being moved."""
RETRY_SEEN_WITHIN = 5.0
"""Seconds within which a lane that rests notices an `outbox retry`; it looks once a second."""
BEHIND_OTHERS = 0.05
"""Seconds that what was refused waits beyond a rest, so that other events get the trial that ends it."""
MOST_REFUSALS = 1000
"""Rows of which a lane remembers when they failed."""
ALONE_FAILS = -1
"""Of a row that failed while others arrived."""
FLUSH_ROWS = 50
FLUSH_SECONDS = 0.1
"""Rows that arrived are forgotten together, so many or after so long: after a crash, so many repeats at most."""

log = structlog.get_logger(__name__)


class QueuedLane(Lane):
    """Delivers from the outbox, in a task of its own."""

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
        self._options = options
        self._clock = clock
        self._redacted = RedactedRows(redact)
        self._muted = muted
        self._tells_incidents = tells_incidents
        self._watch = watch
        self._batching = sink.batching()
        self._windows: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._large = asyncio.Lock()
        self._ready = Ready(self.name, outbox, self._batching)
        self._dispatcher: asyncio.Task[None] | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._arrived: list[Row] = []
        """Rows that have arrived and are not forgotten yet."""
        self._flushing: asyncio.TimerHandle | None = None
        keeps_latest = not sink.durable and type(sink).latest_key is not QueuedSink.latest_key
        self._latest = Latest() if keeps_latest else None
        self._releasing: asyncio.TimerHandle | None = None
        self._started = False
        self._stopping = False
        self._stepped = clock.stepped
        self.breaker = Breaker(options.breaker_failures, options.breaker_rest)
        self.results: Counter[str] = Counter(dict.fromkeys(Reason, 0))
        """Deliveries by how they ended."""
        self.retries = 0
        self._refusals: dict[int, int] = {}
        """Of rows that failed: how many events had been delivered by then, or `ALONE_FAILS`."""

    def accept(self, events: Sequence[Event]) -> None:
        """Stage events for the outbox; the store's commit makes them safe."""
        now = self._moment().timestamp()
        self.accepted += len(events)
        selected = self._selected(events)
        if self._latest is not None:
            selected = self._without_superseded(selected, self._latest)
        if selected:
            self._store(selected, now)

    def _store(self, events: Sequence[Event], now: float) -> None:
        for event in events:
            if self._sink.alerting and (why := self._ask(self._muted, event)):
                self.dropped[why] += 1
                continue
            incident = self._ask(incident_of, event) if self._sink.renders_incidents else None
            if self._sink.renders_incidents and incident is None and self._ask(self._told_otherwise, event):
                self.dropped["in_incident"] += 1
                continue
            has_repeats = bool(self._batching.repeat_window) and incident is None
            key = self._ask(self._sink.repeat_key, event) if has_repeats else None
            row_id = self._outbox.stage(
                self.name,
                _packed(event) if self._sink.wants_original else encode(event),
                now=now,
                not_before=self._hold_repeats(key, now),
                order_key=incident or self._ask(self._sink.order_key, event),
                repeat_key=key,
            )
            if incident is not None and row_id is not None:
                self._supersede(incident, row_id)
        if not self._sink.durable:
            self._outbox.commit()  # one of its own, that the intake does not know
        self._wake.set()

    def _told_otherwise(self, event: Event) -> str | None:
        """The incident, if the sink is sent incidents, tells of what this event says."""
        is_told = is_part_of_incident(event) and self._tells_incidents(event.severity)
        return "in_incident" if is_told else None

    def _supersede(self, incident: str, newest: int) -> None:
        """Of the states of an incident that wait only the newest is delivered; one that is underway stays."""
        self._flush()
        waiting = self._states_of(incident)
        self._withdraw([row for row in waiting if row.id < newest and not self._ready.holds(row)])

    def _withdraw_superseded(self, row: Row) -> None:
        """A state of an incident that could not be delivered is not retried once there is a newer one."""
        if not self._sink.renders_incidents or row.order_key is None:
            return
        ids = [state.id for state in self._states_of(row.order_key)]
        if row.id in ids and max(ids) > row.id:
            self._withdraw([row])
            self._outbox.commit()

    def _states_of(self, incident: str) -> list[Row]:
        """The rows that wait with a state of that incident; other events may have its order key, too."""
        rows = self._outbox.of_key(self.name, incident)
        self._outbox.load(rows)
        return [row for row in rows if _is_state_of_incident(row)]

    def _withdraw(self, rows: Sequence[Row]) -> None:
        self._outbox.withdraw(rows)
        self.dropped["superseded"] += len(rows)

    def _without_superseded(self, events: Sequence[Event], latest: Latest) -> Sequence[Event]:
        """What is to be stored now; what a newer event may take the place of waits for a moment."""
        held = len(latest)
        passed = latest.pass_on(events, self._latest_keys(events))
        if superseded := held + len(events) - len(passed) - len(latest):
            self.dropped["superseded"] += superseded
        if len(latest) and self._releasing is None:
            loop = asyncio.get_running_loop()
            self._releasing = loop.call_later(self._batching.latest_wait, self._release_latest)
        return passed

    def _latest_keys(self, events: Sequence[Event]) -> list[str | None]:
        """All at once, as they are asked for in the intake's own path; one by one when the sink raises."""
        try:
            return list(map(self._sink.latest_key, events))
        except Exception:  # noqa: BLE001 - it is logged with the event that it raises for
            return [self._ask(self._sink.latest_key, event) for event in events]

    def _release_latest(self) -> None:
        """Store what was held."""
        if self._releasing is not None:
            self._releasing.cancel()
            self._releasing = None
        if self._latest is not None and (events := self._latest.release()):
            self._store(events, self._moment().timestamp())

    def _selected(self, events: Sequence[Event]) -> Sequence[Event]:
        """What the sink wants of a batch; all of it when the sink raises."""
        try:
            selected = list(self._sink.select(events))
        except Exception:
            log.exception("sink raised", sink=self.name)
            return events
        if len(selected) < len(events):
            self.dropped["not_wanted"] += len(events) - len(selected)
        return selected

    def _ask(self, question: Callable[[Event], str | None], event: Event) -> str | None:
        """What a sink's key or a silence says of the event; a bug there is this lane's trouble, not the intake's."""
        try:
            answer = question(event)
            if answer is not None:
                str.encode(answer)  # raises for what is no text, or cannot be stored as such: a lone surrogate
        except Exception:
            log.exception("sink raised", sink=self.name, kind=event.kind)
            return None
        return answer

    def depth(self) -> Depth:
        """What is in this lane's part of the outbox."""
        return self._outbox.depth(self.name)

    def start(self) -> None:
        """Begin to deliver."""
        self._outbox.commit()  # what was accepted before the start is counted with what the last process left
        self.accepted += self._outbox.count_of(self.name) + self._held() - self.waiting
        self._started = True
        self._dispatcher = asyncio.create_task(self._work(), name=f"lane {self.name}")

    async def stop(self, grace: float) -> None:
        """Finish the deliveries underway if they end in time; what waits stays in the outbox."""
        self._stopping = True
        self._release_latest()
        self._wake.set()
        tasks = [*self._workers, *([self._dispatcher] if self._dispatcher else [])]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._flush()
        await super().stop(grace)

    def tick(self, now: datetime) -> None:
        """Give up what has waited too long; count what a full outbox lost; look again, others may have revived rows."""
        self._follow_clock()
        if lost := self._outbox.dropped.pop(self.name, 0):
            self.dropped["outbox_full"] += lost
        self._flush()
        if self._started:  # before that, what the last process or lane left is not this lane's yet
            self._recount()
        if self._clock.since_step >= SETTLED:
            self._expire(now)
        self._windows = {key: end for key, end in self._windows.items() if end > now.timestamp()}
        self._end_rest_if_asked(now.timestamp())
        self._wake.set()

    def try_now(self, now: datetime) -> None:
        """End a rest and try at once what failed before."""
        self._outbox.hurry(self.name, now.timestamp())
        self.breaker.end_rest()
        self._wake.set()

    def _end_rest_if_asked(self, now: float) -> None:
        """`outbox retry` ends a rest: it writes to the store, in a process of its own."""
        if self.breaker.waits(now):
            since = max(now - RETRY_SEEN_WITHIN, self.breaker.resting_since)
            if self._outbox.was_revived(self.name, since, now):
                self.breaker.end_rest()

    def _expire(self, now: datetime) -> None:
        expired = self._outbox.expired(self.name, now.timestamp())
        if expired := [row for row in expired if not self._ready.holds(row)]:
            self._dead_letter(expired, "expired", "waited too long")

    def _recount(self) -> None:
        """Rows that came or went by other hands: the command line drops and revives them, a damaged file loses them."""
        self._outbox.commit()  # a large batch may be staged and not yet committed
        gone = self.waiting - self._held() - self._outbox.count_of(self.name)
        if gone > 0:
            self.dropped["removed" if self._outbox.is_whole else "store_damaged"] += gone
        else:
            self.accepted -= gone

    def _held(self) -> int:
        """Events that are not stored yet."""
        return len(self._latest) if self._latest is not None else 0

    def _moment(self) -> datetime:
        """What time it is."""
        now = self._clock.now()
        self._follow_clock()
        return now

    def _follow_clock(self) -> None:
        """When the clock was set, everything that waits for a time moves with it, before that time is looked at."""
        step, self._stepped = self._clock.stepped - self._stepped, self._clock.stepped
        if step:
            self._ready.clear()
            self._outbox.shift(self.name, step)
            self.breaker.shift(step)
            self._windows = {key: end + step for key, end in self._windows.items()}

    def _hold_repeats(self, key: str | None, now: float) -> float:
        """When an event may go out: at once, or at the end of the window that a like one has opened."""
        window = self._batching.repeat_window
        if key is None:
            return now
        end = self._windows.get(key, 0.0)
        if end > now:
            return end
        self._windows[key] = now + window
        return now

    async def _work(self) -> None:
        while not self._stopping:
            try:
                await self._round()
            except Exception:  # the lane must outlive whatever one round meets
                log.exception("lane failed", lane=self.name)
                await asyncio.sleep(1)

    async def _round(self) -> None:
        """Give free workers what is due; then wait until something arrives, is due or ends."""
        await self._sleep(self._start_workers(self._moment().timestamp()))

    def _start_workers(self, now: float) -> float | None:
        """Start workers, as many as may work at once; how long it is until there may be more for them."""
        self._outbox.go_on_shifting(self.name)
        if rest := self.breaker.waits(now):
            self._ready.clear()
        while len(self._workers) < self._most_workers() and (chain := self._next(now)):
            worker = asyncio.create_task(self._deliver_all(chain), name=f"lane {self.name}: worker")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if self._outbox.is_shifting(self.name):
            return SHIFT_WAIT
        if rest:
            return rest
        if self._ready.collecting:
            return self._batching.max_wait / 4
        if self._watch and not self._workers and not self._ready:
            self._watch.nothing_is_due(self.name)
        due = self._outbox.next_due(self.name, now)
        return None if due is None else max(due - now, LEAST_WAIT)

    def _most_workers(self) -> int:
        return 1 if self._watch and self._watch.is_careful(self.name) else self._batching.concurrency

    def _next(self, now: float) -> Chain | None:
        """What a free worker delivers next."""
        if self._stopping or self.breaker.waits(now):
            return None
        if self.breaker.state is BreakerState.HALF_OPEN and self._ready.underway:
            return None  # one trial decides
        if not self._ready:
            self._flush()
            self._outbox.go_on_shifting(self.name)
            self._ready.fill(now)
        return self._ready.take()

    async def _deliver_all(self, chain: Chain | None) -> None:
        """A worker: this chain, and others as long as there are any."""
        try:
            while chain:
                try:
                    await self._deliver_chain(chain)
                finally:
                    self._ready.release(chain)
                chain = self._next(self._moment().timestamp())
            self._flush()
        except Exception:  # the lane must outlive whatever one delivery meets
            log.exception("lane failed", lane=self.name)
            await asyncio.sleep(1)
        finally:
            self._wake.set()

    async def _deliver_chain(self, chain: Chain) -> None:
        """One delivery behind the other, until one has to wait."""
        for rows in chain.deliveries:
            await asyncio.sleep(0)  # a sink that answers at once, or rows that cannot be read, must not hold the loop
            done = await self._deliver(rows)
            if not done or self._stopping or self.breaker.waits(self._moment().timestamp()):
                return

    async def _deliver(self, rows: list[Row]) -> bool:
        """One delivery; whether its rows have come to an end, so that those behind them may go."""
        if sum(row.size for row in rows) < ALONE:
            return await self._deliver_now(rows)
        async with self._large:
            return await self._deliver_now(rows)

    async def _deliver_now(self, rows: list[Row]) -> bool:
        if not self._outbox.load(rows):
            return False  # somebody has dropped some of them; the others come next time
        if self._watch is None:
            return await self._deliver_loaded(rows)
        if self._watch.ends_of(rows) >= ENOUGH and (len(rows) > 1 or self._watch.was_alone(rows[0])):
            return self._give_up_poison(rows)
        async with self._watch.delivery(self.name, rows):
            done = await self._deliver_loaded(rows)
            if self._watch.is_careful(self.name):
                self._flush()  # if the next one ends the process, these must not come again
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
        outcome = await self._attempt(rows, events, delivery)
        self.results[outcome.reason] += 1
        return self._settle(rows, outcome)

    def _event_of(self, row: Row) -> Event | None:
        try:
            return _unpacked(row.event)
        except (msgspec.MsgspecError, ValueError) as error:
            self._dead_letter([row], "unreadable", f"cannot be read back: {error}")
            return None

    async def _attempt(self, rows: list[Row], events: list[Event], delivery: str) -> Outcome:
        try:
            if self._sink.remote:
                events = [await self._redacted.event(row.id, event) for row, event in zip(rows, events, strict=True)]
            async with asyncio.timeout(HANG_SECONDS):
                return await self._sink.deliver(events, delivery)
        except TimeoutError:
            return Outcome(Reason.TIMEOUT, f"no result within {HANG_SECONDS:.0f} s")
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise  # the lane stops
            return Outcome(Reason.FAILED, "cancelled in the sink")
        except OSError as error:  # TLS errors among them: the network's trouble, not a bug
            return Outcome(Reason.UNREACHABLE, error.strerror or type(error).__name__)
        except Exception as error:  # a sink's bug is this lane's trouble alone
            log.exception("sink raised", sink=self.name)
            return Outcome(Reason.FAILED, f"{type(error).__name__} in the sink")

    def _settle(self, rows: list[Row], outcome: Outcome) -> bool:
        """Write down the outcome of a delivery; whether its rows have come to an end."""
        now = self._moment()
        if outcome.delivered:
            self._has_arrived(rows)
            return True
        error = f"{outcome.reason}: {outcome.detail}" if outcome.detail else str(outcome.reason)
        self._trouble(error, now)
        for row in rows:
            row.attempts += 1
            row.error = error
        most = self._options.max_attempts
        poisoned = outcome.reason is Reason.FAILED and len(rows) > 1
        if outcome.worth_retrying and not poisoned and not (most and rows[0].attempts >= most):
            self._retry_later(rows, outcome, now.timestamp())
            self._withdraw_superseded(rows[0])
            return False
        if len(rows) > 1:
            self._send_singly(rows)
            return False
        self._dead_letter(rows, outcome.reason, error)
        return True

    def _has_arrived(self, rows: list[Row]) -> None:
        if self.breaker.state is BreakerState.HALF_OPEN:
            self._wake.set()  # the other workers may begin again
        self.breaker.succeeded()
        self.delivered += len(rows)
        self._well()
        for row in rows:
            row.event = b""
            self._redacted.forget(row.id)
            self._refusals.pop(row.id, None)
        self._arrived += rows
        if len(self._arrived) >= FLUSH_ROWS:
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        """Forget what has arrived."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._arrived:
            self._outbox.delivered(self._arrived)
            self._arrived = []

    def _retry_later(self, rows: list[Row], outcome: Outcome, now: float) -> None:
        backoff = min(self._options.retry_most, self._options.retry_first * 2 ** min(rows[0].attempts - 1, 30))
        wait = backoff * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        asked = min(max(outcome.retry_after or 0.0, 0.0), self._options.longest_rest)
        if self._alone_fails(rows):  # the place works: only these rows wait
            wait = max(wait, asked)
            if outcome.reason is Reason.SERVER_ERROR and len(rows) > 1 and not rows[0].repeat_key:
                self._send_singly(rows)  # one of them is what it cannot take
                return
        elif outcome.reason is Reason.RATE_LIMITED:
            rest = asked or self._options.retry_first
            self.breaker.rest_until(now + rest, now)
            until = clock_text(datetime.fromtimestamp(now + rest, UTC))
            self.error = f"{self.error}; it asked to wait, next try at {until}"
            wait = (asked or wait) + BEHIND_OTHERS
        else:
            self.breaker.failed(now)
            wait = asked or wait
        for row in rows:
            row.not_before = now + wait
        self._outbox.postpone(rows)

    def _alone_fails(self, rows: list[Row]) -> bool:
        """Whether others have arrived since these rows failed: then the trouble is theirs, until others fail too."""
        before = self._refusals.get(rows[0].id, self.delivered)
        if self.delivered > before:
            self._refusals[rows[0].id] = ALONE_FAILS
            return True
        known = self._refusals if len(self._refusals) < MOST_REFUSALS else ()
        self._refusals = dict.fromkeys([*known, rows[0].id], self.delivered)
        return False

    def _send_singly(self, rows: list[Row]) -> None:
        """One bad event must not take its neighbours with it: each is its own delivery from now on."""
        for row in rows:
            row.delivery = _unpacked(row.event).id
        self._outbox.postpone(rows)

    def _give_up_poison(self, rows: list[Row]) -> bool:
        """A row that has ended the process again and again; of several, each is tried alone from now on."""
        if len(rows) == 1:
            times = self._watch.ends_of(rows) if self._watch else 0
            self._dead_letter(rows, "poison", f"poison: the relay's process ended {times} times while it was delivered")
            return True
        for row in rows:
            row.delivery = f"alone-{row.id}"  # to ask the event for its id could be what ends the process
        self._outbox.postpone(rows)
        return False

    def _dead_letter(self, rows: list[Row], reason: str, error: str) -> None:
        log.warning("events given up", lane=self.name, count=len(rows), error=error)
        self._outbox.dead_letter(rows, error)
        for row in rows:
            self._redacted.forget(row.id)
            self._refusals.pop(row.id, None)
        self.dropped[reason] += len(rows)

    async def _sleep(self, seconds: float | None) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return


def _packed(event: Event) -> bytes:
    """The event, and behind a line break the message as it came, for sinks that send that."""
    return encode(event) + b"\n" + event.original


def _unpacked(stored: bytes) -> Event:
    line, _, original = stored.partition(b"\n")
    event = decode(line)
    if original:
        event.original = original
    return event


def _is_state_of_incident(row: Row) -> bool:
    try:
        return bool(row.event) and incident_of(_unpacked(row.event)) is not None
    except (msgspec.MsgspecError, ValueError):  # its delivery finds out
        return False


def why_muted(event: Event, silenced: Callable[[Event], bool]) -> str | None:
    """Why `event` must wake nobody, as the reason under which it is counted; None: it may."""
    if event.has(Mark.TEST):
        return "test"
    if event.has(Mark.REPLAYED):
        return "replayed"
    return "silenced" if silenced(event) else None
