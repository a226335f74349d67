"""The errors of an incident, in groups that say the same: all are counted, the first forty groups shown. Pure."""

import re
from datetime import datetime

from relay.events import SEVERITIES, Event
from relay.events.errors import error_code, error_group, error_message, error_place, error_symbol
from relay.redaction.built_in import shortened
from relay.runs.run import error_category
from relay.watchdog.incident.record import MAX_SYMBOLS, ErrorGroup, Incident

MAX_GROUPS = 40
MAX_OTHER_SHAPES = 500
"""Kinds of errors beyond the groups that are told apart, of which it is remembered that they differ."""
MAX_MESSAGE = 1500


def error_id(event: Event) -> str:
    """The id of the incident of errors outside of any run: `error:BAD_RESPONSE-1f0c9a`."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", shortened(error_code(event), 40) or "error")
    return f"error:{name}-{error_group(event)[:6]}"


def count_error(incident: Incident, event: Event, now: datetime) -> None:
    """One more error of `incident`."""
    incident.errors += 1
    incident.last_error_at = now
    incident.reach(event.severity, now)
    shape = error_group(event)
    group = next((group for group in incident.groups if group.shape == shape), None)
    if group is None and len(incident.groups) >= MAX_GROUPS:
        incident.other_errors += 1
        if shape not in incident.other_shapes and len(incident.other_shapes) < MAX_OTHER_SHAPES:
            incident.other_shapes.append(shape)
        return
    if group is None:
        group = _new_group(str(len(incident.groups) + 1), shape, event, now)
        incident.groups.append(group)
    _count(group, event, now)


def worst(groups: list[ErrorGroup]) -> ErrorGroup | None:
    """The group to name first: the most severe, and of those the first."""
    return max(groups, key=lambda group: SEVERITIES[group.severity], default=None)


def _new_group(name: str, shape: str, event: Event, now: datetime) -> ErrorGroup:
    return ErrorGroup(
        id=name,
        shape=shape,
        code=shortened(error_code(event), 80) or "error",
        where=shortened(error_place(event), 80) or "",
        severity=event.severity.label,
        message="",
        first=now,
        last=now,
    )


def _count(group: ErrorGroup, event: Event, now: datetime) -> None:
    payload = event.payload
    group.count += 1
    group.last = now
    group.message = shortened(error_message(event), MAX_MESSAGE) or error_category(event)
    group.recovery = shortened(payload.get("recovery_action"), 300) or group.recovery
    symbol = shortened(error_symbol(event), 20)
    if symbol is not None and symbol not in group.symbols:
        group.more_symbols = len(group.symbols) >= MAX_SYMBOLS
        group.symbols = [*group.symbols, symbol][:MAX_SYMBOLS]
