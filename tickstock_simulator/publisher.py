"""Publishes to Redis as TickStockPL does: fire and forget, and on again when Redis is back.

What could not be sent is counted and gone, as pub/sub is; it must not queue, or a relay's gap would go unseen.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tickstock_simulator.wire import Message

Say = Callable[..., None]
OnPublish = Callable[[str, bytes], None]
_PATIENCE = 3.0  # seconds that Redis has to answer


class Publisher:
    """One connection to Redis. `sent` counts messages by channel, `lost` those that Redis did not take."""

    def __init__(self, url: str, *, say: Say, on_publish: OnPublish | None = None) -> None:
        # no socket_timeout: with one, redis-py uses asyncio.wait_for, which on Python 3.11 can swallow a cancel
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=_PATIENCE, socket_timeout=None
        )
        self._address = address(url)
        self._say = say
        self._on_publish = on_publish
        self._order = asyncio.Lock()  # several flows, one connection: each batch stays in one piece
        self._task: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self.sent: Counter[str] = Counter()
        self.lost = 0

    @property
    def connected(self) -> bool:
        """Whether Redis answered last."""
        return self._up.is_set()

    async def wait_connected(self) -> None:
        """Returns when Redis answers."""
        await self._up.wait()

    async def start(self) -> None:
        """Tries to connect once, and goes on trying for as long as it lives."""
        complained = not await self._try(complained=False)
        self._task = asyncio.create_task(self._stay_connected(complained=complained))

    async def stop(self) -> None:
        """Closes the connection, once what is on its way has been sent and counted."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*self._sending)
        await self._redis.aclose()

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publishes in order; while Redis is away the messages are lost. Who is cancelled has published all or none."""
        if not messages:
            return
        sending = asyncio.create_task(self._send(messages))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        await asyncio.shield(sending)

    async def _send(self, messages: Sequence[Message]) -> None:
        async with self._order:
            if not self.connected:
                self.lost += len(messages)
                return
            pipeline = self._redis.pipeline(transaction=False)
            for message in messages:
                pipeline.publish(message.channel, message.body)
            try:
                async with asyncio.timeout(_PATIENCE):
                    await pipeline.execute()
            except (RedisError, OSError) as error:
                self.lost += len(messages)
                self._went_away(error)
                return
        for message in messages:
            self.sent[message.channel] += 1
            if self._on_publish:
                self._on_publish(message.channel, message.body)

    async def _stay_connected(self, *, complained: bool) -> None:
        pause, dice = 0.1, random.Random(0)  # noqa: S311 - jitter
        while True:
            await asyncio.sleep(pause * dice.uniform(0.8, 1.2))
            complained = not await self._try(complained=complained)
            pause = min(pause * 1.6, 2.0) if complained else 0.5

    async def _try(self, *, complained: bool) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._redis.ping()
        except (RedisError, OSError) as error:
            self._went_away(error)
            if not complained:
                self._say("redis_unreachable", at=self._address, why=_reason(error), then="still trying")
            return False
        if not self.connected:
            self._say("redis_connected", at=self._address, lost=self.lost)
        self._up.set()
        return True

    def _went_away(self, error: Exception) -> None:
        if self.connected:
            self._say("redis_lost", at=self._address, why=_reason(error))
        self._up.clear()


def address(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
