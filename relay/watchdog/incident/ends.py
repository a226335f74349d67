"""Whether an incident fires, has eased or is over. Pure; the one place that decides it.

A run's incident ends with a sound result of its day or a later one; an alert's when it clears; errors outside of any
run when they have not come for a while.
"""

from datetime import datetime, timedelta

from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.watchdog.incident.record import Incident, IncidentKind, Stage
from relay.watchdog.incident.text import moment_of
from relay.watchdog.soundness import is_sound

EARLY = timedelta(minutes=5)
"""How long before it is due a day's run may begin."""


def settle(incident: Incident, runs: Runs, now: datetime, errors_end_after: float) -> None:
    """Bring an incident's stage up to date. `errors_end_after` is in seconds without a repeat."""
    if incident.is_over:
        return
    if incident.run_id is not None and runs.get(incident.run_id) is None:  # it has got its name since
        incident.run_id = _newest_of(incident.day, runs)
    if incident.firing:
        incident.stage = Stage.FIRING
    elif incident.is_of_a_day:
        _settle_day(incident, runs, now)
    elif incident.kind is not IncidentKind.ERROR or _is_quiet(incident, now, errors_end_after):
        _end(incident, now)


def _settle_day(incident: Incident, runs: Runs, now: datetime) -> None:
    """None of its alerts fires: a sound result ends it, or that no run of the day will ever come."""
    incident.run_id = incident.run_id or _newest_of(incident.day, runs)
    never_ran = any(part.facts.get("never_ran") for part in incident.parts.values())
    sound = _sound_since(incident, runs)
    if sound is not None and (sound.run_date == incident.day or not never_ran):
        incident.cleared_by = sound.run_id
        _end(incident, now)
    elif never_ran or (incident.kind is IncidentKind.DAY and incident.run_id is None):
        incident.is_lasting = never_ran
        _end(incident, now)
    elif incident.parts:
        incident.stage = Stage.EASED


def _newest_of(day: str | None, runs: Runs) -> str | None:
    """The newest run of a day."""
    return next((run.run_id for run in runs.newest_first() if run.run_date == day), None)


def _sound_since(incident: Incident, runs: Runs) -> Run | None:
    """The newest run with a sound result since it began: the day run again, else any of its day or a later one."""
    later = (run for run in runs.newest_first() if (run.run_date or "") >= (incident.day or ""))
    ended = [run for run in later if not run.state.is_open and _last_of(run) >= incident.began]
    if incident.kind is IncidentKind.DAY and (due := _due_of(incident)) is not None:
        ended = [run for run in ended if run.began >= due - EARLY]  # one before that has no data of the close
    sound = (run for run in ended if run.is_whole and is_sound(run))
    return max(sound, key=lambda run: (_is_again(run, incident), _last_of(run)), default=None)


def _is_again(run: Run, incident: Incident) -> bool:
    return run.run_date == incident.day and run.run_id != incident.run_id


def _is_quiet(incident: Incident, now: datetime, errors_end_after: float) -> bool:
    return (now - (incident.last_error_at or incident.began)).total_seconds() >= errors_end_after


def _end(incident: Incident, now: datetime) -> None:
    incident.stage = Stage.OVER
    incident.ended = now


def _due_of(incident: Incident) -> datetime | None:
    """When the run of its day was due."""
    due = (moment_of(part.facts.get("due_at")) for part in incident.parts.values())
    return next((moment for moment in due if moment is not None), None)


def _last_of(run: Run) -> datetime:
    """When it ended: by its own word, or by the last that was heard of it."""
    return max(run.ended_at or run.last_seen, run.last_seen)
