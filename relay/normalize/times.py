"""Claimed times, in whatever form: ISO 8601, or numbers since 1970 in any unit. Pure; what cannot be read is None."""

from datetime import UTC, datetime

import msgspec

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAIVE_EPOCH = EPOCH.replace(tzinfo=None)
LATEST = 1e20
"""Nanoseconds since 1970, in the year 5138: a larger number is no time in any unit."""


def claimed_time(claim: object) -> datetime | None:
    """A claimed time in UTC: ISO 8601 (naive means UTC) or seconds, milli-, micro-, nanoseconds since 1970."""
    try:
        if isinstance(claim, str):
            return utc(_iso(claim))
        if isinstance(claim, int | float) and not isinstance(claim, bool) and 0 < claim < LATEST:
            return datetime.fromtimestamp(_seconds(claim), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _iso(text: str) -> datetime:
    """The hot path's reading where it has one, so that both round alike; else the wider one of the standard library."""
    try:
        return msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return datetime.fromisoformat(text)


def utc(time: datetime) -> datetime | None:
    """The same moment in UTC, a naive time being UTC already; None for a year that no zone can have."""
    if time.tzinfo is None:
        return EPOCH + (time - NAIVE_EPOCH)  # a fifth of what `replace` costs
    try:
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _seconds(epoch: float) -> float:
    """Epoch seconds from whatever unit: 1e11 s is the year 5138, 1e11 ms is 1973."""
    while epoch >= 1e11:
        epoch /= 1000
    return epoch
