"""Days around the run of Monday 27 January 2025, for the tests of the watchdog and its rooms."""

from datetime import datetime
from typing import Any

from relay.events import Event
from relay.tickstockpl.models import Schedule, Status
from tests.support.wire import a_run as sparse_run
from tests.support.wire import utc
from tests.support.world import World

DUE = utc("2025-01-27 21:10")
SCHEDULE = Schedule(enabled=True, trigger_time="16:10", timezone="America/New_York")


def world(at: str = "2025-01-27 20:00", **more: Any) -> World:
    return World(utc(at), schedule=SCHEDULE, **more)


def a_run(start: datetime, run_id: str | None = "r1", **more: Any) -> list[Event]:
    """A run whose progress comes every minute or so."""
    return sparse_run(start, run_id, **({"steps": 20} | more))


def running(**more: Any) -> Status:
    return Status(is_running=True, run_id="r1", start_time=DUE, **more)
