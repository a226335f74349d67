"""The ground floor: the one type that travels, and its written form.

Every message becomes an `Event`; the archive, the outbox, the webhook and `replay` all use the one line that `encode`
writes and `decode` reads. This room knows nothing of Redis, routes or sinks.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import IntEnum, IntFlag, StrEnum
from typing import Any

import msgspec

from relay.tolerant import decode_object

MAX_KNOWN_KINDS = 4096
"""So many (channel, event) pairs are remembered; a flood of invented names must not become a flood of memory."""

CLAIM_MAY_BE_OLD = timedelta(minutes=15)
CLAIM_MAY_BE_AHEAD = timedelta(seconds=5)
"""A claimed time outside of this span around the time received cannot be true: publishers that append `Z` to local
time are off by half hours at least (wire notes, "Timestamps")."""


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


MARK_KEYS = {mark: mark.name.lower() for mark in Mark if mark.name}
_MARK_BYTES = {mark: b',"%b":true' % key.encode() for mark, key in MARK_KEYS.items()}


class Kind:
    """What all events of one (channel, event) share, made once: compared and hashed by identity.

    Caches hang on a kind (routes, metric children), so the cost of an event does not grow with rules.
    """

    __slots__ = ("action", "channel", "domain", "event", "head", "is_test", "phase", "severity")

    def __init__(self, channel: str, event: str, phase: Phase | None = None) -> None:
        self.channel = channel
        self.event = event
        self.domain, self.action = split_channel(channel)
        self.phase = phase
        self.severity = usual_severity(self.domain, self.action, event)
        self.is_test = looks_like_a_probe(event)
        self.head = b'"channel":%b,"domain":%b,"action":%b,"event":%b,"phase":%b' % tuple(
            map(_json, (channel, self.domain, self.action, event, phase))
        )

    def __repr__(self) -> str:
        return f"Kind({self.channel!r}, {self.event!r})"


def split_channel(channel: str) -> tuple[str, str]:
    """Domain and action of `tickstock:domain:action`; the action may be empty or have colons of its own.

    The older dot-named channels (`tickstock.domain.action`) are split likewise.
    """
    separator = ":" if ":" in channel else "."
    _, _, rest = channel.partition(separator)
    domain, _, action = rest.partition(separator)
    return (domain or channel), action


def usual_severity(domain: str, action: str, event: str) -> Severity:
    """The severity of an event that does not state one."""
    if event == "critical_error" or (domain, action) == ("alerts", "critical"):
        return Severity.CRITICAL
    if domain == "errors" or event == "error" or event.endswith("_failed"):
        return Severity.ERROR
    return Severity.DEBUG if event == "market_tick" else Severity.INFO


_PROBE_NAME = re.compile(r"(?:^|[_\W])(?:test|probe|smoke)(?:$|[_\W])", re.IGNORECASE)


def looks_like_a_probe(name: str) -> bool:
    """Whether an event's or a source's name says that it is a test ("probe messages must not wake anyone")."""
    return _PROBE_NAME.search(name) is not None


_kinds: dict[tuple[str, str, Phase | None], Kind] = {}


def kind_of(channel: str, event: str, phase: Phase | None = None) -> Kind:
    """The one `Kind` of this pair while there is room to remember it, else one of its own."""
    key = (channel, event, phase)
    found = _kinds.get(key)
    if found is None:
        found = Kind(channel, event, phase)
        if len(_kinds) < MAX_KNOWN_KINDS:
            _kinds[key] = found
    return found


class Event(msgspec.Struct, gc=False):
    """Something that happened, in one form whoever said it.

    `stream` and `offset` name the event for ever: the connection it came by and where its message ended in that
    connection's bytes. `stamp` is the claimed time as canonical UTC text; `received` is when we read it.
    `raw` is the payload as JSON bytes, always an object; `original` the message as it came.
    """

    kind: Kind
    stream: str
    offset: int
    received: datetime
    stamp: str
    severity: Severity
    raw: bytes
    original: bytes
    run_id: str | None = None
    source: str | None = None
    version: str | None = None
    wire_event: str | None = None
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
    def timestamp(self) -> datetime:
        """The claimed time (UTC); when none was claimed, the time received (`Mark.UNDATED`)."""
        return datetime.fromisoformat(self.stamp)

    @property
    def time(self) -> datetime:
        """The time to measure with: the claim if it can be true, else the time received."""
        claimed = self.timestamp
        if self.marks & (Mark.RECONSTRUCTED | Mark.REPLAYED):
            return claimed
        believable = self.received - CLAIM_MAY_BE_OLD <= claimed <= self.received + CLAIM_MAY_BE_AHEAD
        return claimed if believable else self.received

    @property
    def payload(self) -> dict[str, Any]:
        """The payload, decoded when first asked for."""
        if self._payload is None:
            self._payload = decode_object(self.raw)
        return self._payload


class Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    """An event as it is written: one line of the archive, one body of the webhook. Documented in docs/archive.md."""

    id: str
    received: str
    timestamp: str
    channel: str
    domain: str = ""
    action: str = ""
    event: str
    phase: str | None = None
    severity: str
    source: str | None = None
    version: str | None = None
    run_id: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"{}")
    wire_event: str | None = None
    undated: bool = False
    test: bool = False
    reconstructed: bool = False
    replayed: bool = False


def encode(event: Event) -> bytes:
    """The event's written form: one JSON object, no line break in or after it.

    Bytes are put together here because the payload's are already at hand: parsing and printing it again would cost
    more than everything else that happens to an event.
    """
    line = (
        b'{"id":"%b-%d","received":"%b","timestamp":"%b",%b,"severity":"%b","source":%b,"version":%b,"run_id":%b,"payload":%b'
        % (
            event.stream.encode(),
            event.offset,
            _utc_bytes(event.received),
            event.stamp.encode(),
            event.kind.head,
            _SEVERITY_BYTES[event.severity],
            _json(event.source),
            _json(event.version),
            _json(event.run_id),
            event.raw,
        )
    )
    return line + (_rare_fields(event) if event.marks or event.wire_event else b"}")


def _rare_fields(event: Event) -> bytes:
    name = b',"wire_event":%b' % _json(event.wire_event) if event.wire_event else b""
    return name + b"".join(text for mark, text in _MARK_BYTES.items() if event.marks & mark) + b"}"


def decode(line: bytes) -> Event:
    """Read back what `encode` wrote.

    Raises:
        msgspec.MsgspecError: the line is not such an object.
        ValueError: one of its fields cannot be what it says.
    """
    record = _decode_record(line)
    stream, _, offset = record.id.rpartition("-")
    marks = Mark.NONE
    for mark, key in MARK_KEYS.items():
        if getattr(record, key):
            marks |= mark
    raw = bytes(record.payload)
    return Event(
        kind=kind_of(record.channel, record.event, Phase(record.phase) if record.phase else None),
        stream=stream,
        offset=int(offset),
        received=datetime.fromisoformat(record.received),
        stamp=record.timestamp,
        severity=SEVERITIES[record.severity],
        raw=raw,
        original=raw,
        run_id=record.run_id,
        source=record.source,
        version=record.version,
        wire_event=record.wire_event,
        marks=marks,
    )


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
            kind=kind_of(self.channel, self.event, self.phase),
            stream=stream,
            offset=offset,
            received=now,
            stamp=utc_text(now),
            severity=self.severity,
            raw=raw,
            original=raw,
            run_id=self.run_id,
            source="tickstock-relay",
            version="1.0",
            marks=self.marks,
        )


_json = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(Record).decode
_SEVERITY_BYTES = {severity: label.encode() for severity, label in SEVERITY_LABELS.items()}
_last_received: tuple[datetime | None, bytes] = (None, b"")


def _utc_bytes(moment: datetime) -> bytes:
    """`utc_text` as bytes; a batch shares one time received, so the last answer nearly always serves."""
    global _last_received  # noqa: PLW0603 - a one-entry cache
    if _last_received[0] is not moment:
        _last_received = (moment, utc_text(moment).encode())
    return _last_received[1]
