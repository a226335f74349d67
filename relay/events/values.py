"""Numbers as publishers write them: counts that are lists, percentages that are fractions, either of them as text.

Pure and lenient: what cannot be read is None, never an error.
"""

import math
from datetime import UTC, datetime

MAX_COUNT = 2**53
_BY_HAND = frozenset({"manual", "api", "user"})
MAX_NUMERAL = 40
"""Characters of a number that came as text: past this it is no number that anybody counted."""


def amount(value: object) -> float | None:
    """A finite number that is not negative, also when it came as text."""
    kind = type(value)
    if kind is str:
        if len(value) > MAX_NUMERAL:  # type: ignore[arg-type] # `kind` is its type
            return None
    elif kind is not float and kind is not int:
        return None
    try:
        number = float(value)  # type: ignore[arg-type] # one of the three above
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < math.inf else None


def count(value: object) -> int | None:
    """A whole number that is not negative; of a list, how many there are (`failed_symbols` is a count or a list)."""
    if type(value) is int:
        return value if 0 <= value <= MAX_COUNT else None
    if isinstance(value, list):
        return len(value)
    number = amount(value)
    return int(number) if number is not None and number.is_integer() and number <= MAX_COUNT else None


def percent(value: object, done: int | None = None, total: int | None = None) -> float | None:
    """Percent, 0 to 100, from a percentage, a fraction or either as text.

    A number up to 1 can be both. What the symbols say decides; without them one written with decimals is taken for a
    fraction, a whole one (`1`) for a percentage.
    """
    is_whole, says_percent = type(value) is int, False
    if isinstance(value, str):
        is_whole, says_percent = "." not in value, "%" in value
        value = value.replace("%", "")
    number = amount(value)
    if number is None or number > 100:  # percent
        return None
    if says_percent or number > 1:
        return number
    if done is not None and total:
        by_symbols = 100 * done / total
        return min(number, 100 * number, key=lambda reading: abs(reading - by_symbols))
    return number if is_whole else 100 * number


def moment(value: object) -> datetime | None:
    """An ISO 8601 time in UTC; a naive one is UTC already (wire notes, "Timestamps")."""
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


WHOLE = 1 << 40
"""More characters than any text has."""


def text(value: object, longest: int = 200) -> str | None:
    """Words, or a whole number written as one, cut to `longest` characters."""
    if type(value) is int:
        return str(value) if abs(value) < MAX_COUNT else None
    return value.strip()[:longest] or None if isinstance(value, str) else None


def is_by_hand(trigger_type: object) -> bool:
    """Whether a run's `trigger_type` says that somebody started it, and not the scheduler."""
    return isinstance(trigger_type, str) and trigger_type.lower() in _BY_HAND
