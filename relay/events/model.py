"""The one type that travels. Its kind is in `relay.events.kind`, its written form in `relay.events.record`.

Every message becomes an `Event`; the archive, the outbox, the webhook and `replay` all use the one line that
is written and read there. This module knows nothing of Redis, routes or sinks.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from relay.events.kind import Kind, KindFacts, kind_of
from relay.events.lenient_json import decode_object
from relay.events.terms import TOLD_LATER, Mark, Phase, Severity

CLAIM_MAY_BE_OLD = timedelta(minutes=15)
CLAIM_MAY_BE_AHEAD = timedelta(seconds=5)
"""A claimed time outside of this span around the time received cannot be true: publishers that append `Z` to local
time are off by half hours at least (wire notes, "Timestamps")."""

Message = tuple[bytes, bytes, int]
"""Channel, data, and the position in the connection's bytes at which the message ends."""

_json = msgspec.json.Encoder().encode


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
