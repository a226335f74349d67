"""A run without trouble, for `runs: all`: its start and its end as states like those of an incident. Pure.

Its message is the incident's, should trouble come: both have the run's id.
"""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from relay.events import Event, Severity
from relay.events.values import is_by_hand
from relay.events.wording import clock_time, duration, figure, run_title
from sinks.slack.incident import COMPLETED, RUNNING, Incident

RUN_STARTED, RUN_CHECKED = "relay:run:started", "relay:run:checked"
"""That a run has completed is no good news before its result was checked."""
CHANNELS = "relay:run:"
"""How the channels begin on which the relay tells of runs and phases."""


def state_of(event: Event, zone: ZoneInfo, label: str = "") -> Incident | None:
    """What is told of a run that starts or completes; None for all else that is told of runs.

    `label` is the installation's name, where it stands in titles.
    """
    if event.channel not in {RUN_STARTED, RUN_CHECKED} or not event.run_id:
        return None
    payload = event.payload
    if event.channel == RUN_CHECKED and (payload.get("sound") is not True or payload.get("findings")):
        return None  # its incident tells of it
    name = _name(event, zone)
    began = _clock(payload.get("started_at"), zone) or _clock(event.time, zone)
    if event.channel == RUN_STARTED:
        title = f"{name} is in progress"
        return _state(event, RUNNING, title, f"It began at {began}.", [f"began {began}"], label)
    seconds = payload.get("duration_seconds")
    took = f" after {duration(seconds)}" if isinstance(seconds, int | float) else ""
    ended = _clock(payload.get("ended_at"), zone) or _clock(event.time, zone)
    return _state(event, COMPLETED, f"{name} completed", f"It completed at {ended}{took}.", _counts(payload), label)


def _state(event: Event, state: str, title: str, words: str, context: list[str], label: str) -> Incident:
    return Incident(
        incident=event.run_id or "",
        kind="run",
        state=state,
        severity=Severity.INFO.label,
        title=title,
        text=f"{title}: {words[:1].lower()}{words[1:]}",
        cause=words,
        context=context,
        url=url if isinstance(url := event.payload.get("url"), str) else "",
        source=label,
    )


def _name(event: Event, zone: ZoneInfo) -> str:
    """`Run of Mon 27 Jan`, `Manual run of Mon 27 Jan 17:02`."""
    payload = event.payload
    began = _moment(payload.get("started_at"))
    try:
        day = date.fromisoformat(str(payload.get("run_date")))
    except ValueError:
        day = (began or event.time).astimezone(zone).date()
    return run_title(day, began, by_hand=is_by_hand(payload.get("trigger_type")), zone=zone)


def _counts(payload: dict[str, Any]) -> list[str]:
    """What it came to, as far as it said so."""
    names = {"symbols_processed": "symbols", "indicators_calculated": "indicators", "patterns_detected": "patterns"}
    given = {shown: payload.get(name) for name, shown in names.items()}
    return [f"{figure(number)} {shown}" for shown, number in given.items() if isinstance(number, int | float)]


def _clock(value: object, zone: ZoneInfo) -> str:
    moment = _moment(value)
    return clock_time(moment, moment, zone=zone, named=True) if moment else ""


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
