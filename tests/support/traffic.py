"""Numbered messages at a steady rate from a thread, and what Redis said became of each."""

import threading
import time
from typing import Self

import redis

from tests.support.waiting import until

CHANNEL = "tickstock:market:ticks"


class Numbered:
    """Publishes `{"event": "numbered", "payload": {"n": 1}}` and so on until it is stopped.

    Args:
        port: of the Redis to publish to.
        rate: messages a second.
        channel: where to.
        pad: bytes to make each message longer by.
    """

    def __init__(self, port: int, rate: float, *, channel: str = CHANNEL, pad: int = 0) -> None:
        self.sent = 0
        """Numbers used so far: the last one, as they begin at 1."""
        self.taken: set[int] = set()
        """Numbers that Redis handed to at least one subscriber."""
        self.failures = 0
        self._client = redis.Redis(port=port, socket_timeout=5, socket_connect_timeout=1)
        self._rate = rate
        self._channel = channel
        self._pad = "x" * pad
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._publish, name="traffic")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def more(self, count: int) -> None:
        """Wait until so many more have been sent."""
        goal = self.sent + count
        until(lambda: self.sent >= goal, what="traffic")

    def stop(self) -> None:
        """Send no more."""
        self._stop.set()
        self._thread.join()
        self._client.close()

    def _publish(self) -> None:
        begun = time.monotonic()
        while not self._stop.wait(0.005):
            due = int((time.monotonic() - begun) * self._rate)
            if due > self.sent:
                self._send(list(range(self.sent + 1, min(due, self.sent + 2000) + 1)))

    def _send(self, numbers: list[int]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for number in numbers:
            pipeline.publish(self._channel, message(number, self._pad))
        self.sent = numbers[-1]
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (redis.RedisError, OSError):
            self.failures += 1
            return
        for number, listeners in zip(numbers, answers, strict=True):
            if isinstance(listeners, int) and listeners:
                self.taken.add(number)


def message(number: int, pad: str = "") -> bytes:
    """The message of that number, in the contract's envelope."""
    padding = f', "pad": "{pad}"' if pad else ""
    return (
        f'{{"event": "numbered", "timestamp": "2025-01-27T21:15:00Z", "source": "traffic", "version": "1.0",'
        f' "payload": {{"n": {number}{padding}}}}}'
    ).encode()
