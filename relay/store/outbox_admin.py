"""The outbox seen from another process: look at what waits or was given up, try it again, let it go.

The relay may be running on the same file, so every transaction is short and every statement reads a limited number of
rows, however many there are; it finds out within a second.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from relay.store import schema
from relay.store.file import transaction
from relay.store.outbox import Row

CHUNK = 500
"""Rows of one statement or transaction: few enough that the relay never waits for us."""
_WALK = f"SELECT id, lane, state, accepted FROM outbox WHERE id > ? AND id <= ? ORDER BY id LIMIT {CHUNK}"  # noqa: S608 - constants
_BY_ID = "SELECT id, lane, state, accepted FROM outbox WHERE id = ?"
_ROW = f"SELECT {schema.columns(schema.OUTBOX[:-1])}, length(event), event FROM outbox WHERE id = ?"  # noqa: S608 - constants
_REVIVE = (
    "UPDATE outbox SET accepted = CASE state WHEN 'dead' THEN ?1 ELSE accepted END, state = 'waiting',"
    " not_before = ?1, attempts = 0 WHERE id = ?2"
)
"""A dead letter begins anew, or one that waited too long would at once have waited too long again."""

_Found = tuple[int, str, str, float]


@dataclass(frozen=True, slots=True)
class OutboxSelection:
    """Which rows are meant; everything that is given must hold. `before` is epoch seconds of acceptance."""

    ids: Sequence[int] = ()
    lane: str | None = None
    state: str | None = None
    before: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is given."""
        return self == OutboxSelection()

    def takes(self, lane: str, state: str, accepted: float) -> bool:
        """Whether a row is meant, its id aside."""
        return (
            self.lane in (None, lane)
            and self.state in (None, state)
            and (self.before is None or accepted < self.before)
        )


class Undelivered:
    """The rows of an outbox that a relay may be using."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rows(self, selection: OutboxSelection, most: int | None = None) -> Iterator[Row]:
        """The selected rows, oldest first, at most `most`; read one by one.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        for row_id, *_ in islice(self._found(selection), most):
            if row := self._db.execute(_ROW, (row_id,)).fetchone():
                yield Row(*row)

    def counts(self, selection: OutboxSelection) -> dict[tuple[str, str], int]:
        """How many are selected, by lane and state."""
        counts: dict[tuple[str, str], int] = {}
        if not selection.ids and selection.before is None and self._is_counted():
            for lane, state, events in self._db.execute("SELECT lane, state, events FROM outbox_count"):
                if events and selection.takes(lane, state, 0.0):
                    counts[lane, state] = events
            return counts
        for _, lane, state, _ in self._found(selection):
            counts[lane, state] = counts.get((lane, state), 0) + 1
        return counts

    def retry(self, selection: OutboxSelection) -> int:
        """Have the selected rows tried at once, also those given up; how many."""
        now = time.time()
        return self._each(selection, _REVIVE, (now,))

    def drop(self, selection: OutboxSelection) -> int:
        """Forget the selected rows; how many."""
        return self._each(selection, "DELETE FROM outbox WHERE id = ?", ())

    def _found(self, selection: OutboxSelection) -> Iterator[_Found]:
        """What is selected, oldest first."""
        for found in self._by_id(selection.ids) if selection.ids else self._walk():
            _, lane, state, accepted = found
            if selection.takes(lane, state, accepted):
                yield found

    def _by_id(self, ids: Sequence[int]) -> Iterator[_Found]:
        for row_id in sorted(set(ids)):
            yield from self._db.execute(_BY_ID, (row_id,)).fetchall()

    def _walk(self) -> Iterator[_Found]:
        last, end = -1, self._db.execute("SELECT max(id) FROM outbox").fetchone()[0]
        while found := self._db.execute(_WALK, (last, end)).fetchall():
            yield from found
            last = found[-1][0]

    def _is_counted(self) -> bool:
        """Whether the file is of a relay that keeps counts; not so before the first start after an upgrade from 0.1."""
        version: int = self._db.execute("PRAGMA user_version").fetchone()[0]
        return version >= schema.VERSION

    def _each(self, selection: OutboxSelection, statement: str, values: tuple[object, ...]) -> int:
        done, found = 0, self._found(selection)
        while ids := [(*values, row_id) for row_id, *_ in islice(found, CHUNK)]:
            with transaction(self._db):
                done += self._db.executemany(statement, ids).rowcount
        return done
