"""The written form of an event: one JSON line for archive, outbox, webhook and `replay`."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from relay.events.kind import KindFacts, kind_of
from relay.events.model import Event
from relay.events.terms import MARK_KEYS, SEVERITIES, Mark, Phase

_json = msgspec.json.Encoder().encode

_MARK_BYTES = {mark: b',"%b":true' % key.encode() for mark, key in MARK_KEYS.items()}


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
    wire_event: str | None = None
    run_id: str | None = None
    payload: msgspec.Raw
    undated: bool = False
    test: bool = False
    reconstructed: bool = False
    replayed: bool = False
    unwrapped: bool = False


def encode(event: Event) -> bytes:
    """The event's written form: one JSON object, no line break in or after it."""
    return encode_lines((event,))[:-1]


def encode_lines(events: Iterable[Event]) -> bytes:
    """The written form of each event, each with a line break behind it.

    Bytes are put together here because the payload's are already at hand: parsing and printing it again would cost
    more than everything else that happens to an event. A batch shares its stream and time received, so their text is
    made once, and all is joined once.
    """
    pieces: list[bytes] = []
    stream = received = None
    begin = middle = b""
    for event in events:
        if event.stream is not stream or event.received is not received:
            stream = event.stream
            received = event.received
            begin = b'{"id":"%b-' % stream.encode()
            middle = b'","received":%b,"timestamp":' % _json(received)
        run_id = event.run_id
        pieces += (
            begin,
            b"%d" % event.offset,
            middle,
            _json(event.timestamp),
            event.kind.head,
            b"null" if run_id is None else _json(run_id),
            b',"payload":',
            event.raw,
            _marks(event.marks) if event.marks else b"}\n",
        )
    return b"".join(pieces)


def _marks(marks: Mark) -> bytes:
    """The end of a line that has any."""
    return b"".join(text for mark, text in _MARK_BYTES.items() if marks & mark) + b"}\n"


def decode(line: bytes) -> Event:
    """Read back what `encode` wrote.

    Raises:
        msgspec.MsgspecError: the line is not such an object.
        ValueError: one of its fields cannot be what it says.
    """
    record = _decode_record(line)
    if record.severity not in SEVERITIES:
        raise ValueError(f"{record.severity!r:.50} is not a valid severity")
    stream, _, offset = record.id.rpartition("-")
    marks = Mark.NONE
    for mark, key in MARK_KEYS.items():
        if getattr(record, key):
            marks |= mark
    raw = bytes(record.payload)
    return Event(
        kind=kind_of(
            KindFacts(
                record.channel,
                record.event,
                Phase(record.phase) if record.phase else None,
                SEVERITIES[record.severity],
                record.source,
                record.version,
                record.wire_event,
            )
        ),
        stream=stream,
        offset=int(offset),
        received=_moment(record.received),
        timestamp=_moment(record.timestamp),
        raw=raw,
        original=raw,
        run_id=record.run_id,
        marks=marks,
    )


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


_decode_record = msgspec.json.Decoder(Record).decode
