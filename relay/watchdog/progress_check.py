"""Is the run that goes on all right? Stalled, without events, events missing, overdue, slow, or ended without a report.

Pure. It reports one problem once: a run that stalls is not also reported as slow, or as without events.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.config.watchdog import WatchdogOptions
from relay.events import Announcement
from relay.events.wording import clock_time
from relay.process.clock import Pace
from relay.runs.reconstruction import SAME_START
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.tickstockpl.models import HistoryRun
from relay.watchdog import progress_messages
from relay.watchdog.alerts import Alerts
from relay.watchdog.api_state import ApiState
from relay.watchdog.baseline import Baseline
from relay.watchdog.progress_messages import RunProblem
from relay.watchdog.run_schedule import RunSchedule

STUCK = ("run_stalled", "run_no_events", "events_missing")
"""Of one run, one of these at a time."""
WHILE_RUNNING = (*STUCK, "run_overdue", "phase_slow", "run_disputed")
"""Over when the run is."""
API_AHEAD = timedelta(minutes=1)
"""The API's progress must have moved so long after the last event to show that events are missing."""
HISTORY_AGAIN = timedelta(seconds=30)
BEGAN_AGAIN = timedelta(seconds=10)
"""The API names another run for so long, and the old one is silent: it has broken off."""
UNREPORTED_END = timedelta(minutes=3)
"""The API has been idle for so long, and the history has had time to tell: the run is over."""


class ProgressCheck:
    """Watches the open runs."""

    def __init__(
        self,
        run_schedule: RunSchedule,
        runs: Runs,
        alerts: Alerts,
        connected_since: Callable[[], datetime | None],
        pace: Pace,
    ) -> None:
        """`connected_since` tells since when the relay is subscribed without a gap; None when it is not."""
        self._run_schedule = run_schedule
        self._runs = runs
        self._alerts = alerts
        self._connected_since = connected_since
        self._disputed_after = pace.disputed_after
        self._api_progress: object = None
        self._api_moved_at: datetime | None = None
        self._idle_since: datetime | None = None
        self._stepped_at: datetime | None = None
        self.wants_history = False
        """The API's history would tell how a run ended that it no longer shows."""

    def clock_stepped(self, now: datetime) -> None:
        """The clock was set: how long it has been silent, or idle, is counted from now on."""
        self._stepped_at = now
        self._api_moved_at = self._idle_since = None

    def tick(self, now: datetime, api: ApiState, options: WatchdogOptions) -> list[Announcement]:
        """Look at every open run, and at what is still said about those that have ended."""
        self._watch_api(now, api)
        self.wants_history = False
        announcements: list[Announcement] = []
        for run in self._runs.open:
            announcements += self._began_again(run, now, api)
            if run.state.is_open:
                announcements += self._unreported_end(run, now, api, options)
            if run.state.is_open:
                announcements += self._disputed(run, now, api)
                announcements += self._stuck(run, now, api, options)
                announcements += self._overdue(run, now, options)
                announcements += self._slow(run, now, options)
        return announcements + self._over(now)

    def _watch_api(self, now: datetime, api: ApiState) -> None:
        """When the API's own progress last moved, and since when it is idle."""
        status = api.status if api.answers else None
        if status is None:
            self._idle_since = None
            return
        progress = (status.run_id, status.current_phase, status.progress, status.symbols_processed)
        if not status.is_running:
            self._api_progress = self._api_moved_at = None
        elif progress != self._api_progress:
            self._api_moved_at = now if self._api_progress is not None else None
            self._api_progress = progress
        self._idle_since = (self._idle_since or now) if status.is_running is False else None

    def _began_again(self, run: Run, now: datetime, api: ApiState) -> list[Announcement]:
        """TickStockPL, which runs one at a time, names a newer run of the same day: this one has broken off."""
        named = api.status.run_id if api.status is not None and api.is_running else None
        newer = self._runs.named(named) if named != run.published_id else None
        if newer is None or newer.run_date != run.run_date or newer.began <= run.began:
            return []
        if run.last_seen > newer.first_seen or now - newer.first_seen < BEGAN_AGAIN:
            return []
        reason = f"began again as {newer.run_id}"
        return self._runs.end(run, State.FAILED, now, ended_at=run.last_seen, reason=reason, followed_by=newer.run_id)

    def _disputed(self, run: Run, now: datetime, api: ApiState) -> list[Announcement]:
        """Its events come, while the API is idle and its history does not have it."""
        key = f"run_disputed:{run.run_id}"
        if api.is_running or any(_is_row_of(row, run) for row in api.history or ()):
            return self._alerts.resolve(key, now, "TickStockPL's API shows the run, too.")
        idle = self._idle_since
        if idle is None or not run.events:
            return []
        differs_since = max(idle, run.first_seen)
        if run.last_seen - differs_since < self._disputed_after:
            return []
        if api.history_at is None or api.history_at < differs_since + self._disputed_after / 2 or api.history_failures:
            self.wants_history = True
            return []
        return self._announce(run, progress_messages.disputed(run), now)

    def _unreported_end(self, run: Run, now: datetime, api: ApiState, options: WatchdogOptions) -> list[Announcement]:
        """The API is idle, and events do not come: the run is over, and nobody said how."""
        idle = self._idle_since
        if idle is None or not api.answered_since(run.last_seen) or now - run.last_seen < UNREPORTED_END / 6:
            return []
        asked = api.history_at
        self.wants_history |= asked is None or asked <= idle or now - asked >= HISTORY_AGAIN
        if now - max(idle, run.last_seen) < max(UNREPORTED_END, timedelta(seconds=options.stall_after)):
            return []
        finished = {phase for phase, its in run.phases.items() if its.state is State.COMPLETED}
        if set(run.expected) <= finished:
            reason = "all phases had completed, TickStockPL is idle, and its history does not know the run"
            return self._runs.end(run, State.COMPLETED, now, ended_at=run.last_seen, reason=reason)
        reason = "TickStockPL is idle, and nobody told how the run ended"
        return self._runs.end(run, State.FAILED, now, ended_at=run.last_seen, reason=reason)

    def _stuck(self, run: Run, now: datetime, api: ApiState, options: WatchdogOptions) -> list[Announcement]:
        """At most one of: events are missing, both are silent, stalled."""
        since = self._connected_since()
        if since is None:
            return []  # the silence is our own
        before = next((alert for alert in self._alerts.about(run.run_id) if alert.name in STUCK), None)
        problem = self._how_stuck(run, now, api, options, since)
        if problem is None:
            if before is None or run.events <= before.facts.get("events", -1):
                return []  # a restart, a new subscription or an idle API is no sign that it goes on: events are
            return self._alerts.resolve(before.key, now, progress_messages.goes_on(run, now))
        if before is not None:
            return []
        stalls = self._runs.stall(run, now) if problem.name == "run_stalled" else []
        return [*stalls, *self._announce(run, problem, now)]

    def _how_stuck(
        self, run: Run, now: datetime, api: ApiState, options: WatchdogOptions, since: datetime
    ) -> RunProblem | None:
        since = self._by_this_clock(since, now)
        last_event_at = max(
            since, *(self._by_this_clock(moment, now) for moment in (self._runs.last_event_at or since, run.last_seen))
        )
        phase = run.current_phase
        moved_at = max(self._by_this_clock(run.phases[phase].moved_at if phase else run.last_seen, now), since)
        no_events_for, still_for = (now - last_event_at).total_seconds(), (now - moved_at).total_seconds()
        has_no_events = no_events_for >= options.silent_after
        if run.events == 0:
            missing_for = (now - run.first_seen).total_seconds()
            others_come = no_events_for < options.events_missing_after
            is_missing = missing_for >= options.events_missing_after
            return progress_messages.events_missing(run, api, others_come) if is_missing else None
        if run.state is State.STALLED:
            return progress_messages.stalled(run, api, moved_at)  # until it moves or is over, not at other events
        if self._idle_since is not None:
            return None  # over rather than stuck: `_unreported_end`
        if has_no_events and self._api_is_ahead(last_event_at, now, options):
            return progress_messages.events_missing(run, api, others_come=False)
        if has_no_events and not api.answers:
            return progress_messages.no_events(run, api, last_event_at)
        is_stalled = has_no_events or still_for >= options.stall_after
        return progress_messages.stalled(run, api, moved_at) if is_stalled else None

    def _by_this_clock(self, moment: datetime, now: datetime) -> datetime:
        """The moment, or that of the last step: what was before it, or seems to come, was told by another clock."""
        if self._stepped_at is None:
            return moment
        return self._stepped_at if moment > now else max(moment, self._stepped_at)

    def _api_is_ahead(self, last_event_at: datetime, now: datetime, options: WatchdogOptions) -> bool:
        """Whether the API's progress moves while nothing is heard."""
        moved = self._api_moved_at
        if moved is None or moved <= last_event_at + API_AHEAD:
            return False
        return (now - moved).total_seconds() < options.silent_after

    def _overdue(self, run: Run, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        scheduled = self._run_schedule.current
        is_due_run = scheduled is not None and scheduled.run_id == run.run_id
        if scheduled is not None and is_due_run and (run.began - scheduled.due).total_seconds() <= options.start_grace:
            begins = scheduled.due
        else:
            begins = run.began
        was_stuck = bool(set(run.alert_names) & set(STUCK))  # then some lateness is no news
        begins = self._by_this_clock(begins, now)
        deadline = begins + timedelta(seconds=options.finish_grace * (2 if was_stuck else 1))
        if now < deadline or any(alert.name in STUCK for alert in self._alerts.about(run.run_id)):
            return []
        return self._announce(run, progress_messages.overdue(run, deadline, now), now)

    def _slow(self, run: Run, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        if set(run.alert_names) & {*STUCK, "run_overdue"}:
            return []
        for phase, its in run.phases.items():
            began = self._by_this_clock(its.started_at or its.first_seen, now)
            lasted = (now - began).total_seconds()
            limit = options.phase_limits.of(phase)
            if not its.state.is_open or lasted < limit:
                continue
            usual = Baseline(options.learned, self._runs.newest_first(), run).phase(phase)
            if usual is None or lasted >= usual.high:
                return self._announce(run, progress_messages.slow(run, phase, began, limit, now), now)
        return []

    def _announce(self, run: Run, problem: RunProblem, now: datetime) -> list[Announcement]:
        if problem.name not in run.alert_names:
            run.alert_names.append(problem.name)
            self._runs.keep(run, now)
        known: dict[str, object] = {"run_date": run.run_date, "phase": problem.phase}
        known["last_symbol"] = problem.last_symbol
        known |= {"events": run.events} if problem.name in STUCK else {}
        return self._alerts.set(
            f"{problem.name}:{run.run_id}",
            True,
            now,
            severity=problem.severity,
            title=problem.title,
            message=problem.message,
            run_id=run.run_id,
            facts={name: value for name, value in known.items() if value is not None},
        )

    def _over(self, now: datetime) -> list[Announcement]:
        """What was said of a run that goes on is over when the run is, or the phase."""
        announcements: list[Announcement] = []
        for alert in self._alerts.firing():
            if alert.name not in WHILE_RUNNING or alert.run_id is None:
                continue
            run = self._runs.get(alert.run_id)
            if run is None or not run.state.is_open:
                how = _how_it_ended(run) if run else "The run is no longer remembered."
                announcements += self._alerts.resolve(alert.key, now, how)
            elif alert.name == "phase_slow" and (ended := _end_of_phase(run, alert.facts.get("phase"))):
                words = f"The phase ended at {clock_time(ended, now)}."
                announcements += self._alerts.resolve(alert.key, now, words)
        return announcements


def _end_of_phase(run: Run, name: object) -> datetime | None:
    """When the phase of that name ended; None while it goes on, also beside a later one."""
    its = next((its for phase, its in run.phases.items() if phase == name), None)
    return None if its is None or its.state.is_open else its.ended_at or its.last_seen


def _how_it_ended(run: Run) -> str:
    ended = f" at {clock_time(run.ended_at, run.began)}" if run.ended_at else ""
    return f"The run has ended{ended}: {run.state}."


def _is_row_of(row: HistoryRun, run: Run) -> bool:
    """Whether a row of the API's history is that run."""
    if row.run_id is not None and not run.is_unnamed:
        return row.run_id == run.published_id
    return row.start_time is not None and abs(row.start_time - run.began) <= SAME_START
