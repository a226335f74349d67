"""Which run is due, and which is next: the timetable in force, and the day's slot, kept over restarts.

The API's schedule wins over the config, and stays in force while the API is silent. Pure; whether a run really started
is for `relay.watchdog.start_check`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from relay.config.watchdog import ScheduleOptions
from relay.events import Announcement
from relay.runs.signals import State
from relay.runs.transitions import of_day
from relay.schedule.timetable import Timetable
from relay.store.shelf import Shelf
from relay.tickstockpl.models import Schedule, read_schedule

ASKED_BEFORE = timedelta(minutes=10)
"""A `next_run` counts for a due moment when it was read this long before: at the moment itself it has moved on."""
SAME = timedelta(minutes=1)
_KEY = "run_schedule"


class ScheduledRun(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The run that one day should have."""

    day: date
    due: datetime
    state: State = State.DUE
    is_planned: bool = True
    """False: TickStockPL said beforehand that its next run is on a later day."""
    is_excused: bool = False
    """The schedule is off, or it was not planned: that was said, and nothing is late."""
    run_id: str | None = None
    no_sign: bool = False
    """That it has not started is not known: there is only no sign of it."""
    asked_since: datetime | None = None
    """Since when no answer shows whether it has started, the grace being over."""

    @property
    def is_open(self) -> bool:
        """Whether its run may still be waited for."""
        return self.state in (State.DUE, State.LATE)


@lru_cache(maxsize=8)
def _in_force(options: ScheduleOptions, trigger_time: str | None, timezone: str | None) -> Timetable:
    configured = options.timetable
    return replace(
        configured,
        trigger_time=time.fromisoformat(trigger_time) if trigger_time else configured.trigger_time,
        timezone=timezone or configured.timezone,
    )


class _Saved(msgspec.Struct, omit_defaults=True, kw_only=True):
    trigger_time: str | None = None
    timezone: str | None = None
    enabled: bool = True
    next_run: datetime | None = None
    market_check: bool = False
    asked_at: datetime | None = None
    current: ScheduledRun | None = None
    coming: ScheduledRun | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Saved).decode


class RunSchedule:
    """The timetable in force, the slot whose time has come, and the one that comes next."""

    def __init__(self, options: ScheduleOptions, shelf: Shelf, missed_after: float = 86400.0) -> None:
        """Go on from what is on `shelf`; it arms with the first look, as the calendar takes a moment to load.

        `missed_after` is in seconds: on the first day, a run that was due longer ago is nobody's business.
        """
        self._options = options
        self._missed_after = timedelta(seconds=missed_after)
        self._shelf = shelf
        try:
            self._saved = _decode(shelf.get(_KEY) or "{}")
        except msgspec.MsgspecError:
            self._saved = _Saved()

    @property
    def timetable(self) -> Timetable:
        """What is in force: the API's trigger time and zone where it gave them, else the config's."""
        return _in_force(self._options, self._saved.trigger_time, self._saved.timezone)

    @property
    def enabled(self) -> bool:
        """Whether TickStockPL's schedule is switched on, as far as is known."""
        return self._saved.enabled

    @property
    def current(self) -> ScheduledRun | None:
        """The slot whose time has come last."""
        return self._saved.current

    @property
    def coming(self) -> ScheduledRun | None:
        """The next slot."""
        return self._saved.coming

    def reconfigure(self, options: ScheduleOptions, now: datetime) -> None:
        """The config has been read again."""
        if options != self._options:
            self._options = options
            self._arm(now)

    def learn(self, schedule: Schedule, asked_at: datetime, now: datetime) -> None:
        """Take the schedule that the API gave at `asked_at`."""
        saved = self._saved
        if saved.asked_at is not None and asked_at <= saved.asked_at <= now:
            return  # known already; a later time than now is of a clock that was ahead
        saved.asked_at = asked_at
        saved.next_run = schedule.next_run
        self._take(schedule, now)

    def updated(self, payload: Mapping[str, Any], now: datetime) -> None:
        """Take a `schedule_updated` event: it counts at once."""
        schedule = read_schedule(dict(payload))
        self._saved.asked_at = now
        self._saved.next_run = schedule.next_run
        self._take(schedule, now)

    def advance(self, now: datetime) -> list[Announcement]:
        """The time of the coming slot has come, perhaps."""
        self._begin(now)
        self._go_back(now)
        come: ScheduledRun | None = None
        while (scheduled := self.coming) is not None and scheduled.due <= now:
            come = self._saved.current = scheduled
            self._saved.coming = self._after(scheduled.due)
        if come is None:
            return []
        self._save()
        return [of_day(come.day, State.DUE, come.due)]  # after days of standing still, the last one counts

    def settle(self, state: State, *, run_id: str | None = None, excused: bool = False, no_sign: bool = False) -> None:
        """What became of the current slot."""
        if self.current is not None:
            self.current.state = state
            self.current.run_id = run_id or self.current.run_id
            self.current.is_excused = self.current.is_excused or excused
            self.current.no_sign = no_sign
            self._save()

    def note_asked(self, now: datetime) -> datetime:
        """Since when no answer shows whether the current slot's run has started: now, or what is known already."""
        if self.current is None:
            return now
        if self.current.asked_since is None or self.current.asked_since > now:  # by a clock that was ahead
            self.current.asked_since = now
            self._save()
        return self.current.asked_since

    def _go_back(self, now: datetime) -> None:
        """The clock had run ahead and is right again: what had seemed due is still to come."""
        current = self.current
        if current is not None and current.due > now and (current.is_open or current.state is State.MISSED):
            self._saved.current = None
            self._saved.coming = self._after(now)
            self._save()

    def _begin(self, now: datetime) -> None:
        """Arm from the config, unless the shelf knows better. On the first day, that day's run counts too."""
        if self._saved.coming is None:
            last, today = self.timetable.last_due(now), self.timetable.day_of(now)
            is_todays = last is not None and self.timetable.day_of(last) == today and self.current is None
            is_todays = is_todays and last is not None and now - last <= self._missed_after
            self._saved.coming = self._slot(last) if last is not None and is_todays else self._after(now)
            self._save()

    def _take(self, schedule: Schedule, now: datetime) -> None:
        self._begin(now)
        saved = self._saved
        before = (saved.trigger_time, saved.timezone, saved.enabled)
        saved.trigger_time = schedule.trigger_time or saved.trigger_time
        saved.timezone = schedule.timezone or saved.timezone
        saved.enabled = saved.enabled if schedule.enabled is None else schedule.enabled
        saved.market_check = saved.market_check if schedule.market_check is None else schedule.market_check
        changed = before != (saved.trigger_time, saved.timezone, saved.enabled)
        if changed:
            self._arm(now)
        elif (usual := self._usual_due()) is not None:
            self._saved.coming = self._slot(usual)
        elif self._is_given_up(self.coming):
            self._saved.coming = self._after(now)
        if (extra := self._planned_beside(now)) is not None:
            self._saved.coming = extra
        self._save()

    def _usual_due(self) -> datetime | None:
        """When the coming slot's run is due by the timetable alone."""
        return self.timetable.due_on(self.coming.day) if self.coming is not None else None

    def _arm(self, now: datetime) -> None:
        """Work out the coming slot anew; a run that was due just now, and was moved, is waited for at its new time."""
        current = self.current
        is_waited_for = current is not None and current.is_open
        moved = self.timetable.due_on(current.day) if current is not None and is_waited_for else None
        if moved is not None and moved > now:
            self._saved.current = None
            self._saved.coming = self._slot(moved)
        elif self.coming is None or self.coming.due > now:
            self._saved.coming = None
            self._saved.coming = self._after(max(now, current.due) if current is not None else now)
        self._save()

    def _after(self, moment: datetime) -> ScheduledRun | None:
        """The next slot later than `moment`, on a day of its own."""
        due = self.timetable.next_due(moment)
        if due is not None and self.current is not None and self.timetable.day_of(due) <= self.current.day:
            due = self.timetable.next_due(due)
        return self._slot(due) if due is not None else None

    def _slot(self, due: datetime) -> ScheduledRun:
        when, is_planned = self._planned(due)
        return ScheduledRun(day=self.timetable.day_of(due), due=when, is_planned=is_planned)

    def _planned_beside(self, now: datetime) -> ScheduledRun | None:
        """A run that TickStockPL plans on a day that has none by the calendar, before the coming one.

        With its market check on, it plans runs that it then leaves out.
        """
        saved, zone = self._saved, ZoneInfo(self.timetable.timezone)
        if saved.next_run is None or saved.market_check:
            return None
        digits = saved.next_run.replace(tzinfo=zone)  # some append `Z` to local time
        is_local = digits.time() == self.timetable.trigger_time
        due = digits.astimezone(UTC) if is_local else saved.next_run
        day = self.timetable.day_of(due)
        is_first = self.coming is None or due < self.coming.due
        is_new = self.current is None or day > self.current.day
        if due <= now or not is_first or not is_new or self.timetable.has_run(day):
            return None
        return ScheduledRun(day=day, due=due)

    def _is_given_up(self, scheduled: ScheduledRun | None) -> bool:
        """Whether TickStockPL no longer plans the run that it had planned on a day without one by the calendar."""
        saved = self._saved
        if scheduled is None or saved.next_run is None or saved.asked_at is None:
            return False
        return saved.next_run > scheduled.due + SAME and scheduled.due - saved.asked_at >= ASKED_BEFORE

    def _planned(self, due: datetime) -> tuple[datetime, bool]:
        """The due moment as TickStockPL plans it: later the same day, or not on that day at all."""
        saved = self._saved
        if saved.next_run is None or saved.asked_at is None or due - saved.asked_at < ASKED_BEFORE:
            known = self.coming
            is_same = known is not None and known.day == self.timetable.day_of(due)
            return (known.due, known.is_planned) if known is not None and is_same else (due, True)
        if saved.next_run <= due + SAME or saved.next_run <= saved.asked_at:
            return due, True
        if self.timetable.day_of(saved.next_run) == self.timetable.day_of(due):
            return saved.next_run, True
        return due, False

    def _save(self) -> None:
        self._shelf.put(_KEY, _encode(self._saved).decode())
