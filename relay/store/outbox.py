"""What waits for delivery: rows of the durable lanes, bounded, with the dead letters beside them.

Rows are staged with the batch that they belong to (`Store.commit`). It knows rows and limits, not how to deliver.
"""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from relay.config.settings import OutboxOptions
from relay.store.store import Store, Values

_COLUMNS = "id, lane, state, delivery, order_key, repeat_key, event, accepted, not_before, attempts, error"
_INSERT = f"INSERT INTO outbox ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
_SELECT = f"SELECT {_COLUMNS} FROM outbox AS this WHERE "  # noqa: S608 - constants
_NO_EARLIER_OF_ITS_KEY = (
    "NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.lane = this.lane AND earlier.order_key = this.order_key"
    " AND earlier.state = 'waiting' AND earlier.id < this.id AND earlier.not_before > :now)"
)
_FORGET_OLD_DEAD = (
    "DELETE FROM outbox WHERE state = 'dead' AND id NOT IN"
    " (SELECT id FROM outbox WHERE state = 'dead' ORDER BY id DESC LIMIT ?)"
)


@dataclass(slots=True)
class Row:
    """One event that waits for one lane's delivery. Times are epoch seconds."""

    id: int
    lane: str
    state: str
    delivery: str | None
    order_key: str | None
    repeat_key: str | None
    event: bytes
    accepted: float
    not_before: float
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is in a lane; `oldest` is when the oldest waiting event was accepted."""

    waiting: int = 0
    dead: int = 0
    bytes: int = 0
    oldest: float | None = None


class Outbox:
    """The waiting rows of all durable lanes."""

    def __init__(self, store: Store, options: OutboxOptions) -> None:
        self._store = store
        self._options = options
        self._last_id = cast("int", store.read("SELECT coalesce(max(id), 0) FROM outbox")[0][0])
        self._rows = 0
        self._bytes = 0
        self.dropped: dict[str, int] = {}
        """Events lost by lane because all was full; the daemon counts and announces them."""
        self.count()

    def stage(
        self,
        lane: str,
        event: bytes,
        *,
        now: float,
        not_before: float | None = None,
        order_key: str | None = None,
        repeat_key: str | None = None,
    ) -> None:
        """Have an event wait for a lane from the next commit on; when all is full, somebody loses, and is counted."""
        if self._is_full(len(event)):
            if self._options.when_full == "refuse" or len(event) > self._options.max_bytes:
                self._lost(lane, 1)
                return
            self._drop_oldest(len(event))
        self._last_id = max(self._last_id + 1, time.time_ns())
        due = now if not_before is None else not_before
        values = (self._last_id, lane, "waiting", None, order_key, repeat_key, event, now, due, 0, "")
        self._store.stage(lambda db: db.execute(_INSERT, values))
        self._rows += 1
        self._bytes += len(event)

    def waiting(self, lane: str, now: float, most: int) -> list[Row]:
        """Rows of a lane whose time has come, oldest first; none overtakes an earlier one of its order key."""
        where = f"lane = :lane AND state = 'waiting' AND not_before <= :now AND {_NO_EARLIER_OF_ITS_KEY}"
        return self._select(where + " ORDER BY id LIMIT :most", {"lane": lane, "now": now, "most": most})

    def next_due(self, lane: str) -> float | None:
        """When the next row of a lane may be tried; None: nothing waits."""
        query = "SELECT min(not_before) FROM outbox WHERE lane = ? AND state = 'waiting'"
        return cast("float | None", self._store.read(query, (lane,))[0][0])

    def count_of(self, lane: str) -> int:
        """How many events wait in a lane."""
        query = "SELECT count(*) FROM outbox WHERE lane = ? AND state = 'waiting'"
        return cast("int", self._store.read(query, (lane,))[0][0])

    def holds(self, rows: Sequence[Row]) -> bool:
        """Whether all of them still wait: the command line may have dropped some since they were read."""
        query = f"SELECT count(*) FROM outbox WHERE state = 'waiting' AND id IN ({', '.join('?' * len(rows))})"  # noqa: S608 - placeholders
        return self._store.read(query, tuple(row.id for row in rows)) == [(len(rows),)]

    def delivered(self, rows: Sequence[Row]) -> None:
        """Forget rows that arrived."""
        ids = [(row.id,) for row in rows]
        self._store.write(lambda db: db.executemany("DELETE FROM outbox WHERE id = ?", ids))
        self._no_longer_waiting(rows)

    def postpone(self, rows: Sequence[Row]) -> None:
        """Write back rows that are to be tried again."""
        values = [(row.delivery, row.not_before, row.attempts, row.error, row.id) for row in rows]
        statement = "UPDATE outbox SET delivery = ?, not_before = ?, attempts = ?, error = ? WHERE id = ?"
        self._store.write(lambda db: db.executemany(statement, values))

    def bury(self, rows: Sequence[Row], error: str) -> None:
        """Give rows up: to the dead letters, of which the newest are kept."""
        values = [(row.attempts, error, row.id) for row in rows]

        def write(db: sqlite3.Connection) -> None:
            db.executemany("UPDATE outbox SET state = 'dead', attempts = ?, error = ? WHERE id = ?", values)
            db.execute(_FORGET_OLD_DEAD, (self._options.dead_letters,))

        self._store.write(write)
        self._no_longer_waiting(rows)

    def expired(self, lane: str, now: float) -> list[Row]:
        """Rows that have waited longer than they may; the lane buries them."""
        return self._select(
            "lane = ? AND state = 'waiting' AND accepted < ? ORDER BY id LIMIT 1000",
            (lane, now - self._options.max_age),
        )

    def shift(self, lane: str, seconds: float) -> None:
        """Move the times of what waits in a lane: the clock was set."""
        statement = "UPDATE outbox SET accepted = accepted + ?1, not_before = not_before + ?1 WHERE lane = ?2"
        self._store.write(lambda db: db.execute(statement, (seconds, lane)))

    def commit(self) -> None:
        """Write what is staged, where no batch of the intake does it."""
        self._store.commit()

    @property
    def is_whole(self) -> bool:
        """Whether nothing that was kept has been lost with a damaged file."""
        return self._store.is_whole

    def depths(self) -> dict[str, Depth]:
        """What is in each lane."""
        found = self._store.read(
            "SELECT lane, sum(state = 'waiting'), sum(state = 'dead'),"
            " coalesce(sum(length(event)) FILTER (WHERE state = 'waiting'), 0),"
            " min(accepted) FILTER (WHERE state = 'waiting') FROM outbox GROUP BY lane"
        )
        rows = cast("list[tuple[str, int, int, int, float | None]]", found)
        return {lane: Depth(waiting, dead, size, oldest) for lane, waiting, dead, size, oldest in rows}

    def depth(self, lane: str) -> Depth:
        """What is in one lane."""
        return self.depths().get(lane, Depth())

    def count(self) -> None:
        """Count anew what waits: the command line may have dropped or revived some."""
        query = "SELECT count(*), coalesce(sum(length(event)), 0) FROM outbox WHERE state = 'waiting'"
        self._rows, self._bytes = cast("tuple[int, int]", self._store.read(query)[0])

    def _select(self, where: str, values: Values) -> list[Row]:
        return [
            Row(*cast("tuple[int, str, str, str | None, str | None, str | None, bytes, float, float, int, str]", found))
            for found in self._store.read(_SELECT + where, values)
        ]

    def _is_full(self, size: int) -> bool:
        return self._rows >= self._options.max_rows or self._bytes + size > self._options.max_bytes

    def _drop_oldest(self, size: int) -> None:
        """Make room a hundredth at a time, so that a full outbox does not cost a transaction for each event."""
        self._store.commit()
        most_rows, most_bytes = self._options.max_rows, self._options.max_bytes
        most_rows -= max(1, most_rows // 100)
        most_bytes -= max(size, most_bytes // 100)
        while self._rows > most_rows or self._bytes > most_bytes:
            doomed = self._oldest(self._rows - most_rows, self._bytes - most_bytes)
            if not doomed:
                return
            self.delivered(doomed)
            for row in doomed:
                self._lost(row.lane, 1)

    def _oldest(self, rows: int, size: int) -> list[Row]:
        """The first waiting rows, as many as make up so many rows and bytes, but not too many at once."""
        found: list[Row] = []
        for row in self._select("state = 'waiting' ORDER BY id LIMIT 200", ()):
            if len(found) >= rows and size <= 0:
                break
            found.append(row)
            size -= len(row.event)
        return found

    def _lost(self, lane: str, count: int) -> None:
        self.dropped[lane] = self.dropped.get(lane, 0) + count

    def _no_longer_waiting(self, rows: Sequence[Row]) -> None:
        self._rows -= len(rows)
        self._bytes -= sum(len(row.event) for row in rows)
