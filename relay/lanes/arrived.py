"""Rows that have arrived are forgotten together: a transaction for each would cost more than the delivery."""

import asyncio
from collections.abc import Sequence

from relay.store.outbox import Outbox, Row

FLUSH_ROWS = 50
FLUSH_SECONDS = 0.1
"""So many rows, or after so long: after a crash, so many repeats at most."""


class Arrived:
    """The rows of one lane that have arrived and are not forgotten yet; a full outbox does not drop them."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._rows: list[Row] = []
        self._flushing: asyncio.TimerHandle | None = None

    def add(self, rows: Sequence[Row]) -> None:
        """Have these forgotten soon."""
        self._outbox.hold(rows)
        self._rows += rows
        if len(self._rows) >= FLUSH_ROWS:
            self.flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Forget them now."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._rows:
            self._outbox.delivered(self._rows)
            self._outbox.release(self._rows)
            self._rows = []
