"""Which delivery ends the process is found, across processes, and given up: a poison row of the outbox.

After an unclean end each lane begins with one delivery at a time, and puts its rows on record before. Rows that were on
record at three ends in a row are poison. While any are suspect, one delivery at a time is made in all lanes together:
so the one on record at an end is the one that ended it, not a slow one beside it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext

from relay.store.outbox import Row
from relay.store.store import Store

ENOUGH = 3
"""Ends in a row at which a delivery was on record."""
CAREFUL = 100
"""Deliveries that a lane makes one at a time after an unclean end, unless nothing is due before."""
_RUNNING = "running"
"""The key of the process itself: what it does, and the machine's start during which it does so."""
_STOPPING = "stopping"
_UNDERWAY, _SUSPECT = "underway", "suspect"


class DeliveryWatch:
    """What all durable lanes share: which delivery was underway when the last process ended."""

    def __init__(self, store: Store, *, ended_otherwise: bool, boot: str = "") -> None:
        """`ended_otherwise`: the last process is known to have ended by something that was no delivery.

        `boot` is another after each start of the machine; empty when it is not known.
        """
        self._store = store
        self._shelf = store.shelf("deliveries")
        self._turn = asyncio.Lock()
        self._left: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        self._singles: set[int] = set()
        self._boot = boot
        before = self._shelf.get(_RUNNING)
        self._was_unclean = before is not None
        did, _, booted = (before or "").partition(" ")
        is_harmless = ended_otherwise or did == _STOPPING or bool(boot and booted and booted != boot)
        for lane, text in self._shelf.items().items():
            state, _, rest = text.partition(" ")
            if lane != _RUNNING and state in (_UNDERWAY, _SUSPECT):
                ends, *ids = map(int, rest.split())
                ends += state == _UNDERWAY and not is_harmless
                self._ends |= dict.fromkeys(ids, ends)
                self._singles |= set(ids) if len(ids) == 1 else set()
                self._shelf.put(lane, _written(_SUSPECT, ends, ids))
        self._shelf.put(_RUNNING, f"yes {boot}".strip())
        store.commit()

    def stopping(self) -> None:
        """The process was asked to end: whatever is underway then did not end it, even if it has to be killed."""
        self._shelf.put(_RUNNING, f"{_STOPPING} {self._boot}".strip())
        self._store.commit()

    def end(self) -> None:
        """The process ends in good order: nothing is suspect any more. The store's next commit makes it so."""
        for key in self._shelf.items():
            self._shelf.put(key, None)

    def is_careful(self, lane: str) -> bool:
        """Whether the lane has to make one delivery at a time."""
        return self._was_unclean and self._left.get(lane, CAREFUL) > 0

    def nothing_is_due(self, lane: str) -> None:
        """Whatever was underway at the end has been tried."""
        self._left[lane] = 0

    def ends_of(self, rows: Sequence[Row]) -> int:
        """At how many ends in a row they, or a delivery that they were in, were on record."""
        return max(self._ends.get(row.id, 0) for row in rows) if self._ends else 0

    def was_alone(self, row: Row) -> bool:
        """Whether it was the only one of its delivery at the last end at which it was on record."""
        return row.id in self._singles

    @asynccontextmanager
    async def delivery(self, lane: str, rows: Sequence[Row]) -> AsyncIterator[None]:
        """Around a delivery: on record while it is made, if it has to be."""
        if not self.is_careful(lane):
            yield
            return
        async with self._turn if self._ends else nullcontext():
            self._note(lane, rows)
            try:
                yield
            finally:
                self._over(lane, rows)

    def _note(self, lane: str, rows: Sequence[Row]) -> None:
        self._shelf.put(lane, _written(_UNDERWAY, self.ends_of(rows), [row.id for row in rows]))
        self._store.commit()

    def _over(self, lane: str, rows: Sequence[Row]) -> None:
        """It has ended and the process lives."""
        self._left[lane] = self._left.get(lane, CAREFUL) - 1
        for row in rows:
            self._ends.pop(row.id, None)
        self._shelf.put(lane, None)
        self._store.commit()


def _written(state: str, ends: int, ids: Sequence[int]) -> str:
    return " ".join([state, str(ends), *map(str, ids)])
