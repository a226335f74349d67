"""What messages become: on the daemon's own way, and whether both ways to read them agree."""

import json
from datetime import UTC, datetime
from typing import Any

from relay.events import Event, encode
from relay.normalize.normalize import Normalizer, Unreadable
from tests.support.shapes import every_shape

NOW = datetime(2025, 1, 27, 21, 15, 30, tzinfo=UTC)
SHAPES = every_shape()
STAMPED = {"timestamp": "2025-01-27T21:15:00Z"}


def take(data: bytes | dict[str, Any], channel: str = "tickstock:import:progress", **limits: int) -> Event | Unreadable:
    """What becomes of a message on the daemon's own way."""
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    events, unreadable = Normalizer(**limits).read_all([(channel.encode(), raw, 7)], NOW, "s1")
    assert len(events) + len(unreadable) == 1
    return events[0] if events else unreadable[0]


def event_of(data: bytes | dict[str, Any], channel: str = "tickstock:import:progress") -> Event:
    """The event that becomes of a message."""
    read = take(data, channel)
    assert isinstance(read, Event), read
    return read


def facts(event: Event | Unreadable) -> dict[str, object]:
    """All that a sink can see of an event, the payload's bytes aside."""
    if isinstance(event, Unreadable):
        return {"unreadable": event.reason}
    line: dict[str, object] = json.loads(encode(event))
    return line | {"payload": repr(event.payload), "time": event.time}


def both_ways(channel: str, data: bytes) -> tuple[Event | Unreadable, Event | Unreadable]:
    """What becomes of a message read alone, and in a batch, where the quick readers may take it."""
    normalizer = Normalizer()
    plain = normalizer.read(channel.encode(), data, NOW, "s", 1)
    events, unreadable = normalizer.read_all([(channel.encode(), data, 1)] * 2, NOW, "s")
    read = events or unreadable
    assert len(read) == 2
    assert facts(read[0]) == facts(read[1]), "the second time, the channel's shape is known"
    return plain, read[0]
