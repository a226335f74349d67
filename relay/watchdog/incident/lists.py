"""Parts of an incident's state that are lists or short texts: phases, errors, results, the lock screen. Pure."""

import re
from typing import Any

from relay.events import Phase, utc_text
from relay.events.wording import clock_time, duration
from relay.redaction.built_in import without_secrets
from relay.runs.run import PhaseRun, Run
from relay.runs.signals import State
from relay.watchdog.baseline import Baseline, Usual
from relay.watchdog.incident.record import ErrorGroup, Incident
from relay.watchdog.incident.text import error_name, joined, second, sentences, symbols_done

LONGEST_TEXT = 150 - len("@channel ")
"""Characters of the text that a phone shows, with room for a mention."""
MARKS = {
    State.COMPLETED: "✓",
    State.RUNNING: "▸",
    State.STALLED: "‖",
    State.FAILED: "✗",
    State.CANCELLED: "✗",
    State.PARTIAL: "✗",
}
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://(?:\S*@)?([^\s/?#]+)[^\s.,;]*", re.IGNORECASE)
"""A URL: on a lock screen its host says enough. All before the last @ is taken for the password, which may hold one."""
WAITING = "–"  # noqa: RUF001 - typography


def lock_screen(headline: str, cause: str, data: str = "", joint: str = "") -> str:
    """Headline, cause, and whether the data is usable, as plain text; cut at a word, the cause first."""
    joint = joint or (", " if ": " in headline else ": ")
    clause = _ADDRESS.sub(r"\1", without_secrets(" ".join(cause.split()))).rstrip(".")
    whole = f"{headline}{joint}{clause}." if clause else f"{headline}."
    if data and len(whole) + 1 + len(data) <= LONGEST_TEXT:
        return f"{whole} {data}"
    room = LONGEST_TEXT - len(data) - 1 if data else LONGEST_TEXT
    if len(headline) + len(joint) + 20 > room:  # so little of the cause says nothing
        data, room = "", LONGEST_TEXT
    return sentences(cut(whole, room), data)


def first_clause(text: str) -> str:
    """Its first sentence, without the full stop."""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def cut(text: str, longest: int) -> str:
    """The text, or its first words without secrets, as half a secret is not seen as one."""
    if len(text) <= longest:
        return text
    short = without_secrets(text)[: longest - 1]
    return f"{(short.rpartition(' ')[0] or short).rstrip(' ,;:')}…"


def phase_list(run: Run, baseline: Baseline) -> list[dict[str, Any]]:
    """The run's phases in order, with durations and what is usual."""
    return [_phase(phase, run.phases.get(phase), baseline.phase(phase)) for phase in run.expected]


def error_list(incident: Incident) -> dict[str, Any]:
    """The errors in groups, and how many others there are."""
    first = incident.groups[0] if incident.groups else None
    return {
        "count": incident.errors,
        "groups": len(incident.groups),
        "more_groups": len(incident.other_shapes),
        "more_errors": incident.other_errors,
        "first": f"{error_name(first)}: {first.message}" if first is not None else None,
        "list": [_group(group) for group in incident.groups],
    }


def _phase(phase: Phase, course: PhaseRun | None, usual: Usual | None) -> dict[str, Any]:
    if course is None:
        return {"name": phase.value, "state": "waiting", "mark": WAITING, "text": phase.value, "strong": False}
    return {
        "name": phase.value,
        "state": course.state.value,
        "mark": MARKS.get(course.state, WAITING),
        "text": f"{phase.value}{_span(course, usual)}",
        "seconds": course.duration_seconds,
        "began": utc_text(course.started_at or course.first_seen),
        "ended": utc_text(course.ended_at) if course.ended_at else None,
        "percent": course.percent,
        "done": course.symbols_processed,
        "total": course.symbols_total,
        "symbol": course.last_symbol,
        "usual": {"median": usual.median, "low": usual.low, "high": usual.high} if usual else None,
        "strong": course.state is not State.COMPLETED,
    }


def _span(course: PhaseRun, usual: Usual | None) -> str:
    """` 10 min`, ` 11 min (usually 4 min)`, ` since 16:21 (usually 4 min)`, ` 10 min, 250 of 505`."""
    usually = f" (usually {duration(usual.median)})" if usual else ""
    if course.state.is_open:
        began = course.started_at or course.first_seen
        return f" since {clock_time(began, began)}{usually}"
    took = course.duration_seconds
    is_usual = usual is None or took is None or usual.low <= took <= usual.high
    lasted = f" {duration(took)}" if took is not None else ""
    done = symbols_done(course) if course.state is not State.COMPLETED else ""
    return f"{lasted}{'' if is_usual or course.state is not State.COMPLETED else usually}{f', {done}' if done else ''}"


def _group(group: ErrorGroup) -> dict[str, Any]:
    title = error_name(group)
    first, last = second(group.first), second(group.last)
    when = f"first {first.rpartition(' ')[0]}, last {last}" if group.count > 1 else first
    others = " and others" if group.more_symbols else ""
    symbols = f"symbol {joined(group.symbols)}{others}" if group.symbols else ""
    recovery = f"recovery action: {group.recovery}" if group.recovery else ""
    return {
        "id": group.id,
        "code": group.code,
        "where": group.where,
        "severity": group.severity,
        "message": group.message,
        "title": title,
        "text": lock_screen(title, first_clause(group.message), joint=": ").removesuffix("."),
        "context": " · ".join(filter(None, [when, group.severity, symbols, recovery])),
        "count": group.count,
        "first": utc_text(group.first),
        "last": utc_text(group.last),
        "symbols": group.symbols,
        "more_symbols": group.more_symbols,
        "recovery": group.recovery,
    }
