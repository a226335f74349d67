"""The one type that travels, and its written form; knows nothing of Redis, routes or sinks."""

from relay.events.kind import (
    LONGEST_LABEL,
    Kind,
    KindFacts,
    PerKind,
    kind_of,
    split_channel,
)
from relay.events.model import (
    Announcement,
    Event,
    Message,
    payload_reader,
)
from relay.events.record import (
    Record,
    decode,
    encode,
    encode_lines,
    utc_text,
)
from relay.events.terms import (
    MARK_KEYS,
    NOT_REAL,
    PHASE_NAMES,
    SEVERITIES,
    SEVERITY_LABELS,
    Mark,
    Phase,
    Severity,
    is_end_of_work,
    looks_like_a_probe,
)

__all__ = [
    "LONGEST_LABEL",
    "MARK_KEYS",
    "NOT_REAL",
    "PHASE_NAMES",
    "SEVERITIES",
    "SEVERITY_LABELS",
    "Announcement",
    "Event",
    "Kind",
    "KindFacts",
    "Mark",
    "Message",
    "PerKind",
    "Phase",
    "Record",
    "Severity",
    "decode",
    "encode",
    "encode_lines",
    "is_end_of_work",
    "kind_of",
    "looks_like_a_probe",
    "payload_reader",
    "split_channel",
    "utc_text",
]
