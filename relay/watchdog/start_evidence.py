"""What four witnesses show of the day's start: events, the API's status, its history, and the relay's own connection.

Pure. Which run is the day's is decided here and nowhere else; what follows is for `relay.watchdog.start_decision`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile

from relay.events.values import is_by_hand
from relay.runs.claims import AHEAD, readings
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.schedule.timetable import session_close
from relay.tickstockpl.models import HistoryRun
from relay.watchdog.api_state import ApiState
from relay.watchdog.run_schedule import ScheduledRun
from relay.watchdog.start_decision import ConnectionShows, Decision, EventsShow, HistoryShows, StatusShows, decide

EARLIEST_START = timedelta(minutes=30)
"""A run that began so long before it was due can be that day's: clocks differ, and people are quick."""
LATEST_START = timedelta(hours=6)
"""A run that does not say which day it is of, and begins later, on another date, is another day's."""
CLAIM_OFF = timedelta(days=1)
"""A claimed time so far off comes from a broken clock, if `run_date` is right."""


@dataclass(frozen=True, slots=True)
class StartWindow:
    """When the run of one slot can begin, and which runs can be it."""

    scheduled: ScheduledRun
    now: datetime

    @property
    def opens(self) -> datetime:
        """The earliest start."""
        return self.scheduled.due - EARLIEST_START

    def has(self, moment: datetime | None) -> bool:
        """Whether a run that began then can be the slot's."""
        return moment is not None and self.opens <= moment <= self.now + AHEAD and self._is_of_day(moment)

    def counts(self, run: Run) -> bool:
        """Whether a run that is known is the day's: it began in time, its day fits, and it is a whole one."""
        if run.is_id_used_again or not self.has(run.began) or not self._day_fits(run):
            return False
        if run.events and run.first_seen < self.opens:
            return False
        return run.is_scheduled or (run.is_whole and self.counts_manual(run.began, run.ended_at))

    def counts_manual(self, began: datetime, ended: datetime | None) -> bool:
        """Whether a run by hand stands for the scheduled one: after the session, and going on when that is due."""
        goes_on = ended is None or ended >= self.scheduled.due
        return began >= max(self.opens, _close(self.scheduled.day) or self.opens) and goes_on

    def counts_row(self, row: HistoryRun, runs: Runs) -> bool:
        """Whether a row of the API's history is the day's run."""
        if not self.has(row.start_time) or row.start_time is None:
            return False
        known = runs.named(row.run_id, row.start_time)
        if known is not None:
            return self.counts(known)
        return not is_by_hand(row.trigger_type) or self.counts_manual(row.start_time, row.end_time)

    def _day_fits(self, run: Run) -> bool:
        is_reported_today = run.has_reported_date and run.run_date == self.scheduled.day.isoformat()
        if run.has_reported_date and not is_reported_today:
            return False
        claimed = run.claimed_at
        if claimed is None or (is_reported_today and abs(run.first_seen - claimed) > CLAIM_OFF):
            return True  # the time received counts
        return any(self.opens <= reading <= self.now + AHEAD for reading in readings(claimed))

    def _is_of_day(self, moment: datetime) -> bool:
        return moment <= self.scheduled.due + LATEST_START or moment.date() <= self.scheduled.day


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each witness shows, and which run is meant."""

    events: EventsShow
    status: StatusShows
    history: HistoryShows
    connection: ConnectionShows
    run: Run | None = None
    """The day's run, as far as the relay knows it."""
    run_id: str | None = None
    """Its id, perhaps only by the API."""

    @property
    def decision(self) -> Decision:
        """What follows."""
        return decide(self.events, self.status, self.history, self.connection)


def days_run(runs: Runs, window: StartWindow, api: ApiState) -> Run | None:
    """The run of the slot's day: the first that counts, by events or by the API."""
    known = (run for run in _recent(runs, window) if _is_proven(run) and window.counts(run))
    return min((run for run in known if not _began_earlier(run, window, api)), key=_began, default=None)


def gather(
    runs: Runs,
    window: StartWindow,
    api: ApiState,
    *,
    asked_from: datetime,
    is_idle: bool,
    connected_since: datetime | None,
) -> Evidence:
    """What all four show; answers count from `asked_from` on, `is_idle`: two of them in a row said so."""
    run = days_run(runs, window, api)
    trace = None if run is not None else _trace(runs, window)
    events = EventsShow.NONE
    if run is not None and run.events:
        events = EventsShow.OWN
    elif trace is not None:
        events = EventsShow.TRACE
    row = next((row for row in api.history or () if window.counts_row(row, runs)), None)
    is_read = api.history_at is not None and api.history_at >= asked_from
    in_history = HistoryShows.HAS if row else HistoryShows.HAS_NOT
    history = in_history if is_read else HistoryShows.BROKEN
    status = _status(runs, window, api, asked_from, is_idle=is_idle)
    is_whole = connected_since is not None and connected_since <= window.opens
    running = api.status if status is StatusShows.OURS else None
    shown_by_api = running or row
    named = shown_by_api.run_id if shown_by_api and runs.named(shown_by_api.run_id) is None else None
    found = run or trace
    return Evidence(
        events,
        status,
        history,
        ConnectionShows.WHOLE if is_whole else ConnectionShows.GAP,
        run=found,
        run_id=found.run_id if found else named,
    )


def _status(runs: Runs, window: StartWindow, api: ApiState, asked_from: datetime, *, is_idle: bool) -> StatusShows:
    status = api.status
    if status is None or api.answered_at is None or api.answered_at < asked_from:
        return StatusShows.SILENT
    if not status.is_running:
        return StatusShows.IDLE if is_idle else StatusShows.UNCLEAR
    if status.start_time is not None and status.start_time < window.opens:
        return StatusShows.ANOTHER
    known = next(iter(runs.open), None) if status.run_id is None else runs.named(status.run_id, status.start_time)
    if known is None:
        return StatusShows.OURS
    return StatusShows.OURS if window.counts(known) else StatusShows.ANOTHER


def _trace(runs: Runs, window: StartWindow) -> Run | None:
    """A run that only events of its phases tell of, two or more of them, the newest since it was due."""
    found = (run for run in _recent(runs, window) if run.is_unnamed and not run.start_seen and not run.is_reconstructed)
    counted = (run for run in found if run.events > 1 and run.last_seen >= window.scheduled.due and window.counts(run))
    return min(counted, key=_began, default=None)


def _recent(runs: Runs, window: StartWindow) -> Iterator[Run]:
    return takewhile(lambda run: run.began >= window.opens, runs.newest_first())


def _is_proven(run: Run) -> bool:
    """Whether more than events without a run tell of it."""
    return run.start_seen or not run.is_unnamed or run.is_reconstructed


def _began_earlier(run: Run, window: StartWindow, api: ApiState) -> bool:
    """Whether the API knows that it began before the day's run can have begun."""
    starts = [row.start_time for row in api.history or () if _can_be(run, row)]
    if api.status is not None and api.status.is_running and api.status.run_id == run.published_id:
        starts.append(api.status.start_time)
    return any(start is not None and start < window.opens for start in starts)


def _can_be(run: Run, row: HistoryRun) -> bool:
    """Whether the row can be of that run: by its id, unless that is one of each day, and an older run's."""
    is_older = run.has_reported_date and row.end_time is not None and row.end_time < run.began
    return row.run_id == run.published_id and not is_older


def _began(run: Run) -> datetime:
    return run.began


_close = lru_cache(maxsize=8)(session_close)
