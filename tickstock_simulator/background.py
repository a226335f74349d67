"""The traffic that flows for as long as its fault is in force: streaming, ticks, flapping health.

Each flow is a task of its own, paced by the clock; it must not outlive the simulator.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta

from tickstock_simulator import traffic
from tickstock_simulator.clock import Clock
from tickstock_simulator.faults import Fault, Faults
from tickstock_simulator.publisher import Publisher
from tickstock_simulator.wire import Ink, Message, Step

BATCH = 256
_SHORTEST_PAUSE = 0.01  # seconds; ticks go out together rather than each in a wake-up of its own
FLOWS = ("streaming", "flapping-health", "ticks")


class Background:
    """Starts and ends the flows as the faults say."""

    def __init__(self, *, clock: Clock, faults: Faults, out: Publisher, seed: int) -> None:
        self._clock = clock
        self._faults = faults
        self._out = out
        self._seed = seed
        self._tasks: dict[Fault, asyncio.Task[None]] = {}

    def settle(self) -> None:
        """Brings the flows into line with the faults in force."""
        wanted = [fault for name in FLOWS if (fault := self._faults.get(name)) is not None]
        for fault in [fault for fault in self._tasks if fault not in wanted]:
            self._tasks.pop(fault).cancel()
        for fault in wanted:
            if fault not in self._tasks:
                self._tasks[fault] = asyncio.create_task(self._flow(fault))

    async def stop(self) -> None:
        """Ends them all."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _flow(self, fault: Fault) -> None:
        await self._out.wait_connected()
        if fault.name == "ticks":
            if fault.number:
                await self._play(traffic.market_ticks(self._seed, fault.number), speed=1.0)
        elif fault.name == "streaming":
            await self._play(traffic.streaming(self._seed), speed=self._clock.speed)
        else:
            await self._play(traffic.flapping_health(self._seed), speed=self._clock.speed)

    async def _play(self, steps: Iterator[Step], *, speed: float) -> None:
        """Publishes at each step's offset, `speed` of its seconds a real second."""
        base, began, batch = self._clock.now(), time.monotonic(), list[Message]()
        simulated = self._clock.speed / speed
        ink = Ink(lambda offset: self._clock.claimed(base + timedelta(seconds=offset * simulated)))
        for step in steps:
            while (left := step.offset / speed - (time.monotonic() - began)) > 0:
                await self._out.publish(batch)
                batch = []
                await asyncio.sleep(max(left, _SHORTEST_PAUSE))
            ink.local_z = "wrong-clock" in self._faults
            if "events-silent" not in self._faults:
                batch.append(ink.write(step))
            if len(batch) >= BATCH:
                await self._out.publish(batch)
                batch = []
