"""Which events say the same thing again. Pure."""

from relay.events import Event
from relay.events.errors import error_group
from sinks.slack.facts import alert_of, is_error


def fingerprint(event: Event) -> str | None:
    """The same for events that tell of one error, whatever numbers and ids they carry; None for what is no error."""
    if alert := alert_of(event):
        return f"alert|{alert.key}|{'resolved' if alert.resolved else 'firing'}"
    return error_group(event) if is_error(event) else None
