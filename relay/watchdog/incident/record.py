"""What is kept of an incident: its alerts, its errors in groups, what was announced of it. Data alone.

What happens to it is for `relay.watchdog.incidents`, how it reads for `relay.watchdog.incident.state`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from relay.events import SEVERITIES, Severity

MAX_PARTS = 30
"""Alerts of which an incident tells; beyond it those that have cleared make room, the oldest first."""
MAX_NOTES = 30
MAX_SYMBOLS = 5


class IncidentKind(StrEnum):
    """How an incident began."""

    RUN = "run"
    DAY = "day"
    """The run of a trading day that did not start."""
    ALERT = "alert"
    """A trouble outside of any run."""
    ERROR = "error"
    """Errors outside of any run that say the same."""
    TEST = "test"


class Stage(StrEnum):
    """Where an incident stands."""

    FIRING = "firing"
    EASED = "eased"
    """Nothing of it fires any more; but no run with a sound result has ended it yet."""
    OVER = "over"


class Part(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One alert of an incident, in the words of its firing."""

    key: str
    severity: str
    title: str
    message: str
    fired_at: datetime
    cleared_at: datetime | None = None
    resolution: str = ""
    run_id: str | None = None
    facts: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """Which alert it is."""
        return self.key.partition(":")[0]

    @property
    def is_firing(self) -> bool:
        """Whether it has not cleared."""
        return self.cleared_at is None


class ErrorGroup(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Errors of an incident that say the same. `message` is the newest one's, as it came from the wire."""

    id: str
    """Names the group within its incident."""
    shape: str
    """What they have in common: see `error_group`."""
    code: str
    where: str
    severity: str
    message: str
    first: datetime
    last: datetime
    count: int = 0
    symbols: list[str] = []
    """The first few that were named."""
    more_symbols: bool = False
    recovery: str | None = None


class IncidentNote(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One step of the story: what a reply in a thread says. `number` is that of the state that brought it."""

    number: int
    at: datetime
    change: str
    severity: str
    text: str


class Face(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the incident told at its worst; kept for its end."""

    severity: str
    title: str
    cause: str
    since: datetime
    quote: str | None = None
    phases: list[dict[str, Any]] = []


class Announced(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What the last announced state was, to tell what is new in the next."""

    at: datetime
    digest: str
    highest: str
    stage: Stage
    errors: int = 0
    lead: str | None = None
    """The key of the alert that its headline was about."""
    again: str | None = None
    """The run that went on then."""


class Incident(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One trouble. `run_id` is the run that its state speaks of."""

    id: str
    kind: IncidentKind
    began: datetime
    day: str | None = None
    """The trading day, as a run's `run_date`."""
    run_id: str | None = None
    parts: dict[str, Part] = {}
    groups: list[ErrorGroup] = []
    errors: int = 0
    """All of its errors."""
    other_shapes: list[str] = []
    """Of errors beyond the groups that are told apart."""
    other_errors: int = 0
    last_error_at: datetime | None = None
    reached: dict[str, datetime] = {}
    """When it first reached each severity, from warning up."""
    stage: Stage = Stage.FIRING
    ended: datetime | None = None
    cleared_by: str | None = None
    """The run whose sound result ended it."""
    is_lasting: bool = False
    """It is over, and what it told of is not mended: a day that was never run."""
    face: Face | None = None
    notes: list[IncidentNote] = []
    number: int = 0
    """Of the last state that was announced; 0: none was."""
    announced: Announced | None = None

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.stage is Stage.OVER

    @property
    def is_of_a_day(self) -> bool:
        """Whether it is about a day's run, which only a run with a sound result ends."""
        return self.kind in (IncidentKind.RUN, IncidentKind.DAY)

    @property
    def firing(self) -> list[Part]:
        """Its alerts that fire, the worst first, and of those the newest."""
        firing = [part for part in self.parts.values() if part.is_firing]
        return sorted(firing, key=lambda part: (SEVERITIES[part.severity], part.fired_at), reverse=True)

    @property
    def highest(self) -> Severity:
        """The highest severity that it has reached."""
        return max((SEVERITIES[label] for label in self.reached), default=Severity.WARNING)

    def reach(self, severity: Severity, now: datetime) -> None:
        """Remember when it first was this bad."""
        for level in (Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.EMERGENCY):
            if level <= severity:
                self.reached.setdefault(level.label, now)

    def keep_part(self, part: Part) -> None:
        """Add an alert; one too many makes the oldest that has cleared go."""
        self.parts[part.key] = part
        if len(self.parts) > MAX_PARTS:
            oldest = min(self.parts.values(), key=lambda one: (one.is_firing, one.fired_at))
            del self.parts[oldest.key]
