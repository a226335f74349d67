"""Which events tell of an incident, and which are only a part of one: for lanes and sinks. Pure.

What an incident is, is decided in `relay.watchdog.incidents` alone.
"""

from relay.events.model import Event
from relay.events.terms import NOT_REAL, Severity

CHANNEL = "relay:alert:incident"
EVENT = "incident"
SUMMARY = "relay:summary"
"""The channel of the day's summary."""
PART_SEVERITY = Severity.ERROR
"""An error event below it begins no incident and belongs to none."""


def incident_of(event: Event) -> str | None:
    """The id of the incident of which `event` tells the whole state; None for every other event."""
    if event.channel != CHANNEL:
        return None
    found = event.payload.get("incident")
    return found if isinstance(found, str) and found else None


def is_error_of_incident(event: Event) -> bool:
    """Whether `event` is an error that counts in an incident, of a run or of its own."""
    return event.kind.domain == "errors" and event.severity >= PART_SEVERITY and not event.has(NOT_REAL)


def is_part_of_incident(event: Event) -> bool:
    """Whether an incident tells of what `event` says: a single alert that names its incident, or an error."""
    if is_error_of_incident(event):
        return True
    if not event.channel.startswith("relay:alert:") or event.channel == CHANNEL:
        return False
    return isinstance(event.payload.get("incident"), str)
