"""Message -> Event: one small function for each known shape, one for the unknown.

Nothing raises out of `Normalizer.normalize`, whatever the bytes: what is no JSON object comes back as `Unreadable`,
for the quarantine. It knows no route, no sink and no run.

The fast shapes decode the envelope once and leave the payload as bytes. `_carefully` reads every shape, slowly; the
fast ones must agree with it, and a property test holds them to that.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgspec

from relay.events import (
    PHASE_NAMES,
    SEVERITIES,
    Event,
    Kind,
    Mark,
    Phase,
    Severity,
    kind_of,
    looks_like_a_probe,
    split_channel,
    utc_text,
)
from relay.tolerant import NotAnObjectError, decode_object

MAX_KNOWN_CHANNELS = 4096
"""So many channels are remembered; the pattern may let in any number of invented ones."""


class Reason(StrEnum):
    """Why a message cannot become an Event."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message for the quarantine, bytes intact."""

    channel: bytes
    data: bytes
    received: datetime
    stream: str
    offset: int
    reason: Reason


class _Common(msgspec.Struct, gc=False):
    """What may stand in a payload or beside it, whatever the event. Any type: numbers drift on the wire."""

    run_id: Any = None
    job_id: Any = None
    session_id: Any = None
    severity: Any = None
    level: Any = None
    status: Any = None
    phase: Any = None
    alert: Any = None
    test: Any = None
    is_test: Any = None
    probe: Any = None
    dry_run: Any = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The contract's envelope around one nested object; a field beyond it means another shape."""

    event: str
    timestamp: str | int | float | None = None
    source: str | None = None
    version: str | int | float | None = None


class _Canonical(_Envelope):
    payload: msgspec.Raw = msgspec.Raw(b"")


class _Data(_Envelope):
    data: msgspec.Raw = msgspec.Raw(b"")


class _Detection(_Envelope):
    detection: msgspec.Raw = msgspec.Raw(b"")
    session_id: str | None = None


class _Calculation(_Envelope):
    calculation: msgspec.Raw = msgspec.Raw(b"")
    session_id: str | None = None


class _Flat(_Common):
    """An object that is its own payload: flat errors, monitoring, health, ticks and what nobody has listed."""

    event: Any = None
    event_type: Any = None
    alert_type: Any = None
    timestamp: Any = None
    source: Any = None
    version: Any = None
    symbol: Any = None
    price: Any = None
    error_id: Any = None
    payload: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    detection: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    calculation: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


NESTED = ("payload", "data", "detection", "calculation")
ENVELOPE = frozenset({"event", "event_type", "timestamp", "source", "version"})

EVENT_NAMES = {
    "daily_processing_started": "processing_started",
    "daily_processing_progress": "processing_progress",
    "daily_processing_completed": "processing_completed",
    "daily_processing_failed": "processing_failed",
    "data_import_started": "import_started",
    "data_import_progress": "import_progress",
    "data_import_completed": "import_completed",
    "data_import_failed": "import_failed",
    "cache_sync_started": "cache_started",
    "cache_sync_progress": "cache_progress",
    "cache_sync_completed": "cache_completed",
    "indicator_processing_progress": "indicator_progress",
    "pattern_processing_progress": "pattern_progress",
}
"""Older name -> the contract's (wire notes, "Several names for one thing")."""

STATUS_SEVERITIES = {
    "failed": Severity.ERROR,
    "error": Severity.ERROR,
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "partial": Severity.WARNING,
    "completed_with_errors": Severity.WARNING,
    "cancelled": Severity.WARNING,
    "canceled": Severity.WARNING,
}
"""What a status says about severity when the event states none."""

_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"?|[{}\[\]]', re.DOTALL)
_common = msgspec.json.Decoder(_Common).decode
_flat = msgspec.json.Decoder(_Flat).decode
_encode = msgspec.json.Encoder().encode


class _OtherShape(msgspec.MsgspecError):
    """The bytes are JSON, but of another shape than the one tried."""


class _Channel:
    """What is known about one channel: its phase, its events' kinds, and the shape that it spoke last."""

    __slots__ = ("domain", "fallback", "kinds", "name", "phase", "shape")

    def __init__(self, name: str) -> None:
        self.name = name
        self.domain, action = split_channel(name)
        self.phase = None if action == "streaming" else PHASE_NAMES.get(self.domain)
        self.fallback = "_".join(part for part in (self.domain, *action.split(":")) if part)
        self.kinds: dict[tuple[str, str | None], tuple[Kind, str | None]] = {}
        self.shape: _Shape = _canonical

    def kind(self, claimed: str, phase: str | None) -> tuple[Kind, str | None]:
        """The kind of an event that calls itself `claimed`, and the claimed name where it is not the canonical one."""
        key = (claimed, phase)
        found = self.kinds.get(key)
        if found is None:
            lowered = claimed.lower()
            event = EVENT_NAMES.get(lowered, lowered)
            kind = kind_of(self.name, event, self.phase or _phase(phase))
            found = (kind, None if event == claimed else claimed)
            if len(self.kinds) < MAX_KNOWN_CHANNELS:
                self.kinds[key] = found
        return found


_Read = tuple[str, Any, Any, Any, _Common, bytes]
"""What a shape reads: event name, claimed time, source, version, common fields, payload bytes."""
_Shape = Callable[[bytes, _Channel], _Read]


def _nested(envelope: type[_Envelope], field: str) -> _Shape:
    """The shape `{event, timestamp, source, version, <field>: {…}}`, perhaps with a session beside it."""
    decode = msgspec.json.Decoder(envelope).decode

    def read(data: bytes, _: _Channel) -> _Read:
        head = decode(data)
        raw = bytes(getattr(head, field))
        if raw[:1] != b"{":
            raise _OtherShape
        session = getattr(head, "session_id", None)
        if session is not None:
            if b'"session_id"' in raw or raw[1:2] == b"}":
                raise _OtherShape
            raw = b'{"session_id":%b,%b' % (_encode(session), raw[1:])
        return head.event, head.timestamp, head.source, head.version, _common(raw), raw

    return read


def _own_payload(data: bytes, channel: _Channel) -> _Read:
    """The shapes without a nested object: the whole message is the payload."""
    head = _flat(data)
    if not (head.payload is head.data is head.detection is head.calculation is msgspec.UNSET):
        raise _OtherShape
    return _name(head, channel), head.timestamp, head.source, head.version, head, data


def _name(head: _Flat, channel: _Channel) -> str:
    for claimed in (head.event, head.event_type, head.alert_type):
        if isinstance(claimed, str) and claimed:
            return claimed
    if head.error_id is not None or channel.domain == "errors":
        return "error"
    if head.symbol is not None and head.price is not None:
        return "market_tick"
    return channel.fallback


def _carefully(data: bytes, channel: _Channel) -> _Read:
    """Any shape: decode everything, move what stands beside a nested object into it, write it again.

    Raises:
        ValueError: not a JSON object.
    """
    message = decode_object(data)
    head = msgspec.convert({k: v for k, v in message.items() if k not in NESTED}, _Flat)
    field = next((name for name in NESTED if isinstance(message.get(name), dict)), None)
    payload = message if field is None else _merged(message, field)
    raw = _encode(payload)
    common = head if field is None else msgspec.convert(payload, _Common)
    return _name(head, channel), head.timestamp, head.source, head.version, common, raw


def _merged(message: dict[str, Any], field: str) -> dict[str, Any]:
    """The nested object with its neighbours in it; a neighbour of another value under a taken name goes to `_outer`."""
    nested: dict[str, Any] = message[field]
    beside = {k: v for k, v in message.items() if k != field and k not in ENVELOPE}
    hidden = {k: v for k, v in beside.items() if k in nested and nested[k] != v}
    return beside | nested | ({"_outer": hidden} if hidden else {})


_canonical = _nested(_Canonical, "payload")
FAST_SHAPES: tuple[_Shape, ...] = (
    _canonical,
    _own_payload,
    _nested(_Detection, "detection"),
    _nested(_Calculation, "calculation"),
    _nested(_Data, "data"),
)


class Normalizer:
    """Turns messages into events; remembers each channel's habits, and nothing else."""

    def __init__(self, *, max_bytes: int = 16 << 20, max_depth: int = 100) -> None:
        """Limits: bytes of a message, and how deep its JSON may nest."""
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._channels: dict[bytes, _Channel] = {}

    def normalize(
        self, channel: bytes, data: bytes, received: datetime, stream: str, offset: int
    ) -> Event | Unreadable:
        """The event in `data`, or why there is none. `stream` and `offset` name it (see `Event.id`)."""
        known = self._channels.get(channel) or self._learn(channel)
        try:
            claimed, time, source, version, common, raw = self._read(data, known)
        except _Refused as refused:
            return Unreadable(channel, data, received, stream, offset, refused.reason)
        kind, wire_event = known.kind(claimed, common.phase if type(common.phase) is str else None)
        marks = Mark.NONE
        stamp = _stamp(time)
        if stamp is None:
            stamp, marks = utc_text(received), Mark.UNDATED
        if kind.is_test or (source and _is_probe(source)) or _says_test(common):
            marks |= Mark.TEST
        return Event(
            kind,
            stream,
            offset,
            received,
            stamp,
            _severity(kind, common),
            raw,
            data,
            _correlation(common),
            _text(source),
            _text(version),
            wire_event,
            marks,
        )

    def _read(self, data: bytes, channel: _Channel) -> _Read:
        if len(data) > self._max_bytes:
            raise _Refused(Reason.TOO_LARGE)
        # A backslash or a line break needs a closer look (the fast decoder skips over escapes in what it leaves raw,
        # and an archive line must be one line); so does anything that is not plain ASCII or perhaps too deep.
        if data.isascii() and b"\\" not in data and b"\n" not in data and not self._perhaps_deep(data):
            try:
                return channel.shape(data, channel)
            except (msgspec.MsgspecError, RecursionError):
                pass  # it speaks another shape this time: find out which
            for shape in FAST_SHAPES:
                try:
                    read = shape(data, channel)
                except (msgspec.MsgspecError, RecursionError):
                    continue
                channel.shape = shape
                return read
        return self._read_carefully(data, channel)

    def _read_carefully(self, data: bytes, channel: _Channel) -> _Read:
        if not data.strip():
            raise _Refused(Reason.EMPTY)
        try:
            data.decode()
        except UnicodeDecodeError:
            raise _Refused(Reason.NOT_UTF8) from None
        if self._perhaps_deep(data) and depth_of(data) > self._max_depth:
            raise _Refused(Reason.TOO_DEEP)
        try:
            return _carefully(data, channel)
        except NotAnObjectError:
            raise _Refused(Reason.NOT_AN_OBJECT) from None
        except ValueError:
            raise _Refused(Reason.NOT_JSON) from None

    def _perhaps_deep(self, data: bytes) -> bool:
        return data.count(b"{") + data.count(b"[") > self._max_depth

    def _learn(self, channel: bytes) -> _Channel:
        known = _Channel(channel.decode(errors="backslashreplace"))
        if len(self._channels) < MAX_KNOWN_CHANNELS:
            self._channels[channel] = known
        return known


class _Refused(Exception):  # noqa: N818 - a decision, not an error of ours
    def __init__(self, reason: Reason) -> None:
        self.reason = reason


def depth_of(data: bytes) -> int:
    """How deep brackets nest in `data`, those inside strings not counted; right for JSON, a bound for anything else."""
    depth = deepest = 0
    for token in _BRACKETS.finditer(data):
        first = token.group()[0]
        if first in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"}]":
            depth -= 1
    return deepest


def _phase(name: str | None) -> Phase | None:
    return PHASE_NAMES.get(name.lower()) if name else None


def _stamp(claim: object) -> str | None:
    """Canonical UTC text of a claimed time: ISO 8601 (naive means UTC) or seconds, milli-, micro-, nanoseconds."""
    try:
        if isinstance(claim, str):
            moment = datetime.fromisoformat(claim)
            if len(claim) > 19 and claim[19] in ".Z" and claim[-1] == "Z" and claim[10] == "T" and claim[5] != "W":  # noqa: PLR2004 - positions in `2025-01-26T21:10:00Z`
                return claim
            return utc_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        if isinstance(claim, int | float) and not isinstance(claim, bool) and claim > 0:
            return utc_text(datetime.fromtimestamp(_seconds(claim), UTC))
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _seconds(epoch: float) -> float:
    """Epoch seconds from whatever unit: 1e11 s is the year 5138, 1e11 ms is 1973."""
    while epoch >= 1e11:  # noqa: PLR2004
        epoch /= 1000
    return epoch


def _severity(kind: Kind, common: _Common) -> Severity:
    if common.severity is common.level is common.status is common.alert is None:
        return kind.severity
    if kind.event == "alert_resolved":
        return Severity.INFO
    level = common.alert.get("level") if isinstance(common.alert, dict) else None
    for word in (common.severity, common.level, level):
        if isinstance(word, str) and (stated := SEVERITIES.get(word.lower())):
            return max(stated, kind.severity) if kind.event == "critical_error" else stated
    if isinstance(common.status, str):
        return max(STATUS_SEVERITIES.get(common.status.lower(), kind.severity), kind.severity)
    return kind.severity


def _correlation(common: _Common) -> str | None:
    for value in (common.run_id, common.job_id, common.session_id):
        if value is not None and value != "":
            return _text(value)
    return None


def _says_test(common: _Common) -> bool:
    return True in (common.test, common.is_test, common.probe, common.dry_run)


@lru_cache(maxsize=1024)
def _is_probe(source: object) -> bool:
    return isinstance(source, str) and looks_like_a_probe(source)


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    return _encode(value).decode()
