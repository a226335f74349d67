"""Which run is today's, for one glance: the day's slot, its run, or one that goes on. Pure.

It judges nothing and words nothing: that is the incident's, or `relay.status.run_verdict`'s, as on the run's own page.
"""

from collections.abc import Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from relay.events.wording import run_title
from relay.runs.signals import State
from relay.schedule.timetable import Timetable
from relay.status.run_verdict import Words
from relay.status.snapshot import RunView, Today
from relay.watchdog.run_schedule import ScheduledRun


def today(
    current: ScheduledRun | None,
    coming: ScheduledRun | None,
    run: RunView | None,
    words: Words | None,
    now: datetime,
    *,
    timezone: str,
    enabled: bool = True,
) -> Today:
    """The slot whose time came last, or the run that is shown for it, in its words; and the next slot.

    Without `words` nothing is known of any run.
    """
    zone = ZoneInfo(timezone)
    day = current.day if current and (run is None or run.run_id == current.run_id) else None
    if day is None and run is not None:
        day = run.began.astimezone(zone).date()
    state = current.state.value if current else "unknown"
    made = Today(
        state=run.state if run else state,
        mood="waiting",
        headline="No run is known yet",
        detail="The relay has not seen a run since it was set up.",
        day=day,
        due=current.due if current else None,
        run_id=run.run_id if run else None,
        next_due=coming.due if coming and enabled else None,
        next_note="" if enabled else "TickStockPL's schedule is switched off.",
    )
    if words is not None:
        made.headline = _as_today(words.verdict.headline, day, now.astimezone(zone).date())
        made.mood = words.verdict.mood
        made.icon = words.verdict.icon
        made.detail = " ".join(filter(None, (words.verdict.again, words.verdict.cleared, words.verdict.cause)))
        made.data = words.data.word.value
        made.data_sentence = words.data.sentence
    return made


def _as_today(headline: str, day: date | None, here: date) -> str:
    """`Today's run failed` for `Run of Mon 27 Jan failed`, on that day."""
    called = run_title(here)
    is_todays = day == here and headline.startswith((f"{called} ", f"{called}:"))
    return f"Today’s run{headline.removeprefix(called)}" if is_todays else headline  # noqa: RUF001 - typography


def scheduled_runs(
    timetable: Timetable, known_since: datetime, now: datetime, grace: float
) -> tuple[ScheduledRun | None, ScheduledRun | None]:
    """The last and the next slot by the timetable alone, for a relay that runs without its watchdog.

    What was due before `known_since` is not held against anybody. `grace` is in seconds.
    """
    last, following = timetable.last_due(now), timetable.next_due(now)
    coming = ScheduledRun(day=timetable.day_of(following), due=following) if following else None
    if last is None or last < known_since:
        return None, coming
    is_late = (now - last).total_seconds() > grace
    return ScheduledRun(day=timetable.day_of(last), due=last, state=State.LATE if is_late else State.DUE), coming


def shown_run(current: ScheduledRun | None, runs: Sequence[RunView]) -> RunView | None:
    """The run to show: the slot's, as the watchdog has settled it; once that is over, one that goes on."""
    going = next((run for run in runs if run.is_open), None)
    if current is None:
        return going or next(iter(runs), None)
    its = next((run for run in runs if current.run_id and run.run_id == current.run_id), None)
    if its is not None:
        return its if its.is_open else going or its
    is_waited_for = current.is_open and not current.is_excused
    return None if is_waited_for else going
