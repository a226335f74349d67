"""Which events say the same thing again, and how such repeats are counted. Pure functions."""

import re

from relay.events import Event
from sinks.slack.facts import alert_of, as_text, is_error

MAX_COMPARED = 300
"""Characters of a message that tell one error from another."""

_VARYING = re.compile(
    r"0x[0-9a-f]+|\b(?=[a-z-]*\d)[0-9a-f]{8,}(?:-[0-9a-f]{4,}){0,4}\b|\d+(?:[.,:]\d+)*", re.IGNORECASE
)


def fingerprint(event: Event) -> str | None:
    """The same for events that tell of one error, whatever numbers and ids they carry; None for what is no error."""
    if alert := alert_of(event):
        return f"alert|{alert.key}|{'resolved' if alert.resolved else 'firing'}"
    if not is_error(event):
        return None
    payload = event.payload
    parts = [as_text(payload.get(name) or "")[:MAX_COMPARED] for name in ("component", "error_code", "message")]
    return "|".join((event.event, event.severity.label, parts[0], parts[1], _VARYING.sub("#", parts[2])))


def in_words(seconds: float) -> str:
    """A length of time for people: `58 s`, `12 min`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(round(seconds), 0)
    if seconds < 120:  # two minutes
        return f"{seconds} s"
    minutes, hours, days = round(seconds / 60), seconds // 3600, seconds // 86400
    if minutes < 120:  # two hours
        return f"{minutes} min"
    if days < 2:  # two days
        return f"{hours} h {seconds % 3600 // 60} min"
    return f"{days} d {hours % 24} h"
