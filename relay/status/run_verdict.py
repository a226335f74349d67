"""How a run reads: headline, cause, whether its data is usable, what to do. Pure.

Where it has an incident, the incident's words stand; here are those of the states that are no trouble, and of runs
whose incident is not kept any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from relay.events.wording import clock_time, day_name, duration, percent, usually
from relay.runs.findings import Usable
from relay.runs.run import Run
from relay.runs.signals import State
from relay.status.run_report import DataAnswer, Step, Verdict
from relay.status.snapshot import Band, Mood
from relay.watchdog.result_check import data_usable
from relay.watchdog.run_schedule import ScheduledRun

ALERT_ICONS = {
    "never_started": "never",
    "run_stalled": "stalled",
    "run_no_events": "stalled",
    "events_missing": "unknown",
    "run_failed": "failed",
    "run_cancelled": "cancelled",
    "zero_results": "failed",
    "completion_not_reported": "unknown",
    "error_rate": "failed",
}
"""The sign of an alert; of all others, a triangle."""
STATE_ICONS = {
    State.COMPLETED: "ok",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.PARTIAL: "warn",
    State.RUNNING: "running",
    State.STALLED: "stalled",
}
ICON_WORDS = {
    "ok": "Completed",
    "failed": "Failed",
    "stalled": "Stalled",
    "never": "Not started",
    "warn": "Warning",
    "cancelled": "Cancelled",
    "unknown": "Unknown",
    "running": "Running",
    "waiting": "Waiting",
}
MOODS: dict[str, Mood] = {
    "ok": "good",
    "failed": "bad",
    "stalled": "bad",
    "never": "bad",
    "warn": "warning",
    "cancelled": "warning",
    "unknown": "warning",
    "running": "busy",
    "waiting": "waiting",
}
_LOUD = frozenset({"error", "critical", "emergency"})


@dataclass(frozen=True, slots=True)
class Words:
    """What is said about a run."""

    verdict: Verdict
    data: DataAnswer
    steps: list[Step]


def of_incident(incident: Mapping[str, Any]) -> Words:
    """The words of an incident's state, as it was announced."""
    data = incident.get("data") or {}
    again = incident.get("again") or {}
    cleared = incident.get("cleared") or {}
    icon, mood = _look(incident)
    return Words(
        Verdict(
            headline=str(incident.get("title", "")),
            icon=icon,
            mood=mood,
            word="Cleared" if mood == "good" else ICON_WORDS[icon],
            cause=str(incident.get("cause") or ""),
            quote=incident.get("quote"),
            cleared=cleared.get("text"),
            again=again.get("text"),
        ),
        DataAnswer(word=_word(data.get("word")), sentence=str(data.get("sentence") or "")),
        [Step(text=str(one.get("text", "")), command=one.get("command")) for one in incident.get("actions") or ()],
    )


def after(words: Words, incident: Mapping[str, Any]) -> Words:
    """The same, with what had been wrong before."""
    cleared = incident.get("cleared") or {}
    past = f"{incident.get('title', '')}. {cleared.get('text') or ''}".strip()
    return Words(replace(words.verdict, cleared=past), words.data, words.steps)


def _word(word: object) -> Usable:
    try:
        return Usable(str(word))
    except ValueError:
        return Usable.UNKNOWN


def _look(incident: Mapping[str, Any]) -> tuple[str, Mood]:
    """Sign and colour: of its worst alert while one fires, amber when none does, green when a sound run ended it."""
    if incident.get("state") == "over" and not incident.get("lasting"):
        return "ok", "good"
    alerts: list[dict[str, Any]] = list(incident.get("alerts") or ())
    firing = [alert for alert in alerts if alert.get("state") == "firing"] or alerts
    ranked = sorted(firing, key=lambda alert: (alert.get("severity") in _LOUD, alert.get("fired") or ""))
    icon = ALERT_ICONS.get(str(ranked[-1].get("name")), "warn") if ranked else "warn"
    if icon == "never" and str((incident.get("data") or {}).get("word")) == Usable.UNKNOWN and not incident.get("run"):
        return "unknown", "warning"  # there is no sign of it, which is no proof
    if incident.get("state") == "eased":
        return "warn", "warning"
    is_loud = str(incident.get("severity")) in _LOUD or bool(incident.get("lasting"))
    return icon, "bad" if is_loud else "warning"


def of_run(run: Run, name: str, usual: Band | None, eta: datetime | None, next_due: datetime | None) -> Words:
    """The words of a run without an incident. `name` is `Run of Mon 27 Jan`."""
    if run.state.is_open:
        return _going(run, name, eta)
    data = data_usable(run)
    answer = DataAnswer(word=data.word, sentence=data.reason)
    if run.findings:
        worst = run.findings[0]
        icon = ALERT_ICONS.get(worst.name, "warn")
        verdict = _verdict(f"{name} {worst.title}", icon, cause=worst.sentence)
        return Words(verdict, answer, _steps_after(data.word))
    verdict = _verdict(f"{name} {_ended(run)}", STATE_ICONS.get(run.state, "unknown"), cause=_ended_cause(run, usual))
    return Words(verdict, answer, _steps_after(data.word, next_due))


def _going(run: Run, name: str, eta: datetime | None) -> Words:
    phase = run.current_phase
    its = run.phases[phase] if phase else None
    where = "Between two phases"
    if phase and its:
        where = f"In {phase} since {clock_time(its.started_at or its.first_seen, run.began)}"
        where += f", at {percent(its.percent)}" if its.percent is not None else ""
        if its.symbols_total and its.symbols_processed is not None:
            where += f" ({its.symbols_processed:,} of {its.symbols_total:,})"
    is_stalled = run.state is State.STALLED
    end = f"; ends about {clock_time(eta, run.began)}" if eta and not is_stalled else ""
    cause = f"{where}. Began at {clock_time(run.began, run.began, named=True)}{end}."
    headline = f"{name} is stalled in {phase}" if is_stalled else f"{name} is in progress"
    data = data_usable(run)
    return Words(
        _verdict(headline, STATE_ICONS[run.state], cause=cause),
        DataAnswer(word=data.word, sentence=data.reason),
        [Step(text="Nothing now. Watch it:", command="tickstock-relay top")],
    )


def of_day(day: ScheduledRun, name: str, now: datetime, grace_ends: datetime) -> Words:
    """The words of a day whose run has not started, and that has no incident."""
    due = clock_time(day.due, now, named=True)
    none_yet = DataAnswer(word=Usable.NOT_YET, sentence="Nothing is computed before the run.")
    if now < day.due:
        verdict = _verdict(f"{name} is due at {clock_time(day.due, day.day)}", "waiting", cause=f"It is due at {due}.")
        return Words(verdict, none_yet, [Step(text="Nothing.")])
    if day.is_excused:
        verdict = _verdict(
            f"No run on {day_name(day.day)}", "waiting", cause="It was not planned, or the schedule was off."
        )
        return Words(verdict, DataAnswer(word=Usable.NOT_AFFECTED), [Step(text="Nothing.")])
    if now < grace_ends:
        cause = f"Due at {due}; waiting for its first event until {clock_time(grace_ends, now)}."
        return Words(_verdict(f"{name} is due now", "waiting", cause=cause), none_yet, [Step(text="Wait.")])
    verb = "never started" if day.state is State.MISSED else "has not started"
    words = DataAnswer(word=Usable.NO, sentence=f"Nothing of {day_name(day.day)} has been computed.")
    verdict = _verdict(f"{name} {verb}", "never", cause=f"It was due at {due}. No event of a run has come.")
    return Words(verdict, words, [Step(text="Start the run by hand:", command="tickstock-relay trigger")])


def unknown_day(name: str) -> Words:
    """Of a past day of which no run is known."""
    verdict = _verdict(
        f"No sign of the {name[0].lower()}{name[1:]}", "unknown", cause="The relay knows no run of that day."
    )
    steps = [Step(text="Ask TickStockPL:", command="tickstock-relay history --days 30")]
    return Words(verdict, DataAnswer(word=Usable.UNKNOWN), steps)


def _verdict(headline: str, icon: str, *, cause: str) -> Verdict:
    return Verdict(headline=headline, icon=icon, mood=MOODS[icon], word=ICON_WORDS[icon], cause=cause)


def _ended(run: Run) -> str:
    return {
        State.COMPLETED: "completed",
        State.FAILED: "failed",
        State.CANCELLED: "was cancelled",
        State.PARTIAL: "completed partially",
    }.get(run.state, run.state.value)


def _ended_cause(run: Run, usual: Band | None) -> str:
    if run.state is not State.COMPLETED:
        return run.reason or ""
    took = f" in {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""
    known = ""
    if usual and run.duration_seconds:
        is_usual = usual.low <= run.duration_seconds <= usual.high
        known = ", as usual" if is_usual else f", {usually(usual.median, usual.low, usual.high)}"
    hint = "" if usual else " What is usual is known after 5 runs with sound results."
    phases = f"All {len(run.phases)} phases ended well" if run.phases else "It completed"
    return f"{phases}{took}{known}.{hint}"


def _steps_after(word: Usable, next_due: datetime | None = None) -> list[Step]:
    if word is Usable.YES:
        due = f" The next run is due {clock_time(next_due, named=True)}." if next_due else ""
        return [Step(text=f"Nothing.{due}")]
    return [
        Step(text="Look at the errors of this run, below."),
        Step(text="Run the day again:", command="tickstock-relay trigger"),
    ]
