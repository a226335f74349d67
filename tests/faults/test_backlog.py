"""A receiver that answers 500 to everything while events keep coming: the backlog is that lane's trouble alone."""

import os
import sqlite3
import statistics
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from tests.faults.accounts import assert_counters_add_up
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, until
from tests.support.relay_process import Json

pytestmark = pytest.mark.faults

ROWS = int(os.environ.get("FAULT_BACKLOG_ROWS", "20000"))
"""Events that wait in the end; 200,000 in `make test-faults-long`."""
RATE = 4000.0
CHANNEL = "tickstock:job:status"
SLOWEST = 1.0
"""Seconds for `/healthz`, of 99 in 100 answers; it takes some milliseconds, but this machine has other work too."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a receiver that answers 500."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()


class Health:
    """Asks for `/healthz` all the time; how long each answer took."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="health")
        self.seconds: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def slowest(self) -> float:
        """What 99 in 100 answers stayed below; no answer counts as five seconds."""
        return statistics.quantiles(self.seconds, n=100)[-1]

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            begun = time.monotonic()
            answered = self._relay.answers("/healthz")
            self.seconds.append(time.monotonic() - begun if answered else 5.0)


@pytest.mark.parametrize(
    ("keys", "order_by"),
    [("one key", ["channel"]), ("no key", []), ("a key each", ["payload.n"])],
    ids=["one", "none", "each"],
)
def test_a_backlog_holds_up_neither_intake_nor_health_nor_the_end(
    tmp_path: Path, valkey: Valkey, report: Report, refusing: str, keys: str, order_by: list[str]
) -> None:
    app: Json = {"type": "webhook", "url": refusing, "attempts": 1, "order_by": order_by}
    config: Json = {
        "sinks": {"app": app},
        "routes": [{"name": "app", "match": {"channel": CHANNEL}, "to": ["app"]}],
        "outbox": {"max_rows": 2 * ROWS, "retry_first": "100ms", "retry_most": "1s", "breaker_failures": 1_000_000},
    }
    with RelayProcess(tmp_path, valkey.url, config=config) as relay:
        with Health(relay) as health, Numbered(valkey.port, RATE, channel=CHANNEL) as traffic:
            until(lambda: traffic.sent >= ROWS, what="traffic")
            traffic.stop()
            until(
                lambda: relay.metric("relay_lane_depth", sink="app") == traffic.sent,
                what="the intake of all",
                every=0.2,
            )
            begun = len(health.seconds)
            until(lambda: len(health.seconds) >= begun + 100, what="answers while all of it waits")
        assert_counters_add_up(relay)
        begun_end = time.monotonic()
        assert relay.terminate() == 0
        ended = time.monotonic() - begun_end
        kept = waiting(relay.state / "relay.db")
        report(
            f"backlog, {keys}",
            injections=1,
            messages=traffic.sent,
            lost=traffic.sent - kept,
            remark=f"/healthz p99 {1000 * health.slowest():.0f} ms, SIGTERM {ended:.1f} s",
        )
        assert kept == traffic.sent == len(traffic.taken)
        assert relay.numbers(CHANNEL).keys() == traffic.taken
        assert health.slowest() < SLOWEST


def waiting(store: Path) -> int:
    """Events that wait in a store."""
    db = sqlite3.connect(store)
    count: int = db.execute("SELECT count(*) FROM outbox WHERE state = 'waiting'").fetchone()[0]
    db.close()
    return count
