"""The story in the log: one line for each thing that the relay announces and that an operator wants to read later.

The words come from the announcement; nothing is decided here but how bad it is and how it is put in a line.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import structlog

from relay.config.settings import RedisOptions, Settings
from relay.events import Announcement, Severity
from relay.events.incidents import CHANNEL
from relay.events.wording import clock_time, duration, figure, plural
from relay.process.plain_text import plain
from relay.redaction.built_in import shortened

LONGEST = 240
"""Characters of a line."""
MOST_PATTERNS = 4
"""Patterns that the line of the start names."""
_ENDED = {"completed": "info", "failed": "error", "cancelled": "warning", "partial": "warning"}
_LEVELS = {
    Severity.WARNING: "warning",
    Severity.ERROR: "error",
    Severity.CRITICAL: "critical",
    Severity.EMERGENCY: "critical",
}

log = structlog.get_logger(__name__)


def tell(announcement: Announcement) -> None:
    """Write one line about it, if it belongs into the story; the log itself hides what is secret."""
    line = line_of(announcement)
    if line is None:
        return
    level, name, text = line
    facts = {"run_id": announcement.run_id, "alert": announcement.payload.get("alert")}
    facts |= {"phase": announcement.phase.value if announcement.phase else None}
    known = {key: value for key, value in facts.items() if value}
    getattr(log, level)(name, text=_clipped(plain(text)), **known)


def line_of(announcement: Announcement) -> tuple[str, str, str] | None:
    """The log's level, the line's short name and its text; None: it is told elsewhere, or is no news."""
    channel, payload = announcement.channel, announcement.payload
    if channel == CHANNEL:
        return None
    if channel.startswith("relay:run:"):
        return _of_run(announcement, channel.removeprefix("relay:run:"))
    title, message = str(payload.get("title") or ""), str(payload.get("message") or "")
    level = _LEVELS.get(announcement.severity, "info")
    if "alert" in payload:
        if payload.get("state") == "resolved":
            return "info", "cleared", f"cleared: {_joined(title.removeprefix('Resolved: '), message)}"
        return level, "alert", f"alert: {_joined(title, message)}"
    if not title:
        return None
    return level, announcement.event.replace("_", " "), _joined(title, message)


def started_line(
    settings: Settings, number: str, sinks: Collection[str], next_due: datetime | None, now: datetime
) -> str:
    """`started 0.2.0: redis://localhost:6379/0, tickstock:*, 4 sinks, next run 16:10 EST`; no secret in it."""
    patterns = settings.redis.patterns
    shown = ", ".join(patterns) if len(patterns) < MOST_PATTERNS else f"{len(patterns)} patterns"
    count = plural(len(sinks), "sink")
    parts = [place_of_redis(settings.redis), shown, count]
    if next_due is not None:
        parts.append(f"next run {clock_time(next_due, now, named=True)}")
    return f"started {number}: {', '.join(parts)}"


def place_of_redis(options: RedisOptions) -> str:
    """The address of Redis as it may be shown: without user, password and query."""
    parts = urlsplit(options.url.get_secret_value())
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _of_run(announcement: Announcement, transition: str) -> tuple[str, str, str] | None:
    payload = announcement.payload
    if transition == "started":
        return "info", "run started", f"run started: {_run_facts(announcement)}"
    if transition in _ENDED:
        return _ENDED[transition], "run ended", f"run ended: {_result(payload, transition)}, {_short(announcement)}"
    if transition in ("phase_completed", "phase_failed"):
        verb = transition.removeprefix("phase_")
        level = "error" if verb == "failed" else "info"
        phase = announcement.phase.value if announcement.phase else "?"
        parts = [f"phase {verb}: {phase}{_after(payload, 'in')}", *_counts(payload)]
        return level, f"phase {verb}", f"{', '.join(parts)}, {_short(announcement)}"
    return None  # a run that is due, late, stalled: an alert's, or no news


def _run_facts(announcement: Announcement) -> str:
    payload = announcement.payload
    began = _moment(payload.get("started_at"))
    how = {"automatic": "scheduled", "manual": "by hand"}.get(str(payload.get("trigger_type")))
    marks = "from the API" if payload.get("reconstructed") else None
    when = clock_time(began) if began else payload.get("run_date")
    parts = [when, how, payload.get("universe"), marks, _short(announcement)]
    return ", ".join(str(part) for part in parts if part)


def _result(payload: Mapping[str, Any], state: str) -> str:
    phases = payload.get("phases") or {}
    where = next(
        (name for name, phase in phases.items() if phase.get("state") in ("failed", "stalled", "cancelled")), ""
    )
    in_phase = f" in {where}" if where and state != "completed" else ""
    errors = payload.get("errors") or 0
    parts = [f"{state}{in_phase}{_after(payload, 'after')}", *_counts(payload)]
    parts += [plural(errors, "error")] if errors else []
    text = ", ".join(parts)
    return f"{text}: {payload['reason']}" if payload.get("reason") and state != "completed" else text


def _after(payload: Mapping[str, Any], word: str) -> str:
    seconds = payload.get("duration_seconds")
    return f" {word} {duration(seconds)}" if isinstance(seconds, int | float) else ""


def _counts(payload: Mapping[str, Any]) -> list[str]:
    names = {"symbols_processed": "symbols", "indicators_calculated": "indicators", "patterns_detected": "patterns"}
    return [f"{figure(payload[name])} {what}" for name, what in names.items() if payload.get(name) is not None]


def _short(announcement: Announcement) -> str:
    """The run's id, short where it is a long one."""
    run_id = announcement.run_id or "no id"
    return run_id.partition("-")[0] if len(run_id) > 30 else run_id  # a UUID


def _joined(title: str, message: str) -> str:
    return f"{title.rstrip('.')}: {message}" if title and message else title or message


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else f"{(shortened(text, LONGEST - 1) or '').rstrip()}…"


def _moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
