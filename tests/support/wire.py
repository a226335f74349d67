"""Events for tests as they come from the wire: bytes through the real normaliser, at a moment of the test's choice."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from relay.events import Event, utc_text
from relay.normalize.normalize import Normalizer, Unreadable

_offsets = count(1)
_normalizer = Normalizer()


def utc(text: str) -> datetime:
    """An aware time from `2025-01-27 21:10`."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def read(channel: str, data: bytes, received: datetime) -> Event:
    """The event that those bytes become."""
    event = _normalizer.read(channel.encode(), data, received, "t", next(_offsets))
    assert not isinstance(event, Unreadable)
    return event


def event(channel: str, name: str, at: datetime, *, stamp: Any = None, **payload: Any) -> Event:
    """An event in the contract's envelope; `stamp` is the time it claims, else the moment it comes."""
    claimed = stamp if isinstance(stamp, str) else utc_text(stamp or at)
    body = {"event": name, "timestamp": claimed, "source": "daily_job", "version": "1.0", "payload": payload}
    return read(f"tickstock:{channel}", json.dumps(body).encode(), at)


def upto(events: list[Event], name: str) -> list[Event]:
    """The events up to the first of that name, that one included."""
    return events[: [one.event for one in events].index(name) + 1]


def a_run(
    start: datetime,
    run_id: str | None = "r1",
    *,
    minutes: Iterable[float] = (10, 1, 4, 20),
    steps: int = 2,
    start_with: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[Event]:
    """The contract's thirteen steps, each when it happens; progress comes `steps - 1` times in a phase.

    `start_with` is beside the id in the start's payload, `more` in the end's.
    """
    names = [("import", "import"), ("cache", "cache")]
    names += [("indicators", "indicator_processing"), ("patterns", "pattern_processing")]
    ids = {"run_id": run_id} if run_id else {}
    events = [
        event(
            "processing:status",
            "processing_started",
            start,
            **ids,
            **({"trigger_type": "automatic"} | dict(start_with or {})),
        )
    ]
    at = start
    for (channel, name), lasts in zip(names, minutes, strict=True):
        events.append(event(f"{channel}:started", f"{name}_started", at, **ids))
        for step in range(1, steps if channel != "cache" else 1):
            then, done = at + timedelta(minutes=lasts * step / steps), 505 * step // steps
            payload: dict[str, Any] = {
                "completed_symbols": done,
                "total_symbols": 505,
                "percent_complete": round(done / 5.05, 1),
            }
            payload["current_symbol"] = "GOOGL" if step == steps // 2 else f"S{done}"
            events.append(event(f"{channel}:progress", f"{channel.rstrip('s')}_progress", then, **ids, **payload))
        at += timedelta(minutes=lasts)
        events.append(event(f"{channel}:completed", f"{name}_completed", at, **ids, total_symbols=505))
    claims = {"status": "completed", "symbols_processed": 505, "symbols_failed": 5}
    claims |= {"indicators_calculated": 7575, "patterns_detected": 1250} | more
    return [*events, event("processing:status", "processing_completed", at, **ids, **claims)]
