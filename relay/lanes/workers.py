"""The tasks of a queued lane: as many workers as may, each with one chain of deliveries after the other.

Nobody waits for the slowest delivery, and each wait is no longer than it must be: until something arrives, is due, or
ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from relay.lanes.breaker import Breaker, BreakerState
from relay.lanes.poison import DeliveryWatch
from relay.lanes.ready import Chain, Ready
from relay.store.outbox import Outbox, Row
from sinks.base import Batching

LEAST_WAIT = 0.01
"""Seconds between two looks at the outbox for rows that are due later."""
SHIFT_WAIT = 0.05
"""Seconds between two looks while the clock was set and times are still being moved."""

log = structlog.get_logger(__name__)


class Workers:
    """Has what is due delivered."""

    def __init__(
        self,
        lane: str,
        outbox: Outbox,
        batching: Batching,
        breaker: Breaker,
        *,
        watch: DeliveryWatch | None,
        deliver: Callable[[list[Row]], Awaitable[bool]],
        forget_arrived: Callable[[], None],
        moment: Callable[[], datetime],
    ) -> None:
        """`deliver` makes one delivery and returns whether its rows have come to an end."""
        self._lane = lane
        self._outbox = outbox
        self._batching = batching
        self._breaker = breaker
        self._watch = watch
        self._deliver = deliver
        self._forget_arrived = forget_arrived
        self._moment = moment
        self._wake = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._stopping = False
        self.ready = Ready(lane, outbox, batching)
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._dispatcher = asyncio.create_task(self._work(), name=f"lane {self._lane}")

    def wake(self) -> None:
        """Look again: something may be due."""
        self._wake.set()

    async def stop(self, grace: float) -> None:
        """Let the deliveries underway end, if they do within `grace` seconds."""
        self._stopping = True
        self._wake.set()
        tasks = [*self.tasks, *([self._dispatcher] if self._dispatcher else [])]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def round(self) -> None:
        """Give free workers what is due; then wait until something arrives, is due or ends."""
        await self._sleep(self._start_workers(self._moment().timestamp()))

    async def _work(self) -> None:
        while not self._stopping:
            try:
                await self.round()
            except Exception:  # the lane must outlive whatever one round meets
                log.exception("lane failed", lane=self._lane)
                await asyncio.sleep(1)

    def _start_workers(self, now: float) -> float | None:
        """Start workers, as many as may work at once; how long it is until there may be more for them."""
        self._outbox.time_shift.go_on(self._lane)
        if rest := self._breaker.waits(now):
            self.ready.clear()
        while len(self.tasks) < self._most() and (chain := self._next(now)):
            worker = asyncio.create_task(self._deliver_all(chain), name=f"lane {self._lane}: worker")
            self.tasks.add(worker)
            worker.add_done_callback(self.tasks.discard)
        if self._outbox.time_shift.is_underway(self._lane):
            return SHIFT_WAIT
        if rest:
            return rest
        if self.ready.collecting:
            return self._batching.max_wait / 4
        if self._watch and not self.tasks and not self.ready:
            self._watch.nothing_is_due(self._lane)
        due = self._outbox.next_due(self._lane, now)
        return None if due is None else max(due - now, LEAST_WAIT)

    def _most(self) -> int:
        return 1 if self._watch and self._watch.is_careful(self._lane) else self._batching.concurrency

    def _next(self, now: float) -> Chain | None:
        """What a free worker delivers next."""
        if self._stopping or self._breaker.waits(now):
            return None
        if self._breaker.state is BreakerState.HALF_OPEN and self.ready.underway:
            return None  # one trial decides
        if not self.ready:
            self._forget_arrived()
            self._outbox.time_shift.go_on(self._lane)
            self.ready.fill(now)
        return self.ready.take()

    async def _deliver_all(self, chain: Chain | None) -> None:
        """A worker: this chain, and others as long as there are any."""
        try:
            while chain:
                try:
                    await self._deliver_chain(chain)
                finally:
                    self.ready.release(chain)
                chain = self._next(self._moment().timestamp())
            self._forget_arrived()
        except Exception:  # the lane must outlive whatever one delivery meets
            log.exception("lane failed", lane=self._lane)
            await asyncio.sleep(1)
        finally:
            self._wake.set()

    async def _deliver_chain(self, chain: Chain) -> None:
        """One delivery behind the other, until one has to wait."""
        for rows in chain.deliveries:
            await asyncio.sleep(0)  # a sink that answers at once, or rows that cannot be read, must not hold the loop
            done = await self._deliver(rows)
            if not done or self._stopping or self._breaker.is_open:
                return

    async def _sleep(self, seconds: float | None) -> None:
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
