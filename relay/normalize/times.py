"""Claimed times, in whatever form publishers write them. Pure; what cannot be read is None.

ISO 8601, RFC 2822 and C's `asctime`, and numbers since 1970 in any unit, as digits in a text too. A leap second (`:60`)
is the first moment of the next minute, as in Unix time.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
LATEST = 1e20
"""Nanoseconds since 1970, in the year 5138: a larger number is no time in any unit."""
LONGEST = 64
"""Characters of a time as text, at most."""
_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,20})?", re.ASCII)
_COMPACT = {8: "%Y%m%d", 14: "%Y%m%d%H%M%S"}
"""How many digits are a date, `20250127211500`: counted from 1970 they would be of 1970, or of after 2600."""
_LEAP_SECOND = re.compile(r"(?<=\d\d:\d\d:)60(?!\d)|(?<=[T ]\d{4})60(?!\d)|(?<=^\d{12})60$", re.ASCII)
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\b", re.IGNORECASE)
_UNKNOWN_ZONE = re.compile(r"[a-z]+\)?$", re.IGNORECASE)


def claimed_time(claim: object) -> datetime | None:
    """A claimed time in UTC (a naive one is UTC already); None for what is no time in any of these forms."""
    try:
        if isinstance(claim, str):
            return _of_text(claim)
        if isinstance(claim, int | float) and not isinstance(claim, bool) and 0 < claim < LATEST:
            return utc(_of_digits(str(claim)) if isinstance(claim, int) else _since_epoch(claim))
    except (ValueError, OverflowError, OSError, IndexError, TypeError):  # the last two are of `email.utils`
        return None
    return None


def _of_text(text: str) -> datetime | None:
    try:
        return utc(msgspec.convert(text, datetime))  # as the hot path reads it, so that both round alike
    except msgspec.ValidationError:
        return utc(_odd(text.strip()))


def _odd(text: str) -> datetime:
    """What is not as usual.

    Raises:
        ValueError: it is no time.
    """
    if len(text) > LONGEST:
        raise ValueError("too long")
    ordinary = _LEAP_SECOND.sub("59", text, count=1)
    if _NUMBER.fullmatch(ordinary):
        read = _of_digits(ordinary)
    else:
        read = _rfc2822(ordinary) if _MONTH.search(ordinary) else datetime.fromisoformat(ordinary)
    return read if ordinary == text else read + timedelta(seconds=1)


def _of_digits(text: str) -> datetime:
    if form := _COMPACT.get(len(text)):
        with suppress(ValueError):
            read = datetime.strptime(text, form)  # noqa: DTZ007 - naive means UTC
            if read.year >= EPOCH.year:
                return read
    return _since_epoch(float(text) if "." in text else int(text))


def _rfc2822(text: str) -> datetime:
    """`Mon, 27 Jan 2025 21:15:00 GMT`, also without the weekday, and `Mon Jan 27 21:15:00 2025`.

    Raises:
        ValueError: it is none, or of a zone whose offset nobody can know.
    """
    read = parsedate_to_datetime(text)
    if read.tzinfo is None and _UNKNOWN_ZONE.search(text):
        raise ValueError("unknown zone")
    return read


def utc(time: datetime) -> datetime | None:
    """The same moment in UTC, a naive time being UTC already; None for a year that no zone can have."""
    if time.tzinfo is None:
        return EPOCH + (time - NAIVE_EPOCH)  # a fifth of what `replace` costs
    try:
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _since_epoch(number: float) -> datetime:
    """Seconds, milli-, micro- or nanoseconds: 1e11 s is the year 5138, 1e11 ms is 1973.

    Raises:
        ValueError: no time in any unit.
    """
    if not 0 < number < LATEST:
        raise ValueError("no time")
    while number >= 1e11:
        number /= 1000
    return datetime.fromtimestamp(number, UTC)
