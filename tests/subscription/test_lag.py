"""The lag is the age of what is unread, wherever it waits: not how long there has been something unread."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from relay.config.settings import RedisOptions
from relay.subscription import commands, connection
from relay.subscription.connection import Connection
from relay.subscription.lag import EVERY, MOST, Lag
from relay.subscription.socket import PEEK_AT_MOST
from tests.support import eventually
from tests.support.scripted_redis import CONFIRMED, published

SECONDS_A_WINDOW = 0.1
PONG = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
MESSAGE = published(b"x" * 2000)


class FloodingRedis:
    """A wire behind which more is published with each window that is read; it answers in the order of what it sends."""

    durable = False

    def __init__(
        self, *, windows: float, grows_by: float = 1.0, pong: bytes = b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"
    ) -> None:
        """`windows` wait at first; `grows_by` come with each that is read."""
        self.sock: Any = self
        self.grows_by = grows_by
        self.commands: list[bytes] = []
        self.seconds = 0.0
        self._pong = pong
        self._sent = bytearray()
        self._ends = socket.socketpair()
        self.publish(windows)

    def publish(self, windows: float) -> None:
        self._sent += MESSAGE * round(windows * PEEK_AT_MOST / len(MESSAGE))

    def send(self, frame: bytes) -> None:
        command = frame.split(b"\r\n")[2]
        self.commands.append(command)
        self._sent += {b"PING": self._pong, b"PSUBSCRIBE": CONFIRMED}[command]

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def peek(self) -> memoryview:
        if not self._sent:
            raise BlockingIOError
        return memoryview(bytes(self._sent[:PEEK_AT_MOST]))

    def consume(self, count: int) -> None:
        del self._sent[:count]
        self.seconds += SECONDS_A_WINDOW * count / PEEK_AT_MOST
        self.publish(self.grows_by * count / PEEK_AT_MOST)

    def position(self) -> int:
        return 0

    def want(self, count: int) -> None:
        """It is always readable."""

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture(autouse=True)
def wires(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FloodingRedis]]:
    """The wires of a test; the first one's reading makes time pass."""
    made: list[FloodingRedis] = []
    clock = SimpleNamespace(monotonic=lambda: made[0].seconds if made else 0.0)
    for module in (connection, commands):
        monkeypatch.setattr(module, "time", clock)
    yield made
    for wire in made:
        wire.close()


def connected(wire: FloodingRedis, wires: list[FloodingRedis]) -> Connection:
    wires.append(wire)
    options = RedisOptions.model_validate({"coalesce": 0})
    reader = Connection(cast("Any", wire), "s1", options, now=lambda: datetime.now(UTC), changed=lambda: None)
    reader.subscribe()
    return reader


async def read(wire: FloodingRedis, wires: list[FloodingRedis], seconds: float) -> Connection:
    """A connection that has read for so long."""
    reader = connected(wire, wires)
    async with aclosing(cast("Any", reader.batches())) as batches:
        async for _ in batches:
            if wire.seconds >= seconds:
                break
    return reader


@pytest.mark.parametrize("outstanding", [1.5, 0.5, 6.0])
async def test_a_flood_at_the_pace_of_reading_lags_by_what_is_outstanding(
    wires: list[FloodingRedis], outstanding: float
) -> None:
    """It said 28.8 s when 1.5 s of traffic was outstanding: that was how long the kernel's buffer had been full."""
    flood = FloodingRedis(windows=outstanding / SECONDS_A_WINDOW)
    reader = await read(flood, wires, 28.8)
    assert outstanding - EVERY - 2 * SECONDS_A_WINDOW <= reader.lag <= outstanding + 2 * SECONDS_A_WINDOW


async def test_a_flood_that_is_twice_as_fast_as_reading_lags_more_and_more(wires: list[FloodingRedis]) -> None:
    flood = FloodingRedis(windows=3, grows_by=2.0)
    reader = await read(flood, wires, 20.0)
    assert reader.lag == pytest.approx(10.0, abs=0.6), "what is read now was published when half of that was read"


async def test_when_all_is_read_nothing_lags(wires: list[FloodingRedis]) -> None:
    flood = FloodingRedis(windows=20)
    reader = connected(flood, wires)
    lags: list[float] = []

    async def take() -> None:
        async for _ in reader.batches():
            lags.append(reader.lag)
            if flood.seconds > 5.0:
                flood.grows_by = 0.0

    reading = asyncio.create_task(take())
    await eventually(lambda: not flood._sent)
    assert max(lags) == pytest.approx(2.0, abs=0.3)
    assert reader.lag == 0.0
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_where_ping_is_not_allowed_the_lag_is_known_all_the_same(wires: list[FloodingRedis]) -> None:
    """Several questions are under way when the first is refused."""
    no_permission = b"-NOPERM this user has no permissions to run the 'ping' command\r\n"
    flood = FloodingRedis(windows=15, pong=no_permission)
    reader = await read(flood, wires, 28.8)
    assert 1.0 <= reader.lag <= 1.7
    assert {b"PING", b"PSUBSCRIBE"} == set(flood.commands)
    assert 3 <= flood.commands.count(b"PING") <= 10


async def test_who_is_not_behind_asks_nothing(wires: list[FloodingRedis]) -> None:
    flood = FloodingRedis(windows=0.5)
    reader = await read(flood, wires, 5.0)
    assert flood.commands == [b"PSUBSCRIBE"]
    assert reader.lag == 0.0


def test_questions_without_an_answer_are_not_asked_for_ever() -> None:
    lag = Lag()
    lag.is_behind = True
    for second in range(3 * MOST):
        if lag.is_due(second):
            lag.asked(second, b"PING")
    assert lag.seconds(3 * MOST) == 3 * MOST
    assert [lag.answered() for _ in range(MOST + 1)] == [b"PING"] * MOST + [None]
