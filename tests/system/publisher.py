"""Publishes numbered messages at a steady rate, until there are enough of them and standard input ends.

Prints as JSON how many there were, how long it took and the fewest listeners that one of them found. A program.
"""

from __future__ import annotations

import json
import select
import sys
import time

import redis

TICK = 0.01  # seconds between two bursts
URGENT_EVERY = 1000


def message(number: int) -> bytes:
    """The contract's envelope, with a number in it, and one in `URGENT_EVERY` marked for the webhook's route."""
    payload = {"n": number, "symbol": "AAPL", "confidence": 0.75, "urgent": number % URGENT_EVERY == 0}
    envelope = {"event": "pattern_detected", "timestamp": "2026-01-05T21:45:00Z", "source": "pattern_job"}
    return json.dumps(envelope | {"version": "1.0", "payload": payload}).encode()


def publish(client: redis.Redis, rate: int, at_least: int) -> dict[str, float]:
    """Keep to the clock rather than to a pause: a burst that comes late is made up for by the next."""
    sent, fewest, started = 0, sys.maxsize, time.monotonic()
    while sent < at_least or not select.select([sys.stdin], [], [], 0)[0]:
        due = int((time.monotonic() - started) * rate)
        pipeline = client.pipeline(transaction=False)
        for number in range(sent, due):
            pipeline.publish("tickstock:patterns:detected", message(number))
        fewest = min([fewest, *pipeline.execute()])
        sent = max(sent, due)
        time.sleep(TICK)
    return {"published": sent, "seconds": time.monotonic() - started, "fewest_listeners": fewest}


if __name__ == "__main__":
    port, rate, at_least = map(int, sys.argv[1:])
    print(json.dumps(publish(redis.Redis(port=port), rate, at_least)))  # noqa: T201
