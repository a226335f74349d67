"""The rows of a lane without secrets: each is redacted once, not once an attempt, a large one in a thread.

What was found is kept in memory, bounded by bytes. Not in the outbox: a reload may bring further patterns, and what
waits must be held against those (the lane and this memory are made anew then).
"""

from collections import OrderedDict
from collections.abc import Callable

from relay.events import Event
from relay.process.worker import LARGE, Worker

MOST_BYTES = 16 << 20
"""What is kept for further attempts; beyond it the oldest is redacted again should it be tried again."""
_ENTRY = 200
"""About the bytes that a row takes here whose event had nothing to hide."""
_worker = Worker("redaction")
"""One for all lanes, and not the intake's: the intake must not wait for what a sink asks for."""


class RedactedRows:
    """What was redacted lately, by row."""

    def __init__(self, redact: Callable[[Event], Event]) -> None:
        self._redact = redact
        self._known: OrderedDict[int, Event | None] = OrderedDict()
        """None: there was nothing to hide."""
        self._size = 0

    async def event(self, row: int, event: Event) -> Event:
        """The event of a row without secrets."""
        if row in self._known:
            return self._known[row] or event
        if len(event.raw) + len(event.original) > LARGE:
            redacted = await _worker.run(lambda: self._redact(event))
        else:
            redacted = self._redact(event)
        self._keep(row, None if redacted is event else redacted)
        return redacted

    def forget(self, row: int) -> None:
        """It has come to an end."""
        if row in self._known:
            self._size -= _size(self._known.pop(row))

    def _keep(self, row: int, redacted: Event | None) -> None:
        self.forget(row)
        self._known[row] = redacted
        self._size += _size(redacted)
        while self._size > MOST_BYTES:
            self.forget(next(iter(self._known)))


def _size(event: Event | None) -> int:
    return _ENTRY + (len(event.raw) + len(event.original) + _ENTRY if event else 0)
