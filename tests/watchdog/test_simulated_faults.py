"""Each fault of the stand-in TickStockPL, on an injected clock: what is said, how soon, and that it is said once.

The stand-in's own steps and disturbances go through the real normaliser, runs and watchdog; the day after is good.
"""

from datetime import datetime, timedelta

import pytest

from relay.events import Event
from relay.normalize.normalize import Normalizer, Unreadable
from relay.tickstockpl.models import HistoryRun, Status
from tests.support.days import DUE, world
from tests.support.world import IDLE, World
from tickstock_simulator.disturbance import Disturbance, failure
from tickstock_simulator.faults import FAULTS, Faults
from tickstock_simulator.flow import Run, ending, steps
from tickstock_simulator.wire import Ink, Step

TOMORROW = DUE + timedelta(days=1)
NORMALIZER = Normalizer()

# fault: the alerts of that day, each with the seconds after the moment at which it was due, to a look of 30 s.
EXPECTED = {
    "never-starts": [("never_started", 0)],
    "stall:import:1200": [("run_stalled", 0)],
    "stall:indicators:1200": [("run_stalled", 0)],
    "stall:patterns:1200": [("run_stalled", 0)],
    "error-burst": [("error_rate", 0)],
    "malformed": [],
    "older-names": [],
    "streaming": [],
    "ticks": [],
    "no-completion": [("completion_not_reported", 60)],
    "api-down:1800": [("api_unreachable", 0)],
    "api-slow": [],
    "fails-at:import": [("run_failed", 0)],
    "fails-at:patterns": [("run_failed", 0)],
    "zero-results": [("zero_results", 0)],
    "low-success": [("low_success_rate", 0)],
    "too-fast": [("too_fast", 0)],
    "missing-phase:cache": [("phase_missing", 0)],
    "missing-phase:indicators": [("phase_missing", 0)],
    "out-of-order": [("out_of_order", 0)],
    "overlap": [],
    "wrong-clock": [],
    "no-run-id": [],
    "cancelled": [("run_cancelled", 0)],
    "duplicate-patterns": [],
    "flapping-health": [],
    "events-silent": [("events_missing", 0)],
    "html-in-error": [],
}


class StandIn:
    """Plays the stand-in's runs into a world, in simulated time."""

    def __init__(self, around: World, *faults: str) -> None:
        self.world = around
        self.faults = Faults(faults)

    def day(self, start: datetime, run_id: str) -> None:
        """One scheduled run, and two hours more."""
        if "never-starts" not in self.faults:
            minute = timedelta(minutes=1)
            begins = [(start, run_id)] + [(start + minute, f"{run_id}-b")] * ("overlap" in self.faults)
            played = [one for at, name in begins for one in self._run(at, name)]
            self.world.until(start)
            self.world.status = Status(is_running=True, run_id=run_id, start_time=start)
            for at, channel, body in sorted(played, key=lambda one: one[0]):
                self.world.until(at)
                if (one := self._read(channel, body)) is not None:
                    self.world.hear(one)
            self._end(start, run_id)
        self.world.until(start + timedelta(hours=4))

    def _run(self, start: datetime, run_id: str) -> list[tuple[datetime, str, bytes]]:
        scale = 0.1 if "too-fast" in self.faults else 1.0
        lasts = {"import": 600 * scale, "cache": 60 * scale, "indicators": 240 * scale, "patterns": 1200 * scale}
        run = Run(run_id, run_date=f"{start:%Y-%m-%d}", durations=lasts, items=0.01)
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
        self.world.until(max(self.ended, self.world.now))
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


def due_at(fault: str, name: str) -> datetime:
    """When that alert is due: the end of a grace, or the moment at which the run ends."""
    if name == "never_started":
        return DUE + timedelta(minutes=5)
    if name == "api_unreachable":
        return DUE + timedelta(minutes=3)
    if name == "events_missing":
        return DUE + timedelta(minutes=2)
    if name == "run_stalled":
        half_way = {"import": 5, "indicators": 13, "patterns": 25}[fault.split(":")[1]]
        return DUE + timedelta(minutes=half_way + 5, seconds=-5)  # progress comes every 5 s
    moments = {"error_rate": 5, "low_success_rate": 10, "too_fast": 3.5, "run_cancelled": 17.5}
    if name == "run_failed":
        return DUE + timedelta(minutes={"import": 5, "patterns": 25}[fault.split(":")[1]])
    return DUE + timedelta(minutes=moments.get(name, 35))


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_said_once_in_time_and_resolved(fault: str) -> None:
    around = world("2025-01-27 20:00")
    past_runs(around)
    stand_in = StandIn(around, fault)
    if fault.startswith("api-down"):
        around.until(DUE)
        around.api_up = False
        stand_in.faults.clear()
    stand_in.day(DUE, "today")
    around.api_up = True
    fired = [
        (announcement.event, at)
        for at, announcement in around.announcements
        if _is_alert(announcement.channel) and announcement.payload["state"] == "firing"
    ]
    assert [name for name, _ in fired] == [name for name, _ in EXPECTED[fault]]
    for (name, at), (_, allowed) in zip(fired, EXPECTED[fault], strict=True):
        late = (at - due_at(fault, name)).total_seconds()
        assert 0 <= late <= allowed + 35, f"{name} {late:g} s after it was due"
    around.status = IDLE
    around.until(TOMORROW - timedelta(minutes=30), step=300)
    StandIn(around).day(TOMORROW, "tomorrow")
    states = [
        announcement.payload["state"] for _, announcement in around.announcements if _is_alert(announcement.channel)
    ]
    assert states == ["firing", "resolved"] * len(fired)


def test_every_fault_of_the_stand_in_is_in_the_table() -> None:
    assert {fault.split(":")[0] for fault in EXPECTED} == set(FAULTS)


def _is_alert(channel: str) -> bool:
    return channel.startswith("relay:alert:")
