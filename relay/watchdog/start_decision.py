"""Has the day's run started? One pure function of what four witnesses show, and nothing else.

How the evidence is gathered is in `relay.watchdog.start_evidence`; the whole table is printed in docs/missed-run.md.
"""

from dataclasses import dataclass
from enum import StrEnum


class EventsShow(StrEnum):
    """What the events show that were received since the earliest start."""

    OWN = "own"
    """A run of this day."""
    TRACE = "trace"
    """Events of phases, without the start of the run that they belong to."""
    NONE = "none"


class StatusShows(StrEnum):
    """What the API's status shows."""

    OURS = "ours"
    """It runs the run of this day."""
    ANOTHER = "another"
    """It runs one that began before this day's run can have begun."""
    IDLE = "idle"
    UNCLEAR = "unclear"
    """It answers, and does not say."""
    SILENT = "silent"
    """It does not answer."""


class HistoryShows(StrEnum):
    """What the API's history shows."""

    HAS = "has it"
    HAS_NOT = "has not"
    BROKEN = "broken"
    """It cannot be read."""


class ConnectionShows(StrEnum):
    """Whether the relay was subscribed all the time."""

    WHOLE = "whole"
    GAP = "gap"


class StartVerdict(StrEnum):
    """What follows."""

    STARTED = "started"
    INFERRED = "started, inferred"
    NOT_STARTED = "has not started"
    NO_SIGN = "no sign of it"

    @property
    def is_started(self) -> bool:
        """Whether there is a run of this day."""
        return self in (StartVerdict.STARTED, StartVerdict.INFERRED)


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict. `after_patience`: it counts only when the grace and the patience behind it are over."""

    verdict: StartVerdict
    after_patience: bool = False

    def __str__(self) -> str:
        if self.verdict.is_started:
            return self.verdict.value
        return f"{self.verdict.value}, at {'P' if self.after_patience else 'G'}"


def decide(events: EventsShow, status: StatusShows, history: HistoryShows, connection: ConnectionShows) -> Decision:
    """Decide; two witnesses of absence are enough at the end of the grace, fewer have to wait, and say it weaker."""
    if events is EventsShow.OWN or status is StatusShows.OURS or history is HistoryShows.HAS:
        return Decision(StartVerdict.STARTED)
    if events is EventsShow.TRACE and status in (StatusShows.UNCLEAR, StatusShows.SILENT):
        return Decision(StartVerdict.INFERRED)
    is_absent = history is HistoryShows.HAS_NOT
    witnesses = (status is not StatusShows.UNCLEAR) + is_absent + (connection is ConnectionShows.WHOLE)
    is_known = is_absent or status in (StatusShows.IDLE, StatusShows.ANOTHER)
    return Decision(StartVerdict.NOT_STARTED if is_known else StartVerdict.NO_SIGN, after_patience=witnesses < 2)
