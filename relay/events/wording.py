"""Times, durations and numbers as people read them, on every screen and in every text. Pure.

There is one function for a duration and one for a moment; nobody else formats either.
"""

import math
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
_MINUTE, _HOUR = 60, 3600
SECONDS_BELOW = 10 * _MINUTE
"""Shorter durations are given to the second."""
DAYS_FROM = 48 * _HOUR
FAR = timedelta(days=180)
"""A moment in another year and farther away than this is given by its date alone."""


def duration(seconds: float) -> str:
    """`45 s`, `1 min 43 s`, `4 min`, `35 min`, `1 h 05 min`, `2 days 3 h`; what is negative counts as nothing."""
    whole = max(0, math.floor(seconds + 0.5))
    if whole < SECONDS_BELOW:
        minutes, rest = divmod(whole, _MINUTE)
        parts = [f"{minutes} min"] * (minutes > 0) + [f"{rest} s"] * (rest > 0 or minutes == 0)
        return " ".join(parts)
    minutes = (whole + _MINUTE // 2) // _MINUTE
    if minutes < _HOUR // _MINUTE:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, _HOUR // _MINUTE)
    if hours < DAYS_FROM // _HOUR:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def between(low: float, high: float) -> str:
    """`34 to 37 min`, `50 s to 3 min`: a span of durations."""
    first, last = duration(low), duration(high)
    if first == last:
        return first
    (number, _, unit), (_, _, other) = first.partition(" "), last.partition(" ")
    return f"{number} to {last}" if unit == other else f"{first} to {last}"


def usually(median: float, low: float, high: float) -> str:
    """`usually 35 min (30 to 40)`: what a duration usually is."""
    middle = duration(median)
    unit = middle.partition(" ")[2]
    parts = [duration(end).partition(" ") for end in (low, high)]
    same_unit = all(part[2] == unit for part in parts)
    span = " to ".join(dict.fromkeys(part[0] for part in parts)) if same_unit else between(low, high)
    return f"usually {middle} ({span})"


def clock_time(
    moment: datetime,
    today: date | datetime | None = None,
    *,
    zone: tzinfo = NEW_YORK,
    seconds: bool = False,
    named: bool = False,
    utc: bool = False,
) -> str:
    """`16:42` if that is on the day of `today`, else `Wed 22 Jan 16:45`; of another year, far away, `22 Jan 2024`.

    Without `today` the day is always given. `seconds`: `16:42:00`. `named`: the zone stands behind it, `16:42 EST`.
    `utc`: universal time too, `16:42 EST (21:42 UTC)`. Each of the three keeps the clock time in another year.
    """
    here, there = _in(zone, moment), _in(UTC, moment)
    day = _in(zone, today).date() if isinstance(today, datetime) else today
    is_far = day is not None and here.year != day.year and abs(here.date() - day) > FAR
    date_text = f"{here.day} {here:%b %Y}" if is_far else day_name(here.date())
    if is_far and not (seconds or named or utc):
        return date_text
    clock = "%H:%M:%S" if seconds else "%H:%M"
    shown = here.strftime(clock)
    if here.date() != day:
        shown = f"{date_text} {shown}"
    if named or utc:
        shown += here.strftime(" %Z")
    if utc and here.utcoffset():
        other_day = "" if there.date() == here.date() else f"{there:%a} "
        shown += f" ({other_day}{there.strftime(clock)} UTC)"
    return shown


def day_name(day: date) -> str:
    """`Mon 27 Jan`."""
    return f"{day:%a} {day.day} {day:%b}"


def run_title(day: date, began: datetime | None = None, *, by_hand: bool = False, zone: tzinfo = NEW_YORK) -> str:
    """`Run of Mon 27 Jan`; one that was started by hand `Manual run of Mon 27 Jan 17:02`."""
    if not by_hand:
        return f"Run of {day_name(day)}"
    return f"Manual run of {clock_time(began, zone=zone) if began else day_name(day)}"


def figure(number: float) -> str:
    """`1,250`, `98.5`: at most one decimal, but what is small is not nothing: `0.001`."""
    if 0 < abs(number) < 0.1:
        return f"{number:.1g}"
    return f"{number:,.0f}" if float(number).is_integer() or abs(number) >= 1000 else f"{number:,.1f}"


def percent(rate: float) -> str:
    """`99.0 %`, of a rate from 0 to 100; what is not quite all is never `100.0 %`."""
    rounded = round(rate, 1)
    return f"{99.9 if rate < 100 <= rounded else rounded:.1f} %"


def size(count: float) -> str:
    """`812 bytes`, `0.4 MB`."""
    return f"{count:,.0f} bytes" if count < 50_000 else f"{count / 1e6:,.1f} MB"


def plural(count: int, what: str) -> str:
    """`1 error`, `2 errors`, `1,250 errors`."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _in(zone: tzinfo, moment: datetime) -> datetime:
    try:
        return moment.astimezone(zone)
    except OverflowError:  # claimed at the beginning or the end of all time
        return moment.astimezone(UTC)
