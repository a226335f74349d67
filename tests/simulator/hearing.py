"""A plain redis-py subscriber, as a stranger to the simulator would write it."""

import asyncio
import contextlib
import fnmatch
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import redis
import redis.asyncio

from tests.support import eventually

Json = dict[str, Any]


class Hearing:
    """What was heard on tickstock:*, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes]] = []

    def events(self, channel: str = "*", event: str | None = None) -> list[Json]:
        """The JSON objects on channels that match, with that event name."""
        bodies = [_parsed(body) for name, body in self.messages if fnmatch.fnmatchcase(name, channel)]
        return [each for each in bodies if each is not None and event in (None, each.get("event"))]

    async def until(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Returns when it holds; fails when it does not within `seconds`."""
        await eventually(condition, seconds)

    async def completed(self) -> Json:
        """Waits for the end of a run; gives its payload."""
        await self.until(lambda: self.events("tickstock:processing:status", "processing_completed"))
        payload: Json = self.events("tickstock:processing:status", "processing_completed")[0]["payload"]
        return payload


def _parsed(body: bytes) -> Json | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


@contextlib.asynccontextmanager
async def listening(url: str) -> AsyncIterator[Hearing]:
    """Subscribed to tickstock:* when it begins."""
    hearing = Hearing()
    client = redis.asyncio.Redis.from_url(url, socket_timeout=None)
    subscriber = client.pubsub()
    await subscriber.psubscribe("tickstock:*")
    first = await subscriber.get_message(timeout=120)
    assert first is not None
    assert first["type"] == "psubscribe"

    async def listen() -> None:
        with contextlib.suppress(redis.ConnectionError):
            async for message in subscriber.listen():
                hearing.messages.append((message["channel"].decode(), message["data"]))

    task = asyncio.create_task(listen())
    try:
        yield hearing
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await subscriber.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()
