"""The sink `socketio` on a fake Redis, the web app's message queue there, and events for it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import fakeredis
import msgspec

from relay.events import Event
from relay.normalize.normalize import Normalizer
from sinks.socketio import SocketIoSink
from sinks.socketio.options import SocketIoOptions
from sinks.testing import NOON, make_context

CHANNEL = "flask-socketio"


class Queue:
    """The web app's message queue: what came there, decoded."""

    def __init__(self, server: fakeredis.FakeServer) -> None:
        self._subscription = fakeredis.FakeRedis(server=server).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._subscription.subscribe(CHANNEL)
        self._subscription.get_message()

    def raw(self) -> list[dict[str, Any]]:
        """What has come since it was last asked, whole."""
        found = iter(self._subscription.get_message, None)
        return [json.loads(each["data"], parse_constant=_no_constant) for each in found]

    def emits(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and data."""
        return [(each["event"], each["data"]) for each in self.raw()]

    def close(self) -> None:
        """Listen no more."""
        self._subscription.close()


def _no_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON: it would disconnect every browser")


@asynccontextmanager
async def started(
    server: fakeredis.FakeServer, now: Callable[[], datetime] = lambda: NOON, **options: Any
) -> AsyncIterator[SocketIoSink]:
    """The sink on this fake server; its `every` is short but where a test says otherwise."""
    context = make_context(redis=lambda _, __: fakeredis.FakeAsyncRedis(server=server))
    object.__setattr__(context, "now", now)
    sink = SocketIoSink(SocketIoOptions.model_validate({"every": "50ms"} | options), context)
    await sink.start()
    try:
        yield sink
    finally:
        await sink.close()


def normalized(channel: str, body: object, *, at: datetime = NOON) -> Event:
    """As the relay makes it of a message."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    event = Normalizer().read(channel.encode(), data, at, "s", 1)
    assert isinstance(event, Event)
    return event


def progress(percent: object = 49.5, *, channel: str = "tickstock:import:progress", **more: Any) -> Event:
    """A run's progress in a phase."""
    payload = {"run_id": "r1", "percent_complete": percent, "current_symbol": "GOOGL", "eta_seconds": 300} | more
    return normalized(channel, {"event": "import_progress", "payload": payload})
