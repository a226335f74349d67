"""Is the run that goes on all right? Stalled, silent, unheard, overdue, slow, or over without a word.

Pure. Of several things to say about one trouble it says one: a run that stalls is not also called silent or overdue.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.agenda import Agenda
from relay.alerts import Alerts
from relay.apiview import ApiView
from relay.events import Announcement, Phase, Severity
from relay.expectations import Expectations
from relay.run import Run
from relay.runs import Runs
from relay.signals import State
from relay.thresholds import WatchdogOptions
from relay.wording import clock, figure, lasting

STUCK = ("run_stalled", "run_silent", "events_missing")
"""Of one run, one of these at a time."""
WHILE_RUNNING = (*STUCK, "run_overdue", "phase_slow")
"""Over when the run is."""
API_AHEAD = timedelta(minutes=1)
"""The API's progress must have moved so long after the last event to show that events are missing."""
UNTOLD_END = timedelta(minutes=3)
"""The API has been idle for so long, and the history has had time to tell: the run is over."""


class Supervision:
    """Watches the open runs."""

    def __init__(
        self, agenda: Agenda, runs: Runs, alerts: Alerts, hearing_since: Callable[[], datetime | None]
    ) -> None:
        """`hearing_since` tells since when the relay is subscribed without a gap; None when it is not."""
        self._agenda = agenda
        self._runs = runs
        self._alerts = alerts
        self._hearing_since = hearing_since
        self._api_progress: object = None
        self._api_moved_at: datetime | None = None
        self._idle_since: datetime | None = None
        self.wants_history = False
        """The API's history would tell how a run ended that it no longer shows."""

    def tick(self, now: datetime, api: ApiView, options: WatchdogOptions) -> list[Announcement]:
        """Look at every open run, and at what is still said about those that have ended."""
        self._watch_api(now, api)
        self.wants_history = False
        said: list[Announcement] = []
        for run in self._runs.open:
            said += self._untold_end(run, now, api, options)
            if run.state.is_open:
                since = self._hearing_since()
                said += self._stuck(run, now, api, options, since) if since else []  # else the silence is our own
                said += self._overdue(run, now, options)
                said += self._slow(run, now, options)
        return said + self._over(now)

    def _watch_api(self, now: datetime, api: ApiView) -> None:
        """Since when the API's own progress stands still, and since when it is idle."""
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

    def _untold_end(self, run: Run, now: datetime, api: ApiView, options: WatchdogOptions) -> list[Announcement]:
        """The API is idle, and events do not come: the run is over, and nobody said how."""
        idle = self._idle_since
        if idle is None or not api.answered_since(run.last_seen) or now - run.last_seen < UNTOLD_END / 6:
            return []
        self.wants_history = True
        if now - max(idle, run.last_seen) < max(UNTOLD_END, timedelta(seconds=options.stall_after)):
            return []
        finished = [phase for phase, its in run.phases.items() if its.state is State.COMPLETED]
        if set(run.expected) <= set(finished):
            reason = "all phases had completed, TickStockPL is idle, and its history does not know the run"
            return self._runs.end(run, State.COMPLETED, now, ended_at=run.last_seen, reason=reason)
        reason = "TickStockPL is idle, and nobody told how the run ended"
        return self._runs.end(run, State.FAILED, now, ended_at=run.last_seen, reason=reason)

    def _stuck(
        self, run: Run, now: datetime, api: ApiView, options: WatchdogOptions, since: datetime
    ) -> list[Announcement]:
        """At most one of: events are missing, both are silent, stalled."""
        heard_at = max(self._runs.last_heard or since, since, run.last_seen)
        silent_for = (now - heard_at).total_seconds()
        phase = run.current_phase
        moved_at = max(run.phases[phase].moved_at if phase else run.last_seen, since)
        still_for = (now - moved_at).total_seconds()
        is_silent = silent_for >= options.silent_after
        moved = self._api_moved_at
        api_moves = (
            moved is not None and moved > heard_at + API_AHEAD and (now - moved).total_seconds() < options.silent_after
        )
        key = next((alert.name for alert in self._alerts.about(run.run_id) if alert.name in STUCK), None)
        if run.events == 0:
            found = "events_missing" if (now - run.first_seen).total_seconds() >= options.deaf_after else None
        elif self._idle_since is not None:
            found = None  # it is over rather than stuck: `_untold_end`
        elif run.state is State.STALLED:
            found = "run_stalled"  # until it moves: other events do not end it
        elif is_silent and api.is_running and api_moves:
            found = "events_missing"
        elif is_silent and not api.answers:
            found = "run_silent"
        else:
            found = "run_stalled" if is_silent or still_for >= options.stall_after else None
        said: list[Announcement] = []
        if found is None:
            return self._unstuck(run, key, now) if key else []
        if key is None:
            if found == "run_stalled":
                said += self._runs.stall(run, now)
            seconds = min(still_for, silent_for) if is_silent else still_for
            say = {
                "run_stalled": self._say_stalled,
                "run_silent": self._say_silent,
                "events_missing": self._say_missing,
            }
            said += say[found](run, phase, now, api, seconds)
        return said

    def _unstuck(self, run: Run, name: str, now: datetime) -> list[Announcement]:
        phase = run.current_phase
        its = run.phases[phase] if phase else None
        where = f" in the {phase} phase" if phase else ""
        symbol = f", at {its.last_symbol}" if its and its.last_symbol else ""
        reached = f", {figure(its.percent)} % done" if its and its.percent is not None else ""
        return self._alerts.resolve(f"{name}:{run.run_id}", now, f"The run goes on{where}{symbol}{reached}.")

    def _say_stalled(
        self, run: Run, phase: Phase | None, now: datetime, api: ApiView, seconds: float
    ) -> list[Announcement]:
        its = run.phases[phase] if phase else None
        where = f"in the {phase} phase" if phase else "between two phases"
        parts = [f"Its last progress was {lasting(seconds)} ago"]
        if its is not None and its.percent is not None:
            parts.append(f" at {figure(its.percent)} %")
        if its is not None and its.symbols_processed is not None and its.symbols_total:
            parts.append(f" ({its.symbols_processed} of {its.symbols_total} symbols)")
        symbol = its.last_symbol if its is not None else run.last_symbol
        parts.append(f"; the last symbol was {symbol}" if symbol else "; no symbol was named")
        parts.append(f". The run began at {clock(run.began)}.")
        if api.is_running:
            parts.append(" The API still calls it running.")
        parts.append(" Look at the job's log around that symbol; `tickstock-relay cancel` ends the run.")
        return self._alerts.set(
            f"run_stalled:{run.run_id}",
            True,
            now,
            severity=Severity.ERROR,
            title=f"{_name(run)} has stalled {where}",
            message="".join(parts),
            run_id=run.run_id,
            facts=_facts(run, phase=phase, last_symbol=symbol),
        )

    def _say_silent(
        self, run: Run, phase: Phase | None, now: datetime, api: ApiView, seconds: float
    ) -> list[Announcement]:
        since = f" since {clock(api.failing_since)}" if api.failing_since else ""
        return self._alerts.set(
            f"run_silent:{run.run_id}",
            True,
            now,
            severity=Severity.CRITICAL,
            title=f"{_name(run)} went silent, and TickStockPL does not answer",
            message=(
                f"No event of any kind has come for {lasting(seconds)}, {f'in the {phase} phase' if phase else ''}"
                f" and the API has not answered{since}{f' ({api.error})' if api.error else ''}."
                f" The last symbol was {run.last_symbol or 'not named'}. TickStockPL, its host or Redis may be down:"
                " look whether its processes live."
            ),
            run_id=run.run_id,
            facts=_facts(run, phase=phase, last_symbol=run.last_symbol),
        )

    def _say_missing(
        self, run: Run, phase: Phase | None, now: datetime, api: ApiView, seconds: float
    ) -> list[Announcement]:
        told = f"no event of it has come since {clock(run.last_seen)}" if run.events else "no event has told of it"
        others = (
            "Other events do come, so the relay hears, and this run is not published"
            if self._runs.last_heard and (now - self._runs.last_heard).total_seconds() < seconds
            else "No other event comes either, so the relay may be deaf, or nothing reaches Redis"
        )
        progress = f" at {figure(api.status.progress)} %" if api.status and api.status.progress is not None else ""
        return self._alerts.set(
            f"events_missing:{run.run_id}",
            True,
            now,
            severity=Severity.ERROR,
            title=f"{_name(run)} is running, but its events do not arrive",
            message=(
                f"The API shows it running{progress}{f' in the {phase} phase' if phase else ''}, and {told}. {others}:"
                " compare the Redis URL and the channel patterns here with TickStockPL's, and look at its Redis errors."
            ),
            run_id=run.run_id,
            facts=_facts(run, phase=phase, last_symbol=run.last_symbol),
        )

    def _overdue(self, run: Run, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        slot = self._agenda.current
        deadline = slot.due if slot is not None and slot.run_id == run.run_id else run.began
        overdue = now >= deadline + timedelta(seconds=options.finish_grace)
        if not overdue or any(alert.name in STUCK for alert in self._alerts.about(run.run_id)):
            return []
        phase = run.current_phase
        reached = run.phases[phase].percent if phase else None
        at = f" in the {phase} phase" if phase else ""
        done = f" at {figure(reached)} %" if reached is not None else ""
        return self._alerts.set(
            f"run_overdue:{run.run_id}",
            True,
            now,
            severity=Severity.ERROR,
            title=f"{_name(run)} is still going on",
            message=(
                f"It began at {clock(run.began)} and should have ended by"
                f" {clock(deadline + timedelta(seconds=options.finish_grace))}; it is{at}{done}."
                " The day's results will be late: look at what that phase is waiting for."
            ),
            run_id=run.run_id,
            facts=_facts(run, phase=phase, last_symbol=run.last_symbol),
        )

    def _slow(self, run: Run, now: datetime, options: WatchdogOptions) -> list[Announcement]:
        if any(alert.name in WHILE_RUNNING for alert in self._alerts.about(run.run_id)):
            return []
        said: list[Announcement] = []
        for phase, its in run.phases.items():
            lasted = (now - (its.started_at or its.first_seen)).total_seconds()
            limit = options.phase_limits.of(phase)
            if not its.state.is_open or lasted < limit:
                continue
            usual = Expectations(options.learned, self._runs.newest_first(), run).phase(phase)
            if usual is not None and lasted < usual.high:
                continue
            said += self._alerts.set(
                f"phase_slow:{run.run_id}:{phase}",
                True,
                now,
                severity=Severity.WARNING,
                title=f"{_name(run)}: the {phase} phase takes long",
                message=f"It has been going on for {lasting(lasted)}; {lasting(limit)} is the limit. It gets on"
                f"{f', at {figure(its.percent)} %' if its.percent is not None else ''}: the run will end late.",
                run_id=run.run_id,
                facts=_facts(run, phase=phase, last_symbol=its.last_symbol),
            )
        return said

    def _over(self, now: datetime) -> list[Announcement]:
        """What was said of a run that goes on is over when the run is, or the phase."""
        said: list[Announcement] = []
        for alert in self._alerts.firing():
            if alert.name not in WHILE_RUNNING or alert.run_id is None:
                continue
            run = self._runs.get(alert.run_id)
            if run is None or not run.state.is_open:
                how = f"The run has ended: {run.state}." if run else "The run is long over."
                said += self._alerts.resolve(alert.key, now, how)
            elif alert.name == "phase_slow" and run.current_phase != alert.facts.get("phase"):
                said += self._alerts.resolve(alert.key, now, "The phase has ended.")
        return said


def _name(run: Run) -> str:
    began = run.began
    which = "scheduled run" if run.is_scheduled else "manual run"
    return f"The {which} of {began:%a} {began.day} {began:%b}"


def _facts(run: Run, *, phase: Phase | None, last_symbol: str | None) -> dict[str, str]:
    known = {"run_date": run.run_date, "phase": phase.value if phase else None, "last_symbol": last_symbol}
    return {name: value for name, value in known.items() if value is not None}
