"""Hands each batch of the subscription to the intake: carefully as long as one may end the process."""

import asyncio

from relay.lifecycle.parts import Parts
from relay.process.worker import LARGE
from relay.subscription.batch import Batch
from relay.subscription.poison import notice


async def take_batches(parts: Parts) -> None:
    """For ever; to ask for the next batch is to say that the last one was taken."""
    async for batch in parts.subscription.batches():
        parts.runs.count_received(batch.received, len(batch.messages))
        if parts.poison.is_over:
            await _take(parts, batch)
        else:
            await _take_with_care(parts, batch)


async def _take(parts: Parts, batch: Batch) -> None:
    if batch.size > LARGE:
        await parts.intake.take_large(batch)
    else:
        parts.intake.take(batch)


async def _take_with_care(parts: Parts, batch: Batch) -> None:
    """A process' first batch, and, message by message, one that has ended processes."""
    for part in parts.poison.parts(batch):
        if part.ends:
            parts.intake.set_aside(part.batch)
            parts.announce([notice(part, batch.received)], batch.received)
        else:
            await _take(parts, part.batch)
        parts.subscription.acknowledge(part.batch)
        await asyncio.sleep(0)  # many single messages must not keep the watchdog from its food
