"""What a viewer may know, as plain types: the status page, `/api/state` and `top` show this and nothing else.

Times are UTC, lengths are seconds, texts are as they came (secrets hidden): whoever shows them escapes them. How it is
gathered from the living daemon is in `relay.status.collect`.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from relay.runs.findings import Usable
from relay.runs.recent import ErrorGroup, PastAlert

Mood = Literal["good", "busy", "waiting", "warning", "bad"]
"""The colour of a glance."""


Tone = Literal["good", "warn", "bad", "busy"]
"""The colour of a result."""


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """What a duration usually is: the median of so many runs, and the usual span around it."""

    median: float
    low: float
    high: float
    runs: int


class PhaseView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One phase of a run. `state` is `waiting` before it has begun, `skipped` when it never was in a run that ended."""

    name: str
    state: str = "waiting"
    began: datetime | None = None
    ended: datetime | None = None
    seconds: float | None = None
    """How long it took, or has taken so far."""
    percent: float | None = None
    eta: datetime | None = None
    """When it should end: as TickStockPL says, else from its progress, else as usual; None while it is stalled."""
    still_since: datetime | None = None
    """While it is stalled: when it last made progress."""
    last_symbol: str | None = None
    symbols_processed: int | None = None
    symbols_failed: int | None = None
    symbols_total: int | None = None
    usual: Band | None = None


class RunView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run, open or ended."""

    run_id: str
    state: str
    began: datetime
    ended: datetime | None = None
    run_date: str | None = None
    trigger: str | None = None
    is_scheduled: bool = True
    is_reconstructed: bool = False
    had_gap: bool = False
    seconds: float | None = None
    percent: float | None = None
    """Of the whole run, its phases weighed by how long they usually take; without a known usual as the API says."""
    eta: datetime | None = None
    current_phase: str | None = None
    last_symbol: str | None = None
    phases: list[PhaseView] = []
    usual: Band | None = None
    symbols_processed: int | None = None
    symbols_failed: int | None = None
    success_rate: float | None = None
    indicators_calculated: int | None = None
    patterns_detected: int | None = None
    errors: int = 0
    reason: str | None = None
    is_sound: bool = False
    """It has completed with a result that can be relied on."""
    data_usable: str = Usable.NOT_YET.value
    """`Yes`, `No`, `Partly`, `Unknown` or, while it runs, `Not yet`; `data_reason` says why."""
    data_reason: str = ""
    findings: list[str] = []
    """What was wrong with it, the worst first, by the alerts' names."""
    result: str = ""
    """Its state and the worst finding in words: `completed, no results`, `failed in patterns`."""
    tone: Tone = "busy"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.state in ("running", "stalled")


class Today(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The answer to "is today's run all right?", in words.

    About the run that was due last: `state` is one of `due`, `late`, `missed`, `unknown` or a run's own state.
    """

    state: str
    mood: Mood
    headline: str
    detail: str = ""
    day: date | None = None
    due: datetime | None = None
    run_id: str | None = None
    icon: str = "waiting"
    """The sign's name, as on the page of a run."""
    data: str = ""
    """Whether the day's data is usable: `Yes`, `No`, `Not yet`, `Partly`, `Unknown`, `Not affected`."""
    data_sentence: str = ""
    next_due: datetime | None = None
    next_note: str = ""
    """Why there may be no next run: the schedule is off, say."""


class FiringAlert(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An alert that fires now."""

    key: str
    severity: str
    title: str
    message: str
    since: datetime
    run_id: str | None = None
    is_silenced: bool = False
    """Nobody is told of it now."""


class QuietView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A silence or a maintenance window that holds now."""

    id: str
    since: datetime
    until: datetime
    matches: str
    """What it keeps quiet, in words."""
    comment: str = ""
    who: str = ""
    why: str = ""
    """These three in a line."""
    is_maintenance: bool = False
    kept_alerts: int = 0
    """Alerts that were kept back so far."""
    kept_errors: int = 0


class SinkView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One sink and its lane. `breaker` and `oldest` are None for sinks that write at once."""

    name: str
    type: str
    accepted: int
    delivered: int
    waiting: int
    dropped: int = 0
    """All that was accepted and will not be delivered, for whatever reason."""
    lost: int = 0
    """Of these, what should have been delivered."""
    kept_back: dict[str, int] = {}
    """Of these, what was kept from the sink on purpose: `silenced`, `test`, `replayed`."""
    dead: int = 0
    oldest: datetime | None = None
    breaker: str | None = None
    error: str = ""
    failing_since: datetime | None = None

    @property
    def state(self) -> str:
        """The word for it: only what has delivered works."""
        if self.error:
            return "paused" if self.breaker == "open" else "failing"
        return "works" if self.delivered else "not tried yet"


class IntakeView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How the relay hears."""

    subscribed: bool
    since: datetime | None = None
    """Since when it is, or is not, subscribed."""
    reason: str = ""
    """Why it is not."""
    received: int = 0
    rate: float = 0.0
    """Events a second, over some seconds."""
    rates: list[float] = []
    """The same for each second of the last minute, the oldest first."""
    lag: float = 0.0
    unread_bytes: int = 0
    quarantined: int = 0
    gaps: int = 0
    gap_seconds: float = 0.0
    last_event_at: datetime | None = None
    errors: int = 0
    api: Literal["answers", "fails", "unknown"] = "unknown"
    """Whether TickStockPL's API answers; unknown before it was asked, or when nobody asks it."""
    api_since: datetime | None = None
    """Since when it fails, or when it last answered."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything, at one moment."""

    at: datetime
    version: str
    name: str
    """What this installation is called."""
    started: datetime
    timezone: str
    today: Today
    running: list[RunView]
    runs: list[RunView]
    """The last runs, open ones too, the newest first."""
    usual: Band | None
    """Of a whole run, now."""
    firing: list[FiringAlert]
    quiet: list[QuietView]
    """Silences and maintenance windows that hold now."""
    alerts: list[PastAlert]
    errors: list[ErrorGroup]
    errors_since: datetime
    """Since when errors are remembered, over restarts."""
    sinks: list[SinkView]
    intake: IntakeView
    trouble: list[str]
    """What else is wrong with the relay itself: its store, its configuration."""
