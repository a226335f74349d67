"""A subscription inside the test: what it hands out, what it says of itself, and its socket for the next one."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from relay.config.settings import RedisOptions
from relay.subscription.batch import Batch
from relay.subscription.handover import Handover
from relay.subscription.subscription import Subscription, SubscriptionChange
from tests.support import Valkey, eventually

MEGABYTE = 1 << 20


class Listener:
    """Takes batches as the daemon does, and keeps them."""

    def __init__(self, options: dict[str, Any], inherited: dict[str, int] | None = None) -> None:
        self.batches: list[Batch] = []
        self.links: list[SubscriptionChange] = []
        settings = RedisOptions.model_validate(options)
        self.subscription = Subscription(
            settings, Handover(settings, inherited or {}), now=lambda: datetime.now(UTC), changed=self.links.append
        )

    @property
    def received(self) -> list[bytes]:
        """The data of all messages, in order."""
        return [data for batch in self.batches for _, data, _ in batch.messages]

    @property
    def offsets(self) -> list[int]:
        """Where each message ended."""
        return [offset for batch in self.batches for _, _, offset in batch.messages]

    async def take(self) -> None:
        """Until cancelled."""
        async for batch in self.subscription.batches():
            self.batches.append(batch)

    async def subscribed(self) -> None:
        """Returns when it is."""
        await eventually(lambda: self.subscription.subscribed, what="the subscription")

    async def received_all(self, count: int) -> None:
        """Returns when so many messages have come."""
        await eventually(lambda: len(self.received) >= count, what=f"message {count}")

    def hand_over(self) -> dict[str, int]:
        """Copies of its descriptors, as a service manager keeps them."""
        return {name: os.dup(descriptor) for name, descriptor in self.subscription.descriptor().items()}


@contextlib.asynccontextmanager
async def listening(inherited: dict[str, int] | None = None, **options: Any) -> AsyncIterator[Listener]:
    """A listener at work."""
    listener = Listener(options, inherited)
    task = asyncio.create_task(listener.take())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.subscription.close()
        assert task.cancelled(), task.exception()


def url_of(port: int) -> str:
    """The Redis, or the proxy before it, at this port of this machine."""
    return f"redis://127.0.0.1:{port}/0"


async def publish(valkey: Valkey, *messages: bytes) -> None:
    """Without keeping the event loop from its work; when it returns, all is on its way."""
    for data in messages:
        assert await asyncio.to_thread(valkey.publish, "tickstock:a:b", data) >= 1
    assert valkey.client.ping()  # answered in a later round than the one that wrote the last message
