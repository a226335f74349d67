"""The outbox seen from another process: look at what waits or was given up, try it again, let it go.

The relay may be running on the same file, so every transaction is short; it finds out within a second.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from relay.store.outbox import Row

CHUNK = 500
"""Rows of one transaction: few enough that the relay never waits for us."""
_COLUMNS = "id, lane, state, delivery, order_key, repeat_key, event, accepted, not_before, attempts, error"
_REVIVE = (
    "UPDATE outbox SET accepted = CASE state WHEN 'dead' THEN ?1 ELSE accepted END, state = 'waiting',"
    " not_before = ?1, attempts = 0 WHERE id = ?2"
)
"""A dead letter begins anew, or one that waited too long would at once have waited too long again."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are meant; everything that is given must hold. `before` is epoch seconds of acceptance."""

    ids: Sequence[int] = ()
    lane: str | None = None
    state: str | None = None
    before: float | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is given."""
        return self == Selection()

    def condition(self) -> tuple[str, list[object]]:
        """As SQL."""
        parts: list[tuple[str, Sequence[object]]] = [("1", ())]
        if self.ids:
            parts.append((f"id IN ({', '.join('?' * len(self.ids))})", self.ids))
        given = (("lane = ?", self.lane), ("state = ?", self.state), ("accepted < ?", self.before))
        parts += [(text, (value,)) for text, value in given if value is not None]
        return " AND ".join(text for text, _ in parts), [value for _, values in parts for value in values]


class Undelivered:
    """The rows of an outbox that a relay may be using."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def rows(self, selection: Selection, most: int | None = None) -> Iterator[Row]:
        """The selected rows, oldest first, at most `most`; read a chunk at a time.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        condition, values = selection.condition()
        query = f"SELECT {_COLUMNS} FROM outbox WHERE {condition} AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
        last, left = -1, most
        while left is None or left > 0:
            chunk = CHUNK if left is None else min(CHUNK, left)
            found = self._db.execute(query, [*values, last, chunk]).fetchall()
            yield from (Row(*row) for row in found)
            if len(found) < chunk:
                return
            last, left = found[-1][0], None if left is None else left - len(found)

    def counts(self, selection: Selection) -> dict[tuple[str, str], int]:
        """How many are selected, by lane and state."""
        condition, values = selection.condition()
        query = f"SELECT lane, state, count(*) FROM outbox WHERE {condition} GROUP BY lane, state"  # noqa: S608 - constants
        return {(lane, state): count for lane, state, count in self._db.execute(query, values)}

    def retry(self, selection: Selection) -> int:
        """Have the selected rows tried at once, also those given up; how many."""
        now = time.time()
        return self._each(selection, _REVIVE, (now,))

    def drop(self, selection: Selection) -> int:
        """Forget the selected rows; how many."""
        return self._each(selection, "DELETE FROM outbox WHERE id = ?", ())

    def _each(self, selection: Selection, statement: str, values: tuple[object, ...]) -> int:
        condition, given = selection.condition()
        query = f"SELECT id FROM outbox WHERE {condition} AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants
        done, last = 0, -1
        while found := self._db.execute(query, [*given, last, CHUNK]).fetchall():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                done += self._db.executemany(statement, [(*values, row_id) for (row_id,) in found]).rowcount
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            last = found[-1][0]
        return done
