"""The day's summary, once a day at the time that `summary` names: a relay event `relay:summary` like any other.

Pure but for the shelf. It judges nothing anew: runs, results and alerts are as they were announced.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from relay.config.watchdog import LearnedOptions
from relay.events import Announcement
from relay.events.incidents import SUMMARY
from relay.events.wording import NEW_YORK, between, clock_time, day_name, duration, figure, plural
from relay.runs.findings import Usable
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import State
from relay.store.shelf import Shelf
from relay.watchdog.alerts import Alerts
from relay.watchdog.baseline import Baseline, Usual
from relay.watchdog.day_log import DayCounts, DayLog
from relay.watchdog.incident.lists import lock_screen
from relay.watchdog.incident.text import minute, uncapitalised, where_of
from relay.watchdog.result_check import DataUsable, data_usable
from relay.watchdog.run_schedule import RunSchedule
from relay.watchdog.soundness import is_sound

LATE = timedelta(hours=1)
"""A relay that was down at that time sends it this much later at most."""
MOST_KINDS = 5
MOST_RUNS = 4
_LAST = "last"


class Summary:
    """Sends the summary of each day that had something to tell."""

    def __init__(
        self,
        shelf: Shelf,
        counts: DayCounts,
        runs: Runs,
        alerts: Alerts,
        schedule: RunSchedule,
        learned: Callable[[], LearnedOptions],
        at: Callable[[], str | None],
    ) -> None:
        """`at` is the time of day in the schedule's zone, `17:30`; None: no summary."""
        self._shelf = shelf
        self.counts = counts
        self._runs = runs
        self._alerts = alerts
        self._schedule = schedule
        self._learned = learned
        self._at = at

    def tick(self, now: datetime) -> list[Announcement]:
        """The day's summary, when its time has come."""
        self.counts.keep()
        at = self._at()
        here = now.astimezone(ZoneInfo(self._schedule.timetable.timezone))
        if at is None or self._shelf.get(_LAST) == here.date().isoformat():
            return []
        late = here - datetime.combine(here.date(), time.fromisoformat(at), here.tzinfo)
        if not timedelta(0) <= late < LATE:
            return []
        self._shelf.put(_LAST, here.date().isoformat())
        runs = self._runs_of(here.date())
        is_of_interest = self._schedule.timetable.has_run(here.date()) or runs or not self.counts.of(now).is_empty
        return [self._summary(here.date(), runs, self.counts.of(now), now)] if is_of_interest else []

    def _runs_of(self, day: date) -> list[Run]:
        """The day's runs, the oldest first."""
        return [run for run in self._runs.newest_first() if run.run_date == day.isoformat()][::-1]

    def _summary(self, day: date, runs: Sequence[Run], log: DayLog, now: datetime) -> Announcement:
        course = self._course(day, runs)
        usable = _usable(runs)
        errors = sum(log.errors.values())
        counts = f"{plural(errors, 'error')}, {plural(log.alerts, 'alert')}"
        firing = len(self._alerts.firing())
        if usable.word is Usable.NOT_YET:
            state = "busy"
        else:
            state = "good" if usable.word is Usable.YES and not firing else "bad"
        coming = self._schedule.coming
        payload: dict[str, Any] = {
            "day": day.isoformat(),
            "title": f"{day_name(day)}: {course}",
            "text": lock_screen(f"{day_name(day)}: {course}", f"{usable.word.short} {counts}", joint=". "),
            "cause": f"{usable.word.short} {usable.reason}".strip(),
            "data": {"word": usable.word.value, "sentence": usable.reason, "value": usable.word.gauge},
            "state": state,
            "fields": [*self._of_runs(runs), *_of_log(log, firing)],
            "context": [f"next run {clock_time(coming.due, now, named=True)}"] if coming else [],
            "timezone": NEW_YORK.key,
        }
        return Announcement(channel=SUMMARY, event="summary", payload=payload)

    def _course(self, day: date, runs: Sequence[Run]) -> str:
        """What became of the day's run: `failed in patterns at 16:42 EST, run again since 17:02`."""
        ended = [run for run in runs if not run.state.is_open]
        going = [run for run in runs if run.state.is_open]
        if not runs:
            return "its run has not started" if self._schedule.timetable.has_run(day) else "no run"
        before = _ended(ended[-1]) if ended else ""
        if not going:
            return before
        since = clock_time(going[-1].began, going[-1].began)
        return f"{before}, run again since {since}" if before else f"in progress since {since}"

    def _of_runs(self, runs: Sequence[Run]) -> list[dict[str, str]]:
        fields = [_field(_run_title(run), _run_text(run)) for run in runs[-MOST_RUNS:]]
        ended = [run for run in runs if not run.state.is_open]
        if not ended:
            return fields
        run = ended[-1]
        baseline = Baseline(self._learned(), self._runs.newest_first(), run)
        if run.duration_seconds is not None:
            fields.append(_field("Duration", f"{duration(run.duration_seconds)}{_usual_span(baseline.duration())}"))
        for name, label in (("indicators_calculated", "Indicators"), ("patterns_detected", "Patterns")):
            number = getattr(run, name)
            usual = baseline.count(name)
            if number is not None:
                fields.append(_field(label, f"{figure(number)}{f', usually {figure(usual.median)}' if usual else ''}"))
        return fields


def _usable(runs: Sequence[Run]) -> DataUsable:
    """Of the day: not yet while a run goes on, else of the last sound result, else of the last run."""
    if not runs:
        return DataUsable(Usable.NO, "Nothing has been computed.")
    if runs[-1].state.is_open:
        return data_usable(runs[-1])
    return data_usable(next((run for run in reversed(runs) if is_sound(run)), runs[-1]))


def _ended(run: Run) -> str:
    title = run.findings[0].title if run.findings else run.state.value
    return f"{uncapitalised(title)} at {minute(run.ended_at)}" if run.ended_at else uncapitalised(title)


def _run_title(run: Run) -> str:
    return f"{clock_time(run.began, run.began)} run{'' if run.is_scheduled else ', by hand'}"


def _run_text(run: Run) -> str:
    phase = where_of(run)
    if run.state.is_open:
        percent = run.phases[phase].percent if phase else None
        reached = f", {figure(percent)} %" if percent is not None else ""
        return f"in {phase}{reached}" if phase else "between two phases"
    after = f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""
    where = f" in {phase}" if phase and run.state is not State.COMPLETED else ""
    return f"{run.state.value}{where}{after}"


def _of_log(log: DayLog, firing: int) -> list[dict[str, str]]:
    most = sorted(log.errors.items(), key=lambda one: -one[1])
    kinds = [f"{figure(number)} {kind}" for kind, number in most[:MOST_KINDS]]
    others = sum(number for _, number in most[MOST_KINDS:])
    errors = "\n".join([*kinds, *([f"{figure(others)} others"] if others else [])])
    gaps = "; ".join(f"{duration(seconds)} at {clock_time(since, since)}" for since, seconds in log.gaps)
    silenced = [plural(log.silenced_alerts, "alert")] * (log.silenced_alerts > 0)
    silenced += [plural(log.silenced_errors, "error")] * (log.silenced_errors > 0)
    return [
        _field("Errors", errors or "none"),
        _field("Alerts", f"{log.alerts}: {firing} firing, {log.cleared} cleared" if log.alerts else "none"),
        _field("Gaps", gaps or "none"),
        _field("Silenced", ", ".join(silenced) or "nothing"),
    ]


def _usual_span(usual: Usual | None) -> str:
    return f", usually {between(usual.low, usual.high)}" if usual else ""


def _field(name: str, text: str) -> dict[str, str]:
    return {"name": name, "text": text}
