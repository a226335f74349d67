"""What was heard of each run lately: its last events, its errors in groups, its alerts, gaps and stalls.

For the page and the report of a run; it decides nothing. Next to free on the hot path: an event is only put into a
ring, and is read when somebody looks, or when the ring is put on the shelf every ten seconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from relay.events import NOT_REAL, Announcement, Event, Kind, Mark
from relay.events.errors import error_group
from relay.runs.event_ring import EventRing, forget_events, read_rings
from relay.runs.logged import LoggedError, LoggedEvent, count_error, logged_error
from relay.runs.recent import PastAlert, past_alert
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.runs.signals import signal_of
from relay.store.shelf import Shelf

KEPT_RUNS = 20
"""Ended runs of which anything is kept."""
MAX_GROUPS = 50
MAX_MARKS = 50
"""Alerts, gaps and stalls of each run."""
SAVE_EVERY = timedelta(seconds=10)
NOT_HEARD = NOT_REAL | Mark.RECONSTRUCTED
INCIDENT = "relay:alert:incident"


class Span(msgspec.Struct, omit_defaults=True, kw_only=True):
    """From when to when; `ended` is None while it lasts."""

    began: datetime
    ended: datetime | None = None
    phase: str | None = None
    reason: str = ""


class RunLog(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What is kept of one run beside its events."""

    run_id: str
    number: int
    """The run's, in the ledger."""
    events: int = 0
    """All that were heard, of which the last are kept."""
    phases: dict[str, int] = {}
    severities: dict[str, int] = {}
    errors: list[LoggedError] = []
    other_errors: int = 0
    """Errors beyond the groups."""
    alerts: list[PastAlert] = []
    stalls: list[Span] = []
    gaps: list[Span] = []
    incident: dict[str, Any] | None = None
    """The newest state of its incident, as it was announced."""

    def count(self, kind: Kind, number: int) -> None:
        """So many more events of that kind."""
        self.events += number
        label, phase = kind.severity.label, kind.phase
        self.severities[label] = self.severities.get(label, 0) + number
        if phase is not None:
            self.phases[phase.value] = self.phases.get(phase.value, 0) + number

    def count_error(self, event: Event, now: datetime) -> None:
        """One more error."""
        name = error_group(event)
        group = next((group for group in self.errors if group.group == name), None)
        if group is None and len(self.errors) >= MAX_GROUPS:
            self.other_errors += 1
            return
        if group is None:
            group = logged_error(event, now)
            self.errors.append(group)
        count_error(group, event, now)


@dataclass(slots=True)
class _Group:
    """The events of one kind and run in a batch: whose they are, and how many."""

    run: Run | None
    ring: EventRing | None
    count: int = 0


class RunLogs:
    """The logs of the runs that go on, and of the last that have ended."""

    def __init__(self, shelf: Shelf, runs: Runs) -> None:
        """Go on from what is on `shelf`; what cannot be read there is forgotten."""
        self._shelf = shelf
        self._runs = runs
        self._logs: dict[int, RunLog] = {}
        self._rings: dict[int, EventRing] = {}
        self._changed: set[int] = set()
        self._saved_at: datetime | None = None
        self._days: dict[str, dict[str, Any]] = {}
        self._load()

    def log_of(self, run: Run) -> RunLog | None:
        """What is kept of the run."""
        return self.log_numbered(run.number)

    def log_numbered(self, number: int) -> RunLog | None:
        """What is kept of the run with that number in the ledger."""
        return self._logs.get(number)

    def days(self) -> list[str]:
        """The days whose run had not started in time, as `2025-01-27`."""
        return list(self._days)

    def events_of(self, run: Run) -> Sequence[LoggedEvent]:
        """Its last events, the oldest first."""
        ring = self._rings.get(run.number)
        return ring.events() if ring is not None else ()

    def incident_of_day(self, day: str) -> dict[str, Any] | None:
        """The newest state of the incident of a day whose run had not started."""
        return self._days.get(day)

    def observe(self, events: Iterable[Event], now: datetime) -> None:
        """Take what was heard of runs; whose it is is asked once for all of one kind and run in the batch."""
        batch: dict[tuple[Kind, str | None], _Group] = {}
        for event in events:
            if event.marks and event.has(NOT_HEARD):
                continue
            kind = event.kind
            key = (kind, event.run_id)
            group = batch.get(key)
            if group is None:
                group = batch[key] = self._group_of(event, now)
            if kind.domain == "errors":
                self._error(event, now, group.run)
            elif group.ring is not None:
                group.ring.append(event)
                group.count += 1
        for (kind, _), group in batch.items():
            if group.run is not None and group.count:
                self._log(group.run).count(kind, group.count)

    def announced(self, announcements: Iterable[Announcement], now: datetime) -> None:
        """Take what the relay itself says of runs: alerts, incidents, gaps, stalls."""
        for one in announcements:
            if one.channel == INCIDENT:
                self._incident(one)
            elif "alert" in one.payload:
                self._alert(one, now)
            elif one.event == "gap":
                self._gap(one)
            elif one.channel in ("relay:run:stalled", "relay:run:resumed"):
                self._stall(one, now)

    def tick(self, now: datetime) -> None:
        """Put on the shelf what has changed."""
        due = self._saved_at is None or not timedelta(0) <= now - self._saved_at < SAVE_EVERY
        if self._changed and due:
            self._saved_at = now
            self.save()

    def save(self) -> None:
        """Put it there now."""
        for number in self._changed & self._logs.keys():
            self._shelf.put(_head(number), _encode(self._logs[number]).decode())
            self._rings[number].put(self._shelf, number)
        self._changed.clear()
        self._forget()

    def _run_of(self, event: Event, now: datetime) -> Run | None:
        """The run that it names, else the one that it must mean."""
        known = self._runs.named(event.run_id)
        return known or self._runs.run_of(event, now)

    def _group_of(self, event: Event, now: datetime) -> _Group:
        """Where events of this one's kind and run go."""
        run = self._run_of(event, now) if signal_of(event.kind) is not None else None
        if run is None:
            return _Group(None, None)
        self._log(run)
        return _Group(run, self._rings[run.number])

    def _error(self, event: Event, now: datetime, otherwise: Run | None) -> None:
        """An error may name its run in its context; it is counted there."""
        context = event.payload.get("context") if event.run_id is None else None
        named = context.get("run_id") if isinstance(context, dict) else None
        run = (self._runs.named(named) if isinstance(named, str) else None) or otherwise
        if run is not None:
            log = self._log(run)
            log.count_error(event, now)
            log.count(event.kind, 1)
            self._rings[run.number].append(event)

    def _log(self, run: Run) -> RunLog:
        self._changed.add(run.number)
        log = self._logs.get(run.number)
        if log is None:
            log = self._logs[run.number] = RunLog(run_id=run.run_id, number=run.number)
            self._rings[run.number] = EventRing()
        return log

    def _named(self, run_id: object) -> RunLog | None:
        run = self._runs.get(run_id) if isinstance(run_id, str) else None
        return self._log(run) if run is not None else None

    def _incident(self, one: Announcement) -> None:
        payload = one.payload
        run = payload.get("run") or {}
        log = self._named(run.get("run_id")) or self._named(one.run_id)
        if log is not None:
            log.incident = payload
        if payload.get("kind") == "day" and (day := payload.get("day")):
            self._days[day] = payload
            self._shelf.put(_day(day), _encode(payload).decode())

    def _alert(self, one: Announcement, now: datetime) -> None:
        """Its own run's; one about no run, such as a high error rate, is of those that go on."""
        key = str(one.payload["alert"])
        if one.payload.get("state") == "resolved":
            for log in self._logs.values():
                for past in log.alerts:
                    if past.key == key and past.resolved_at is None:
                        past.resolved_at = now
                        past.resolution = str(one.payload.get("message", ""))
                        self._changed.add(log.number)
            return
        own = self._named(one.run_id)
        for log in [own] if own is not None else [self._log(run) for run in self._runs.open]:
            if not any(past.key == key and past.resolved_at is None for past in log.alerts):
                log.alerts = [*log.alerts, past_alert(one, key, now)][-MAX_MARKS:]

    def _gap(self, one: Announcement) -> None:
        began, ended = (datetime.fromisoformat(str(one.payload[name])) for name in ("from", "to"))
        for run in self._runs.open:
            log = self._log(run)
            span = Span(began=began, ended=ended, reason=str(one.payload.get("reason", "")))
            log.gaps = [*log.gaps, span][-MAX_MARKS:]

    def _stall(self, one: Announcement, now: datetime) -> None:
        run = self._runs.get(one.run_id) if one.run_id else None
        if run is None:
            return
        log = self._log(run)
        if one.channel.endswith("resumed"):
            for span in log.stalls:
                span.ended = span.ended or now
            return
        phase = run.current_phase
        moved_at = run.phases[phase].moved_at if phase else run.last_seen
        log.stalls = [*log.stalls, Span(began=moved_at, phase=phase)][-MAX_MARKS:]

    def _forget(self) -> None:
        """The logs of all but the last runs, and the days before them."""
        ended = sorted(number for number in self._logs if number not in {run.number for run in self._runs.open})
        for number in ended[:-KEPT_RUNS]:
            del self._logs[number], self._rings[number]
            self._shelf.put(_head(number), None)
            forget_events(self._shelf, number)
        for day in sorted(self._days)[:-KEPT_RUNS]:
            del self._days[day]
            self._shelf.put(_day(day), None)

    def _load(self) -> None:
        rings = read_rings(self._shelf)
        for key, value in self._shelf.items().items():
            kind, _, rest = key.partition(":")
            try:
                if kind == "run":
                    log = _decode_log(value)
                    self._logs[log.number] = log
                elif kind == "day":
                    self._days[rest] = _decode_incident(value)
                elif kind != "events":
                    self._shelf.put(key, None)
            except (ValueError, msgspec.MsgspecError):
                self._shelf.put(key, None)
        self._rings = {number: rings.get(number) or EventRing() for number in self._logs}


_encode = msgspec.json.Encoder().encode
_decode_log = msgspec.json.Decoder(RunLog).decode
_decode_incident = msgspec.json.Decoder(dict[str, Any]).decode


def _head(number: int) -> str:
    return f"run:{number:09}"


def _day(day: str) -> str:
    return f"day:{day}"
