"""What TickStockPL knows about its runs and its schedule, and how its API says it (contract, sections 2, 4 and 5).

In memory and without I/O; the clock decides what times are claimed.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from tickstock_simulator.clock import Clock
from tickstock_simulator.flow import PHASE_SECONDS, Run, ending, new_run_id
from tickstock_simulator.wire import NEW_YORK, Json, Step, iso, whole


@dataclass(slots=True)
class RunRecord:
    """One run as its API tells of it; times are simulated UTC, `phase_seconds` simulated seconds."""

    run: Run
    started: datetime
    status: str = "running"
    ended: datetime | None = None
    current_phase: str | None = None
    progress: float = 0.0
    symbols_processed: int = 0
    symbols_failed: int = 0
    indicators_calculated: int = 0
    patterns_detected: int = 0
    phase_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """As in its events."""
        return self.run.run_id

    def see(self, step: Step, delays: dict[str, float]) -> None:
        """Keeps up with the run; `delays` are the seconds that each phase has lost so far."""
        self.progress = round(min(100.0, 100 * step.offset / self.run.seconds), 1) if self.run.seconds else 100.0
        if step.phase is None:
            return
        self.current_phase = step.phase
        self.symbols_processed = int(self.run.symbols * step.done)
        if step.kind == "completed":
            self.phase_seconds[step.phase] = self.run.durations[step.phase] + delays.get(step.phase, 0.0)
        if step.phase == "indicators":
            self.indicators_calculated = int(self.run.indicators * step.done)
        if step.phase == "patterns":
            self.patterns_detected = int(self.run.patterns * step.done)

    def finish(self, status: str, at: datetime, last: Step) -> None:
        """The run is over, in whatever way; `last` is its final event, whose counts the history repeats."""
        self.status = status
        self.ended = at
        self.current_phase = None
        payload = last.body["payload"] if isinstance(last.body, dict) else {}
        self.symbols_processed = payload["symbols_processed"]
        self.symbols_failed = payload["symbols_failed"]
        self.indicators_calculated = payload["indicators_calculated"]
        self.patterns_detected = payload["patterns_detected"]

    def as_status(self, clock: Clock, now: datetime) -> Json:
        """The body of GET /api/processing/status while it runs."""
        left = self.run.seconds * (1 - self.progress / 100)
        return {
            "is_running": True,
            "run_id": self.run_id,
            "current_phase": self.current_phase,
            "progress": self.progress,
            "symbols_processed": self.symbols_processed,
            "symbols_total": self.run.symbols,
            "start_time": iso(clock.claimed(self.started)),
            "estimated_completion": iso(clock.claimed(now + timedelta(seconds=left))),
        }

    def as_history(self, clock: Clock, *, extended: bool) -> Json:
        """One run of GET /api/processing/history; `extended` adds what later releases carry."""
        ended = self.ended or self.started
        seconds = (clock.claimed(ended) - clock.claimed(self.started)).total_seconds()
        body: Json = {
            "run_id": self.run_id,
            "run_date": self.run.run_date,
            "start_time": iso(clock.claimed(self.started)),
            "end_time": iso(clock.claimed(ended)),
            "status": self.status,
            "symbols_processed": self.symbols_processed,
            "patterns_detected": self.patterns_detected,
            "indicators_calculated": self.indicators_calculated,
            "duration_seconds": whole(seconds),
        }
        if extended:
            body |= {"trigger_type": self.run.trigger_type, "symbols_failed": self.symbols_failed}
        return body


@dataclass(slots=True)
class Timetable:
    """The schedule: trigger time and zone, and TickStockPL's own market calendar."""

    enabled: bool = True
    trigger_time: str = "16:10"
    timezone: str = "America/New_York"
    universes: list[str] = field(default_factory=lambda: ["sp500", "nasdaq100"])

    def change(self, wanted: Json) -> None:
        """Takes over what a POST asks for.

        Raises:
            ValueError: a value that the schedule cannot have; nothing is changed then.
        """
        unknown = set(wanted) - {"enabled", "trigger_time", "timezone", "universes"}
        if unknown:
            raise ValueError(f"unknown field: {', '.join(sorted(unknown))}")
        enabled, universes = wanted.get("enabled", self.enabled), wanted.get("universes", self.universes)
        if not isinstance(enabled, bool):
            raise ValueError("enabled must be true or false")  # noqa: TRY004 - one kind of error for the API
        if not isinstance(universes, list):
            raise ValueError("universes must be a list")  # noqa: TRY004
        trigger, zone = str(wanted.get("trigger_time", self.trigger_time)), str(wanted.get("timezone", self.timezone))
        try:
            time.fromisoformat(trigger)
            ZoneInfo(zone)
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"trigger_time {trigger!r} in {zone!r} cannot be used") from error
        self.enabled = enabled
        self.trigger_time = trigger
        self.timezone = zone
        self.universes = universes

    def next_run(self, after: datetime) -> datetime | None:
        """The first trigger after a moment, UTC; None while switched off."""
        if not self.enabled:
            return None
        zone, at = ZoneInfo(self.timezone), time.fromisoformat(self.trigger_time)
        day = after.astimezone(zone).date()
        while True:
            due = datetime.combine(day, at, zone)
            if due > after and is_trading_day(day):
                return due.astimezone(UTC)
            day += timedelta(days=1)

    def as_body(self, clock: Clock, now: datetime, *, extended: bool) -> Json:
        """The body of GET /api/processing/schedule."""
        due = self.next_run(now)
        body: Json = {
            "enabled": self.enabled,
            "trigger_time": self.trigger_time,
            "timezone": self.timezone,
            "next_run": iso(clock.claimed(due)) if due else None,
            "universes": self.universes,
        }
        return body | {"market_check": True} if extended else body


def is_trading_day(day: date) -> bool:
    """Whether NYSE opens that day; a half day counts."""
    return day.weekday() < 5 and day not in _nyse(day.year)  # Saturday is 5


@cache
def _nyse(year: int) -> holidays.HolidayBase:
    return holidays.financial_holidays("NYSE", years=year)


def past_runs(days: int, now: datetime, seed: int) -> list[RunRecord]:
    """Completed runs of the last `days` calendar days, oldest first, each phase within five percent of usual."""
    found = []
    for back in range(days, 0, -1):
        day = now.astimezone(NEW_YORK).date() - timedelta(days=back)
        if not is_trading_day(day):
            continue
        dice = random.Random(f"{seed}:{day}")  # noqa: S311 - durations, not secrets
        seconds = {phase: round(usual * dice.uniform(0.95, 1.05)) for phase, usual in PHASE_SECONDS.items()}
        patterns = 1250 + dice.randrange(-90, 90)
        run = Run(new_run_id(f"{seed}:{day}"), day.isoformat(), durations=seconds, patterns=patterns)
        due = datetime.combine(day, time(16, 10), NEW_YORK).astimezone(UTC)
        record = RunRecord(run, due, phase_seconds=dict(seconds))
        ended = record.started + timedelta(seconds=run.seconds)
        record.finish("completed", ended, ending(run, "completed", run.seconds))
        found.append(record)
    return found
