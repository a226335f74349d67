"""Plays one run in simulated time: waits for each step, disturbs it, publishes it, and keeps the record.

The order of the steps is the generator's; here is only time: stalls, failures and cancels.
"""

from datetime import datetime, timedelta

from tickstock_simulator.clock import Bell, Clock
from tickstock_simulator.disturbance import HALF, Disturbance, failure
from tickstock_simulator.faults import Fault, Faults
from tickstock_simulator.flow import ending, steps
from tickstock_simulator.ledger import RunRecord
from tickstock_simulator.publisher import Publisher, Say
from tickstock_simulator.wire import Ink, Message, Step

BATCH = 256


class Playing:
    """One run that is going on. `cancel()` ends it at the next moment."""

    def __init__(
        self, record: RunRecord, *, clock: Clock, faults: Faults, bell: Bell, out: Publisher, say: Say
    ) -> None:
        self.record = record
        self._run = record.run
        self._clock = clock
        self._faults = faults
        self._bell = bell
        self._out = out
        self._say = say
        self._disturbance = Disturbance(record.run, faults)
        self._ink = Ink(lambda offset: clock.claimed(self._moment(offset)), clock.scale)
        self._waiting: list[Message] = []
        self._cancelled = False

    def cancel(self) -> None:
        """Ends the run, as DELETE /api/processing/cancel does."""
        self._cancelled = True
        self._bell.ring()

    async def play(self) -> None:
        """From processing_started to the run's end."""
        phases_done = 0
        for step in steps(self._run):
            stalled = await self._stall(step)
            await self._wait(step.offset + self._ink.delay)
            if broken := self._ends_here(step, phases_done):
                await self._end(*broken)
                return
            self.record.see(step, self._ink.delays)
            phases_done += step.kind == "completed"
            if stalled:
                self._say("run_goes_on", run_id=self._run.run_id, phase=step.phase)
            if step.kind == "run_completed":
                await self._end("completed", step)
                return
            self._put(step)
            if step.kind in ("started", "completed"):
                self._say(f"phase_{step.kind}", run_id=self._run.run_id, phase=step.phase)
            if len(self._waiting) >= BATCH:
                await self._flush()

    def _moment(self, offset: float) -> datetime:
        return self.record.started + timedelta(seconds=offset)

    def _put(self, step: Step) -> None:
        self._ink.local_z = "wrong-clock" in self._faults
        self._waiting += [self._ink.write(each) for each in self._disturbance.of(step)]

    async def _flush(self) -> None:
        waiting = self._waiting
        self._waiting = []
        await self._out.publish(waiting)

    async def _wait(self, offset: float) -> None:
        """Until the run's second `offset`; whatever waits to be published goes out first. A cancel ends it."""
        moment = self._moment(offset)
        while not self._cancelled and (seconds := self._clock.real_seconds_until(moment)) > 0:
            await self._flush()
            await self._bell.wait(seconds)

    async def _stall(self, step: Step) -> bool:
        """Stands still while a stall of this phase is in force; the time lost is the phase's."""
        fault = self._stalled(step)
        if fault is None or step.phase is None:
            return False
        await self._wait(step.offset + self._ink.delay)
        await self._flush()
        self._say("run_stalls", run_id=self._run.run_id, phase=step.phase, seconds=fault.number)
        since = self._clock.now()
        while fault is not None and not self._cancelled:
            until = None if fault.number is None else since + timedelta(seconds=fault.number)
            left = None if until is None else self._clock.real_seconds_until(until)
            if left is not None and left <= 0:
                break
            await self._bell.wait(left)
            fault = self._stalled(step)
        lost = (self._clock.now() - since).total_seconds()
        # to the second as asked for, where nobody cleared it early: the same run gives the same times
        asked = None if fault is None else fault.number
        self._ink.delays[step.phase] = lost if asked is None else min(lost, asked)
        return not self._cancelled

    def _stalled(self, step: Step) -> Fault | None:
        if step.phase is None or step.done < HALF or step.phase in self._ink.delays:
            return None
        return self._faults.get("stall", step.phase)

    def _ends_here(self, step: Step, phases_done: int) -> tuple[str, Step] | None:
        """The status and the last event, where the run does not reach this step."""
        failing = step.phase is not None and self._faults.get("fails-at", step.phase)
        if self._cancelled or ("cancelled" in self._faults and step.offset >= self._run.seconds * HALF):
            status = "cancelled"
        elif failing and step.phase and step.done >= HALF:
            status = "failed"
            self._put(failure(self._run, step.phase, step.offset))
        else:
            return None
        offset = step.offset
        if self._cancelled:  # between two steps: the run's time so far, not the next step's
            offset = (self._clock.now() - self.record.started).total_seconds() - self._ink.delay
        return status, ending(self._run, status, offset, phases_done=phases_done)

    async def _end(self, status: str, last: Step) -> None:
        self._put(last)
        await self._flush()
        self.record.finish(status, self._moment(last.offset + self._ink.delay), self._disturbance.changed(last))
        self._say("run_ended", run_id=self._run.run_id, status=status)
