"""What the daemon needs once a second beside its configuration: the exchange's calendar, and a due moment from it."""

from datetime import datetime

from relay import closings
from relay.config.settings import Settings
from relay.schedule import Calendar


def missing(settings: Settings, now: datetime) -> list[str]:
    """One line for each that is not there, with what to do; none when all is."""
    timetable = settings.watchdog.schedule.timetable
    try:
        due = timetable.next_due(now)
    except Exception as error:  # noqa: BLE001 - whatever it is, each tick of the daemon would meet it
        return [f"schedule: it cannot be worked out when a run is due: {type(error).__name__}: {error}"]
    if timetable.calendar is not Calendar.NONE and (why := closings.trouble()):
        means = "every weekday would count as a trading day, a holiday too"
        return [f"calendar: {why}, so {means}; install it again: pip install --force-reinstall holidays"]
    return [] if due is not None else ["schedule: no run would ever be due"]
