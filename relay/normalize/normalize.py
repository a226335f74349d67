"""Message -> Event: one small shape for each known envelope, and one for the unknown.

Nothing raises out of `Normalizer`, whatever the bytes: what is no JSON object comes back as `Unreadable`, for the
quarantine. It knows no route, no sink and no run.

There are two ways to the same event. `read` is the plain one: it decodes everything. `read_all` is the hot one: it
decodes the envelope of a usual message once, leaves the payload as bytes, and hands everything else to `read`. A
property test holds them to the same events.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from relay.events import (
    PHASE_NAMES,
    SEVERITIES,
    Event,
    Kind,
    Mark,
    Severity,
    kind_of,
    looks_like_a_probe,
    split_channel,
)
from relay.normalize.names import EVENT_NAMES, STATUS_SEVERITIES
from relay.normalize.shapes import CANONICAL, ENVELOPE, FLAT, NESTED, SHAPES, TEST_FLAGS, Shape
from relay.subscription.resp import Message
from relay.tolerant import NotAnObjectError, decode_object

MAX_KNOWN = 4096
"""So many channels, and kinds of each, are remembered; the pattern may let in any number of invented ones."""

TICK = "market_tick"
LATEST = 1e20
"""Nanoseconds since 1970, in the year 5138: a larger number is no time in any unit."""
SPACE = 32
"""As Python's json writes it behind a colon."""


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


class _Refused(Exception):  # noqa: N818 - a decision, not an error of ours
    def __init__(self, reason: Reason) -> None:
        self.reason = reason


class _Channel:
    """What is known of one channel: its phase, the shape that it spoke last, and the kinds of its events."""

    __slots__ = ("domain", "fallback", "kinds", "name", "phase", "shape")

    def __init__(self, name: str) -> None:
        self.name = name
        self.domain, action = split_channel(name)
        self.phase = None if action == "streaming" else PHASE_NAMES.get(self.domain)
        words = [part for part in (self.domain, *action.split(":")) if part]
        self.fallback = "error" if self.domain == "errors" else "_".join(words)
        self.shape = CANONICAL
        self.kinds: dict[tuple[str | None, ...], tuple[Kind, Mark]] = {}

    def kind(self, *facts: str | None) -> tuple[Kind, Mark]:
        """Kind and marks of an event of these `facts` (see `_kind`), remembered."""
        found = self.kinds.get(facts)
        if found is None:
            found = _kind(self, *facts)
            if len(self.kinds) < MAX_KNOWN:
                self.kinds[facts] = found
        return found


class Normalizer:
    """Turns messages into events; remembers each channel's habits, and nothing else."""

    def __init__(self, *, max_bytes: int = 16 << 20, max_depth: int = 250) -> None:
        """Limits: bytes of a message, and how deep its JSON may nest."""
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._surely_shallow = min(2 * max_depth, max_bytes)
        """Bytes: two brackets a level do not fit into fewer."""
        self._channels: dict[bytes, _Channel] = {}

    def read_all(
        self, messages: Iterable[Message], received: datetime, stream: str
    ) -> tuple[list[Event], list[Unreadable]]:
        """The events of a batch, and the messages that are none, each in order.

        Dense, and without calls, because every message passes here: they would cost a fifth of it. What is not usual
        in any way goes to `read`. Backslashes and line breaks need its closer look: the decoder skips over escapes in
        what it does not decode, and the archive's line must stay one line. Without backslashes the first `"payload":`
        in the bytes is the envelope's own key, since a quote in a text would be escaped; and nothing but the payload
        can end in a brace, so what runs from there to the last brace is the payload, unless the key comes twice.
        """
        events: list[Event] = []
        unreadable: list[Unreadable] = []
        channels, shallow = self._channels, self._surely_shallow
        for channel, data, offset in messages:
            known = channels.get(channel) or self._learn(channel)
            shape: Shape | None = None
            plain = data.isascii() and b"\\" not in data and b"\n" not in data and b"\r" not in data
            if plain and (len(data) <= shallow or self._is_within_limits(data)):
                try:
                    shape, head = known.shape, known.shape.decode(data)
                except (msgspec.MsgspecError, RecursionError):
                    shape, head = _reshape(known, data)
            if shape is FLAT:
                common, raw, session = head, data, None
                claimed = head.event or head.event_type or (None if head.symbol is None or head.price is None else TICK)
            elif shape is not None:
                start = data.find(shape.marker) + len(shape.marker)
                raw = data[start + (data[start] == SPACE) : -1]
                common, claimed = head.nested, head.event
                session = (head.session_id or None) if shape.has_session else None
                if session is not None:
                    raw = _with_session(raw, session) if common.session_id is None else b""
                if raw[:1] != b"{" or raw[-1:] != b"}" or data[-1:] != b"}" or shape.marker in raw:
                    shape = None
            time = None if shape is None else head.timestamp
            if time is not None and (time.tzinfo is UTC or (time := _utc(time)) is not None):
                facts = (claimed, common.severity, common.level, common.status, common.phase, head.source, head.version)
                kind, marks = known.kinds.get(facts) or known.kind(*facts)
                run_id = common.run_id or common.job_id or common.session_id or session
                events.append(Event(kind, stream, offset, received, time, raw, data, run_id, marks))
                continue
            read = self.read(channel, data, received, stream, offset)
            if isinstance(read, Unreadable):
                unreadable.append(read)
            else:
                events.append(read)
        return events, unreadable

    def read(self, channel: bytes, data: bytes, received: datetime, stream: str, offset: int) -> Event | Unreadable:
        """The event in `data`, or why there is none, the plain way. `stream` and `offset` name it (`Event.id`)."""
        known = self._channels.get(channel) or self._learn(channel)
        try:
            message = self._object(data)
        except _Refused as refused:
            return Unreadable(channel, data, received, stream, offset, refused.reason)
        replayed = message.get("replayed") is True and message.pop("replayed")  # by `tickstock-relay replay`
        nested = next((name for name in NESTED if isinstance(message.get(name), dict)), None)
        payload = _merged(message, nested) if nested else message
        source, version = _text(message.get("source")), _text(message.get("version"))
        words = [_word(payload, name) for name in ("severity", "level", "status", "phase")]
        kind, marks = known.kind(_name(message, known), *words, source, version)
        if any(payload.get(flag) is True for flag in TEST_FLAGS):
            marks |= Mark.TEST
        if replayed:
            marks |= Mark.REPLAYED
        time = _time(message.get("timestamp"))
        if time is None:
            time, marks = received, marks | Mark.UNDATED
        return Event(kind, stream, offset, received, time, _encode(payload), data, _correlation(payload), marks)

    def _is_within_limits(self, data: bytes) -> bool:
        """Surely: what may be too deep is for `read` to find out."""
        return len(data) <= self._max_bytes and data.count(b"{") + data.count(b"[") <= self._max_depth

    def _object(self, data: bytes) -> dict[str, Any]:
        if len(data) > self._max_bytes:
            raise _Refused(Reason.TOO_LARGE)
        if not data.strip():
            raise _Refused(Reason.EMPTY)
        try:
            data.decode()
        except UnicodeDecodeError:
            raise _Refused(Reason.NOT_UTF8) from None
        if data.count(b"{") + data.count(b"[") > self._max_depth and depth_of(data) > self._max_depth:
            raise _Refused(Reason.TOO_DEEP)
        try:
            return decode_object(data)
        except NotAnObjectError:
            raise _Refused(Reason.NOT_AN_OBJECT) from None
        except ValueError:
            raise _Refused(Reason.NOT_JSON) from None

    def _learn(self, channel: bytes) -> _Channel:
        known = _Channel(channel.decode(errors="backslashreplace"))
        if len(self._channels) < MAX_KNOWN:
            self._channels[channel] = known
        return known


def _reshape(known: _Channel, data: bytes) -> tuple[Shape | None, Any]:
    """The channel speaks another shape this time: find out which, and expect it next time."""
    for shape in SHAPES:
        if shape is not known.shape and shape.marker in data:
            try:
                head = shape.decode(data)
            except (msgspec.MsgspecError, RecursionError):
                continue
            known.shape = shape
            return shape, head
    return None, None


def _kind(
    channel: _Channel,
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


def _name(message: dict[str, Any], channel: _Channel) -> str:
    for field in ("event", "event_type", "alert_type"):
        claimed = message.get(field)
        if isinstance(claimed, str) and claimed:
            return claimed
    if message.get("error_id") is not None:
        return "error"
    if message.get("symbol") is not None and message.get("price") is not None:
        return TICK
    return channel.fallback


def _with_session(raw: bytes, session: str) -> bytes:
    """A nested payload with the session that stands beside it; nothing (so not usual) where there is no room."""
    return b"" if raw == b"{}" else b'{"session_id": "%b", %b' % (session.encode(), raw[1:])


def _merged(message: dict[str, Any], field: str) -> dict[str, Any]:
    """The nested object with its neighbours in it; a neighbour of another value under a taken name: `_outer`."""
    nested: dict[str, Any] = message[field]
    beside = {k: v for k, v in message.items() if k != field and k not in ENVELOPE}
    hidden = {k: v for k, v in beside.items() if k in nested and nested[k] != v}
    return beside | nested | ({"_outer": hidden} if hidden else {})


def _word(payload: dict[str, Any], name: str) -> str | None:
    word = payload.get(name)
    if name == "level" and not isinstance(word, str):  # monitoring says it in `alert: {level, message}`
        alert = payload.get("alert")
        word = alert.get("level") if isinstance(alert, dict) else None
    return word if isinstance(word, str) else None


_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]', re.DOTALL)
_encode = msgspec.json.Encoder().encode


def depth_of(data: bytes) -> int:
    """How deep brackets nest in `data`, those inside texts not counted; exact for JSON."""
    depth = deepest = 0
    for token in _BRACKETS.finditer(data):
        first = token.group()[0]
        if first in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"}]":
            depth -= 1
    return deepest


def _time(claim: object) -> datetime | None:
    """A claimed time in UTC: ISO 8601 (naive means UTC) or seconds, milli-, micro-, nanoseconds since 1970."""
    try:
        if isinstance(claim, str):
            return _utc(_iso(claim))
        if isinstance(claim, int | float) and not isinstance(claim, bool) and 0 < claim < LATEST:
            return datetime.fromtimestamp(_seconds(claim), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _iso(text: str) -> datetime:
    """The hot path's reading where it has one, so that both round alike; else the wider one of the standard library."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return datetime.fromisoformat(text)


def _utc(time: datetime) -> datetime | None:
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):  # a year that no zone can have
        return None


def _seconds(epoch: float) -> float:
    """Epoch seconds from whatever unit: 1e11 s is the year 5138, 1e11 ms is 1973."""
    while epoch >= 1e11:  # noqa: PLR2004
        epoch /= 1000
    return epoch


def _correlation(payload: dict[str, Any]) -> str | None:
    for name in ("run_id", "job_id", "session_id"):
        value = payload.get(name)
        if value is not None and value != "":
            return _text(value)
    return None


def _text(value: object) -> str | None:
    if value is None or type(value) is str:
        return value
    return _encode(value).decode()
