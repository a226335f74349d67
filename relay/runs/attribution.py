"""Which run an event is about: the one it names, else the one it must mean. Pure; it changes nothing."""

from datetime import datetime, timedelta

from relay.events import Event, Mark
from relay.events.values import text
from relay.runs.claims import STALE, claimed_at
from relay.runs.ledger import Ledger
from relay.runs.run import Run
from relay.runs.signals import Signal, Verb

CLOCKS_DIFFER = timedelta(seconds=1)
"""The job that ends a run and the scheduler that begins it again may be so far apart."""
REPEAT = timedelta(minutes=1)
"""An event this close after the end belongs to what has ended: a repeat, or one that came late."""
YOUNG = timedelta(minutes=2)
"""A run that was only inferred, and not longer ago, is the one whose start now comes."""


def begins_run(signal: Signal) -> bool:
    """Whether the signal is the start of a whole run."""
    return signal.verb is Verb.STARTED and signal.phase is None


def meant(ledger: Ledger, signal: Signal, event: Event, now: datetime, run_id: str | None) -> Run | None:
    """The run that is meant, open or ended; None when it must be a new one.

    Only the payload's `run_id` is sure to name a run: a `job_id` or `session_id` may name something smaller.
    """
    named = text(event.payload.get("run_id")) is not None
    known = ledger.named(run_id)
    if known is not None and not _begins_anew(known, signal, event):
        return known
    running = ledger.open
    if begins_run(signal):
        return next((run for run in reversed(running) if _lacks_this_start(run, event, now, named=named)), None)
    if named:
        return running[0] if len(running) == 1 and running[0].is_unnamed else None
    if running:
        return next((run for run in reversed(running) if _is_in_phase(run, signal)), running[-1])
    last = ledger.latest
    return last if last and last.ended_at and event.time - last.ended_at < REPEAT else None


def _is_in_phase(run: Run, signal: Signal) -> bool:
    its = run.phases.get(signal.phase) if signal.phase else None
    return its is not None and its.state.is_open


def _begins_anew(known: Run, signal: Signal, event: Event) -> bool:
    """Whether a run that was told to have ended starts again under its old id."""
    if known.ended_at is None:
        return False
    after_its_end = event.time - known.ended_at
    if begins_run(signal):
        is_dated = event.time == event.timestamp and not event.has(Mark.UNDATED)
        return not _claims_its_time(known, event) and after_its_end > (CLOCKS_DIFFER if is_dated else REPEAT)
    longest = REPEAT if signal.verb is Verb.STARTED else STALE  # its last events may come late, but not a day late
    return after_its_end > longest and not known.is_guessed


def _claims_its_time(known: Run, event: Event) -> bool:
    """Whether it claims to have happened when the run began: by a clock that is ahead, that can be after the end."""
    claim = claimed_at(event)
    return claim is not None and known.claimed_at is not None and abs(claim - known.claimed_at) <= CLOCKS_DIFFER


def _lacks_this_start(run: Run, event: Event, now: datetime, *, named: bool) -> bool:
    """Whether a start is the one that `run`, unnamed so far, has been waiting for, or a repeat of its own."""
    if not run.is_unnamed:
        return False
    if run.start_seen:
        return not named and run.started_at == event.time
    return now - run.first_seen < YOUNG
