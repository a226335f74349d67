"""What reports of runs are made from, and what is asked of it more than once: which runs a day has, and how they read.

Pure: it reads what it is given, by the daemon or from its store.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relay.config.links import Links
from relay.config.watchdog import WatchdogOptions
from relay.events.wording import run_title
from relay.runs.run import Run
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.status import run_verdict
from relay.status.run_verdict import Words
from relay.status.run_view import band_of, run_view
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Baseline
from relay.watchdog.run_schedule import RunSchedule, ScheduledRun
from relay.watchdog.soundness import is_sound


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the facts come from, at one moment."""

    now: datetime
    version: str
    runs: Runs
    logs: RunLogs
    schedule: RunSchedule
    options: WatchdogOptions
    sinks: Mapping[str, Mapping[str, Any]]
    """The configuration's, for the archive."""
    links: Links
    hide: Callable[[str], str] = str
    """Leaves secrets out of a text."""
    api: ApiState = field(default_factory=ApiState)
    subscribed_since: datetime | None = None
    installation: str = ""
    thread: Callable[[str], str | None] = lambda _: None
    """Where people were told of the incident with that id."""

    @property
    def zone(self) -> ZoneInfo:
        """The schedule's."""
        return ZoneInfo(self.schedule.timetable.timezone)


def run_of_day(sources: Sources, day: date) -> Run | None:
    """The day's scheduled run: the one that the watchdog took for it, else the first that the scheduler began."""
    slot = sources.schedule.current
    if slot is not None and slot.day == day:
        return sources.runs.get(slot.run_id) if slot.run_id else None
    of_day = runs_of_day(sources, day)
    return next((run for run in of_day if run.is_scheduled), None)


def runs_of_day(sources: Sources, day: date) -> list[Run]:
    """All runs of the day, the oldest first."""
    return [run for run in sources.runs.newest_first() if day_of(run, sources.zone) == day][::-1]


def day_of(run: Run, zone: ZoneInfo) -> date:
    """The day that the run is of, as it says, else when it began."""
    try:
        return date.fromisoformat(run.run_date or "")
    except ValueError:
        return run.began.astimezone(zone).date()


def words_of_run(sources: Sources, run: Run) -> Words:
    """How the run reads: as its incident says, if it has one that the run itself has not ended by a sound result.

    Single errors alone, about which nothing fires, do not change what a run is.
    """
    log = sources.logs.log_of(run)
    incident = log.incident if log is not None and (log.incident or {}).get("alerts") else None
    is_past = incident is not None and incident.get("state") == "over" and is_sound(run)
    if incident and not is_past:
        return run_verdict.of_incident(incident)
    remembered = list(sources.runs.newest_first())
    band = band_of(Baseline(sources.options.learned, remembered, run).duration())
    others = remembered if run.state.is_open else []
    view = run_view(run, others, sources.now, sources.options.learned, sources.api)
    coming = sources.schedule.coming
    words = run_verdict.of_run(run, run.title, band, view.eta, coming.due if coming else None)
    return run_verdict.after(words, incident) if incident else words


def words_of_day(sources: Sources, day: date, slot: ScheduledRun | None) -> Words:
    """How a day reads whose run has not started."""
    called = run_title(day)
    if incident := sources.logs.incident_of_day(day.isoformat()):
        return run_verdict.of_incident(incident)
    if slot is None:
        return run_verdict.unknown_day(called)
    return run_verdict.of_day(slot, called, sources.now, slot.due + timedelta(seconds=sources.options.start_grace))
