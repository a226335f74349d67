"""What a person wants to know of an event: its headline, message, facts, details and traceback, as plain text.

Payloads are as they come: any field may be missing or of another type. Nothing here knows how Slack shows things.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from relay.events import Event, Severity

MAX_VALUE = 400
"""Characters of a value that is no text, written as JSON."""

_TRACEBACKS = ("traceback", "stack_trace", "stacktrace", "stack")
_MESSAGES = ("message", "error_message", "error", "reason", "description")
_SHOWN = frozenset({"severity", "level", "component", "error_code", "category", "context", "run_id", "phase"})
_ENVELOPE = frozenset({"event", "event_type", "timestamp", "source", "version"})
_ALERT = frozenset(
    {"alert", "state", "title", "facts", "since", "until", "duration_seconds", "announced_at", "after_silence"}
)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class AlertNotification:
    """What one event says of an alert of the relay's: that it fires, or that it is resolved."""

    key: str
    resolved: bool
    title: str
    is_lasting: bool = False
    """What it told of is not mended: a day's run that never was. It keeps its colour when it is resolved."""


@dataclass(frozen=True, slots=True)
class Facts:
    """An event, read for people."""

    headline: str
    message: str
    facts: list[tuple[str, str]]
    details: list[tuple[str, str]]
    traceback: str


def alert_of(event: Event) -> AlertNotification | None:
    """What `event` says of an alert, if it is about one."""
    if not event.channel.startswith("relay:"):
        return None
    key, state, title = (event.payload.get(name) for name in ("alert", "state", "title"))
    if not isinstance(key, str) or state not in {"firing", "resolved"}:
        return None
    name = title.removeprefix("Resolved: ") if isinstance(title, str) and title else humanised(key)
    facts = event.payload.get("facts")
    is_lasting = isinstance(facts, dict) and facts.get("never_ran") is True
    return AlertNotification(key, state == "resolved", name, is_lasting)


def is_error(event: Event) -> bool:
    """Whether `event` tells of something that went wrong."""
    return event.severity >= Severity.ERROR or event.domain == "errors" or "error_code" in event.payload


def read(event: Event) -> Facts:
    """Everything of `event` that a message shows."""
    payload = event.payload
    if title := _notice_of(event):
        return Facts(title, _message(payload)[1], facts=[], details=[], traceback="")
    alert = alert_of(event)
    context = payload.get("facts" if alert else "context")
    inner: Mapping[str, Any] = context if isinstance(context, dict) else {}
    traceback_name, traceback = _first_text(payload, _TRACEBACKS)
    inner_name, inner_traceback = _first_text(inner, _TRACEBACKS)
    message_name, message = _message(payload)
    used = _SHOWN | _ENVELOPE | {traceback_name, message_name} | (_ALERT if alert else set())
    used |= {"url"} if event.channel.startswith("relay:") else set()
    beside = [(name, value) for name, value in payload.items() if name not in used and not _is_run(name, value, event)]
    details = [(name, value) for name, value in inner.items() if name != inner_name] + beside
    if context is not None and not inner:
        details.insert(0, ("context", context))
    return Facts(
        headline=headline(event),
        message=message,
        facts=_facts(event),
        details=[(humanised(name), as_text(value)) for name, value in details if value not in (None, "", [], {})],
        traceback=traceback or inner_traceback,
    )


def _notice_of(event: Event) -> str:
    """The title of what the relay itself tells once (a gap, the begin of a silence): its message says all of it."""
    is_notice = event.channel.startswith("relay:") and "alert" not in event.payload
    return _text_of(event.payload.get("title")) if is_notice else ""


def headline(event: Event) -> str:
    """What happened, in one line: `Error in data_import: RATE_LIMIT_EXCEEDED`."""
    label = event.severity.label.capitalize()
    if alert := alert_of(event):
        return f"{'Resolved' if alert.resolved else label}: {alert.title}"
    payload = event.payload
    if is_error(event):
        where = _text_of(payload.get("component")) or event.source
        what = _text_of(payload.get("error_code")) or _text_of(payload.get("category")) or _message(payload)[1]
        what = what or humanised(event.event)
        return f"{label} in {where}: {what}" if where else f"{label}: {what}"
    name, symbol = humanised(event.event), _text_of(payload.get("symbol"))
    name = f"{name}: {symbol}" if symbol else name
    return f"{label}: {name}" if event.severity >= Severity.WARNING else name


def humanised(name: str) -> str:
    """`percent_complete` as `Percent complete`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def as_text(value: object) -> str:
    """A value of a payload, as a person reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value[:MAX_VALUE]):
        return ", ".join(map(str, value[:MAX_VALUE]))
    return _encode(value)[: 4 * MAX_VALUE].decode(errors="ignore")


def _facts(event: Event) -> list[tuple[str, str]]:
    payload = event.payload
    found = (
        ("Component", payload.get("component")),
        ("Error code", payload.get("error_code")),
        ("Category", payload.get("category")),
        ("Phase", event.phase.value if event.phase else payload.get("phase")),
        ("Run", event.run_id),
    )
    return [(name, text) for name, value in found if (text := _text_of(value))]


def _is_run(name: str, value: object, event: Event) -> bool:
    return name in {"job_id", "session_id"} and value == event.run_id


def _message(payload: Mapping[str, Any]) -> tuple[str, str]:
    name, message = _first_text(payload, _MESSAGES)
    alert = payload.get("alert")
    if not message and isinstance(alert, dict):
        return "alert", _text_of(alert.get("message"))
    return name, message


def _first_text(payload: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, str]:
    for name in names:
        value = payload.get(name)
        if isinstance(value, list) and value and all(isinstance(line, str) for line in value):
            value = "".join(value) if value[0].endswith("\n") else "\n".join(value)
        if isinstance(value, str) and value.strip():
            return name, value
    return "", ""


def _text_of(value: object) -> str:
    return "" if value is None or isinstance(value, bool) else as_text(value)
