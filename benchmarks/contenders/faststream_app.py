"""FastStream, the framework that one would reach for today: a pattern subscriber on its Redis broker.

The handler takes the raw message, so that FastStream's own validation of the body is not in the bill.
"""

from __future__ import annotations

import asyncio
import logging
import sys

from faststream import FastStream
from faststream.redis import PubSub, RedisBroker, RedisMessage
from tally import PATTERN, STOP_CHANNEL, Tally, done, ready


def build(port: int, archive: str) -> tuple[FastStream, Tally]:
    """The application: one handler for the pattern, without FastStream's log line for each message."""
    tally = Tally(archive)
    broker = RedisBroker(f"redis://127.0.0.1:{port}", logger=None)
    app = FastStream(broker, logger=logging.getLogger("faststream-app"))

    @broker.subscriber(channel=PubSub(PATTERN, pattern=True))
    async def handle(message: RedisMessage) -> None:
        channel = message.raw_message["channel"]
        if channel == STOP_CHANNEL:
            app.exit()
        else:
            tally.take(channel, message.body.decode())

    @app.after_startup
    async def subscribed() -> None:
        ready()

    return app, tally


if __name__ == "__main__":
    application, counted = build(int(sys.argv[1]), sys.argv[2])
    asyncio.run(application.run())
    done(counted.counts.total())
