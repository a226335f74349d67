"""When a run is due: trigger time, time zone, trading days. Pure functions of a timetable and a date.

Zones exist only here: what goes in and comes out is UTC, or a calendar date in the timetable's zone. It must not know
what really ran.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from relay.events.wording import NEW_YORK
from relay.schedule.exchange_holidays import closings, early_closings

LONGEST_CLOSING = 60
"""Days to search for a trading day; since 1945 the exchange was never closed for more than a week."""


class Calendar(StrEnum):
    """Which days have a run."""

    XNYS = "XNYS"
    """The New York Stock Exchange's trading days; a half day is one."""
    NONE = "none"
    """Every day."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """A daily trigger time in a zone, on a calendar's days."""

    trigger_time: time = time(16, 10)
    timezone: str = "America/New_York"
    calendar: Calendar = Calendar.XNYS

    def day_of(self, moment: datetime) -> date:
        """The date that the timetable's zone shows at `moment`."""
        return moment.astimezone(ZoneInfo(self.timezone)).date()

    def has_run(self, day: date) -> bool:
        """Whether a run is due on `day`."""
        return self.calendar is Calendar.NONE or is_trading_day(day)

    def due_on(self, day: date) -> datetime | None:
        """When the run of `day` is due (UTC); None when that day has none.

        A local time that a clock change skips is taken as long after midnight as if the clock had not changed
        (02:30 becomes 03:30); one that comes twice, the first time.
        """
        if not self.has_run(day):
            return None
        return datetime.combine(day, self.trigger_time, ZoneInfo(self.timezone)).astimezone(UTC)

    def next_due(self, after: datetime) -> datetime | None:
        """The first due moment later than `after`."""
        day = self.day_of(after) - timedelta(days=1)
        return self._first(day, 1, lambda due: due > after)

    def last_due(self, until: datetime) -> datetime | None:
        """The last due moment not later than `until`."""
        day = self.day_of(until) + timedelta(days=1)
        return self._first(day, -1, lambda due: due <= until)

    def _first(self, day: date, step: int, fits: "_Fits") -> datetime | None:
        for number in range(LONGEST_CLOSING):
            due = self.due_on(day + timedelta(days=step * number))
            if due is not None and fits(due):
                return due
        return None


class _Fits(Protocol):
    def __call__(self, due: datetime, /) -> bool: ...


def is_trading_day(day: date) -> bool:
    """Whether the New York Stock Exchange opens on `day`, if only for half of it."""
    return day.weekday() < 5 and day not in closings(day.year)  # Saturday


def is_half_day(day: date) -> bool:
    """Whether the exchange closes early on `day`."""
    return day.weekday() < 5 and day in early_closings(day.year)  # Saturday


def session_close(day: date) -> datetime | None:
    """When the exchange's session of `day` ends (UTC): 16:00 New York time, 13:00 on half days; None without one."""
    if not is_trading_day(day):
        return None
    return datetime.combine(day, time(13) if is_half_day(day) else time(16), NEW_YORK).astimezone(UTC)


def market_is_open(now: datetime) -> bool:
    """Whether the exchange's regular session is on: 09:30 to 16:00 New York time, to 13:00 on half days."""
    here = now.astimezone(NEW_YORK)
    close = session_close(here.date())
    return close is not None and time(9, 30) <= here.time() and now < close
