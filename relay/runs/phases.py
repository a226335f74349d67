"""How a phase of a run begins, gets on, stalls, is tried again and ends.

Pure; `relay.runs.runs` knows whose phase it is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from relay.events import Announcement, Event, Phase
from relay.runs.contradictions import contradiction, denies_success
from relay.runs.run import PhaseRun, Run, believable_duration
from relay.runs.signals import Signal, State, Verb, state_named
from relay.runs.transitions import of_phase, of_run

ORDER = list(Phase)


def observe_phase(run: Run, signal: Signal, event: Event, now: datetime) -> list[Announcement]:
    """Take an event about a phase of `run`; what it changed."""
    phase = signal.phase
    if phase is None or not run.state.is_open:
        return []
    announcements: list[Announcement] = []
    its = run.phases.get(phase)
    if its is None and signal.is_loose and signal.verb is not Verb.PROGRESS and run.current_phase is not None:
        return []  # beside a phase that goes on it is none of the run's
    if its is None or (not its.state.is_open and _retries(its, signal, event)):
        its = _open_phase(run, phase, signal, event, now)
        announcements.append(of_phase(run, phase, "started", inferred=None if signal.verb is Verb.STARTED else True))
    elif signal.verb is Verb.STARTED and its.started_at is None and event.time <= (its.ended_at or event.time):
        its.started_at = event.time
    before = its.moved_at
    its.last_seen = now
    if signal.verb is Verb.PROGRESS and its.state.is_open:
        its.advance(event.payload, now)
    elif signal.verb is Verb.ENDED and its.state.is_open:
        state = final_state(event.payload, signal.state)
        announcements.append(_end(run, phase, state, ended_at=event.time, now=now, claims=event.payload))
    if run.state is State.STALLED and (its.moved_at != before or announcements):
        announcements.append(_resume(run, phase))
    return announcements


def reopen_phases(run: Run) -> None:
    """The phases that were held to be over with their run were not."""
    for its in run.phases.values():
        if its.is_guessed:
            its.state = State.RUNNING
            its.is_guessed = False
            its.ended_at = None
            its.duration_seconds = None


def end_phases(
    run: Run, state: State, now: datetime, ended_at: datetime, *, is_guess: bool = False
) -> list[Announcement]:
    """What was still going on when the run ended has ended too."""
    going = [phase for phase, its in run.phases.items() if its.state.is_open]
    for phase in going if state is State.COMPLETED else []:
        run.surprise(f"{phase} never said that it had ended")
    announcements = [_end(run, phase, state, ended_at=ended_at, now=now, claims={}) for phase in going]
    for phase in going:
        run.phases[phase].is_guessed = is_guess
    return announcements


def final_state(payload: Mapping[str, Any], otherwise: State) -> State:
    """How something ended: what says less than "completed" wins over the event's name, never the reverse."""
    if otherwise is not State.COMPLETED:
        return otherwise
    reported = state_named(payload.get("status")) or State.COMPLETED
    return State.FAILED if reported is State.COMPLETED and denies_success(payload) else reported


def _open_phase(run: Run, phase: Phase, signal: Signal, event: Event, now: datetime) -> PhaseRun:
    before = run.phases.get(phase)
    seen = signal.verb is Verb.STARTED
    if before is None:
        _note_order(run, phase)
    its = PhaseRun(
        first_seen=now,
        last_seen=now,
        moved_at=now,
        started_at=event.time if seen else None,
        attempts=before.attempts + 1 if before else 1,
    )
    if seen:
        its.read(event.payload)
    run.phases[phase] = its
    return its


def _end(
    run: Run, phase: Phase, state: State, *, ended_at: datetime, now: datetime, claims: Mapping[str, Any]
) -> Announcement:
    its = run.phases[phase]
    its.state = state
    its.ended_at = ended_at
    its.read(claims, success=True)
    its.contradiction = contradiction(claims)
    if state is State.COMPLETED:
        its.percent = 100.0
    seen_for = (now - its.first_seen).total_seconds()
    claimed = claims.get("duration_seconds")
    its.duration_seconds = believable_duration(claimed, its.started_at, ended_at, seen_for=seen_for)
    return of_phase(run, phase, state.value)


def _resume(run: Run, phase: Phase) -> Announcement:
    """It goes on: whatever phase had stalled is running again, if it has not ended meanwhile."""
    run.state = State.RUNNING
    for its in run.phases.values():
        if its.state is State.STALLED:
            its.state = State.RUNNING
    return of_run(run, "resumed", phase=phase)


def _note_order(run: Run, phase: Phase) -> None:
    """The contract's order: a phase begins when those before it have ended (section "Verify Event Flow")."""
    if not run.start_seen:
        return
    for other, its in run.phases.items():
        if ORDER.index(other) > ORDER.index(phase):
            run.surprise(f"{phase} was heard of only after {other}")
        elif its.state.is_open:
            run.surprise(f"{phase} began before {other} had ended")


def _retries(its: PhaseRun, signal: Signal, event: Event) -> bool:
    """Whether a phase that has ended goes on again; a late or repeated event does not make it."""
    if signal.verb is Verb.ENDED or signal.is_loose or its.ended_at is None:
        return False
    grace = timedelta(seconds=1) if signal.verb is Verb.STARTED else timedelta(seconds=10)
    return event.time > its.ended_at + grace
