"""What an event says about a run: that it, or one of its phases, has begun, gets on, has ended.

Pure reading, decided once for each kind of event. Which run is meant, and what follows from it,
is for `relay.runs.runs`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from relay.events import PHASE_NAMES, Kind, PerKind, Phase


class State(StrEnum):
    """Where a run, one of its phases, or the day's due run stands."""

    DUE = "due"
    """The day's run: its time has come, and it has not started."""
    LATE = "late"
    """The same, and the start grace is over."""
    MISSED = "missed"
    """It never started."""
    RUNNING = "running"
    STALLED = "stalled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PARTIAL = "partial"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({State.RUNNING, State.STALLED})

LONGEST_STATUS = 100
FINAL_STATES = {
    "completed": State.COMPLETED,
    "complete": State.COMPLETED,
    "success": State.COMPLETED,
    "succeeded": State.COMPLETED,
    "finished": State.COMPLETED,
    "done": State.COMPLETED,
    "ok": State.COMPLETED,
    "successful": State.COMPLETED,
    "completed_with_warnings": State.COMPLETED,
    "completed_successfully": State.COMPLETED,
    "passed": State.COMPLETED,
    "failed": State.FAILED,
    "fail": State.FAILED,
    "failure": State.FAILED,
    "error": State.FAILED,
    "errored": State.FAILED,
    "exception": State.FAILED,
    "crashed": State.FAILED,
    "killed": State.FAILED,
    "timeout": State.FAILED,
    "timed_out": State.FAILED,
    "cancelled": State.CANCELLED,
    "canceled": State.CANCELLED,
    "aborted": State.CANCELLED,
    "interrupted": State.CANCELLED,
    "stopped": State.CANCELLED,
    "terminated": State.CANCELLED,
    "partial": State.PARTIAL,
    "completed_with_errors": State.PARTIAL,
    "partial_success": State.PARTIAL,
    "partially_completed": State.PARTIAL,
    "incomplete": State.PARTIAL,
}
"""Every final status that was seen on the wire, and their near relations (wire notes, "Several names")."""
_ONLY_FAILED = frozenset({"failed", "fail", "failure", "error", "errored"})
_BETWEEN_WORDS = re.compile(r"[\s_-]+")


def state_named(word: object) -> State | None:
    """The state that a final status means, as `Timed Out` or `timed-out`; None for a word that is not known."""
    if not isinstance(word, str) or len(word) > LONGEST_STATUS:
        return None
    return FINAL_STATES.get(_BETWEEN_WORDS.sub("_", word.strip().lower()))


def says_why(status: str) -> bool:
    """Whether a final status says more than that something failed: `timeout`."""
    return state_named(status) is State.FAILED and status.strip().lower() not in _ONLY_FAILED


class Verb(StrEnum):
    """What happened to the run or phase."""

    STARTED = "started"
    PROGRESS = "progress"
    ENDED = "ended"
    ERROR = "error"
    """An error event: it counts against the run, and changes nothing else."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What all events of one kind say."""

    verb: Verb
    phase: Phase | None = None
    """None: the run itself."""
    state: State = State.COMPLETED
    """How it ended, unless the payload's status says otherwise."""
    is_loose: bool = False
    """It comes from beside the run (job tracker): it moves a run along but never begins one."""


_VERBS = {
    "started": (Verb.STARTED, State.RUNNING),
    "start": (Verb.STARTED, State.RUNNING),
    "progress": (Verb.PROGRESS, State.RUNNING),
    "completed": (Verb.ENDED, State.COMPLETED),
    "complete": (Verb.ENDED, State.COMPLETED),
    "finished": (Verb.ENDED, State.COMPLETED),
    "failed": (Verb.ENDED, State.FAILED),
    "cancelled": (Verb.ENDED, State.CANCELLED),
    "canceled": (Verb.ENDED, State.CANCELLED),
}
_OLDER_CACHE = {"sync_triggered": Verb.STARTED, "sync_complete": Verb.ENDED}
"""Actions of an earlier release: a cache is synchronised within a run, and at other times too."""
_NAME = re.compile(r"(.+)_(" + "|".join(_VERBS) + ")")
_RUN_NAMES = {"processing", "daily_processing", "run", "daily_run", "pipeline"}


def signal_of(kind: Kind) -> Signal | None:
    """What events of this kind say about a run; None when they say nothing (ticks, single detections)."""
    return _signals[kind]


def _signal(kind: Kind) -> Signal | None:
    if kind.channel.startswith("relay:"):
        return None
    if kind.domain == "errors":
        return Signal(Verb.ERROR)
    if kind.event == "job_progress_update" and kind.phase:
        return Signal(Verb.PROGRESS, kind.phase, is_loose=True)
    if (kind.domain, kind.action) == ("data", "import:status"):
        return Signal(Verb.PROGRESS, Phase.IMPORT, is_loose=True)
    if kind.domain == "processing":
        return _from_status(kind)
    if kind.domain == "cache" and (older := _OLDER_CACHE.get(kind.action)):
        return Signal(older, Phase.CACHE, is_loose=True)
    if PHASE_NAMES.get(kind.domain) is None or kind.action not in _VERBS:
        return None
    named = _NAME.fullmatch(kind.event)
    verb, state = _VERBS[named[2] if named else kind.action]
    return Signal(verb, PHASE_NAMES[kind.domain], state)


def _from_status(kind: Kind) -> Signal | None:
    """The status channel speaks of the run, though a phase's name may stand there too."""
    named = _NAME.fullmatch(kind.event)
    if named is None:
        return None
    verb, state = _VERBS[named[2]]
    if named[1] in _RUN_NAMES:
        return Signal(verb, kind.phase if verb is Verb.PROGRESS else None, state)
    phase = PHASE_NAMES.get(named[1])
    return Signal(verb, phase, state) if phase else None


_signals = PerKind(_signal)


def _reports_progress(kind: Kind) -> bool:
    signal = _signal(kind)
    return signal is not None and signal.verb is Verb.PROGRESS


reports_progress = PerKind(_reports_progress)
"""Of each kind: whether its events say how far a run is, so that a later one makes an earlier one pointless."""
