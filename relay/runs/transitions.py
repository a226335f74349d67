"""What the relay says when a run or a phase changes: announcements on `relay:run:<transition>`.

Facts for metrics and the archive, so their severity is always `info`: waking people is for alerts. Pure.
"""

from datetime import date, datetime
from typing import Any

from relay.events import Announcement, Mark, Phase, utc_text
from relay.runs.run import Run

COUNTS = ("symbols_processed", "symbols_failed", "success_rate", "indicators_calculated", "patterns_detected")


def of_run(run: Run, transition: str, **more: Any) -> Announcement:
    """`relay:run:<transition>` about the whole run; `more` goes into the payload."""
    phases = {
        phase.value: present(state=its.state, duration_seconds=its.duration_seconds, percent=its.percent)
        for phase, its in run.phases.items()
    }
    payload = _who(run) | present(
        state=run.state,
        universe=run.universe,
        started_at=run.started_at,
        ended_at=run.ended_at,
        duration_seconds=run.duration_seconds,
        **{name: getattr(run, name) for name in COUNTS},
        errors=run.errors,
        reason=run.reason,
        phases=phases,
    )
    return Announcement(
        channel=f"relay:run:{transition}",
        event=f"run_{transition}",
        run_id=run.run_id,
        marks=Mark.RECONSTRUCTED if run.is_reconstructed else Mark.NONE,
        payload=payload | present(**more),
    )


def of_phase(run: Run, phase: Phase, transition: str, **more: Any) -> Announcement:
    """`relay:run:phase_<transition>` about one phase of a run."""
    its = run.phases[phase]
    payload = _who(run) | present(
        phase=phase.value,
        state=its.state,
        started_at=its.started_at,
        ended_at=its.ended_at,
        duration_seconds=its.duration_seconds,
        percent=its.percent,
        last_symbol=its.last_symbol,
        symbols_total=its.symbols_total,
        attempts=its.attempts,
        **{name: getattr(its, name) for name in COUNTS},
    )
    return Announcement(
        channel=f"relay:run:phase_{transition}",
        event=f"phase_{transition}",
        run_id=run.run_id,
        phase=phase,
        payload=payload | present(**more),
    )


def of_day(day: date, transition: str, due: datetime, **more: Any) -> Announcement:
    """`relay:run:due`, `…:late` or `…:missed`: the day's run that has not started."""
    payload = present(run_date=day.isoformat(), trigger_type="automatic", state=transition, due_at=due, **more)
    return Announcement(channel=f"relay:run:{transition}", event=f"run_{transition}", payload=payload)


def present(**facts: Any) -> dict[str, Any]:
    """The facts that are known, times as UTC text."""
    return {
        name: utc_text(value) if isinstance(value, datetime) else value
        for name, value in facts.items()
        if value is not None
    }


def _who(run: Run) -> dict[str, Any]:
    return present(
        run_id=run.run_id,
        published_id=run.shared_id,
        run_date=run.run_date,
        trigger_type=run.trigger_type,
        reconstructed=run.is_reconstructed or None,
        unnamed=run.is_unnamed or None,
    )
