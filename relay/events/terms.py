"""The words that events are told in: severities, phases and marks, each with every name that was seen on the wire."""

import re
from enum import IntEnum, IntFlag, StrEnum


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
