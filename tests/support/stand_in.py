"""The stand-in TickStockPL's own runs and faults, played into a small world on a clock that is moved by hand."""

import functools
from datetime import datetime, timedelta

from relay.events import Event
from relay.normalize.normalize import Normalizer, Unreadable
from relay.tickstockpl.models import HistoryRun, Status
from tests.support.days import DUE, world
from tests.support.world import IDLE, World
from tickstock_simulator.disturbance import Disturbance, failure
from tickstock_simulator.faults import Faults
from tickstock_simulator.flow import Run, ending, steps
from tickstock_simulator.wire import Ink, Step

NORMALIZER = Normalizer()
TOMORROW = DUE + timedelta(days=1)


class StandIn:
    """Plays the stand-in's runs into a world, in simulated time."""

    def __init__(self, around: World, *faults: str, step: float = 30.0, is_watched: bool = True) -> None:
        """`step`: seconds between two looks of the relay; when it is watched, it also looks before each message."""
        self.world = around
        self.faults = Faults(faults)
        self._step = step
        self._is_watched = is_watched
        self._api_back: datetime | None = None
        self._looked_at = around.now

    def day(self, start: datetime, run_id: str) -> None:
        """One scheduled run, and what is left of four hours."""
        if "never-starts" not in self.faults:
            minute = timedelta(minutes=1)
            begins = [(start, run_id)] + [(start + minute, f"{run_id}-b")] * ("overlap" in self.faults)
            self._pass(start)
            self._take_api_down(start)
            self._play([one for at, name in begins for one in self._run(at, name)], start, run_id)
        self._pass(start + timedelta(hours=2))
        self._step = max(self._step, 120.0)
        self._pass(start + timedelta(hours=4))

    def manual(self, start: datetime, run_id: str) -> None:
        """One run by hand, until it has ended."""
        self._pass(start)
        self._play(self._run(start, run_id, trigger_type="manual"), start, run_id)

    def _play(self, messages: list[tuple[datetime, str, bytes]], start: datetime, run_id: str) -> None:
        self.world.status = Status(is_running=True, run_id=run_id, start_time=start)
        for at, channel, body in sorted(messages, key=lambda one: one[0]):
            if self._is_watched or at - self._looked_at >= timedelta(seconds=self._step):
                self._pass(at)
            self.world.now = at
            if (one := self._read(channel, body)) is not None:
                self.world.hear(one)
        self._end(start, run_id)

    def _pass(self, moment: datetime) -> None:
        """Let time pass; an API that is down comes back when its time is over."""
        if self._api_back is not None and self._api_back <= moment:
            self.world.until(self._api_back, self._step)
            self.world.api_up, self._api_back = True, None
        self.world.until(moment, self._step)
        self._looked_at = moment

    def _take_api_down(self, start: datetime) -> None:
        if (fault := self.faults.get("api-down")) is not None:
            self.world.api_up = False
            self._api_back = None if fault.number is None else start + timedelta(seconds=fault.number)

    def _run(self, start: datetime, run_id: str, trigger_type: str = "automatic") -> list[tuple[datetime, str, bytes]]:
        scale = 0.1 if "too-fast" in self.faults else 1.0
        lasts = {"import": 600 * scale, "cache": 60 * scale, "indicators": 240 * scale, "patterns": 1200 * scale}
        run = Run(run_id, run_date=f"{start:%Y-%m-%d}", durations=lasts, items=0.01, trigger_type=trigger_type)
        ink = Ink(lambda offset: start + timedelta(seconds=offset), local_z="wrong-clock" in self.faults)
        disturbance = Disturbance(run, self.faults)
        self.status, self.ended = "completed", start + timedelta(seconds=run.seconds)
        found = []
        for step in steps(run):
            last = self._last(run, step)
            stall = self.faults.get("stall", step.phase) if step.phase and step.done >= 0.5 else None
            if stall is not None and step.phase not in ink.delays:
                ink.delays[str(step.phase)] = 86400.0 if stall.number is None else stall.number
            for each in last or [step]:
                found += [ink.write(one) for one in disturbance.of(each)]
            if last:
                self.ended = start + timedelta(seconds=step.offset)
                break
        messages = [(start + timedelta(seconds=one.offset), one.channel, one.body) for one in found]
        return [one for one in messages if one[0] < start + timedelta(hours=3)]

    def _last(self, run: Run, step: Step) -> list[Step]:
        """The run's early end, where a fault wants one here."""
        fails = step.phase is not None and step.done >= 0.5 and self.faults.get("fails-at", step.phase) is not None
        if fails and step.phase:
            self.status = "failed"
            return [failure(run, step.phase, step.offset), ending(run, "failed", step.offset, phases_done=0)]
        if "cancelled" in self.faults and step.offset >= run.seconds / 2:
            self.status = "cancelled"
            return [ending(run, "cancelled", step.offset, phases_done=1)]
        return []

    def _end(self, start: datetime, run_id: str) -> None:
        """The API knows how it ended, unless it never does."""
        self._pass(max(self.ended, self.world.now))
        self.world.status = IDLE
        took = (self.world.now - start).total_seconds()
        row = HistoryRun(run_id, None, start, self.world.now, self.status, 505, 5, 1250, 7575, took)
        self.world.history = [*self.world.history, row]
        self.world.tick()

    def _read(self, channel: str, body: bytes) -> Event | None:
        read = NORMALIZER.read(channel.encode(), body, self.world.now, "t", id(body))
        return None if isinstance(read, Unreadable) else read


def past_runs(around: World) -> None:
    """Two weeks of good runs that the API remembers, so that it is known what is usual."""
    for day in range(1, 15):
        start = DUE - timedelta(days=day)
        end = start + timedelta(minutes=35)
        around.history.append(HistoryRun(f"past-{day}", None, start, end, "completed", 505, 5, 1250, 7575, 2100.0))


@functools.cache
def day_of(fault: str) -> World:
    """A day with the fault, and a good one after it: to look at, as it is shared."""
    around = world("2025-01-27 20:00")
    past_runs(around)
    StandIn(around, fault).day(DUE, "today")
    around.status = IDLE
    around.until(TOMORROW - timedelta(minutes=30), step=300)
    StandIn(around, step=60, is_watched=False).day(TOMORROW, "tomorrow")
    return around
