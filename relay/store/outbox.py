"""What waits for delivery: rows of the durable lanes, bounded, with the dead letters beside them.

Rows are staged with the batch that they belong to (`Store.commit`). It knows rows and limits, not how to deliver. No
statement costs more with a larger backlog: `docs/decisions/outbox.md`.
"""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from relay.config.settings import OutboxOptions
from relay.store import schema
from relay.store.store import Store, Values

AHEAD = 500
"""Of the oldest rows, how many are looked at for some whose time has come; then those that are due for longest."""
EXPIRED = 200
"""Rows that are given up at once."""
SLICE = 200
"""Rows whose times are moved at once when the clock was set."""
MOST_DROPPED = 200
"""Rows that make room at once in a full outbox, which is done at most five times in a row."""
_FACTS = schema.columns((*schema.OUTBOX[:-1], "size"))
_INSERT = schema.insert()
_HEADS = "FROM outbox WHERE lane = :lane AND state = 'waiting' AND behind = 0"
_OLDEST_DUE = (
    f"SELECT {', '.join(f'this.{name}' for name in _FACTS.split(', '))}"  # noqa: S608 - constants
    f" FROM (SELECT id, not_before {_HEADS} ORDER BY id LIMIT {AHEAD}) AS head CROSS JOIN outbox AS this"
    " WHERE head.not_before <= :now AND this.id = head.id LIMIT :most"
)
_DUE_LONGEST = f"SELECT {_FACTS} {_HEADS} AND not_before <= :now ORDER BY not_before LIMIT :most"
_NEXT_DUE = f"SELECT min(not_before) {_HEADS} AND not_before > :now"
_REVIVED = f"SELECT EXISTS (SELECT 1 {_HEADS} AND not_before BETWEEN :since AND :now AND attempts = 0 AND error <> '')"
_HURRY = (
    "UPDATE outbox SET not_before = :now WHERE lane = :lane AND state = 'waiting' AND behind = 0 AND attempts > 0"
    " AND not_before > :now"
)
_FOLLOWERS = (
    f"SELECT {_FACTS} FROM outbox WHERE lane = ? AND order_key = ? AND state = 'waiting' AND id > ?"  # noqa: S608 - constants
    " ORDER BY id LIMIT ?"
)
_OF_KEY = f"SELECT {_FACTS} FROM outbox WHERE lane = ? AND order_key = ? AND state = 'waiting' ORDER BY id"  # noqa: S608 - constants
_OF_DELIVERY = f"SELECT {_FACTS} FROM outbox WHERE lane = ? AND delivery = ? AND state = 'waiting' ORDER BY id"  # noqa: S608 - constants
_BY_AGE = f"SELECT {_FACTS} FROM outbox WHERE lane = ? AND state = 'waiting'"  # noqa: S608 - constants
_EXPIRED = f"{_BY_AGE} AND accepted < ? ORDER BY accepted LIMIT ?"
_OLDEST = f"{_BY_AGE} ORDER BY accepted LIMIT ?"
_OLDEST_DEAD = f"SELECT {_FACTS} FROM outbox WHERE state = 'dead' ORDER BY id LIMIT ?"  # noqa: S608 - constants
_EVENT = "SELECT event FROM outbox WHERE id = ? AND state = 'waiting'"
_DELETE = "DELETE FROM outbox WHERE id = ?"
_POSTPONE = "UPDATE outbox SET delivery = ?, not_before = ?, attempts = ?, error = ? WHERE id = ?"
_DEAD_LETTER = "UPDATE outbox SET state = 'dead', attempts = ?, error = ? WHERE id = ?"
_END_OF_SLICE = "SELECT max(id) FROM (SELECT id FROM outbox WHERE id > ? AND id <= ? ORDER BY id LIMIT ?)"
_SHIFT = "UPDATE outbox SET accepted = accepted + ?, not_before = not_before + ? WHERE id > ? AND id <= ? AND +lane = ?"


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


@dataclass(slots=True)
class _Shift:
    """Rows of a lane, from behind `after` to `last`, whose times have yet to be moved."""

    lane: str
    seconds: float
    after: int
    last: int


class Outbox:
    """The waiting rows of all durable lanes."""

    def __init__(self, store: Store, options: OutboxOptions) -> None:
        self._store = store
        self._options = options
        self._last_id = cast("int", store.read("SELECT coalesce(max(id), 0) FROM outbox")[0][0])
        self._rows = 0
        self._bytes = 0
        self._shifts: list[_Shift] = []
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
            _INSERT, (self._last_id, lane, "waiting", None, order_key, repeat_key, now, due, 0, "", event)
        )
        self._rows += 1
        self._bytes += len(event)
        return self._last_id

    def of_key(self, lane: str, order_key: str) -> list[Row]:
        """Rows of a lane and order key that wait, oldest first; without what is staged."""
        return self._select(_OF_KEY, (lane, order_key))

    def withdraw(self, rows: Sequence[Row]) -> None:
        """Forget waiting rows with the next commit, together with what is staged in their place."""
        for row in rows:
            self._store.stage(_DELETE, (row.id,))
            self._rows -= 1
            self._bytes -= row.size

    def waiting(self, lane: str, now: float, most: int) -> list[Row]:
        """Rows of a lane whose time has come, oldest first, at most `most`; without their events (`load`).

        Of an order key there is the first row that waits, and those behind it as far as their time has come too.
        """
        given = {"lane": lane, "now": now, "most": most}
        heads = {row.id: row for row in self._select(_OLDEST_DUE, given)}
        if len(heads) < most and self.count_of(lane) > AHEAD:
            for row in self._select(_DUE_LONGEST, given):
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
        return self._select(_OF_DELIVERY, (lane, delivery))

    def load(self, rows: Sequence[Row]) -> bool:
        """Read the rows' events; False: some no longer wait, the command line has dropped them since."""
        if len(rows) == 1:  # most are: it takes half as long
            found = self._store.read(_EVENT, (rows[0].id,))
            rows[0].event = cast("bytes", found[0][0]) if found else b""
            return bool(found)
        query = f"SELECT id, event FROM outbox WHERE state = 'waiting' AND id IN ({', '.join('?' * len(rows))})"  # noqa: S608 - placeholders
        events = dict(cast("list[tuple[int, bytes]]", self._store.read(query, tuple(row.id for row in rows))))
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
        return cast("float | None", self._store.read(_NEXT_DUE, {"lane": lane, "now": now})[0][0])

    def was_revived(self, lane: str, since: float, now: float) -> bool:
        """Whether `outbox retry` had failed rows of this lane tried again in that time."""
        return bool(self._store.read(_REVIVED, {"lane": lane, "since": since, "now": now})[0][0])

    def hurry(self, lane: str, now: float) -> None:
        """Have what failed before be due now."""
        self._store.write(lambda db: db.execute(_HURRY, {"lane": lane, "now": now}))

    def count_of(self, lane: str) -> int:
        """How many events wait in a lane."""
        return self._counted(lane, "waiting")[0]

    def delivered(self, rows: Sequence[Row]) -> None:
        """Forget rows that arrived."""
        self._no_longer_waiting(rows, _DELETE, [(row.id,) for row in rows])

    def postpone(self, rows: Sequence[Row]) -> None:
        """Write back rows that are to be retried."""
        values = [(row.delivery, row.not_before, row.attempts, row.error, row.id) for row in rows]
        self._store.write(lambda db: db.executemany(_POSTPONE, values))

    def dead_letter(self, rows: Sequence[Row], error: str) -> None:
        """Give rows up: to the dead letters, of which the newest are kept."""
        self._no_longer_waiting(rows, _DEAD_LETTER, [(row.attempts, error, row.id) for row in rows])
        counted = cast("list[tuple[int]]", self._store.read("SELECT events FROM outbox_count WHERE state = 'dead'"))
        if (surplus := sum(events for (events,) in counted) - self._options.dead_letters) > 0:
            doomed = [(row.id,) for row in self._select(_OLDEST_DEAD, (min(surplus, 2 * EXPIRED),))]
            self._store.write(lambda db: db.executemany(_DELETE, doomed))

    def expired(self, lane: str, now: float) -> list[Row]:
        """Some of the rows that have waited longer than they may; the lane gives them up.

        None while times are being moved: by the old ones they would look too old.
        """
        if self.is_shifting(lane):
            return []
        return self._select(_EXPIRED, (lane, now - self._options.max_age, EXPIRED))

    def shift(self, lane: str, seconds: float) -> None:
        """Move the times of what waits in a lane: the clock was set. Of many rows the rest is for `go_on_shifting`."""
        self._shifts.append(_Shift(lane, seconds, -1, self._last_id))
        self.go_on_shifting(lane)

    def is_shifting(self, lane: str) -> bool:
        """Whether there are rows of this lane whose times have yet to be moved."""
        return any(shift.lane == lane for shift in self._shifts)

    def go_on_shifting(self, lane: str) -> None:
        """Move the times of the next rows of this lane, if any are left."""
        shift = next((shift for shift in self._shifts if shift.lane == lane), None)
        if shift is None:
            return
        found = self._store.read(_END_OF_SLICE, (shift.after, shift.last, SLICE))
        end = cast("int | None", found[0][0])
        if end is None:
            self._shifts.remove(shift)
            return
        values = (shift.seconds, shift.seconds, shift.after, end, lane)
        self._store.write(lambda db: db.execute(_SHIFT, values))
        shift.after = end

    def commit(self) -> None:
        """Write what is staged, where no batch of the intake does it."""
        self._store.commit()

    @property
    def is_whole(self) -> bool:
        """Whether nothing that was kept has been lost with a damaged file."""
        return self._store.is_whole

    def depths(self) -> dict[str, Depth]:
        """What is in each lane."""
        lanes = cast("list[tuple[str]]", self._store.read("SELECT DISTINCT lane FROM outbox_count"))
        return {lane: self.depth(lane) for (lane,) in lanes}

    def depth(self, lane: str) -> Depth:
        """What is in one lane."""
        waiting, size = self._counted(lane, "waiting")
        query = "SELECT min(accepted) FROM outbox WHERE lane = ? AND state = 'waiting'"
        oldest = cast("float | None", self._store.read(query, (lane,))[0][0])
        return Depth(waiting, self._counted(lane, "dead")[0], size, oldest)

    def count(self) -> None:
        """Read anew how much waits: the command line may have dropped or revived some."""
        self._store.commit()
        query = "SELECT coalesce(sum(events), 0), coalesce(sum(bytes), 0) FROM outbox_count WHERE state = 'waiting'"
        self._rows, self._bytes = cast("tuple[int, int]", self._store.read(query)[0])

    def _counted(self, lane: str, state: str) -> tuple[int, int]:
        """Events and bytes."""
        found = self._store.read("SELECT events, bytes FROM outbox_count WHERE lane = ? AND state = ?", (lane, state))
        return cast("tuple[int, int]", found[0]) if found else (0, 0)

    def _select(self, query: str, values: Values) -> list[Row]:
        return [Row(*found) for found in self._store.read(query, values)]  # type: ignore[arg-type] # as the schema says

    def _followers(self, head: Row, now: float, most: int) -> Iterable[Row]:
        """The rows behind the first one of its key, up to one that has to wait."""
        for row in self._select(_FOLLOWERS, (head.lane, head.order_key, head.id, most)):
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
        while (self._rows > most_rows or self._bytes > most_bytes) and (values := self._store.unstage(_INSERT)):
            staged = dict(zip(schema.OUTBOX, values, strict=True))
            self._rows -= 1
            self._bytes -= len(cast("bytes", staged["event"]))
            self._lost(cast("str", staged["lane"]), 1)

    def _oldest(self, rows: int, size: int) -> list[Row]:
        """The first waiting rows that nobody holds, as many as make up so many rows and bytes, not too many at once."""
        query = "SELECT lane FROM outbox_count WHERE state = 'waiting' AND events > 0"
        lanes = cast("list[tuple[str]]", self._store.read(query))
        most = MOST_DROPPED + len(self._held)
        oldest = [row for (lane,) in lanes for row in self._select(_OLDEST, (lane, most)) if row.id not in self._held]
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
