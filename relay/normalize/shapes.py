"""The usual envelopes, as types: how the hot path reads a message of each shape.

The types are strict on purpose. A field that needs a closer look (a test flag, an alert's level, a number where text is
usual, an unknown field beside a nested payload) does not fit, and the message is read the plain way instead: so the
usual message pays nothing for the unusual one.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

NESTED = ("payload", "data", "detection", "calculation")
"""Names of the object in an envelope, in the order in which they are looked for (wire notes, "Envelopes")."""
ENVELOPE = frozenset({"event", "event_type", "timestamp", "source", "version"})
TICK = "market_tick"
TEST_FLAGS = ("test", "is_test", "probe", "dry_run")


class Common(msgspec.Struct, gc=False):
    """What may stand in a payload, whatever the event, and matters here."""

    run_id: str | None = None
    job_id: str | None = None
    session_id: str | None = None
    severity: str | None = None
    level: str | None = None
    status: str | None = None
    phase: str | None = None
    alert: None = None
    test: None = None
    is_test: None = None
    probe: None = None
    dry_run: None = None


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """An object in an envelope; `nested` is that object's bytes, checked to be JSON and not looked into yet."""

    nested: msgspec.Raw
    event: str
    timestamp: datetime | None = None
    source: str | None = None
    version: str | None = None
    session_id: Annotated[str, msgspec.Meta(min_length=1)] = ""
    """Stands beside the object in streaming detections."""


class Flat(Common):
    """An object that is its own payload: flat errors, monitoring, health, ticks, and what nobody has listed."""

    timestamp: datetime | None = None
    symbol: Any = None
    price: Any = None
    event: str | None = None
    event_type: str | None = None
    source: str | None = None
    version: str | None = None
    alert_type: None = None
    error_id: None = None
    payload: None = None
    data: None = None
    detection: None = None
    calculation: None = None
    replayed: None = None


Usual = tuple[Any, Common, bytes]
"""A usual message: its head (event, timestamp, source, version), what matters of its payload, the payload's bytes."""
Shape = Callable[[bytes], Usual]
"""Reads a message of one shape, or raises `msgspec.MsgspecError`: it is of another one."""

_encode = msgspec.json.Encoder().encode
_decode_flat = msgspec.json.Decoder(Flat).decode
_decode_common = msgspec.json.Decoder(Common).decode


def flat(data: bytes) -> Usual:
    """An object that is its own payload; what has a symbol and a price but no name is a tick."""
    head = _decode_flat(data)
    if not head.event:
        head.event = head.event_type or (TICK if head.symbol is not None and head.price is not None else None)
    return head, head, data


def _nested(name: str) -> Shape:
    """The shape whose payload is the object of that name."""
    fields = [("nested", msgspec.Raw, msgspec.field(name=name))]
    decode = msgspec.json.Decoder(msgspec.defstruct(f"_{name.title()}", fields, bases=(_Envelope,))).decode

    def nested(data: bytes) -> Usual:
        head: Any = decode(data)
        raw = bytes(head.nested)
        common = _decode_common(raw)
        if head.session_id:
            raw = _with_session(raw, common, head.session_id)
        return head, common, raw

    return nested


def _with_session(raw: bytes, common: Common, session: str) -> bytes:
    """A payload with the session that stands beside it."""
    if b'"session_id"' in raw or b"\\" in raw or not raw[1:-1].strip():
        raise msgspec.ValidationError("an unusual session")
    common.session_id = session
    return b'{"session_id": %b, %b' % (_encode(session), raw[1:])


canonical = _nested("payload")
SHAPES = {canonical: b'"payload"', flat: b""} | {_nested(name): b'"%b"' % name.encode() for name in NESTED[1:]}
"""Each shape, and what every message of it contains."""
