"""What can still be read of a damaged store, row by row, as sqlite3's `.recover` does it for whole pages.

A page that cannot be read costs the rows that are on it, not those before and behind it. Where the tables themselves
cannot be found any more (the first page is damaged), nothing can be read.
"""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator

from relay.store import schema

MOST_FAILURES = 5_000
"""Reads that fail before the rest is given up: about a second."""
FIRST, LAST = -(1 << 63), (1 << 63) - 1
_OUTBOX = f"SELECT {schema.columns()} FROM outbox NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608 - constants
_SHELF = f"SELECT {schema.columns(schema.SHELF)} FROM shelf WHERE name = ? ORDER BY key"  # noqa: S608 - constants

Row = tuple[object, ...]
_OUTBOX_HOLDS = schema.holds(schema.OUTBOX_COLUMNS)
_SHELF_HOLDS = schema.holds(schema.SHELF_COLUMNS)


def save_rows(source: sqlite3.Connection, target: sqlite3.Connection, shelves: Iterable[str]) -> None:
    """Write every row of `source` that can be read into `target`. Belongs into a transaction.

    `shelves` are those to look for beside the ones that are found: what cannot be read hides the names behind it.
    """
    with schema.without_triggers(target):
        target.executemany(schema.insert_or_replace("outbox"), _outbox(source))
        target.executemany(schema.insert_or_replace("shelf"), _shelf(source, shelves))


def _outbox(db: sqlite3.Connection) -> Iterator[Row]:
    """The rows by ranges of their ids; a range that breaks off is halved behind what it gave."""
    ranges, failures = deque([(FIRST, LAST)]), 0
    while ranges and failures < MOST_FAILURES:
        first, last = ranges.popleft()
        read = _Reading(db, _OUTBOX, (first, last))
        for row in read:
            if _is_sound(row, _OUTBOX_HOLDS):
                yield row
            first = int(str(row[0])) + 1
        if read.broke_off and first < last:
            failures += 1
            middle = (first + last) // 2
            ranges += [(first, middle), (middle + 1, last)]


def _shelf(db: sqlite3.Connection, shelves: Iterable[str]) -> Iterator[Row]:
    """Each shelf from its beginning, and from its end as far as that goes."""
    found = {str(name) for (name,) in _Reading(db, "SELECT name FROM shelf", ())}
    for name in sorted(found.union(shelves)):
        read = _Reading(db, _SHELF, (name,))
        rows = list(read)
        if read.broke_off:
            rows += _Reading(db, f"{_SHELF} DESC", (name,))
        yield from (row for row in rows if _is_sound(row, _SHELF_HOLDS))


def _is_sound(row: Row, types: tuple[type | tuple[type, ...], ...]) -> bool:
    """Whether the values are what their columns hold: others would be refused, and the sound ones with them."""
    return all(isinstance(value, wanted) for value, wanted in zip(row, types, strict=True))


class _Reading:
    """The rows of a query as far as they can be read."""

    def __init__(self, db: sqlite3.Connection, query: str, values: tuple[object, ...]) -> None:
        self._db = db
        self._query = query
        self._values = values
        self.broke_off = False

    def __iter__(self) -> Iterator[Row]:
        try:
            rows = self._db.execute(self._query, self._values)
            while row := rows.fetchone():
                yield row
        except sqlite3.Error:
            self.broke_off = True
