"""Message -> Event: one small shape for each known envelope, and one for the unknown.

Nothing raises out of `Normalizer`, whatever the bytes: what is no JSON object comes back as `Unreadable`, for the
quarantine. It knows no route, no sink and no run.

There are two ways to the same event. `read` is the plain one: it decodes everything. `read_all` is the hot one: it
reads a usual message by its channel's shape, leaves the payload as bytes, and hands everything else to `read`. A
property test holds them to the same events.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec

from relay.events import Event, Mark, Message
from relay.events.lenient_json import MOST_DIGITS, NotAnObjectError, decode_leniently, decode_object, has_endless_number
from relay.normalize.kinds import Channel, Channels
from relay.normalize.shapes import ENVELOPE, NESTED, TEST_FLAGS, TICK
from relay.normalize.structure import depth_of as depth_of  # noqa: PLC0414 - also asked for here
from relay.normalize.structure import structure_of
from relay.normalize.times import claimed_time, utc

GROUP = 32
"""Messages that are looked at together for what is unusual: mostly nothing is, and that costs a few calls for all."""


class UnreadableReason(StrEnum):
    """Why a message does not become an Event."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    TOO_MANY_VALUES = "too_many_values"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    POISON = "poison"
    """It ended processes that took it (`relay.subscription.poison`)."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message for the quarantine, bytes intact."""

    channel: bytes
    data: bytes
    received: datetime
    stream: str
    offset: int
    reason: UnreadableReason


class _Refused(Exception):  # noqa: N818 - a decision, not an error of ours
    def __init__(self, reason: UnreadableReason) -> None:
        self.reason = reason


class Normalizer:
    """Turns messages into events; remembers each channel's habits, and nothing else."""

    def __init__(self, *, max_bytes: int = 16 << 20, max_depth: int = 250, max_values: int = 250_000) -> None:
        """Limits: bytes of a message, how deep its JSON may nest, how many values it may have."""
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._max_values = max_values
        self._surely_shallow = min(2 * max_depth, max_bytes)
        """Bytes: two brackets a level do not fit into fewer."""
        self._channels = Channels()

    def read_all(
        self, messages: Sequence[Message], received: datetime, stream: str
    ) -> tuple[list[Event], list[Unreadable]]:
        """The events of a batch, and the messages that are none, each in order.

        Dense, because every message passes here. What is not usual in any way goes to `read`.
        """
        events: list[Event] = []
        unreadable: list[Unreadable] = []
        channels, shallow = self._channels, self._surely_shallow
        for first in range(0, len(messages), GROUP):
            group = messages[first : first + GROUP]
            # One look at all of them: mostly none is unusual, and only then is each looked at.
            are_plain = _is_plain(b"".join([data for _, data, _ in group]))
            for channel, data, offset in group:
                known = channels[channel]
                usual = None
                if (are_plain or _is_plain(data)) and (len(data) <= shallow or self._is_within_limits(data)):
                    # The shape that this channel's messages had until now; one of another shape changes it once.
                    try:
                        usual = known.shape(data)
                    except (msgspec.MsgspecError, RecursionError):
                        usual = known.reshaped(data)
                if usual is None:
                    read = self.read(channel, data, received, stream, offset)
                    if isinstance(read, Unreadable):
                        unreadable.append(read)
                    else:
                        events.append(read)
                    continue
                head, common, raw = usual
                facts = (
                    head.event,
                    common.severity,
                    common.level,
                    common.status,
                    common.phase,
                    head.source,
                    head.version,
                )
                # All that a kind is made of: equal facts are the same kind, which was made once.
                kind, marks = known.kinds.get(facts) or known.kind(*facts)
                time = head.timestamp
                if time is not None and time.tzinfo is not UTC:
                    time = utc(time)
                if time is None:
                    time, marks = received, marks | Mark.UNDATED
                # An empty id is none; a job's or a session's id stands for the run where that is not named.
                run_id = common.run_id or common.job_id or common.session_id or None
                events.append(Event(kind, stream, offset, received, time, raw, data, run_id, marks))
        return events, unreadable

    def read(self, channel: bytes, data: bytes, received: datetime, stream: str, offset: int) -> Event | Unreadable:
        """The event in `data`, or why there is none, the plain way. `stream` and `offset` name it (`Event.id`)."""
        known = self._channels[channel]
        try:
            message, in_text = self._unwrapped(data)
        except _Refused as refused:
            return Unreadable(channel, data, received, stream, offset, refused.reason)
        replayed = message.get("replayed") is True and message.pop("replayed")  # by `tickstock-relay replay`
        in_text |= self._unwrap_payload(message)
        nested = next((name for name in NESTED if isinstance(message.get(name), dict)), None)
        payload = _merged(message, nested) if nested else message
        source, version = _text(message.get("source")), _text(message.get("version"))
        words = [_word(payload, name) for name in ("severity", "level", "status", "phase")]
        kind, marks = known.kind(_name(message, known), *words, source, version)
        if any(payload.get(flag) is True for flag in TEST_FLAGS):
            marks |= Mark.TEST
        if replayed:
            marks |= Mark.REPLAYED
        if in_text:
            marks |= Mark.UNWRAPPED
        time = claimed_time(message.get("timestamp"))
        if time is None:
            time, marks = received, marks | Mark.UNDATED
        return Event(kind, stream, offset, received, time, _encode(payload), data, _correlation(payload), marks)

    def _unwrapped(self, data: bytes) -> tuple[dict[str, Any], bool]:
        """The message's object, and whether it stood in a JSON text: some publishers encode twice.

        Raises:
            _Refused: there is none, or only after more than that.
        """
        try:
            return self._object(data), False
        except _Refused as refused:
            if refused.reason is UnreadableReason.NOT_AN_OBJECT:
                with suppress(_Refused):
                    return self._object(_text_in(data)), True
            raise

    def _unwrap_payload(self, message: dict[str, Any]) -> bool:
        """The same for the object in the envelope; whether there was one. A text that holds no object stays a text."""
        if any(isinstance(message.get(name), dict) for name in NESTED):
            return False
        for name in NESTED:
            text = message.get(name)
            if isinstance(text, str) and text.lstrip()[:1] == "{":
                try:
                    message[name] = self._object(text.encode())
                except _Refused:
                    continue
                return True
        return False

    def _is_within_limits(self, data: bytes) -> bool:
        """Surely: what may be too deep, of too many values, or hold an endless number, is for `read` to find out."""
        opened = data.count(b"{") + data.count(b"[")
        return (
            len(data) <= self._max_bytes
            and opened <= self._max_depth
            and (len(data) <= self._max_values or data.count(b",") + opened <= self._max_values)
            and (len(data) <= MOST_DIGITS or not has_endless_number(data))
        )

    def _object(self, data: bytes) -> dict[str, Any]:
        if len(data) > self._max_bytes:
            raise _Refused(UnreadableReason.TOO_LARGE)
        if not data.strip():
            raise _Refused(UnreadableReason.EMPTY)
        try:
            data.decode()
        except UnicodeDecodeError:
            raise _Refused(UnreadableReason.NOT_UTF8) from None
        if not self._is_within_limits(data):
            depth, values = structure_of(data)
            if depth > self._max_depth:
                raise _Refused(UnreadableReason.TOO_DEEP)
            if values > self._max_values:
                raise _Refused(UnreadableReason.TOO_MANY_VALUES)
        try:
            return decode_object(data)
        except NotAnObjectError:
            raise _Refused(UnreadableReason.NOT_AN_OBJECT) from None
        except ValueError:
            raise _Refused(UnreadableReason.NOT_JSON) from None


def _name(message: dict[str, Any], channel: Channel) -> str:
    for field in ("event", "event_type", "alert_type"):
        claimed = message.get(field)
        if isinstance(claimed, str) and claimed:
            return claimed
    if message.get("error_id") is not None:
        return "error"
    if message.get("symbol") is not None and message.get("price") is not None:
        return TICK
    return channel.fallback


def _text_in(data: bytes) -> bytes:
    """The text that a JSON text is; nothing for other JSON."""
    value = decode_leniently(data)
    return value.encode() if isinstance(value, str) else b""


def _is_plain(data: bytes) -> bool:
    """Whether the quick readers can be trusted with it.

    They skip over what they do not decode without a look at its UTF-8 (at its escapes they look), and the archive's
    line must stay one line.
    """
    return data.isascii() and b"\n" not in data and b"\r" not in data


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


_encode = msgspec.json.Encoder().encode


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
