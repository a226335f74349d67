"""Is today's run all right? One glance's answer, from the day's slot, its run and the alerts about it. Pure.

It judges nothing anew: what is late or missed, slow or empty, the watchdog has said; here it is put into one sentence.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from functools import partial
from zoneinfo import ZoneInfo

from relay.events import SEVERITIES, Severity
from relay.events.wording import between, clock_time, duration, figure, percent, plural
from relay.runs.signals import State
from relay.schedule.timetable import Timetable
from relay.status.snapshot import Mood, RunView, Today
from relay.watchdog.alerts import Alert
from relay.watchdog.run_schedule import ScheduledRun

A_WEEK = 7

_MOODS: dict[str, Mood] = {
    State.DUE: "waiting",
    State.LATE: "bad",
    State.MISSED: "bad",
    State.RUNNING: "busy",
    State.STALLED: "bad",
    State.COMPLETED: "good",
    State.FAILED: "bad",
    State.CANCELLED: "warning",
    State.PARTIAL: "warning",
}
_VERBS = {
    State.DUE: "is due now",
    State.LATE: "is late",
    State.MISSED: "never started",
    State.RUNNING: "is in progress",
    State.STALLED: "has stalled",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "was cancelled",
    State.PARTIAL: "completed partially",
}
_ENDED_MOODS: dict[str, Mood] = {"bad": "bad", "warn": "warning"}
"""By the tone of an ended run's result."""


def today(
    current: ScheduledRun | None,
    coming: ScheduledRun | None,
    runs: Sequence[RunView],
    alerts: Iterable[Alert],
    now: datetime,
    *,
    timezone: str,
    enabled: bool = True,
) -> Today:
    """Tell of the slot whose time came last, and of the next.

    `runs` are the last ones, the newest first, `alerts` those that fire.
    """
    zone = ZoneInfo(timezone)
    run = _run_of(current, runs)
    state = run.state if run else current.state.value if current else "unknown"
    is_the_scheduled = current is not None and (run is None or run.run_id == current.run_id)
    day = current.day if current and is_the_scheduled else run.began.astimezone(zone).date() if run else None
    about = _about(run, current, day, now.astimezone(zone).date())
    excused = current is not None and current.is_excused and run is None
    mood: Mood = "waiting" if excused else _MOODS.get(state, "waiting")
    if run is not None:
        mood = _darker(mood, alerts, run)
    return Today(
        state=state,
        mood=mood,
        headline=_headline(about, state, run, excused=excused),
        detail=_of_run(run, zone, now) if run else _of_scheduled(current, zone, now, excused=excused),
        day=day,
        due=current.due if current else None,
        run_id=run.run_id if run else None,
        next_due=coming.due if coming and enabled else None,
        next_note="" if enabled else "TickStockPL's schedule is switched off.",
    )


def scheduled_runs(
    timetable: Timetable, known_since: datetime, now: datetime, grace: float
) -> tuple[ScheduledRun | None, ScheduledRun | None]:
    """The last and the next slot by the timetable alone, for a relay that runs without its watchdog.

    What was due before `known_since` is not held against anybody. `grace` is in seconds.
    """
    last, following = timetable.last_due(now), timetable.next_due(now)
    coming = ScheduledRun(day=timetable.day_of(following), due=following) if following else None
    if last is None or last < known_since:
        return None, coming
    is_late = (now - last).total_seconds() > grace
    return ScheduledRun(day=timetable.day_of(last), due=last, state=State.LATE if is_late else State.DUE), coming


def _run_of(current: ScheduledRun | None, runs: Sequence[RunView]) -> RunView | None:
    """The run to tell of: the slot's, as the watchdog has settled it; once that is over, one that goes on."""
    going = next((run for run in runs if run.is_open), None)
    if current is None:
        return going or next(iter(runs), None)
    its = next((run for run in runs if current.run_id and run.run_id == current.run_id), None)
    if its is not None:
        return its if its.is_open else going or its
    is_waited_for = current.is_open and not current.is_excused
    return None if is_waited_for else going


def _darker(mood: Mood, alerts: Iterable[Alert], run: RunView) -> Mood:
    """A run about which alerts fire, or whose result is not sound, is not simply good."""
    worst = max((SEVERITIES.get(one.severity, Severity.ERROR) for one in alerts if one.run_id == run.run_id), default=0)
    moods: list[Mood] = [mood]
    moods += ["bad" if worst >= Severity.ERROR else "warning"] if worst else []
    moods += [_ENDED_MOODS[run.tone]] if run.findings and run.tone in _ENDED_MOODS else []
    return next((each for each in ("bad", "warning") if each in moods), mood)


def _about(run: RunView | None, current: ScheduledRun | None, day: date | None, here: date) -> str:
    if run is not None and not run.is_scheduled and (current is None or run.run_id != current.run_id):
        return "A manual run"
    return f"{_whose(day, here)} run" if day else "A run"


def _whose(day: date, here: date) -> str:
    """`Today's`, `Yesterday's`, `Friday's`, `The 24 Nov`."""
    days = (here - day).days
    if days == 0:
        return "Today’s"  # noqa: RUF001 - typography
    if days == 1:
        return "Yesterday’s"  # noqa: RUF001
    return f"{day:%A}’s" if 0 < days < A_WEEK else f"The {day.day} {day:%b}"  # noqa: RUF001


def _headline(about: str, state: str, run: RunView | None, *, excused: bool) -> str:
    if state == "unknown":
        return "No run is known yet"
    if excused:
        return f"{about} was not planned"
    if run is not None and state == State.COMPLETED and run.findings:
        return f"{about} {run.result}"
    return f"{about} {_VERBS.get(State(state), state)}"


def _of_scheduled(scheduled: ScheduledRun | None, zone: ZoneInfo, now: datetime, *, excused: bool) -> str:
    if scheduled is None:
        return "The relay has not seen a run since it was set up."
    if excused:
        return "TickStockPL’s schedule was off, or said beforehand that it would not run."  # noqa: RUF001
    waited = duration((now - scheduled.due).total_seconds())
    due = f"It was due at {clock_time(scheduled.due, now, zone=zone, named=True)}"
    if scheduled.state is State.MISSED:
        return f"{due}, and nothing was heard of it."
    return f"{due}, {waited} ago; nothing has been heard of it yet."


def _of_run(run: RunView, zone: ZoneInfo, now: datetime) -> str:
    facts = [_course(run, zone, now)]
    done = []
    if run.symbols_processed:
        rate = f", {percent(run.success_rate)} of them well" if run.success_rate is not None else ""
        done.append(f"{figure(run.symbols_processed)} symbols{rate}")
    if run.patterns_detected:
        done.append(f"{figure(run.patterns_detected)} patterns")
    if run.errors:
        done.append(plural(run.errors, "error"))
    if done and not run.is_open:
        facts.append(f"{' · '.join(done)}.")
    if run.reason:
        facts.append(f"Reason: {run.reason}")
    return " ".join(facts)


def _course(run: RunView, zone: ZoneInfo, now: datetime) -> str:
    clock = partial(clock_time, today=now, zone=zone, named=True)
    usual = f" (usually {between(run.usual.low, run.usual.high)})" if run.usual else ""
    if run.is_open:
        soon = f"; it should end at {clock(run.eta)}" if run.eta and run.eta > now else ""
        return f"Began at {clock(run.began)}, {duration((now - run.began).total_seconds())} ago{soon}{usual}."
    ended = f"Ended at {clock(run.ended)}" if run.ended else "Ended"
    took = f" after {duration(run.seconds)}{usual}" if run.seconds is not None else ""
    return f"{ended}{took}."
