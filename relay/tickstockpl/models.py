"""What TickStockPL's HTTP API answers, as types, and the lenient reading of its bodies.

Fields that are missing, of another type or out of any sensible range become None; unknown ones are ignored.
Nothing here talks to the network or decides what an answer means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from relay.events import PHASE_NAMES
from relay.events.values import amount, count, moment, percent
from relay.redaction.built_in import shortened

MAX_TEXT = 2000
"""Characters that are kept of one text; labels and messages are far shorter."""

_EARLIEST, _LATEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9990, 1, 1, tzinfo=UTC)
"""Times outside are some language's "no time" (year 1, 1970-01-01, year 9999), not times."""

_NEW_YORK = "America/New_York"
_NEW_YORK_NAMES = frozenset({"EST", "EDT", "ET", "EASTERN"})
"""What its clock is called, in winter and summer; the time zone database has an EST that knows no summer."""

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d(?:\.\d+)?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Status:
    """`GET /api/processing/status`. Its body is in no contract; these are the fields that clients read.

    `is_running` is None when the API answered but did not say. `progress` is in percent, 0 to 100. Times are
    UTC. `current_phase` is the canonical phase, or the API's own word for one that we do not know.
    """

    is_running: bool | None = None
    run_id: str | None = None
    current_phase: str | None = None
    progress: float | None = None
    symbols_processed: int | None = None
    symbols_total: int | None = None
    start_time: datetime | None = None
    estimated_completion: datetime | None = None

    @property
    def state(self) -> Literal["running", "idle", "unknown"]:
        """`is_running` as one word."""
        if self.is_running is None:
            return "unknown"
        return "running" if self.is_running else "idle"


@dataclass(frozen=True, slots=True)
class HistoryRun:
    """One run of `GET /api/processing/history`. `status` is the API's own word; times are UTC."""

    run_id: str | None = None
    run_date: date | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    status: str | None = None
    symbols_processed: int | None = None
    symbols_failed: int | None = None
    patterns_detected: int | None = None
    indicators_calculated: int | None = None
    duration_seconds: float | None = None
    trigger_type: str | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """`GET /api/processing/schedule`: `trigger_time` is "HH:MM" in `timezone`, which this machine knows."""

    enabled: bool | None = None
    trigger_time: str | None = None
    timezone: str | None = None
    next_run: datetime | None = None
    universes: tuple[str, ...] = ()
    market_check: bool | None = None


REFUSALS = frozenset({"error", "failed", "failure", "rejected", "refused", "skipped"})
"""Words in the `status` of a 2xx answer to a command that mean that nothing was done."""


@dataclass(frozen=True, slots=True)
class Triggered:
    """What `POST /api/processing/trigger-manual` said."""

    run_id: str | None = None
    status: str | None = None
    message: str | None = None

    @property
    def is_confirmed(self) -> bool:
        """Whether a run began: without a `run_id`, or with a refusal beside it, nothing says so."""
        return self.run_id is not None and (self.status or "").lower() not in REFUSALS


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What `DELETE /api/processing/cancel` said; the contract gives no body, so all may be None."""

    run_id: str | None = None
    status: str | None = None
    message: str | None = None


Body = dict[str, Any]


def read_status(body: Body) -> Status:
    """The status, with `status: running|idle` understood where `is_running` is not a boolean (wire notes)."""
    is_running = _boolean(body.get("is_running"))
    if is_running is None:
        word = body.get("status")
        is_running = {"running": True, "idle": False}.get(word) if isinstance(word, str) else None
    processed, total = count(body.get("symbols_processed")), count(body.get("symbols_total"))
    phase = _text(body.get("current_phase"))
    known_phase = PHASE_NAMES.get(phase.lower()) if phase else None
    return Status(
        is_running=is_running,
        run_id=_name(body.get("run_id")),
        current_phase=known_phase.value if known_phase else phase,
        progress=percent(body.get("progress"), processed, total),
        symbols_processed=processed,
        symbols_total=total,
        start_time=_moment(body.get("start_time")),
        estimated_completion=_moment(body.get("estimated_completion")),
    )


def read_history(body: Body) -> list[HistoryRun]:
    """The runs in the API's order; entries that are no object are left out.

    Raises:
        ValueError: there is no list of runs, which is not the same as an empty one.
    """
    runs = body.get("runs")
    if not isinstance(runs, list):
        raise ValueError("no list of runs")  # noqa: TRY004 - one error for the caller
    return [_read_run(run) for run in runs if isinstance(run, dict)]


def _read_run(run: Body) -> HistoryRun:
    return HistoryRun(
        run_id=_name(run.get("run_id")),
        run_date=_day(run.get("run_date")),
        start_time=_moment(run.get("start_time")),
        end_time=_moment(run.get("end_time")),
        status=_text(run.get("status")),
        symbols_processed=count(run.get("symbols_processed")),
        symbols_failed=count(run.get("symbols_failed")),
        patterns_detected=count(run.get("patterns_detected")),
        indicators_calculated=count(run.get("indicators_calculated")),
        duration_seconds=amount(run.get("duration_seconds")),
        trigger_type=_text(run.get("trigger_type")),
    )


def read_schedule(body: Body) -> Schedule:
    """The schedule; a trigger time with seconds loses them, a zone unknown to this machine is None."""
    universes = body.get("universes")
    if isinstance(universes, str):
        universes = [universes]
    return Schedule(
        enabled=_boolean(body.get("enabled")),
        trigger_time=clock_time(body.get("trigger_time")),
        timezone=_zone(body.get("timezone")),
        next_run=_moment(body.get("next_run")),
        universes=tuple(filter(None, map(_text, universes))) if isinstance(universes, list) else (),
        market_check=_boolean(body.get("market_check")),
    )


def read_triggered(body: Body) -> Triggered:
    """The new run's id, if the API gave one."""
    return Triggered(_name(body.get("run_id")), _text(body.get("status")), _text(body.get("message")))


def read_cancelled(body: Body) -> Cancelled:
    """Whatever the API said about it."""
    return Cancelled(_name(body.get("run_id")), _text(body.get("status")), _text(body.get("message")))


def clock_time(value: object) -> str | None:
    """`HH:MM` from "16:10", "9:05" or "16:10:00"; None for anything else."""
    found = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    return f"{int(found[1]):02}:{found[2]}" if found else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return shortened(value, MAX_TEXT) if isinstance(value, str) else None


def _name(value: object) -> str | None:
    """A text, or a whole number where an id or a version is written as one."""
    return shortened(value, MAX_TEXT)


def _moment(value: object) -> datetime | None:
    read = moment(value)
    return read if read is not None and _EARLIEST <= read < _LATEST else None


def _day(value: object) -> date | None:
    start = _moment(value[:10]) if isinstance(value, str) else None
    return start.date() if start else None


def _zone(value: object) -> str | None:
    name = _text(value)
    if name is None:
        return None
    if name.strip().upper() in _NEW_YORK_NAMES:
        return _NEW_YORK
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None
    return name
