"""What a lane may deliver now: chains of deliveries, taken from the outbox a hundred rows at a time.

A chain belongs to one worker until it is released; its rows and their order keys are not taken again before. So nobody
waits for the slowest delivery, and none overtakes another of its order key.
"""

from collections import deque
from dataclasses import dataclass

from relay.lanes.batching import MOST_REPEATS, chains, group, order_keys
from relay.store.outbox import Outbox, Row
from sinks.base import Batching

ROWS = 100
"""Rows that are read at once, unless one delivery takes more."""


@dataclass(slots=True, eq=False)
class Chain:
    """Deliveries to be made one behind the other."""

    deliveries: list[list[Row]]

    def rows(self) -> list[Row]:
        """All of its rows."""
        return [row for rows in self.deliveries for row in rows]


class Ready:
    """The chains of one lane."""

    def __init__(self, lane: str, outbox: Outbox, batching: Batching) -> None:
        self._lane = lane
        self._outbox = outbox
        self._batching = batching
        self._most = max(ROWS, batching.max_events, MOST_REPEATS if batching.repeat_window else 0)
        self._chains: deque[Chain] = deque()
        self._taken: set[int] = set()
        self._keys: set[str] = set()
        self.underway = 0
        """Chains that workers have."""
        self.collecting = False
        """Whether there is something to deliver that waits for more (`Batching.max_wait`)."""

    def __bool__(self) -> bool:
        """Whether there is a chain to take without asking the outbox."""
        return bool(self._chains)

    def holds(self, row: Row) -> bool:
        """Whether a worker has this row, or will have it next."""
        return row.id in self._taken

    def take(self) -> Chain | None:
        """A chain for a worker, which has to release it."""
        if not self._chains:
            return None
        self.underway += 1
        return self._chains.popleft()

    def release(self, chain: Chain) -> None:
        """Its deliveries have ended, or must be tried another time."""
        self.underway -= 1
        self._forget(chain)

    def clear(self) -> None:
        """Give back what no worker has taken yet: rows may have become others."""
        while self._chains:
            self._forget(self._chains.popleft())

    def fill(self, now: float) -> None:
        """Ask the outbox what may go now beside what has been taken already."""
        found = self._outbox.waiting(self._lane, now, self._most + len(self._taken))
        rows = [row for row in found if row.id not in self._taken and row.order_key not in self._keys][: self._most]
        deliveries = group(self._completed(rows), self._batching.max_events)
        self.collecting = bool(deliveries) and not self._worth_sending(deliveries[0], now)
        if self.collecting:
            return
        for chained in chains(deliveries, self._keys):
            chain = Chain(chained)
            rows = chain.rows()
            self._taken.update(row.id for row in rows)
            self._keys |= order_keys(rows)
            self._chains.append(chain)

    def _completed(self, rows: list[Row]) -> list[Row]:
        """With all the rows of each delivery that is tried again: under its id go the same events as before."""
        if self._batching.max_events == 1 and not self._batching.repeat_window:
            return rows
        complete = {row.id: row for row in rows}
        for delivery in {row.delivery for row in rows if row.delivery}:
            others = self._outbox.of_delivery(self._lane, delivery)
            if any(row.id in self._taken for row in others):  # one was revived by hand while the others are underway
                complete = {row.id: row for row in complete.values() if row.delivery != delivery}
            else:
                complete |= {row.id: row for row in others}
        return [complete[id_] for id_ in sorted(complete)]

    def _worth_sending(self, first: list[Row], now: float) -> bool:
        wait = self._batching.max_wait
        return not wait or len(first) >= self._batching.max_events or now - first[0].accepted >= wait

    def _forget(self, chain: Chain) -> None:
        rows = chain.rows()
        self._taken.difference_update(row.id for row in rows)
        self._keys -= order_keys(rows)
