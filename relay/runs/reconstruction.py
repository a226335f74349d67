"""Runs that the API knows and no event told of: worked out, and marked as such.

Pure. It must not touch a run of which events told the end, and says each thing once, however often it is asked.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from relay.events import Announcement
from relay.runs.run import LONGEST, Run
from relay.runs.runs import Runs
from relay.runs.signals import State, state_named
from relay.runs.transitions import of_run, present
from relay.tickstockpl.models import HistoryRun, Status

LONG_AGO = datetime(1971, 1, 1, tzinfo=UTC)
LAG = timedelta(seconds=30)
MOST = 100
"""Rows of the history that are looked at, so that the runs that are remembered always cover them."""
SAME_START = timedelta(minutes=5)
"""A run without a common id is the same one when both began this close together."""


def reconstruct(
    runs: Runs, history: Sequence[HistoryRun], status: Status | None, gap: tuple[datetime, datetime], now: datetime
) -> list[Announcement]:
    """What the API's history and status add to what was heard; runs wholly outside of `gap` are left alone."""
    announcements: list[Announcement] = []
    for row in sorted(history, key=_start)[-MOST:]:
        if _start(row) <= gap[1] and _ended(row) >= gap[0]:
            announcements += _from_history(runs, row, now)
    if status is not None and status.is_running:
        announcements += _from_status(runs, status, now)
    return announcements


def seed(runs: Runs, history: Sequence[HistoryRun], now: datetime) -> int:
    """Enter ended runs from before the relay's time, without a word; returns how many. For what is usual."""
    entered = 0
    for row in sorted(history, key=_start)[-MOST:]:
        state = _state(row)
        if state is not None and row.start_time and _same(runs, row.run_id, row.start_time) is None:
            run = _enter(runs, row, now)
            _end(runs, run, row, state, now)
            runs.judged(run, now)
            entered += 1
    return entered


def _from_history(runs: Runs, row: HistoryRun, now: datetime) -> list[Announcement]:
    state = _state(row)
    if state is None or row.start_time is None:
        return []  # a row that says "running" may be years old: only the status tells what runs now
    known = _same(runs, row.run_id, row.start_time)
    if known is None:
        run = _enter(runs, row, now)
        return [of_run(run, "started", reconstructed=True), *_end(runs, run, row, state, now)]
    if not known.state.is_open and not known.is_guessed:
        return []
    known.is_reconstructed = True
    return _end(runs, known, row, state, now)


def _from_status(runs: Runs, status: Status, now: datetime) -> list[Announcement]:
    if any(status.run_id in (None, run.published_id) for run in runs.open):
        return []
    if _same(runs, status.run_id, status.start_time) is not None or _just_ended(runs, now):
        return []
    known = {"is_reconstructed": True, "is_unnamed": status.run_id is None, "had_gap": True}
    run = runs.begin(status.run_id or runs.unnamed_id(status.start_time or now), now, status.start_time, **known)
    return [of_run(run, "started", reconstructed=True)]


def _just_ended(runs: Runs, now: datetime) -> bool:
    """The status may lag behind the events by a little."""
    last = runs.latest
    return last is not None and last.ended_at is not None and now - last.last_seen < LAG


def _same(runs: Runs, run_id: str | None, start: datetime | None) -> Run | None:
    """The run that we know by that id, else an unnamed one that began at that time."""
    found = runs.named(run_id, start)
    if found is not None or start is None:
        return found
    for run in runs.newest_first():
        close = abs(run.began - start) <= SAME_START or (run.state.is_open and not run.start_seen)
        if close and (run.is_unnamed or run_id is None):
            if run_id:
                runs.rename(run, run_id)
            return run
    return None


def _enter(runs: Runs, row: HistoryRun, now: datetime) -> Run:
    run = runs.begin(
        row.run_id or runs.unnamed_id(_start(row)),
        now,
        row.start_time,
        is_reconstructed=True,
        is_unnamed=row.run_id is None,
        had_gap=True,
        run_date=row.run_date.isoformat() if row.run_date else None,
        trigger_type=row.trigger_type,
    )
    run.first_seen = _start(row)
    return run


def _end(runs: Runs, run: Run, row: HistoryRun, state: State, now: datetime) -> list[Announcement]:
    names = (
        "duration_seconds",
        "symbols_processed",
        "symbols_failed",
        "patterns_detected",
        "indicators_calculated",
    )
    claims = present(**{name: getattr(row, name) for name in names})
    return runs.end(run, state, now, ended_at=_ended(row), claims=claims)


def _state(row: HistoryRun) -> State | None:
    """How the run ended; None when it goes on, or nobody knows."""
    reported = state_named(row.status)
    return reported or (State.COMPLETED if row.end_time and row.status is None else None)


def _start(row: HistoryRun) -> datetime:
    return row.start_time or LONG_AGO


def _ended(row: HistoryRun) -> datetime:
    return row.end_time or _start(row) + timedelta(seconds=min(row.duration_seconds or 0, LONGEST))
