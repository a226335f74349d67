"""The whole state of an incident as its event carries it: facts, and all words in plain text. Pure.

The payload's fields are documented in docs/alerts.md, "The incident event". Who shows an incident only draws what
stands here, and escapes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from relay.config.watchdog import LearnedOptions
from relay.events import SEVERITIES, utc_text
from relay.events.wording import NEW_YORK, clock_time, day_name, duration
from relay.runs.findings import Usable
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.watchdog.baseline import Baseline
from relay.watchdog.incident.errors import worst
from relay.watchdog.incident.facts import (
    action_facts,
    alert_facts,
    by_name,
    day_label,
    run_facts,
    severity_of,
    silence_command,
    small_print,
)
from relay.watchdog.incident.lists import error_list, first_clause, lock_screen, phase_list
from relay.watchdog.incident.other_words import of_alert, of_day, of_error_rate, of_errors
from relay.watchdog.incident.record import Face, Incident, IncidentKind, Part, Stage
from relay.watchdog.incident.run_words import OF_RUN, eased
from relay.watchdog.incident.text import Data, Facts, Words, day_of, minute, uncapitalised
from relay.watchdog.result_check import data_usable, last_good
from relay.watchdog.soundness import is_sound

STARTS = ("never_started", "run_not_planned")
"""Alerts about a day whose run did not start."""


@dataclass(frozen=True, slots=True)
class IncidentState:
    """An incident at one moment. `lead` is the alert that the headline is about."""

    words: Words
    lead: Part | None
    run: Run | None
    again: Run | None
    payload: dict[str, Any]


class Teller:
    """Puts an incident into words and facts."""

    def __init__(self, runs: Runs, learned: Callable[[], LearnedOptions]) -> None:
        """`learned` tells how it is worked out what is usual."""
        self._runs = runs
        self._learned = learned

    def state(self, incident: Incident, now: datetime) -> IncidentState:
        """The incident as it is at `now`; while it fires, its `face` is brought up to date."""
        lead = _lead(incident)
        run = self._run(incident.run_id)
        words = self._words(incident, lead, now)
        phases = phase_list(run, self._baseline(run)) if run is not None else []
        if incident.stage is Stage.FIRING:
            _remember(incident, lead, words, phases, now)
        face = incident.face
        if incident.is_over and face is not None:
            is_mended_by_itself = incident.cleared_by is not None and incident.cleared_by == incident.run_id
            phases = phases if is_mended_by_itself else face.phases
        again = self._again(incident)
        payload = self._payload(incident, words, now) | {
            "phases": phases,
            "again": self._of_again(again),
            "run": run_facts(run),
            "text": self._text(incident, words, again),
            "context": small_print(incident, lead, now),
        }
        return IncidentState(words, lead, run, again, payload)

    def words_of(self, incident: Incident, part: Part, now: datetime) -> Words:
        """How one of its alerts reads while it fires."""
        run = self._run(part.run_id) or self._run(incident.run_id)
        facts = self._facts(incident, run, now)
        if part.name in STARTS:
            return of_day(part, facts)
        if run is not None and part.name == "error_rate":
            return of_error_rate(part, run, worst(incident.groups))
        if run is not None and part.name in OF_RUN:
            return OF_RUN[part.name](part, run, facts)
        return of_alert(part)

    def usual_seconds(self, run: Run) -> float | None:
        """How long such a run usually takes."""
        usual = self._baseline(run).duration()
        return usual.median if usual else None

    def _words(self, incident: Incident, lead: Part | None, now: datetime) -> Words:
        if incident.is_over and incident.face is not None:
            return self._over(incident, incident.face)
        run = self._run(incident.run_id)
        if lead is None or incident.kind is IncidentKind.ERROR:
            return of_errors(incident, run)
        if incident.stage is Stage.EASED:
            return eased(lead, run, self._facts(incident, run, now))
        return self.words_of(incident, lead, now)

    def _over(self, incident: Incident, face: Face) -> Words:
        title = face.title
        of_day = self._sound_or_last(incident)
        if of_day is not None:
            usable = data_usable(of_day)
            data = Data(usable.word, usable.reason)
        elif incident.is_lasting:
            data = Data(Usable.NO, f"{day_label(incident.day)} has no data.")
            title = title.replace("has not started", "never started")
        else:
            data = Data(Usable.UNKNOWN if incident.is_of_a_day else Usable.NOT_AFFECTED)
        return Words(title, face.cause, data, quote=face.quote)

    def _sound_or_last(self, incident: Incident) -> Run | None:
        """The run whose results its day has: that which ended it, if it is of that day, else the one it was about.

        A run of a later day may end an incident, and computes nothing for the day that the incident is about.
        """
        by = self._run(incident.cleared_by)
        return by if by is None or by.run_date == incident.day else self._run(incident.run_id)

    def _payload(self, incident: Incident, words: Words, now: datetime) -> dict[str, Any]:
        severity = severity_of(incident)
        return {
            "incident": incident.id,
            "kind": incident.kind.value,
            "state": incident.stage.value,
            "severity": severity.label,
            "highest": incident.highest.label,
            "reached": {label: utc_text(at) for label, at in incident.reached.items()},
            "quiet_end": incident.is_over and incident.kind is IncidentKind.ERROR,
            "lasting": incident.is_lasting,
            "title": words.title,
            "cause": words.cause,
            "quote": words.quote,
            "cleared": self._cleared(incident),
            "data": self._data(incident, words),
            "actions": [action_facts(action) for action in words.actions] if not incident.is_over else [],
            "began": utc_text(incident.began),
            "changed": utc_text(now),
            "ended": utc_text(incident.ended) if incident.ended else None,
            "timezone": NEW_YORK.key,
            "day": incident.day,
            "errors": error_list(incident),
            "alerts": [alert_facts(part) for part in incident.parts.values()],
            "silence": None if incident.is_over else silence_command(incident.id),
            "url": None,
            "runbook": None,
            "dashboard": None,
            "source": None,
        }

    def _data(self, incident: Incident, words: Words) -> dict[str, Any] | None:
        if incident.kind is IncidentKind.ERROR:
            return None
        day = incident.day
        return {
            "word": words.data.word.value,
            "label": f"Data of {day_label(day)}" if day else "The day's data",
            "short": words.data.word.short,
            "sentence": words.data.sentence,
            "value": words.data.word.gauge,
        }

    def _cleared(self, incident: Incident) -> dict[str, Any] | None:
        """Who ended it, when, and after how long."""
        if not incident.is_over or incident.ended is None:
            return None
        since = incident.face.since if incident.face else incident.began
        seconds = max(0.0, (incident.ended - since).total_seconds())
        by = self._run(incident.cleared_by)
        other = by if by is not None and by.run_id != incident.run_id else None
        last = max(incident.parts.values(), key=lambda part: part.cleared_at or part.fired_at, default=None)
        return {
            "at": utc_text(incident.ended),
            "by_run_id": other.run_id if other else None,
            "by_name": by_name(other, incident.day) if other else None,
            "by_url": None,
            "seconds": seconds,
            "text": f"Cleared {f'by the {by_name(other, incident.day)} ' if other else ''}at {minute(incident.ended)},"
            f" after {duration(seconds)}.",
            "reason": last.resolution if last is not None and by is None else "",
        }

    def _text(self, incident: Incident, words: Words, again: Run | None) -> str:
        if incident.is_over:
            return self._text_of_end(incident, words)
        if again is not None:
            at = f" at {minute(words.moment)}" if words.moment else ""
            return lock_screen(f"{words.title}{at}", self._again_text(again), joint=". ")
        if incident.kind is IncidentKind.ERROR:
            return lock_screen(f"{words.title}, outside any run", first_clause(words.quote or ""), joint=": ")
        at = f" at {minute(words.moment)}" if words.moment else ""
        if "tickstock-relay" in words.short:  # what to do takes the place of the data
            return lock_screen(f"{words.title}{at}", words.short)
        return lock_screen(f"{words.title}{at}", first_clause(words.short), words.data.word.short)

    def _text_of_end(self, incident: Incident, words: Words) -> str:
        title = words.title if incident.is_lasting else f"Cleared: {uncapitalised(words.title)}"
        by = self._run(incident.cleared_by)
        if by is not None and by.ended_at is not None:
            who = f"The {by_name(by, incident.day)}" if by.run_id != incident.run_id else "The run"
            completed = f"{who} completed at {minute(by.ended_at)}"
            return lock_screen(title, f"{completed}{self._of_its_data(incident, by, words)}", joint=". ")
        cleared = self._cleared(incident) or {}
        return lock_screen(title, str(cleared.get("reason") or cleared.get("text", "")), joint=". ")

    def _of_its_data(self, incident: Incident, by: Run, words: Words) -> str:
        """`; the day's data is usable`, or that the day was not run again, where that is so."""
        if by.run_date == incident.day:
            return f"; {uncapitalised(words.data.word.short)}"
        run, day = self._run(incident.run_id), day_of(incident.day)
        is_left = day is not None and (run is None or not is_sound(run))
        return f"; {day_name(day)} was not run again" if day is not None and is_left else ""

    def _again(self, incident: Incident) -> Run | None:
        """A later run of the day that goes on, while the incident is about an earlier one."""
        run = self._run(incident.run_id)
        if not incident.is_of_a_day or incident.is_over or run is None:
            return None
        later = (other for other in reversed(self._runs.open) if other.run_date == incident.day)
        return next((other for other in later if other is not run and other.began > run.began), None)

    def _of_again(self, again: Run | None) -> dict[str, Any] | None:
        if again is None:
            return None
        return {
            "run_id": again.run_id,
            "began": utc_text(again.began),
            "text": f"{self._again_text(again)}.",
            "url": None,
        }

    def _again_text(self, again: Run) -> str:
        by_hand = "" if again.is_scheduled else " by hand"
        usual = self.usual_seconds(again)
        end = again.began + timedelta(seconds=usual or 0)
        ends = f"; ends about {clock_time(end, end)}" if usual else ""
        return f"Run again{by_hand} since {minute(again.began)}{ends}"

    def _facts(self, incident: Incident, run: Run | None, now: datetime) -> Facts:
        usual = self.usual_seconds(run) if run is not None else self._usual_of_days()
        before = run.began if run is not None else incident.began
        good = last_good(self._runs.newest_first(), before)
        last_day = day_of(good.run_date) if good is not None else None
        return Facts(now, day_of(incident.day), run, last_day, usual, worst(incident.groups))

    def _usual_of_days(self) -> float | None:
        last = next((run for run in self._runs.newest_first() if run.is_scheduled), None)
        return self.usual_seconds(last) if last is not None else None

    def _baseline(self, run: Run) -> Baseline:
        return Baseline(self._learned(), self._runs.newest_first(), run)

    def _run(self, run_id: str | None) -> Run | None:
        return self._runs.get(run_id) if run_id is not None else None


def _lead(incident: Incident) -> Part | None:
    """The worst alert that fires; when none does, that which cleared last."""
    firing = incident.firing
    if firing:
        return firing[0]
    return max(incident.parts.values(), key=lambda part: part.cleared_at or part.fired_at, default=None)


def _remember(incident: Incident, lead: Part | None, words: Words, phases: list[dict[str, Any]], now: datetime) -> None:
    """Keep what is told at its worst: the facts of the trouble stay when it is over."""
    severity = lead.severity if lead is not None else severity_of(incident).label
    face = incident.face
    if face is not None and SEVERITIES[severity] < SEVERITIES[face.severity]:
        return
    since = (words.moment or lead.fired_at) if lead is not None else incident.began
    incident.face = Face(
        severity=severity, title=words.title, cause=words.cause, since=min(since, now), quote=words.quote, phases=phases
    )
