"""Times, spans and numbers as they stand in sentences for people. Pure."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")


def clock(moment: datetime) -> str:
    """`Mon 27 Jan 2025 16:10 EST (21:10 UTC)`; the UTC day too where it is another."""
    here, there = moment.astimezone(NEW_YORK), moment.astimezone(UTC)
    utc = f"{there:%H:%M}" if here.date() == there.date() else f"{there:%a %H:%M}"
    return f"{here:%a} {here.day} {here:%b %Y %H:%M %Z} ({utc} UTC)"


def day_name(day: date) -> str:
    """`Mon 27 Jan`."""
    return f"{day:%a} {day.day} {day:%b}"


def at(moment: datetime) -> str:
    """`16:10` in New York."""
    return f"{moment.astimezone(NEW_YORK):%H:%M}"


def on(moment: datetime, day: date) -> str:
    """`at 16:10`, or `on Mon 27 Jan at 16:10` for another day than `day`."""
    here = moment.astimezone(NEW_YORK).date()
    return f"at {at(moment)}" if here == day else f"on {day_name(here)} at {at(moment)}"


def both(moment: datetime) -> str:
    """`16:10 EST (21:10 UTC)`."""
    return f"{moment.astimezone(NEW_YORK):%H:%M %Z} ({moment.astimezone(UTC):%H:%M} UTC)"


def lasting(seconds: float) -> str:
    """`45 s`, `12 min`, `1 h 05 min`, `2 days 3 h`."""
    whole = round(seconds)
    if whole < 120:  # up to two minutes, seconds are clearer
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def figure(number: float) -> str:
    """`1,250`, `98.5`: at most one decimal, but what is small is not nothing: `0.001`."""
    if 0 < abs(number) < 0.1:
        return f"{number:.1g}"
    return f"{number:,.0f}" if float(number).is_integer() or abs(number) >= 1000 else f"{number:,.1f}"
