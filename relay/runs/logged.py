"""One event, and one group of errors, as the log of a run keeps them: short, and readable without the event. Pure."""

from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from relay.events import Event
from relay.events.errors import error_group, error_message
from relay.events.values import WHOLE, text
from relay.redaction.built_in import fields_without_secrets, shortened, shortened_to_end
from relay.runs.run import error_category

MAX_TEXT = 300
MAX_MESSAGE = 1500
MAX_TRACEBACK = 8000
MAX_FACTS = 12
_TOLD_APART = frozenset({"run_id", "job_id", "session_id", "timestamp", "phase", "severity", "message", "error_code"})
"""Fields that the row of an event shows elsewhere, or that say nothing to people."""


class LoggedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One row of a run's events; `text` is as it came from the wire."""

    at: datetime
    phase: str | None
    severity: str
    event: str
    channel: str
    text: str


class LoggedError(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Errors of one run that say the same. Texts are the newest one's, as they came from the wire."""

    group: str
    """What `relay.events.errors.error_group` says of each of them."""
    code: str
    component: str
    severity: str
    message: str
    first: datetime
    last: datetime
    channel: str = ""
    source: str | None = None
    phase: str | None = None
    count: int = 0
    recovery: str | None = None
    context: dict[str, str] = {}
    traceback: str | None = None


def logged_error(event: Event, now: datetime) -> LoggedError:
    """A group that begins with this error, still counting none."""
    payload = event.payload
    return LoggedError(
        group=error_group(event),
        code=shortened(payload.get("error_code"), 80) or shortened(payload.get("category"), 80) or event.severity.label,
        component=shortened(payload.get("component"), 80) or "",
        severity=event.severity.label,
        message="",
        first=now,
        last=now,
        channel=event.channel,
        source=event.source,
    )


def count_error(group: LoggedError, event: Event, now: datetime) -> None:
    """One more error of the group."""
    payload = event.payload
    group.count += 1
    group.last = now
    group.message = shortened(error_message(event), MAX_MESSAGE) or error_category(event)
    group.phase = event.phase or shortened(payload.get("phase"), 40) or group.phase
    group.recovery = shortened(payload.get("recovery_action"), MAX_TEXT) or group.recovery
    group.traceback = _traceback(payload.get("traceback")) or group.traceback
    context = payload.get("context")
    if isinstance(context, dict):
        group.context = {
            shortened(name, 60) or "": value
            for name, value in _facts(context)
            if value and name not in ("run_id", "phase")
        }


def logged_event(event: Event) -> LoggedEvent:
    """The row of an event."""
    try:
        words = _words(event.payload)
    except (ValueError, RecursionError):  # a payload that cannot be decoded after all
        words = ""
    phase = event.phase.value if event.phase else None
    return LoggedEvent(event.received, phase, event.severity.label, event.event, event.channel, words)


def _words(payload: dict[str, Any]) -> str:
    code = shortened(payload.get("error_code"), 80)
    if message := text(payload.get("message"), WHOLE):
        return shortened(f"{code}: {message}" if code else message, MAX_TEXT) or ""
    others = {name: value for name, value in payload.items() if name not in _TOLD_APART}
    return shortened(", ".join(f"{name} {value}" for name, value in _facts(others)), MAX_TEXT) or ""


def _facts(values: dict[str, Any]) -> list[tuple[str, str]]:
    """The first facts that are short texts or numbers, without those whose names say that they are secret."""
    plain = ((str(name), value) for name, value in values.items() if isinstance(value, str | int | float | bool))
    facts = {name: shortened(str(value), MAX_TEXT) or "" for name, value in islice(plain, MAX_FACTS)}
    return list(fields_without_secrets(facts).items())


def _traceback(value: object) -> str | None:
    """The end of it, where the cause stands; some publishers send a list of lines."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return shortened_to_end(value.strip(), MAX_TRACEBACK) or None if isinstance(value, str) else None
