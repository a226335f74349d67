"""Facts of an incident as its payload lists them, and the small print. Pure."""

import shlex
from datetime import UTC, datetime
from typing import Any

from relay.events import SEVERITIES, Severity, utc_text
from relay.events.wording import NEW_YORK, clock_time, day_name, plural
from relay.runs.run import Run
from relay.watchdog.incident.record import Incident, IncidentKind, Part, Stage
from relay.watchdog.incident.text import Action, day_of, second, short_day


def silence_command(incident_id: str) -> str:
    """What keeps it quiet for two hours; the id may come from the wire, and is pasted into a shell."""
    return f"tickstock-relay silence add --for 2h --incident {shlex.quote(incident_id)}"


def by_name(run: Run, day: str | None) -> str:
    """`17:02 run`, of another day `run of Tue 28 Jan`."""
    of_day = day_of(run.run_date)
    if run.run_date == day or of_day is None:
        return f"{clock_time(run.began, run.began)} run"
    return f"run of {day_name(of_day)}"


def severity_of(incident: Incident) -> Severity:
    """How bad it is now."""
    if incident.stage is not Stage.FIRING:
        return Severity.INFO
    labels = [part.severity for part in incident.firing] + [group.severity for group in incident.groups]
    return max((SEVERITIES[label] for label in labels), default=Severity.WARNING)


def day_label(day: str | None) -> str:
    """`27 Jan`, or `the day`."""
    found = day_of(day)
    return short_day(found) if found else "the day"


def action_facts(action: Action) -> dict[str, Any]:
    """One step of what to do."""
    return {"text": action.text, "command": action.command}


def alert_facts(part: Part) -> dict[str, Any]:
    """One of its alerts."""
    return {
        "alert": part.key,
        "name": part.name,
        "severity": part.severity,
        "state": "firing" if part.is_firing else "cleared",
        "title": part.title,
        "message": part.message,
        "fired": utc_text(part.fired_at),
        "cleared": utc_text(part.cleared_at) if part.cleared_at else None,
        "resolution": part.resolution,
    }


def run_facts(run: Run | None) -> dict[str, Any] | None:
    """The run that the state speaks of."""
    if run is None:
        return None
    return {
        "run_id": run.run_id,
        "name": run.title,
        "manual": not run.is_scheduled,
        "state": run.state.value,
        "began": utc_text(run.began),
        "ended": utc_text(run.ended_at) if run.ended_at else None,
        "seconds": run.duration_seconds,
        "symbols": run.symbols_processed,
        "failed": run.symbols_failed,
        "rate": run.success_rate,
        "indicators": run.indicators_calculated,
        "patterns": run.patterns_detected,
    }


def _span(since: datetime, until: datetime) -> str:
    """`16:28:04 to 17:37:29 EST (21:28 to 22:37 UTC)`; with the days where they differ."""
    here, there = (moment.astimezone(NEW_YORK).date() for moment in (since, until))
    day = here if here == there else None
    local = f"{clock_time(since, day, seconds=True)} to {clock_time(until, day, seconds=True, named=True)}"
    return f"{local} ({clock_time(since, since, zone=UTC)} to {clock_time(until, until, zone=UTC, named=True)})"


def small_print(incident: Incident, lead: Part | None, now: datetime) -> list[str]:
    """The small print: moments in both zones, counts, the alert's name."""
    at = incident.ended or now
    moments = [f"{second(at)} ({clock_time(at, at, zone=UTC, named=True)})"]
    if incident.is_over:
        moments = [_span(incident.began, at)]
    elif incident.number:
        moments.append(f"began {second(incident.began)}")
    groups = len(incident.groups) + len(incident.other_shapes)
    errors = f"{plural(incident.errors, 'error')} in {plural(groups, 'group')}" if incident.errors else ""
    if incident.kind is IncidentKind.ERROR:
        errors = incident.groups[0].severity if incident.groups else ""
    return [*moments, *filter(None, [errors, f"alert {lead.name}" if lead is not None else ""])]
