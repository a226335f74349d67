"""What waits for delivery: rows of the durable lanes, bounded, with the dead letters beside them.

Rows are staged with the batch that they belong to (`Store.commit`). It knows rows and limits, not how to deliver. Its
SQL is in `relay.store.outbox_statements`.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from relay.config.settings import OutboxOptions
from relay.store import outbox_statements as sql
from relay.store import schema
from relay.store.store import Store, Values
from relay.store.time_shift import TimeShift

EXPIRED = 200
"""Rows that are given up at once."""
MOST_DROPPED = 200
"""Rows that make room at once in a full outbox, which is done at most five times in a row."""


@dataclass(slots=True)
class Row:
    """One event that waits for one lane's delivery. Times are epoch seconds; `event` is there once it is loaded."""

    id: int
    lane: str
    state: str
    delivery: str | None
    order_key: str | None
    repeat_key: str | None
    accepted: float
    not_before: float
    attempts: int = 0
    error: str = ""
    size: int = 0
    event: bytes = b""


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
        self._last_id = cast("int", store.value(sql.LAST_ID))
        self._rows = 0
        self._bytes = 0
        self.time_shift = TimeShift(store)
        self._held: dict[int, int] = {}
        self.dropped: dict[str, int] = {}
        """Events lost by lane because all was full; the daemon counts and announces them."""
        self.count()

    def use(self, options: OutboxOptions) -> None:
        """Take new limits: a reload has changed them."""
        self._options = options

    def stage(
        self,
        lane: str,
        event: bytes,
        *,
        now: float,
        not_before: float | None = None,
        order_key: str | None = None,
        repeat_key: str | None = None,
    ) -> int | None:
        """Have an event wait for a lane from the next commit on; when all is full, somebody loses, and is counted.

        Returns the row's id; None when it is this event that is lost.
        """
        if self._is_full(len(event)):
            if self._options.when_full == "refuse" or len(event) > self._options.max_bytes:
                self._lost(lane, 1)
                return None
            self._drop_oldest(len(event))
        self._last_id = max(self._last_id + 1, time.time_ns())
        due = now if not_before is None else not_before
        self._store.stage(
            sql.INSERT, (self._last_id, lane, "waiting", None, order_key, repeat_key, now, due, 0, "", event)
        )
        self._rows += 1
        self._bytes += len(event)
        return self._last_id

    def of_key(self, lane: str, order_key: str) -> list[Row]:
        """Rows of a lane and order key that wait, oldest first; without what is staged."""
        return self._select(sql.OF_KEY, (lane, order_key))

    def withdraw(self, rows: Sequence[Row]) -> None:
        """Forget waiting rows with the next commit, together with what is staged in their place."""
        for row in rows:
            self._store.stage(sql.DELETE, (row.id,))
            self._rows -= 1
            self._bytes -= row.size

    def waiting(self, lane: str, now: float, most: int) -> list[Row]:
        """Rows of a lane whose time has come, oldest first, at most `most`; without their events (`load`).

        Of an order key there is the first row that waits, and those behind it as far as their time has come too.
        """
        given = {"lane": lane, "now": now, "most": most}
        heads = {row.id: row for row in self._select(sql.OLDEST_DUE, given)}
        if len(heads) < most and self.count_of(lane) > sql.AHEAD:
            for row in self._select(sql.DUE_LONGEST, given):
                if len(heads) < most:
                    heads.setdefault(row.id, row)
        keyed = [row for row in heads.values() if row.order_key is not None]
        rows = list(heads.values())
        if keyed and (share := (most - len(heads)) // len(keyed)):
            for head in keyed:
                rows += self._followers(head, now, share)
        return sorted(rows, key=lambda row: row.id)

    def of_delivery(self, lane: str, delivery: str) -> list[Row]:
        """All rows that were tried together and go out together again."""
        return self._select(sql.OF_DELIVERY, (lane, delivery))

    def load(self, rows: Sequence[Row]) -> bool:
        """Read the rows' events; False: some no longer wait, the command line has dropped them since."""
        if len(rows) == 1:  # most are: it takes half as long
            found = self._store.read(sql.EVENT, (rows[0].id,))
            rows[0].event = cast("bytes", found[0][0]) if found else b""
            return bool(found)
        found = self._store.read(sql.events_of(len(rows)), tuple(row.id for row in rows))
        events = dict(cast("list[tuple[int, bytes]]", found))
        for row in rows:
            row.event = events.get(row.id, b"")
        return len(events) == len(rows)

    def hold(self, rows: Iterable[Row]) -> None:
        """Keep rows from being dropped by a full outbox: they are underway, or have arrived; until `release`."""
        for row in rows:
            self._held[row.id] = self._held.get(row.id, 0) + 1

    def release(self, rows: Iterable[Row]) -> None:
        """End what `hold` began, once."""
        for row in rows:
            if (times := self._held.pop(row.id, 0)) > 1:
                self._held[row.id] = times - 1

    def next_due(self, lane: str, now: float) -> float | None:
        """When the next row of a lane may be tried that may not be yet; None: there is none."""
        return cast("float | None", self._store.value(sql.NEXT_DUE, {"lane": lane, "now": now}))

    def was_revived(self, lane: str, since: float, now: float) -> bool:
        """Whether `outbox retry` had failed rows of this lane tried again in that time."""
        return bool(self._store.value(sql.REVIVED, {"lane": lane, "since": since, "now": now}))

    def hurry(self, lane: str, now: float) -> None:
        """Have what failed before be due now."""
        self._store.write(lambda db: db.execute(sql.HURRY, {"lane": lane, "now": now}))

    def count_of(self, lane: str) -> int:
        """How many events wait in a lane."""
        return self._counted(lane, "waiting")[0]

    def delivered(self, rows: Sequence[Row]) -> None:
        """Forget rows that arrived."""
        self._no_longer_waiting(rows, sql.DELETE, [(row.id,) for row in rows])

    def postpone(self, rows: Sequence[Row]) -> None:
        """Write back rows that are to be retried."""
        values = [(row.delivery, row.not_before, row.attempts, row.error, row.id) for row in rows]
        self._store.write(lambda db: db.executemany(sql.POSTPONE, values))

    def dead_letter(self, rows: Sequence[Row], error: str) -> None:
        """Give rows up: to the dead letters, of which the newest are kept."""
        self._no_longer_waiting(rows, sql.DEAD_LETTER, [(row.attempts, error, row.id) for row in rows])
        surplus = cast("int", self._store.value(sql.ALL_DEAD)) - self._options.dead_letters
        if surplus > 0:
            doomed = [(row.id,) for row in self._select(sql.OLDEST_DEAD, (min(surplus, 2 * EXPIRED),))]
            self._store.write(lambda db: db.executemany(sql.DELETE, doomed))

    def expired(self, lane: str, now: float) -> list[Row]:
        """Some of the rows that have waited longer than they may; the lane gives them up.

        None while times are being moved: by the old ones they would look too old.
        """
        if self.time_shift.is_underway(lane):
            return []
        return self._select(sql.EXPIRED, (lane, now - self._options.max_age, EXPIRED))

    def shift(self, lane: str, seconds: float) -> None:
        """Move the times of what waits in a lane: the clock was set."""
        self.time_shift.start(lane, seconds, self._last_id)

    def commit(self) -> None:
        """Write what is staged, where no batch of the intake does it."""
        self._store.commit()

    @property
    def is_whole(self) -> bool:
        """Whether nothing that was kept has been lost with a damaged file."""
        return self._store.is_whole

    def depths(self) -> dict[str, Depth]:
        """What is in each lane."""
        lanes = cast("list[tuple[str]]", self._store.read(sql.LANES))
        return {lane: self.depth(lane) for (lane,) in lanes}

    def depth(self, lane: str) -> Depth:
        """What is in one lane."""
        waiting, size = self._counted(lane, "waiting")
        oldest = cast("float | None", self._store.value(sql.OLDEST_ACCEPTED, (lane,)))
        return Depth(waiting, self._counted(lane, "dead")[0], size, oldest)

    def count(self) -> None:
        """Read anew how much waits: the command line may have dropped or revived some."""
        self._store.commit()
        rows, size = cast("tuple[int, int]", self._store.read(sql.ALL_WAITING)[0])
        self._rows = rows
        self._bytes = size

    def _counted(self, lane: str, state: str) -> tuple[int, int]:
        """Events and bytes."""
        found = self._store.read(sql.COUNT, (lane, state))
        return cast("tuple[int, int]", found[0]) if found else (0, 0)

    def _select(self, query: str, values: Values) -> list[Row]:
        return [Row(*found) for found in self._store.read(query, values)]  # type: ignore[arg-type] # as the schema says

    def _followers(self, head: Row, now: float, most: int) -> Iterable[Row]:
        """The rows behind the first one of its key, up to one that has to wait."""
        for row in self._select(sql.FOLLOWERS, (head.lane, head.order_key, head.id, most)):
            if row.not_before > now:
                return
            yield row

    def _is_full(self, size: int) -> bool:
        return self._rows >= self._options.max_rows or self._bytes + size > self._options.max_bytes

    def _drop_oldest(self, size: int) -> None:
        """Make room a hundredth at a time, so that a full outbox does not cost a transaction for each event.

        Nothing that is staged is committed here: it belongs to a batch, and the batch's position is not staged yet.
        """
        most_rows, most_bytes = self._options.max_rows, self._options.max_bytes
        most_rows -= max(1, most_rows // 100)
        most_bytes -= max(size, most_bytes // 100)
        for _ in range(5):  # if that is not enough (the limit was lowered), the next event makes more room
            if self._rows <= most_rows and self._bytes <= most_bytes:
                return
            doomed = self._oldest(self._rows - most_rows, self._bytes - most_bytes)
            if not doomed:
                self._drop_staged(most_rows, most_bytes)
                return
            self.delivered(doomed)
            for row in doomed:
                self._lost(row.lane, 1)

    def _drop_staged(self, most_rows: int, most_bytes: int) -> None:
        """The same with rows of the batch that is staged: all others are held."""
        while (self._rows > most_rows or self._bytes > most_bytes) and (values := self._store.unstage(sql.INSERT)):
            staged = dict(zip(schema.OUTBOX, values, strict=True))
            self._rows -= 1
            self._bytes -= len(cast("bytes", staged["event"]))
            self._lost(cast("str", staged["lane"]), 1)

    def _oldest(self, rows: int, size: int) -> list[Row]:
        """The first waiting rows that nobody holds, as many as make up so many rows and bytes, not too many at once."""
        lanes = cast("list[tuple[str]]", self._store.read(sql.LANES_WITH_WAITING))
        most = MOST_DROPPED + len(self._held)
        oldest: list[Row] = []
        for (lane,) in lanes:
            oldest += [row for row in self._select(sql.OLDEST, (lane, most)) if row.id not in self._held]
        found: list[Row] = []
        for row in sorted(oldest, key=lambda row: row.id)[:MOST_DROPPED]:
            if len(found) >= rows and size <= 0:
                break
            found.append(row)
            size -= row.size
        return found

    def _lost(self, lane: str, count: int) -> None:
        self.dropped[lane] = self.dropped.get(lane, 0) + count

    def _no_longer_waiting(self, rows: Sequence[Row], statement: str, values: Sequence[Values]) -> None:
        changed = 0

        def write(db: sqlite3.Connection) -> None:
            nonlocal changed
            changed = db.executemany(statement, values).rowcount

        self._store.write(write)
        self._rows -= len(rows)
        self._bytes -= sum(row.size for row in rows)
        if changed != len(rows):  # the command line was there first
            self.count()
