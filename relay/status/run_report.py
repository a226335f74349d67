"""What there is to know of one run, as plain types: its page, `/runs/<id>.json` and `tickstock-relay report` show this.

Times are UTC, lengths are seconds, texts are plain (secrets hidden): whoever shows them escapes them. How it is made is
in `relay.status.run_reports`.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from relay.runs.findings import Usable
from relay.runs.logged import LoggedError
from relay.runs.recent import PastAlert
from relay.runs.run_log import Span
from relay.status.snapshot import Band, Mood


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the run is, in one line and the reason."""

    headline: str
    icon: str
    """The sign's name (design tokens): `ok`, `failed`, `stalled`, `never`, `warn`, `cancelled`, `unknown`, …"""
    mood: Mood
    word: str
    """The sign in a word, for who does not see it."""
    cause: str = ""
    quote: str | None = None
    """Foreign words that say why."""
    cleared: str | None = None
    again: str | None = None
    """The run that goes on now for the same day."""


class DataAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether the day's data is usable."""

    word: Usable
    sentence: str = ""

    @property
    def key(self) -> str:
        """For scripts: `yes`, `no`, `not_yet`, `partly`, `unknown`, `not_affected`."""
        return self.word.name.lower()


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do; `command` can be copied."""

    text: str
    command: str | None = None


class Link(msgspec.Struct, frozen=True):
    """Where there is more."""

    name: str
    url: str


class PhaseLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One phase on the timeline. `state` is `waiting` before it has begun, `skipped` when the run ended without it."""

    name: str
    state: str
    began: datetime | None = None
    ended: datetime | None = None
    seconds: float | None = None
    percent: float | None = None
    done: int | None = None
    failed: int | None = None
    total: int | None = None
    symbol: str | None = None
    usual: Band | None = None
    usually_begins: datetime | None = None
    """Where its usual span begins: with the phase, or where it would have begun."""
    is_slow: bool = False


class Timeline(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The course of the run against what is usual."""

    begins: datetime
    """Where the picture begins: the run's begin, or shortly before it was due."""
    ends: datetime
    phases: list[PhaseLine]
    now: datetime | None = None
    """While it goes on, or has not begun."""
    ended: datetime | None = None
    due: datetime | None = None
    usual_end: tuple[datetime, datetime, datetime] | None = None
    """From, median, to."""
    stalls: list[Span] = []
    gaps: list[Span] = []


class ResultLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One number of the run against the usual one. `verdict` is in words, `tone` good, warn, bad or empty."""

    name: str
    value: float | None = None
    total: float | None = None
    is_percent: bool = False
    usual: Band | None = None
    verdict: str = ""
    tone: str = ""


class EventLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the events; `count` of like ones until `until`."""

    at: datetime
    severity: str
    text: str
    phase: str | None = None
    event: str = ""
    count: int = 1
    until: datetime | None = None


class Check(msgspec.Struct, frozen=True):
    """Something that was asked, and the answer."""

    at: datetime
    asked: str
    answer: str


class OtherRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another run, to go to. `key` is its id."""

    key: str
    name: str
    result: str = ""
    state: str = ""
    icon: str = ""
    tone: str = ""
    seconds: float | None = None


class RunReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One run, or the run that a day should have."""

    at: datetime
    version: str
    timezone: str
    installation: str = ""
    """The configuration's `name`."""
    key: str
    """The run's id; of a day without a run, the day."""
    day: date
    run_id: str | None = None
    shared_id: str | None = None
    """TickStockPL's name for it, where an earlier run has the same."""
    name: str
    """`Run of Mon 27 Jan`."""
    state: str
    is_open: bool = False
    is_scheduled: bool = True
    is_from_api: bool = False
    """No event told of it: its phases are not known."""
    universe: str | None = None
    began: datetime | None = None
    ended: datetime | None = None
    due: datetime | None = None
    seconds: float | None = None
    usual: Band | None = None
    verdict: Verdict
    data: DataAnswer
    steps: list[Step] = []
    links: list[Link] = []
    silence: str | None = None
    timeline: Timeline
    results: list[ResultLine] = []
    alerts: list[PastAlert] = []
    runbooks: dict[str, str] = {}
    """What to do about each of the alerts, by its key, where that is configured."""
    errors: list[LoggedError] = []
    error_count: int = 0
    other_errors: int = 0
    """Errors of further kinds, which are counted only."""
    milestones: list[EventLine] = []
    """The newest first, as are `events`."""
    events: list[EventLine] = []
    event_count: int = 0
    """All that were heard; `events` are the last."""
    phase_counts: dict[str, int] = {}
    severity_counts: dict[str, int] = {}
    checks: list[Check] = []
    before: OtherRun | None = None
    after: OtherRun | None = None
    same_day: list[OtherRun] = []
    runs_before: list[OtherRun] = []
    """Of a day without a run: what the last ones were."""
    archive_command: str | None = None

    def facts(self) -> dict[str, Any]:
        """As `--json` and `/runs/<id>.json` give it; `usable` is for scripts."""
        facts: dict[str, Any] = msgspec.to_builtins(self)
        return facts | {"usable": self.data.key}


class NoReport(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is known of what was asked for; what can be done all the same."""

    at: datetime
    version: str
    timezone: str
    asked: str
    reason: str
    archive_command: str | None = None
