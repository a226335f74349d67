"""The usual envelopes, as types: what the hot path decodes in one go.

The types are strict on purpose. A field that needs a closer look (a test flag, an alert's level, a number where text is
usual, an unknown field beside a nested payload) does not fit, and the message is read the plain way instead: so the
usual message pays nothing for the unusual one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import msgspec

NESTED = ("payload", "data", "detection", "calculation")
"""Names of the object in an envelope, in the order in which they are looked for (wire notes, "Envelopes")."""
ENVELOPE = frozenset({"event", "event_type", "timestamp", "source", "version"})
TEST_FLAGS = ("test", "is_test", "probe", "dry_run")


_Text = Annotated[str, msgspec.Meta(min_length=1)]


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


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    event: str
    timestamp: datetime
    source: str | None = None
    version: str | None = None


class _Canonical(_Envelope, kw_only=True):
    """The contract's."""

    nested: Common = msgspec.field(name="payload")


class _Data(_Envelope, kw_only=True):
    """`data` for `payload`."""

    nested: Common = msgspec.field(name="data")


class _Detection(_Envelope, kw_only=True):
    """A streaming detection; its session stands beside it."""

    nested: Common = msgspec.field(name="detection")

    session_id: _Text = ""


class _Calculation(_Envelope, kw_only=True):
    """A streaming calculation; its session stands beside it."""

    nested: Common = msgspec.field(name="calculation")

    session_id: _Text = ""


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


@dataclass(frozen=True, slots=True)
class Shape:
    """How to decode a usual message, and where its payload is: behind `marker`, or the whole of it."""

    decode: Callable[[bytes], Any]
    marker: bytes = b""
    has_session: bool = False


FLAT = Shape(msgspec.json.Decoder(Flat).decode)
CANONICAL = Shape(msgspec.json.Decoder(_Canonical).decode, b'"payload":')
SHAPES = (
    CANONICAL,
    FLAT,
    Shape(msgspec.json.Decoder(_Detection).decode, b'"detection":', has_session=True),
    Shape(msgspec.json.Decoder(_Calculation).decode, b'"calculation":', has_session=True),
    Shape(msgspec.json.Decoder(_Data).decode, b'"data":'),
)
