"""The contract's subscriber moved to asyncio: redis-py's `async for message in pubsub.listen()`."""

from __future__ import annotations

import asyncio
import sys

from redis import asyncio as redis
from tally import PATTERN, STOP_CHANNEL, Tally, done, ready


async def subscribe(port: int, archive: str) -> int:
    """Counts and archives until the stop message comes.

    Returns:
        How many messages were counted.
    """
    tally = Tally(archive)
    async with redis.Redis(host="127.0.0.1", port=port, decode_responses=True) as client, client.pubsub() as pubsub:
        await pubsub.psubscribe(PATTERN)
        async for message in pubsub.listen():
            if message["type"] == "psubscribe":
                ready()
            if message["type"] == "pmessage":
                if message["channel"] == STOP_CHANNEL:
                    break
                tally.take(message["channel"], message["data"])
    return tally.counts.total()


if __name__ == "__main__":
    done(asyncio.run(subscribe(int(sys.argv[1]), sys.argv[2])))
