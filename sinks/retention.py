"""Which files are old enough to be deleted: nothing irreversible on one look at a clock.

A file goes when it is too old by the wall clock and by the dates of the other files, when the clock has been steady for
hours, and with few others at a time.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sinks.base import SETTLED

AT_ONCE = 3
"""Files deleted in one go, or a tenth of all where that is more."""
EVERY = 3600.0
"""Seconds between two looks for more of them."""


def dated(path: Path) -> float:
    """When a file was last written (epoch seconds); a clock that was wrong then may have set any date."""
    return path.stat().st_mtime


def doomed(files: Iterable[Path], current: Path, keep: float, now: datetime, steady_for: float) -> list[Path]:
    """The rotated files that may be deleted now, the oldest first.

    Args:
        files: The rotated ones.
        current: The file that is being written; its date counts as the newest of the others does.
        keep: Seconds.
        now: By the wall clock.
        steady_for: Seconds since that clock was set, or the relay started.

    Raises:
        OSError: a file cannot be looked at.
    """
    if steady_for < SETTLED:
        return []
    dates = {path: dated(path) for path in files}
    newest = max([*dates.values(), dated(current)] if current.exists() else dates.values(), default=0.0)
    limit = min(now.timestamp(), newest) - keep
    old = sorted((path for path, date in dates.items() if date < limit), key=lambda path: (dates[path], path.name))
    return old[: max(AT_ONCE, len(dates) // 10)]
