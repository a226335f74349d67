"""Runs with and without trouble in a world, and what is announced there of their incidents."""

from datetime import datetime, timedelta
from typing import Any

from relay.events import Event
from tests.support.days import DUE, a_run
from tests.support.wire import event
from tests.support.world import World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TOMORROW = DUE + timedelta(days=1)


def states(around: World) -> list[tuple[str, str, str]]:
    """`(id, change, state)` of each incident event."""
    return [(one.payload["incident"], one.payload["change"], one.payload["state"]) for _, one in around.incident_events]


def last(around: World) -> dict[str, Any]:
    """The state that was announced last."""
    return around.incident_events[-1][1].payload


def error(at: datetime, message: str = "no answer", severity: str = "error", **more: Any) -> Event:
    """An error on the channel of errors."""
    payload = {"component": "data_import", "error_code": "VENDOR", "severity": severity, "message": message}
    return event("errors", "error", at, **(payload | more))


def hear(around: World, *events: Event) -> None:
    """The relay receives these, each in its time."""
    for one in events:
        around.now = max(around.now, one.received)
        around.hear(one)


def begin(around: World, start: datetime = DUE, run_id: str = "r1", **more: Any) -> None:
    """A run starts."""
    around.until(start)
    around.tell("processing:status", "processing_started", run_id=run_id, **more)


def end(around: World, run_id: str = "r1", status: str = "completed", **more: Any) -> None:
    """It ends."""
    counts = {"symbols_processed": 505, "indicators_calculated": 7575, "patterns_detected": 1250}
    around.tell("processing:status", "processing_completed", run_id=run_id, status=status, **(counts | more))


def failing_run(around: World, start: datetime = DUE, run_id: str = "r1", trigger: str = "automatic") -> None:
    """A run with a critical error that fails, until this is announced."""
    begin(around, start, run_id, trigger_type=trigger)
    around.pass_(3, step=5)
    hear(around, error(around.now, "could not connect to db:5432", "critical", run_id=run_id))
    end(around, run_id, "failed", error="database")
    around.pass_(1, step=1)


def good_run(around: World, start: datetime, run_id: str, trigger: str = "manual") -> None:
    """A run with a sound result, until this is announced."""
    around.until(start)
    around.play(a_run(start, run_id, start_with={"trigger_type": trigger}, steps=20), step=5)
    around.pass_(1, step=1)
