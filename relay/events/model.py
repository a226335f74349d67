"""The lowest layer: the one type that travels. Its written form is in `relay.events.record`.

Every message becomes an `Event`; the archive, the outbox, the webhook and `replay` all use the one line that
is written and read there. This module knows nothing of Redis, routes or sinks.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict, TypeVar

import msgspec

from relay.events.lenient_json import decode_object

MAX_KNOWN_KINDS = 4096
"""Kinds that are remembered, and answers to a question about each; when there are more, all begin anew."""
KNOWN_KINDS_BYTES = 3 << 20
"""What the kinds that are remembered may take, by `Kind.size`."""
LONGEST_LABEL = 120
"""Characters: who invents longer names gets no place in any memory (kinds, routes, metrics)."""

CLAIM_MAY_BE_OLD = timedelta(minutes=15)
CLAIM_MAY_BE_AHEAD = timedelta(seconds=5)
"""A claimed time outside of this span around the time received cannot be true: publishers that append `Z` to local
time are off by half hours at least (wire notes, "Timestamps")."""


Message = tuple[bytes, bytes, int]
"""Channel, data, and the position in the connection's bytes at which the message ends."""


class Severity(IntEnum):
    """How bad it is. `EMERGENCY` is the monitoring level above `CRITICAL` (wire notes)."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50
    EMERGENCY = 60

    @property
    def label(self) -> str:
        """The name as written in config, metrics and archive."""
        return SEVERITY_LABELS[self]


SEVERITY_LABELS = {severity: severity.name.lower() for severity in Severity}
SEVERITIES = {label: severity for severity, label in SEVERITY_LABELS.items()} | {
    "warn": Severity.WARNING,
    "fatal": Severity.CRITICAL,
    "notice": Severity.INFO,
}
"""Every word for a severity that was seen on the wire, lower case."""


class Phase(StrEnum):
    """The phases of a run, in the contract's order."""

    IMPORT = "import"
    CACHE = "cache"
    INDICATORS = "indicators"
    PATTERNS = "patterns"


PHASE_NAMES = {phase.value: phase for phase in Phase} | {
    "data_import": Phase.IMPORT,
    "cache_sync": Phase.CACHE,
    "indicator_processing": Phase.INDICATORS,
    "pattern_detection": Phase.PATTERNS,
    "pattern_processing": Phase.PATTERNS,
    "indicator": Phase.INDICATORS,
    "pattern": Phase.PATTERNS,
}
"""Every name of a phase that was seen on the wire (wire notes, "Several names for one thing")."""


class Mark(IntFlag):
    """What is unusual about an event. Each is a boolean field of the written form, there only when true."""

    NONE = 0
    UNDATED = 1
    """It came without a usable timestamp; `timestamp` is the time received."""
    TEST = 2
    """A probe on a real channel: archived and counted, but it wakes nobody."""
    RECONSTRUCTED = 4
    """Nobody told us; worked out from the API after a gap."""
    REPLAYED = 8
    """Read again from an archive: alerts are not sent twice."""
    UNWRAPPED = 16
    """It, or its payload, came as JSON in a JSON text: encoded twice, decoded twice."""


NOT_REAL = Mark.TEST | Mark.REPLAYED
"""Such an event says nothing about what is happening now: it counts for no alert."""
TOLD_LATER = Mark.RECONSTRUCTED | Mark.REPLAYED
"""Such an event was not received when it happened."""
MARK_KEYS = {mark: mark.name.lower() for mark in Mark if mark.name}


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
        self.domain, self.action = split_channel(facts.channel)
        for name, value in facts._asdict().items():
            setattr(self, name, value)
        if facts.severity is None:
            self.severity = usual_severity(self.domain, self.action, facts.event)
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


_COURSE_DOMAINS = frozenset({"processing", *Phase})
_END = re.compile(r"(?:.*_)?(?:completed|complete|finished|failed|cancelled|canceled)")


def is_end_of_work(domain: str, event: str) -> bool:
    """Whether such an event is the end of a run or of a phase: a fact, and, however it ended, no error of its own.

    What is wrong with a run is an alert of the watchdog, and the errors on the way are events on `tickstock:errors`.
    """
    return domain in _COURSE_DOMAINS and _END.fullmatch(event) is not None


def usual_severity(domain: str, action: str, event: str) -> Severity:
    """The severity of an event that does not state one."""
    if event == "critical_error" or (domain, action) == ("alerts", "critical"):
        return Severity.CRITICAL
    if domain == "errors" or event == "error" or event.endswith("_failed"):
        return Severity.WARNING if is_end_of_work(domain, event) else Severity.ERROR
    return Severity.DEBUG if event == "market_tick" else Severity.INFO


_PROBE_NAME = re.compile(r"(?:^|[_\W])(?:test|probe|smoke)(?:$|[_\W])", re.IGNORECASE)


def looks_like_a_probe(name: str) -> bool:
    """Whether an event's or a source's name says that it is a test ("probe messages must not wake anyone")."""
    return _PROBE_NAME.search(name) is not None


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


class Event(msgspec.Struct, gc=False):
    """Something that happened, in one form whoever said it.

    `stream` and `offset` name the event for ever: the connection it came by and where its message ended in that
    connection's bytes. `timestamp` is the claimed time; when none was claimed, the time received (`Mark.UNDATED`).
    `raw` is the payload as JSON bytes, always an object; `original` the message as it came.
    """

    kind: Kind
    stream: str
    offset: int
    received: datetime
    timestamp: datetime
    raw: bytes
    original: bytes
    run_id: str | None = None
    marks: Mark = Mark.NONE
    _payload: dict[str, Any] | None = None

    @property
    def id(self) -> str:
        """The same for the same message, also after a crash: the idempotency key of every delivery."""
        return f"{self.stream}-{self.offset}"

    @property
    def channel(self) -> str:
        """Where it was published; `relay:…` for what the relay itself has to say."""
        return self.kind.channel

    @property
    def domain(self) -> str:
        """The part of the channel behind the first colon."""
        return self.kind.domain

    @property
    def action(self) -> str:
        """What is left of the channel behind the domain."""
        return self.kind.action

    @property
    def event(self) -> str:
        """The canonical event name."""
        return self.kind.event

    @property
    def phase(self) -> Phase | None:
        """The canonical phase, for events that belong to one."""
        return self.kind.phase

    @property
    def severity(self) -> Severity:
        """How bad it is, as stated or as usual for such an event."""
        return self.kind.severity

    @property
    def source(self) -> str | None:
        """Who says so."""
        return self.kind.source

    @property
    def version(self) -> str | None:
        """The envelope's version."""
        return self.kind.version

    @property
    def wire_event(self) -> str | None:
        """The event's name as published, where it is not the canonical one."""
        return self.kind.wire_event

    def has(self, marks: Mark) -> bool:
        """Whether any of these marks is on it; most events have none, and that is told at once."""
        return self.marks != 0 and self.marks & marks != 0

    @property
    def time(self) -> datetime:
        """The time to measure with: the claim if it can be true, else the time received."""
        claimed = self.timestamp
        if self.has(TOLD_LATER):
            return claimed
        ahead = claimed - self.received  # a difference always exists; a limit beside the year 1 or 9999 does not
        return claimed if -CLAIM_MAY_BE_OLD <= ahead <= CLAIM_MAY_BE_AHEAD else self.received

    @property
    def payload(self) -> dict[str, Any]:
        """The payload, decoded when first asked for."""
        payload = self._payload
        if payload is None:
            payload = self._payload = decode_object(self.raw)
        return payload


@lru_cache(maxsize=64)
def payload_reader(names: frozenset[str]) -> Callable[[Event], Mapping[str, Any]]:
    """How to read these fields of a payload; there may be others in what is read, to be left alone.

    A payload that nobody has decoded yet is skipped over but for them, which costs half of decoding it.
    """
    if not names:
        return lambda _: {}
    if not all(map(str.isascii, names)):  # the decoder takes other names for empty ones (msgspec 0.22)
        return lambda event: event.payload
    fields = dict.fromkeys(names, Any)
    some = TypedDict("some", fields, total=False)  # type: ignore[misc]  # made of a config's names
    decode_some: Callable[[bytes], Mapping[str, Any]] = msgspec.json.Decoder(some).decode

    def read(event: Event) -> Mapping[str, Any]:
        if event._payload is None:  # noqa: SLF001 - it hides from others
            try:
                return decode_some(event.raw)
            except (msgspec.MsgspecError, RecursionError):
                pass  # then as `payload` reads it
        return event.payload

    return read


def _moment(text: str) -> datetime:
    """A written time, in UTC as everywhere inside."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r:.50} has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r:.50} is not a valid time in UTC") from None


def utc_text(moment: datetime) -> str:
    """Canonical UTC text of an aware time: `2025-01-26T21:10:00Z`, with microseconds only when there are any."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


class Announcement(msgspec.Struct, frozen=True, kw_only=True):
    """What the relay itself has to say, before it becomes an Event like any other (`relay:…` channels).

    For an alert the payload has `alert` (a key that stays the same from firing to resolved), `state` (`firing` or
    `resolved`), `title` and `message`; a resolved one keeps the severity of its firing, so that it takes the same
    routes and says so in the same place.
    """

    channel: str
    event: str
    severity: Severity = Severity.INFO
    payload: dict[str, Any] = {}
    run_id: str | None = None
    phase: Phase | None = None
    marks: Mark = Mark.NONE

    def as_event(self, stream: str, offset: int, now: datetime) -> Event:
        """The event that travels; `now` is its timestamp."""
        raw = _json(self.payload)
        return Event(
            kind=kind_of(
                KindFacts(self.channel, self.event, self.phase, self.severity, source="tickstock-relay", version="1.0")
            ),
            stream=stream,
            offset=offset,
            received=now,
            timestamp=now,
            raw=raw,
            original=raw,
            run_id=self.run_id,
            marks=self.marks,
        )


_json = msgspec.json.Encoder().encode
