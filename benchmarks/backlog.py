"""`python -m benchmarks.backlog`: does a backlog cost anything, and how fast is a fast receiver served?

First, with 200,000 rows waiting under no, one, a hundred order keys and a key each: what each look at the outbox takes.
Then deliveries a second to a receiver on loopback, without order and in one order key. Last, a whole relay with that
backlog and a receiver that is down, while 20,000 messages a second come: the answers of `/healthz`, how long the intake
took, and what of it is missing. With --short all of it is small; no time is asserted, but nothing may be lost.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from benchmarks import archive, contenders, relay_config, running, system
from benchmarks.neighbour import Beside
from benchmarks.publisher import Publisher
from relay.config.settings import OutboxOptions
from relay.events import Event, KindFacts, encode, kind_of
from relay.lanes.queued import QueuedLane
from relay.process.clock import Clock
from relay.store.outbox import Outbox
from relay.store.store import Store
from sinks.testing import make_context
from sinks.webhook import WebhookOptions, WebhookSink

SHAPES = {"no key": 0, "one key": 1, "100 keys": 100, "a key each": 10**9}
EVENT_BYTES = 400
OPTIONS = OutboxOptions(max_rows=10**6, max_bytes=1 << 30)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything."""

    rows: int = 200_000
    peeks: int = 200
    deliveries: int = 5_000
    messages: int = 200_000
    rate: float = 20_000


SHORT = Size(rows=5_000, peeks=20, deliveries=300, messages=4_000, rate=1_000)


def fill(directory: Path, size: Size, keys: int) -> tuple[Store, Outbox]:
    """A store with so many waiting rows."""
    store = Store(directory / "relay.db")
    outbox = Outbox(store, OPTIONS)
    event, begin = encode(_event(0)), time.time()
    for number in range(size.rows):
        key = f"run {number % keys}" if keys else None
        outbox.stage("app", event, now=begin + number / size.rows, order_key=key)
        if number % 500 == 0:
            outbox.commit()
    outbox.commit()
    return store, outbox


def median_ms(call: Callable[[], object], peeks: int) -> float:
    """The median of so many calls."""
    seconds = []
    for _ in range(peeks):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return 1000 * sorted(seconds)[peeks // 2]


def peeks(size: Size) -> None:
    """Prints what each look at the outbox takes."""
    for shape, keys in SHAPES.items():
        directory = Path(tempfile.mkdtemp(prefix="backlog-", dir=system.CACHE))
        store, outbox = fill(directory, size, keys)
        calls: dict[str, Callable[[], object]] = {
            "pick": lambda outbox=outbox: outbox.waiting("app", 9e9, 100),
            "next due": lambda outbox=outbox: outbox.next_due("app", 0.0),
            "expired": lambda outbox=outbox: outbox.expired("app", 0.0),
            "depth": lambda outbox=outbox: outbox.depth("app"),
            "recount": outbox.count,
        }
        found = "  ".join(f"{name} {median_ms(call, size.peeks):.3f}" for name, call in calls.items())
        print(f"{size.rows:,} rows, {shape}: {found} ms", flush=True)
        store.close()
        shutil.rmtree(directory)


async def deliver(size: Size, port: int, order_by: tuple[str, ...]) -> tuple[float, float]:
    """Deliveries a second, and microseconds of CPU for each; all must arrive.

    Raises:
        RuntimeError: some did not.
    """
    directory = Path(tempfile.mkdtemp(prefix="deliver-", dir=system.CACHE))
    store = Store(directory / "relay.db")
    sink = WebhookSink(
        WebhookOptions(url=f"http://127.0.0.1:{port}/hook/{directory.name}", order_by=order_by),  # type: ignore[arg-type]
        make_context("app"),
    )
    await sink.start()
    lane = QueuedLane(sink, Outbox(store, OPTIONS), OPTIONS, clock=Clock(), redact=lambda e: e, muted=lambda _: None)
    lane.start()
    lane.accept([_event(number) for number in range(size.deliveries)])
    store.commit()
    begin, cpu = time.perf_counter(), time.process_time()
    while lane.delivered < size.deliveries and time.perf_counter() - begin < 60:  # noqa: ASYNC110 - looked at from outside
        await asyncio.sleep(0.01)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    await lane.stop(5.0)
    left = lane.waiting
    store.close()
    shutil.rmtree(directory)
    if left:
        raise RuntimeError(f"{left} of {size.deliveries} were not delivered: {lane.error}")
    return size.deliveries / seconds, 1e6 * cpu / size.deliveries


def _event(number: int) -> Event:
    body = b'{"payload":{"seq":%d,"pad":"%b"}}' % (10**9 + number, b"x" * EVENT_BYTES)
    now = datetime.now(UTC)
    return Event(kind_of(KindFacts("tickstock:job:status", "numbered")), "bench", number, now, now, body, body)


def deliveries(size: Size, beside: Beside) -> None:
    """Prints how fast a fast receiver is served."""
    for name, order_by in (("unordered", ()), ("in one key", ("channel",))):
        rate, cpu = uvloop.run(deliver(size, beside.port, order_by))
        print(f"deliveries {name}: {rate:,.0f}/s, {cpu:,.0f} µs of CPU each", flush=True)


def healthz(port: int) -> float:
    """Milliseconds that an answer took; infinite without one."""
    begin = time.perf_counter()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return 1000 * (time.perf_counter() - begin)
    except OSError:
        return float("inf")


def daemon(size: Size, valkey: system.Valkey, keys: int) -> archive.Ledger:
    """Prints how a relay with that backlog answers while messages come.

    Returns:
        What is missing in its archive.
    """
    directory = Path(tempfile.mkdtemp(prefix="backlog-", dir=system.CACHE))
    place = relay_config.Place(directory, valkey.port, system.free_port(), system.free_port())
    file = relay_config.write("webhook", place)
    file.write_text(f"{file.read_text()}outbox: {{max_rows: 1000000, max_bytes: {1 << 30}}}\n")
    fill(place.state, size, keys)[0].close()
    with (
        running.Running(contenders.relay_command(file), directory, {}, talks=False) as relay,
        Publisher(valkey.port, size.messages, rate=size.rate) as publisher,
    ):
        system.wait_until(lambda: valkey.subscriptions() == 1, running.START_SECONDS, "the relay did not subscribe")
        begin, cpu, found = time.perf_counter(), relay.cpu(), []
        publisher.go()
        while not archive.has_stopped(relay.archive) and time.perf_counter() - begin < 120:
            found.append(healthz(place.http_port))
            time.sleep(0.02)
        publisher.finish()
        seconds, cpu, found = time.perf_counter() - begin, relay.cpu() - cpu, sorted(found)
        print(
            f"relay with {size.rows:,} rows, {keys or 'no'} key(s): {size.messages:,} messages in {seconds:.1f} s,"
            f" {1e6 * cpu / size.messages:.0f} µs of CPU each;"
            f" /healthz p50 {found[len(found) // 2]:.1f}, p99 {found[len(found) * 99 // 100]:.1f} ms",
            flush=True,
        )
        relay.end()
        return archive.check(relay.archive, size.messages)


def main() -> int:
    """Runs all of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small, for CI: does it run, and does all arrive?")
    arguments = parser.parse_args()
    size = SHORT if arguments.short else Size()
    system.CACHE.mkdir(parents=True, exist_ok=True)
    peeks(size)
    with Beside() as beside:
        deliveries(size, beside)
    with system.Valkey() as valkey:
        ledgers = [daemon(size, valkey, keys) for keys in (0, 1, 100)]
    missing = sum(ledger.missing + ledger.twice for ledger in ledgers)
    print(f"missing or twice: {missing:,}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
