"""One run and its phases: what is known of them, and how what is heard changes it.

Pure: no run decides here which events are its own (`relay.runs.runs` does), and none looks at a clock.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from relay.events import PHASE_NAMES, Event, Phase
from relay.events.values import amount, count, is_by_hand, moment, percent
from relay.events.wording import NEW_YORK, run_title
from relay.redaction.built_in import shortened
from relay.runs.contradictions import contradiction
from relay.runs.findings import Finding
from relay.runs.signals import State

MAX_SURPRISES = 16
LONGEST = 7 * 86400.0
"""Seconds that a run can last and be believed."""
CLAIM_TOLERANCE = 60.0
"""Seconds by which a claimed duration may differ from the measured one in any case; beyond it, by half."""


class PhaseRun(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One phase of one run. Times are UTC; `started_at` is None when its start was not seen."""

    state: State = State.RUNNING
    first_seen: datetime
    last_seen: datetime
    moved_at: datetime
    """When its progress was last another than before, by our own clock: what a stall is measured with."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    percent: float | None = None
    eta: datetime | None = None
    last_symbol: str | None = None
    symbols_total: int | None = None
    symbols_processed: int | None = None
    symbols_failed: int | None = None
    success_rate: float | None = None
    indicators_calculated: int | None = None
    patterns_detected: int | None = None
    is_guessed: bool = False
    """Its end was only inferred from that of the run, which was itself a guess."""
    attempts: int = 1
    reported_counts: list[str] = []
    """The counts that came with its end; the others are the last that progress told."""
    contradiction: str | None = None
    """What its end says against itself."""
    is_judged: bool = False

    def read(self, payload: Mapping[str, Any], *, success: bool = False) -> None:
        """Take over the numbers that `payload` has; with `success`, also work out the success rate."""
        total = _first(payload, _TOTAL, count)
        failed = _first(payload, _FAILED, count)
        done = _first(payload, _DONE, count)
        if done is None and (good := count(payload.get("successful_symbols"))) is not None:
            done = good + (failed or 0)
        if total is None and done is not None and (remaining := count(payload.get("remaining"))) is not None:
            total = done + remaining
        self.symbols_total = self.symbols_total if total is None else total
        self.symbols_failed = self.symbols_failed if failed is None else failed
        self.symbols_processed = self.symbols_processed if done is None else done
        self.indicators_calculated = _newer(payload, "indicators_calculated", self.indicators_calculated)
        self.patterns_detected = _newer(payload, "patterns_detected", self.patterns_detected)
        if success:
            given = {"symbols_processed": done}
            given |= {name: count(payload.get(name)) for name in ("indicators_calculated", "patterns_detected")}
            self.reported_counts = [name for name, value in given.items() if value is not None]
            self.success_rate = _success_rate(payload, total or done, failed)

    def advance(self, payload: Mapping[str, Any], now: datetime) -> None:
        """Take one report of progress, forward or back."""
        before = (self.percent, self.symbols_processed, self.last_symbol)
        self.read(payload)
        reported = next((payload[key] for key in _PERCENT if payload.get(key) is not None), None)
        reached = percent(reported, self.symbols_processed, self.symbols_total)
        if reached is None and self.symbols_total and self.symbols_processed is not None:
            reached = min(100.0, 100 * self.symbols_processed / self.symbols_total)
        if reached is not None:
            self.percent = reached
        symbol = shortened(payload.get("current_symbol") or payload.get("symbol"))
        self.last_symbol = symbol or self.last_symbol
        self.eta = _eta(payload, now)
        says_nothing = reached is None and symbol is None
        if says_nothing or before != (self.percent, self.symbols_processed, self.last_symbol):
            self.moved_at = now


class Run(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One daily processing, scheduled or by hand, as far as it was heard of. Times are UTC."""

    run_id: str
    """Its alone: what alerts, incidents and pages name it by."""
    number: int
    """Counts the runs of this relay; orders them."""
    first_seen: datetime
    last_seen: datetime
    """When an event of its own last came, by our own clock."""
    state: State = State.RUNNING
    is_unnamed: bool = False
    """No event gave an id; `run_id` is our own."""
    shared_id: str | None = None
    """The id that TickStockPL gives it, where an earlier run had the same; `run_id` is our own then, too."""
    start_seen: bool = False
    is_reconstructed: bool = False
    """No event told of its start or its end: it was worked out from the API."""
    had_gap: bool = False
    """The relay was not listening for a part of it: what is missing may have been there."""
    run_date: str | None = None
    trigger_type: str | None = None
    universe: str | None = None
    expected: tuple[Phase, ...] = tuple(Phase)
    phases: dict[Phase, PhaseRun] = {}
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    symbols_processed: int | None = None
    symbols_failed: int | None = None
    success_rate: float | None = None
    indicators_calculated: int | None = None
    patterns_detected: int | None = None
    errors: int = 0
    last_error: str | None = None
    reason: str | None = None
    is_guessed: bool = False
    """Nobody told of its end: the relay holds it to be over, until something proves otherwise."""
    followed_by: str | None = None
    """The id under which TickStockPL began again, after this one had broken off."""
    contradiction: str | None = None
    """What its end says against itself: `the status "skipped"`."""
    surprises: list[str] = []
    alert_names: list[str] = []
    """Names of the alerts that were given while it ran: its end need not say the same again."""
    is_judged: bool = False
    """Ended, and what was wrong with it was announced."""
    findings: list[Finding] | None = None
    """What was wrong with it, the worst first; None until its end was checked."""
    events: int = 0
    """Events of its own that were heard; 0 when only the API told of it."""
    claimed_at: datetime | None = None
    """The time that its first event claimed, whether it can be true or not."""
    has_reported_date: bool = False
    """`run_date` is TickStockPL's own word, not worked out from when it began."""
    is_id_used_again: bool = False
    """A run of that id had ended before, and no later `run_date` shows that this is another one."""

    @property
    def published_id(self) -> str:
        """The id on the wire and in the API, which runs of several days can share."""
        return self.shared_id or self.run_id

    @property
    def current_phase(self) -> Phase | None:
        """The phase that goes on; of several, the one that began last."""
        going = [phase for phase, its in self.phases.items() if its.state.is_open]
        return max(going, key=lambda phase: self.phases[phase].first_seen) if going else None

    @property
    def last_symbol(self) -> str | None:
        """The symbol last named in any phase."""
        named = [its for its in self.phases.values() if its.last_symbol]
        return max(named, key=lambda its: its.moved_at).last_symbol if named else None

    @property
    def began(self) -> datetime:
        """When it started, or was first heard of."""
        return self.started_at or self.first_seen

    @property
    def is_whole(self) -> bool:
        """Whether it has all phases, as far as it says."""
        return set(self.expected) == set(Phase)

    @property
    def is_scheduled(self) -> bool:
        """Whether it says, or leaves open, that the scheduler began it."""
        return not is_by_hand(self.trigger_type)

    @property
    def day(self) -> date:
        """The day that it is for: as TickStockPL says, else when it began in New York."""
        try:
            return date.fromisoformat(self.run_date or "")
        except ValueError:
            return self.began.astimezone(NEW_YORK).date()

    @property
    def title(self) -> str:
        """`Run of Mon 27 Jan`, `Manual run of Mon 27 Jan 17:02`."""
        return run_title(self.day, self.began, by_hand=not self.is_scheduled)

    def describe(self, payload: Mapping[str, Any]) -> None:
        """Take over what a start says about the run."""
        self.take_date(payload)
        self.trigger_type = shortened(payload.get("trigger_type"), 40) or self.trigger_type
        self.universe = shortened(payload.get("universe"), 100) or self.universe
        names = payload.get("phases")
        if isinstance(names, list):
            known = {PHASE_NAMES.get(name.lower()) for name in names if isinstance(name, str)}
            self.expected = tuple(phase for phase in Phase if phase in known) or self.expected

    def take_date(self, payload: Mapping[str, Any]) -> None:
        """Take over the day that the payload names, if it does."""
        if reported := shortened(payload.get("run_date"), 10):
            self.run_date = reported
            self.has_reported_date = True

    def conclude(self, payload: Mapping[str, Any]) -> None:
        """Take over what an end says about the run; what it leaves out comes from the phases."""
        phases = self.phases.values()
        processed = _first(payload, _DONE, count)
        if processed is None:
            processed = _largest(phases, "symbols_processed")
        self.symbols_processed = processed
        self.contradiction = contradiction(payload)
        failed = _first(payload, _FAILED, count)
        self.symbols_failed = failed if failed is not None else _largest(phases, "symbols_failed")
        for name in ("indicators_calculated", "patterns_detected"):
            reported = count(payload.get(name))
            setattr(self, name, _largest(phases, name) if reported is None else reported)
        self.success_rate = _success_rate(payload, processed, failed)
        if self.success_rate is None:
            rates = [its.success_rate for its in phases if its.success_rate is not None]
            self.success_rate = min(rates, default=None)

    def count_error(self, event: Event) -> None:
        """One more error; its words are kept, or else its category."""
        self.errors += 1
        self.last_error = shortened(event.payload.get("message"), 500) or error_category(event)

    def surprise(self, what: str) -> None:
        """Remember something out of the contract's order."""
        if what not in self.surprises and len(self.surprises) < MAX_SURPRISES:
            self.surprises.append(what)


def error_category(event: Event) -> str:
    """What errors are grouped by: category, else code, else component."""
    payload = event.payload
    for key in ("category", "error_code", "component"):
        if found := shortened(payload.get(key), 80):
            return found
    return "unknown"


def believable_duration(
    claimed: object, began: datetime | None, ended: datetime, *, seen_for: float | None = None
) -> float | None:
    """Seconds: the claim if it can be true, else what was measured, else None.

    `began` is None when the start was not seen. `seen_for` is the least that it lasted, by our own clock.
    """
    reported = amount(claimed)
    measured = (ended - began).total_seconds() if began else None
    if measured is not None and measured < 0:
        measured = seen_for
    if reported is None or reported > LONGEST:
        return measured
    if measured is None:
        return reported if seen_for is None or reported >= seen_for * 0.5 - CLAIM_TOLERANCE else seen_for
    tolerance = CLAIM_TOLERANCE + max(reported, measured) / 2
    return reported if abs(reported - measured) <= tolerance and (reported > 0 or measured < 1) else measured


_DONE = ("symbols_processed", "completed_symbols", "symbols_completed", "processed_symbols", "completed", "symbols")
_TOTAL = ("total_symbols", "symbols_total", "symbols_count", "total")
_FAILED = ("failed_symbols", "symbols_failed", "failed")
_PERCENT = ("percent_complete", "percentage", "progress_percent", "percent", "progress")


def _first(payload: Mapping[str, Any], names: tuple[str, ...], read: Any) -> Any:
    for name in names:
        if (value := payload.get(name)) is not None and (found := read(value)) is not None:
            return found
    return None


def _newer(payload: Mapping[str, Any], name: str, old: int | None) -> int | None:
    reported = payload.get(name)
    found = count(reported) if reported is not None else None
    return old if found is None else found


def _largest(phases: Any, name: str) -> int | None:
    known = [value for its in phases if (value := getattr(its, name)) is not None]
    return max(known, default=None)


def _success_rate(payload: Mapping[str, Any], of: int | None, failed: int | None) -> float | None:
    good = None if of is None or failed is None else of - min(of, failed)
    reported = percent(payload.get("success_rate"), good, of)
    if reported is not None:
        return reported
    return round(100 * good / of, 2) if of and good is not None else None


def _eta(payload: Mapping[str, Any], now: datetime) -> datetime | None:
    seconds = amount(payload.get("eta_seconds"))
    if seconds is not None and seconds < LONGEST:
        return now + timedelta(seconds=seconds)
    return moment(payload.get("estimated_completion"))
