"""The contract's own subscriber: redis-py's `pubsub.listen()` in a thread, `json.loads` for each message.

From "Implementation Code for TickStockAppV2" in the integration contract, with the file in place of Socket.IO.
"""

from __future__ import annotations

import sys
import threading

import redis
from tally import PATTERN, STOP_CHANNEL, Tally, done, ready


class TickStockPLEventSubscriber:
    """Subscribe to TickStockPL events via Redis."""

    def __init__(self, port: int, archive: str) -> None:
        """Connects as the contract does."""
        self.redis = redis.Redis(host="127.0.0.1", port=port, decode_responses=True)
        self.pubsub = self.redis.pubsub()
        self.tally = Tally(archive)
        self.thread = threading.Thread(target=self._listen, daemon=True)

    def start(self) -> None:
        """Start listening to TickStockPL events."""
        self.pubsub.psubscribe(PATTERN)
        self.thread.start()

    def _listen(self) -> None:
        """Process incoming events."""
        for message in self.pubsub.listen():
            if message["type"] == "psubscribe":
                ready()
            if message["type"] in ["message", "pmessage"]:
                if message["channel"] == STOP_CHANNEL:
                    return
                self.tally.take(message["channel"], message["data"])


if __name__ == "__main__":
    subscriber = TickStockPLEventSubscriber(int(sys.argv[1]), sys.argv[2])
    subscriber.start()
    subscriber.thread.join()
    done(subscriber.tally.counts.total())
