"""What kind of event is it? Several names for one thing become one, decided once for all that a channel says alike."""

import msgspec

from relay.events import (
    PHASE_NAMES,
    SEVERITIES,
    Kind,
    Mark,
    Severity,
    kind_of,
    looks_like_a_probe,
    split_channel,
)
from relay.normalize.names import EVENT_NAMES, STATUS_SEVERITIES
from relay.normalize.shapes import SHAPES, Usual, canonical

MAX_KNOWN = 4096
"""So many channels, and kinds of each, are remembered; the pattern may let in any number of invented ones."""


class Channel:
    """What is known of one channel: its phase, the shape that it spoke last, and the kinds of its events."""

    __slots__ = ("domain", "fallback", "kinds", "name", "phase", "shape")

    def __init__(self, name: str) -> None:
        self.name = name
        self.domain, action = split_channel(name)
        self.phase = None if action == "streaming" else PHASE_NAMES.get(self.domain)
        words = [part for part in (self.domain, *action.split(":")) if part]
        self.fallback = "error" if self.domain == "errors" else "_".join(words)
        self.shape = canonical
        self.kinds: dict[tuple[str | None, ...], tuple[Kind, Mark]] = {}

    def kind(self, *facts: str | None) -> tuple[Kind, Mark]:
        """Kind and marks of an event of these `facts` (see `_kind`), remembered."""
        found = self.kinds.get(facts)
        if found is None:
            found = _kind(self, *facts)
            if len(self.kinds) < MAX_KNOWN:
                self.kinds[facts] = found
        return found

    def reshaped(self, data: bytes) -> Usual | None:
        """Read a message that is not of this channel's shape: find out which it is of, and expect that next time."""
        for shape, sign in SHAPES.items():
            if shape is not self.shape and sign in data:
                try:
                    usual = shape(data)
                except (msgspec.MsgspecError, RecursionError):
                    continue
                self.shape = shape
                return usual
        return None


def _kind(
    channel: Channel,
    claimed: str | None,
    severity: str | None,
    level: str | None,
    status: str | None,
    phase: str | None,
    source: str | None,
    version: str | None,
) -> tuple[Kind, Mark]:
    """What these words make of an event: several names for one thing become one."""
    lowered = (claimed or channel.fallback).lower()
    event = EVENT_NAMES.get(lowered, lowered)
    in_phase = channel.phase or PHASE_NAMES.get((phase or "").lower())
    usual = kind_of(channel.name, event, in_phase).severity
    found = _severity(event, usual, severity, level, status)
    kind = kind_of(channel.name, event, in_phase, found, source, version, None if event == claimed else claimed or None)
    is_test = looks_like_a_probe(event) or (source is not None and looks_like_a_probe(source))
    return kind, Mark.TEST if is_test else Mark.NONE


def _severity(event: str, usual: Severity, severity: str | None, level: str | None, status: str | None) -> Severity:
    if event == "alert_resolved":
        return Severity.INFO
    for word in (severity, level):
        if word and (stated := SEVERITIES.get(word.lower())):
            return max(stated, usual) if event == "critical_error" else stated
    return max(STATUS_SEVERITIES.get((status or "").lower(), usual), usual)
