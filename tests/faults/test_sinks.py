"""A receiver that hangs, refuses, fails, talks garbage, or takes and then drops: every event arrives in the end."""

import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, until

pytestmark = pytest.mark.faults

STATUS = {"500": 500, "429": 429}


class Receiver:
    """Takes webhooks in one of several ill ways, or well (`how` is empty)."""

    def __init__(self) -> None:
        self.how = ""
        self.harmed = 0
        self.keys: defaultdict[int, set[str]] = defaultdict(set)
        """Idempotency keys under which each number came, also when it was not taken."""
        self.taken: list[int] = []
        self.released = threading.Event()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    it = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            number = json.loads(body)["payload"]["n"]
            it.keys[number].add(self.headers["webhook-id"])
            how = it.how
            it.harmed += bool(how)
            if how == "hang":
                it.released.wait(30)
            if how in ("", "accept then drop"):
                it.taken.append(number)
            if how in ("hang", "accept then drop"):
                self.connection.shutdown(socket.SHUT_RDWR)
            elif how == "garbage":
                self.wfile.write(b"this is no HTTP\r\n\r\n")
            else:
                self.send_response(STATUS.get(how, 200))
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True  # it was cut on purpose

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield it, f"http://127.0.0.1:{server.server_port}/hook"
        it.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("how", ["hang", "500", "429", "garbage", "accept then drop"])
def test_every_event_arrives_when_the_receiver_is_well_again(
    tmp_path: Path, valkey: Valkey, receiver: tuple[Receiver, str], report: Report, how: str
) -> None:
    it, url = receiver
    app = {"type": "webhook", "url": url, "attempts": 1, "timeout": "500ms", "concurrency": 8}
    route = {"name": "app", "match": {"channel": "tickstock:*"}, "to": ["app"]}
    quick = {"retry_first": "50ms", "retry_most": "200ms", "breaker_failures": 3, "breaker_rest": "200ms"}
    config = {"sinks": {"app": app}, "routes": [route], "outbox": quick}
    it.how = how
    with RelayProcess(tmp_path, valkey.url, config=config) as relay, Numbered(valkey.port, 200) as traffic:
        until(lambda: traffic.sent >= 200)
        traffic.stop()
        until(lambda: it.harmed >= 3, what="that the receiver did harm")
        until(lambda: len(relay.numbers()) == traffic.sent, what="the archive, which a bad receiver must not touch")
        it.how = ""
        it.released.set()
        begun = time.monotonic()
        until(lambda: set(it.taken) >= traffic.taken, what="every event at the receiver")
        took = time.monotonic() - begun
        until(lambda: relay.metric("relay_lane_depth", sink="app") == 0)
        assert all(len(keys) == 1 for keys in it.keys.values())
        assert relay.metric("relay_delivered_events_total", sink="app") == traffic.sent
        repeats = len(it.taken) - len(set(it.taken))
        assert repeats == 0 or how == "accept then drop"
        report(
            f"receiver: {how}", injections=it.harmed, messages=traffic.sent, lost=0, duplicated=repeats, seconds=took
        )
