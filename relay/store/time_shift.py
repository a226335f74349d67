"""The clock was set: the times of rows that wait are moved with it, a slice at a time, as nothing may wait for it."""

from dataclasses import dataclass
from typing import cast

from relay.store import outbox_statements as sql
from relay.store.store import Store

SLICE = 200
"""Rows whose times are moved at once."""


@dataclass(slots=True)
class _Shift:
    """Rows of a lane, from behind `after` to `last`, whose times have yet to be moved."""

    lane: str
    seconds: float
    after: int
    last: int


class TimeShift:
    """Moves the times of rows in one store's outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shifts: list[_Shift] = []

    def start(self, lane: str, seconds: float, last_id: int) -> None:
        """Move the times of a lane's rows up to that one; of many rows the rest is for `go_on`."""
        self._shifts.append(_Shift(lane, seconds, -1, last_id))
        self.go_on(lane)

    def is_underway(self, lane: str) -> bool:
        """Whether there are rows of this lane whose times have yet to be moved."""
        return any(shift.lane == lane for shift in self._shifts)

    def go_on(self, lane: str) -> None:
        """Move the times of the next rows of this lane, if any are left."""
        shift = next((shift for shift in self._shifts if shift.lane == lane), None)
        if shift is None:
            return
        end = cast("int | None", self._store.value(sql.END_OF_SLICE, (shift.after, shift.last, SLICE)))
        if end is None:
            self._shifts.remove(shift)
            return
        values = (shift.seconds, shift.seconds, shift.after, end, lane)
        self._store.write(lambda db: db.execute(sql.SHIFT, values))
        shift.after = end
