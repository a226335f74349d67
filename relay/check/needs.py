"""What the daemon needs once a second beside its configuration: a due moment, and the exchange's calendar for it."""

from datetime import datetime

from relay.config.settings import Settings
from relay.schedule import exchange_holidays
from relay.schedule.timetable import Calendar


def missing(settings: Settings, now: datetime) -> list[str]:
    """What the watchdog cannot work without, one line each; none when all is there."""
    try:
        due = settings.watchdog.schedule.timetable.next_due(now)
    except Exception as error:  # noqa: BLE001 - whatever it is, each tick of the daemon would meet it
        return [f"schedule: it cannot be worked out when a run is due: {type(error).__name__}: {error}"]
    return [] if due is not None else ["schedule: no run would ever be due"]


def degraded(settings: Settings) -> list[str]:
    """What is missing and the relay works without; to be asked after `missing`. No reason not to start."""
    why = exchange_holidays.trouble()
    if settings.watchdog.schedule.timetable.calendar is Calendar.NONE or not why:
        return []
    means = "every weekday counts as a trading day, a holiday too"
    return [f"the exchange's calendar is missing ({why}), so {means}: pip install --force-reinstall holidays"]
