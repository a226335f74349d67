"""The state of an incident as its event carries it, and of a run without trouble, read leniently. Pure."""

from typing import Any

import msgspec

from relay.events import SEVERITIES, Event, Severity
from relay.events.incidents import CHANNEL

MAX_GROUPS = 40
"""Kinds of errors that get a reply of their own."""
FIRING, EASED, OVER = "firing", "eased", "over"
"""States. Eased: nothing fires any more, but the run has not ended well."""
RUNNING, COMPLETED = "running", "completed"
"""States of a run without trouble."""


class Usable(msgspec.Struct, frozen=True):
    """Whether the day's data can be used."""

    word: str = ""
    label: str = ""
    short: str = ""
    sentence: str = ""


class Phase(msgspec.Struct, frozen=True):
    """A phase as one shows it: mark and text."""

    mark: str = ""
    text: str = ""
    strong: bool = False


class ActionItem(msgspec.Struct, frozen=True):
    """One thing to do, with its command where there is one."""

    text: str = ""
    command: str = ""


class Again(msgspec.Struct, frozen=True):
    """The run that goes on now for the same day."""

    text: str = ""
    url: str = ""


class Cleared(msgspec.Struct, frozen=True):
    """What ended it."""

    text: str = ""
    by_name: str = ""
    by_url: str = ""
    reason: str = ""


class ErrorGroup(msgspec.Struct, frozen=True):
    """Errors that say the same."""

    id: str = ""
    title: str = ""
    text: str = ""
    message: str = ""
    context: str = ""
    count: int = 0


class Errors(msgspec.Struct, frozen=True):
    """All errors of an incident, in groups."""

    count: int = 0
    more_groups: int = 0
    more_errors: int = 0
    kinds: list[ErrorGroup] = msgspec.field(default_factory=list, name="list")


class Note(msgspec.Struct, frozen=True):
    """One line of the story; `number` is that of the state which brought it."""

    number: int = 0
    change: str = ""
    text: str = ""


class Incident(msgspec.Struct, frozen=True):
    """The whole state of one incident; docs/alerts.md has its fields."""

    incident: str
    kind: str = "alert"
    state: str = FIRING
    number: int = 0
    severity: str = Severity.ERROR.label
    quiet_end: bool = False
    lasting: bool = False
    title: str = ""
    text: str = ""
    cause: str = ""
    quote: str = ""
    again: Again | None = None
    cleared: Cleared | None = None
    data: Usable | None = None
    phases: list[Phase] = []
    actions: list[ActionItem] = []
    began: str = ""
    errors: Errors = Errors()
    notes: list[Note] = []
    context: list[str] = []
    silence: str = ""
    url: str = ""
    runbook: str = ""
    dashboard: str = ""
    source: str = ""

    @property
    def level(self) -> Severity:
        """The severity of what fires now."""
        return SEVERITIES.get(self.severity, Severity.ERROR)

    @property
    def is_of_run(self) -> bool:
        """Whether it is about a run, or about one that never came."""
        return self.kind in {"run", "day"}

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.state in {OVER, COMPLETED}


def incident_of(event: Event) -> Incident | None:
    """The incident whose state `event` carries; None when it is no such event, or cannot be read as one."""
    if event.channel != CHANNEL:
        return None
    try:
        return msgspec.convert(_known(event.payload), Incident, strict=False)
    except msgspec.ValidationError:
        return None


def _known(value: Any) -> Any:
    """Without what is null: that is the same as left out."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items() if inner is not None}
    return [_known(inner) for inner in value] if isinstance(value, list) else value
