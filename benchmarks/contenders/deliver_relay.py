"""A whole delivery of the relay: staged and committed, redacted, signed, posted, forgotten; four at once.

Started by path with the tree to measure in PYTHONPATH: today's, or that of an earlier commit. Arguments: URL, count,
order keys, events in a request, CA file or "".
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from relay.config.settings import OutboxOptions
from relay.events import Event, decode
from relay.lanes.queued import QueuedLane
from relay.process.clock import Clock
from relay.redaction.redactor import Redactor
from relay.store.outbox import Outbox
from relay.store.store import Store
from sinks.base import SinkContext
from sinks.webhook import WebhookOptions, WebhookSink

WARM_UP = 200
BATCH = 100
"""Events that the intake hands over and commits at once."""
SECRET = "whsec_YmVuY2htYXJrLW9ubHktbm90LWEtc2VjcmV0"  # noqa: S105 - signs requests to our own receiver on loopback
LINE = (
    b'{"id":"bench-1","received":"2026-11-26T21:00:00Z","timestamp":"2026-11-26T21:00:00Z",'
    b'"channel":"tickstock:job:%b","domain":"job","action":"%b","event":"%b_progress","severity":"info","payload":{}}'
)
TEMPLATES = [decode(LINE % (name, name, name)) for name in (b"import", b"indicators", b"patterns")]
OPTIONS = OutboxOptions(max_rows=10**6, max_bytes=1 << 30)


def event(number: int, keys: int) -> Event:
    """A small one, of a run out of `keys`."""
    raw = b'{"symbol":"AAPL","price":123.45,"seq": %d,"pad":"%b"}' % (10**9 + number, b"x" * 300)
    now, run = datetime.now(UTC), f"run-{number % keys}" if keys else None
    template = TEMPLATES[number % len(TEMPLATES)]
    return replace(template, offset=number, received=now, timestamp=now, raw=raw, original=raw, run_id=run)


async def deliver(lane: QueuedLane, store: Store, numbers: range, keys: int) -> None:
    """Has the lane take so many and waits until they have arrived.

    Raises:
        RuntimeError: they did not within two minutes.
    """
    goal, deadline = lane.delivered + len(numbers), time.monotonic() + 120
    for start in range(numbers.start, numbers.stop, BATCH):
        lane.accept([event(number, keys) for number in range(start, min(start + BATCH, numbers.stop))])
        store.commit()
        await asyncio.sleep(0)
    while lane.delivered < goal:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{goal - lane.delivered} not delivered: {lane.error}")
        await asyncio.sleep(0.02)


async def main(url: str, count: int, keys: int, batch: int, ca_file: str) -> dict[str, float]:
    """Delivers `count` events after a warm-up; what it took, each."""
    options = {"url": url, "secret": SECRET, "order_by": ["run_id"] if keys else []}
    options |= {"ca_file": ca_file} if ca_file else {}
    options |= {"batch": {"max_events": batch, "max_wait": 0.01}} if batch > 1 else {}
    context = SinkContext("app", lambda: datetime.now(UTC), CollectorRegistry(), state={})  # type: ignore[arg-type]
    sink = WebhookSink(WebhookOptions.model_validate(options), context)
    await sink.start()
    with tempfile.TemporaryDirectory(prefix="deliver-") as directory:
        store = Store(Path(directory) / "relay.db")
        lane = QueuedLane(
            sink, Outbox(store, OPTIONS), OPTIONS, clock=Clock(), redact=Redactor().redact, muted=lambda _: None
        )
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)  # as `tickstock-relay run` does
        lane.start()
        await deliver(lane, store, range(count, count + WARM_UP), keys)
        begin, cpu = time.perf_counter(), time.process_time()
        await deliver(lane, store, range(count), keys)
        cpu, seconds = time.process_time() - cpu, time.perf_counter() - begin
        await lane.stop(5.0)
        store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"per_second": count / seconds, "cpu_us": 1e6 * cpu / count, "peak_rss_mb": peak * 1024 / 1e6}


if __name__ == "__main__":
    given = sys.argv
    print(json.dumps(uvloop.run(main(given[1], int(given[2]), int(given[3]), int(given[4]), given[5]))))
