"""What the daemon hands to a sink, for its tests: a context, and events."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from relay.events import SEVERITIES, Event, KindFacts, Mark, Phase, kind_of
from sinks.base import SinkContext, SinkError

NOON = datetime(2025, 1, 27, 21, 20, tzinfo=UTC)
"""Monday, 16:20 in New York: the usual moment of the kit's events and clock."""


class MemoryState:
    """A sink's small state, for a test."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The value last put under `key`."""
        return self.values.get(key)

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`; None forgets it."""
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value


def make_context(
    name: str = "under-test",
    now: datetime = NOON,
    state: MemoryState | None = None,
    redis: Callable[[SecretStr | None, float], Any] | None = None,
) -> SinkContext:
    """The context that the daemon would hand to a sink; its clock stands still at `now`."""
    return SinkContext(
        name=name, now=lambda: now, registry=CollectorRegistry(), state=state or MemoryState(), redis=redis or _client
    )


def _client(url: SecretStr | None, timeout: float) -> Any:
    """A client of Redis as the daemon would make it; it knows no Redis of its own."""
    from redis.asyncio import Redis  # noqa: PLC0415 - few sinks need one
    from redis.asyncio.retry import Retry  # noqa: PLC0415
    from redis.backoff import NoBackoff  # noqa: PLC0415

    if url is None:
        raise SinkError("the kit has no Redis of its own: give a url")
    return Redis.from_url(
        url.get_secret_value(),
        protocol=2,
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
    )


def make_event(  # every field has the contract's own example as its default
    payload: Mapping[str, Any] | None = None,
    *,
    channel: str = "tickstock:errors",
    event: str = "error",
    source: str | None = "massive_fetcher",
    run_id: str | None = "550e8400-e29b-41d4-a716-446655440000",
    phase: Phase | None = None,
    severity: str | None = None,
    at: datetime = NOON,
    received: datetime | None = None,
    offset: int = 1,
    marks: Mark = Mark.NONE,
    original: bytes | None = None,
) -> Event:
    """An event as the relay hands it to sinks; by default the contract's error event."""
    fields = EXAMPLE_ERROR if payload is None else payload
    raw = msgspec.json.encode(fields)
    stated = severity or fields.get("severity")
    return Event(
        kind=kind_of(
            KindFacts(channel, event, phase, SEVERITIES.get(stated) if isinstance(stated, str) else None, source, "1.0")
        ),
        stream="kit",
        offset=offset,
        received=received or at,
        timestamp=at,
        raw=raw,
        original=raw if original is None else original,
        run_id=run_id,
        marks=marks,
    )


EXAMPLE_ERROR: Mapping[str, Any] = {
    "severity": "error",
    "component": "data_import",
    "error_code": "RATE_LIMIT_EXCEEDED",
    "message": "Massive API rate limit hit",
    "context": {"symbol": "AAPL", "retry_after": 60},
}
