"""What events have in common that repeat one another, and the memory of it: caches hang on a kind.

Kinds and answers about them are bounded, as names come from the wire.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec

from relay.events.terms import Phase, Severity, usual_severity

MAX_KNOWN_KINDS = 4096
"""Kinds that are remembered, and answers to a question about each; when there are more, all begin anew."""
KNOWN_KINDS_BYTES = 3 << 20
"""What the kinds that are remembered may take, by `Kind.size`."""
LONGEST_LABEL = 120
"""Characters: who invents longer names gets no place in any memory (kinds, routes, metrics)."""

_json = msgspec.json.Encoder().encode


class KindFacts(NamedTuple):
    """What makes a kind: its constructor, its memory and its copies are all made of these."""

    channel: str
    event: str
    phase: Phase | None = None
    severity: Severity | None = None
    """None: as usual for such an event."""
    source: str | None = None
    version: str | None = None
    wire_event: str | None = None

    @property
    def texts(self) -> dict[str, str]:
        """Those that came from the wire."""
        return {name: value for name, value in self._asdict().items() if type(value) is str}


class Kind:
    """What events have in common that repeat one another but for time and payload: made once, compared by identity.

    Caches hang on a kind (routes, metric children, the archive line's middle), so the cost of an event does not grow
    with rules.
    """

    __slots__ = (*KindFacts._fields, "action", "domain", "facts", "head", "size")
    channel: str
    event: str
    phase: Phase | None
    severity: Severity
    source: str | None
    version: str | None
    wire_event: str | None

    def __init__(self, facts: KindFacts) -> None:
        self.facts = facts
        domain, action = split_channel(facts.channel)
        self.domain = domain
        self.action = action
        for name, value in facts._asdict().items():
            setattr(self, name, value)
        if facts.severity is None:
            self.severity = usual_severity(domain, action, facts.event)
        self.head = self._head()
        self.size = 300 + 2 * len(self.head)
        """About the bytes that it takes in memory."""

    @property
    def is_short(self) -> bool:
        """Whether it may be remembered: none of its texts is longer than `LONGEST_LABEL`."""
        return all(len(text) <= LONGEST_LABEL for text in self.facts.texts.values())

    def _head(self) -> bytes:
        """The middle of the written form, from behind the timestamp to the run id."""
        fields = {
            "channel": self.channel,
            "domain": self.domain,
            "action": self.action,
            "event": self.event,
            "phase": self.phase,
            "severity": self.severity.label,
            "source": self.source,
            "version": self.version,
        }
        if self.wire_event is not None:
            fields["wire_event"] = self.wire_event
        return b',%b,"run_id":' % _json(fields)[1:-1]

    def __repr__(self) -> str:
        return f"Kind({self.channel!r}, {self.event!r}, {self.severity.label})"


def split_channel(channel: str) -> tuple[str, str]:
    """Domain and action of `tickstock:domain:action`; the action may be empty or have colons of its own.

    The older dot-named channels (`tickstock.domain.action`) are split likewise.
    """
    separator = ":" if ":" in channel else "."
    _, _, rest = channel.partition(separator)
    domain, _, action = rest.partition(separator)
    return (domain or channel), action


T = TypeVar("T")


class PerKind(dict["Kind", T]):
    """What a function says of each kind, asked once: `cache[kind]` costs a dictionary's look-up.

    It begins anew when it is full: the kinds of today are soon back, those that were invented once are not.
    """

    def __init__(self, ask: Callable[["Kind"], T]) -> None:
        self._ask = ask

    def __missing__(self, kind: "Kind") -> T:
        answer = self._ask(kind)
        if kind.is_short:
            if len(self) >= MAX_KNOWN_KINDS:
                self.clear()
            self[kind] = answer
        return answer


_kinds: dict[KindFacts, Kind] = {}
_taken = {"bytes": 0}
"""What they take."""


def kind_of(facts: KindFacts) -> Kind:
    """The one `Kind` of these facts while it is remembered; names that are too long get one of their own."""
    found = _kinds.get(facts)
    if found is None:
        found = Kind(facts)
        if found.is_short:
            if len(_kinds) >= MAX_KNOWN_KINDS or _taken["bytes"] > KNOWN_KINDS_BYTES:
                _kinds.clear()
                _taken["bytes"] = 0
            _kinds[facts] = found
            _taken["bytes"] += found.size
    return found
