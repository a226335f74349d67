"""What kind of event is it? Several names for one thing become one, decided once for all that a channel says alike."""

import msgspec

from relay.events import (
    LONGEST_LABEL,
    PHASE_NAMES,
    SEVERITIES,
    Kind,
    KindFacts,
    Mark,
    Severity,
    is_end_of_work,
    kind_of,
    looks_like_a_probe,
    split_channel,
)
from relay.normalize.names import EVENT_NAMES, STATUS_SEVERITIES
from relay.normalize.shapes import SHAPES, Usual, canonical

_EMPTY_CHANNEL, _ENTRY = 1000, 400
"""About the bytes that a channel takes, and one of its kinds beside its texts."""
KNOWN_BYTES = 5 << 20
"""What channels and their kinds may take; with the kinds themselves (`KNOWN_KINDS_BYTES`) 8 MB."""


class Channel:
    """What is known of one channel: its phase, the shape that it spoke last, and the kinds of its events."""

    __slots__ = ("_all", "domain", "fallback", "kinds", "name", "phase", "shape")

    def __init__(self, name: str, all_channels: "Channels") -> None:
        self._all = all_channels
        self.name = name
        domain, action = split_channel(name)
        self.domain = domain
        self.phase = None if action == "streaming" else PHASE_NAMES.get(domain)
        words = [part for part in (domain, *action.split(":")) if part]
        self.fallback = "error" if domain == "errors" else "_".join(words)
        self.shape = canonical
        self.kinds: dict[tuple[str | None, ...], tuple[Kind, Mark]] = {}

    def kind(self, *facts: str | None) -> tuple[Kind, Mark]:
        """Kind and marks of an event of these `facts` (see `_kind`), remembered unless one of them is too long."""
        found = self.kinds.get(facts)
        if found is None:
            found = _kind(self, *facts)
            if all(fact is None or len(fact) <= LONGEST_LABEL for fact in facts):
                self._all.make_room(_ENTRY + found[0].size + sum(len(fact) for fact in facts if fact))
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


class Channels(dict[bytes, Channel]):
    """The channels that are remembered: `channels[name]` learns one that is not.

    When they take too much, all begin anew: those of today are soon back, those that were invented once are not.
    """

    def __init__(self) -> None:
        super().__init__()
        self._size = 0

    def __missing__(self, name: bytes) -> Channel:
        channel = Channel(name.decode(errors="backslashreplace"), self)
        if len(name) <= LONGEST_LABEL:
            self.make_room(_EMPTY_CHANNEL + 4 * len(name))
            self[name] = channel
        return channel

    def make_room(self, size: int) -> None:
        """For `size` more bytes."""
        if self._size + size > KNOWN_BYTES:
            self.clear()
            self._size = 0
        self._size += size


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
    wire_event = None if event == claimed else claimed or None
    facts = KindFacts(channel.name, event, in_phase, source=source, version=version, wire_event=wire_event)
    usual = kind_of(KindFacts(channel.name, event, in_phase)).severity
    kind = kind_of(facts._replace(severity=_severity(channel.domain, event, usual, severity, level, status)))
    is_test = looks_like_a_probe(event) or (source is not None and looks_like_a_probe(source))
    return kind, Mark.TEST if is_test else Mark.NONE


def _severity(
    domain: str, event: str, usual: Severity, severity: str | None, level: str | None, status: str | None
) -> Severity:
    if event == "alert_resolved":
        return Severity.INFO
    for word in (severity, level):
        if word and (stated := SEVERITIES.get(word.lower())):
            return max(stated, usual) if event == "critical_error" else stated
    found = max(STATUS_SEVERITIES.get((status or "").lower(), usual), usual)
    return min(found, Severity.WARNING) if is_end_of_work(domain, event) else found
