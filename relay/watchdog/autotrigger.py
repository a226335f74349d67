"""Acting, only if asked: start the day's run by the API when it never started. Once a day, whatever comes of it.

The decision is pure; `attempt` is the thin shell that POSTs. TickStockPL's own market check is left on.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement, Severity
from relay.events.wording import clock_time, day_name
from relay.runs.signals import State
from relay.store.shelf import Shelf
from relay.tickstockpl.errors import ApiError
from relay.watchdog.api_state import ApiState
from relay.watchdog.run_schedule import RunSchedule, ScheduledRun

if TYPE_CHECKING:
    from relay.tickstockpl.client import TickStockPL

_KEY = "auto_trigger"


class AutoTrigger:
    """Remembers the day on which it last acted."""

    def __init__(self, run_schedule: RunSchedule, shelf: Shelf) -> None:
        self._run_schedule = run_schedule
        self._shelf = shelf

    def wanted(self, now: datetime, api: ApiState, options: WatchdogOptions) -> ScheduledRun | None:
        """The slot whose run is to be started now: late, planned, not tried today, and TickStockPL itself says so.

        It must be idle by its own word, and have a history without that run: never if there is only no sign of it.
        """
        scheduled = self._run_schedule.current
        if not options.auto_trigger or scheduled is None or scheduled.state is not State.LATE:
            return None
        if scheduled.is_excused or scheduled.no_sign:
            return None
        in_time = now < scheduled.due + timedelta(seconds=options.finish_grace)
        idle = api.is_running is False and api.answered_since(scheduled.due + timedelta(seconds=options.start_grace))
        known = api.history_at is not None and api.history_at > scheduled.due and api.history_failures == 0
        untried = self._shelf.get(_KEY) != scheduled.day.isoformat()
        return scheduled if all((in_time, idle, known, untried, self._run_schedule.enabled)) else None

    def note(self, scheduled: ScheduledRun) -> None:
        """It is tried now. To be on disk before the request goes out, so that no restart tries again."""
        self._shelf.put(_KEY, scheduled.day.isoformat())


async def attempt(client: "TickStockPL", scheduled: ScheduledRun) -> list[Announcement]:
    """Ask TickStockPL to start the run of `scheduled`; what came of it. Call `AutoTrigger.note` first."""
    day = day_name(scheduled.day)
    why = (
        f"It was due at {clock_time(scheduled.due, utc=True)} and had not started; watchdog.auto_trigger is on."
        " No second attempt is made."
    )
    try:
        answer = await client.trigger()
    except ApiError as failed:
        title = f"The relay tried to start the run of {day}, in vain"
        return [_announce(scheduled, "failed", title, f"{failed}. {why}", None)]
    if not answer.is_confirmed:
        title = f"The relay asked for the run of {day}, and TickStockPL did not confirm it"
        return [
            _announce(
                scheduled, "failed", title, f"It said: {answer.message or answer.status or 'nothing'}. {why}", None
            )
        ]
    title = f"The relay has started the run of {day}"
    reply = f" TickStockPL says: {answer.message or answer.status}." if answer.message or answer.status else ""
    return [_announce(scheduled, "triggered", title, f"{why}{reply}", answer.run_id)]


def _announce(scheduled: ScheduledRun, outcome: str, title: str, message: str, run_id: str | None) -> Announcement:
    return Announcement(
        channel="relay:watchdog:auto_triggered",
        event="auto_triggered",
        severity=Severity.WARNING if outcome == "triggered" else Severity.ERROR,
        run_id=run_id,
        payload={"title": title, "message": message, "outcome": outcome, "run_date": scheduled.day.isoformat()},
    )
