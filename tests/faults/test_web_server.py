"""Connections that ask for nothing, too much, or never read: health, scrapes, sinks and intake go on as before."""

import resource
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, until
from tests.support.relay_process import PROGRAM
from tests.support.web_clients import WebClients, ask, worst

pytestmark = pytest.mark.faults

LONGEST = 1.0
"""Seconds for an answer, on a machine that does other things too; what is wanted is 50 ms."""
ASKED = 20


def request(path: str, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()


Harm = Callable[[WebClients], object]
HALF_OPEN: dict[str, Harm] = {
    "64 half-sent heads": lambda clients: clients.open(64, b"GET /metrics HTTP/1.1\r\nHost: loc"),
    "1,200 half-sent heads": lambda clients: clients.open(1200, b"GET / HT"),
    "1,200 that send nothing": lambda clients: clients.open(1200),
    "200 heads of 15 kB": lambda clients: clients.open(200, b"GET / HTTP/1.1\r\nX: " + b"a" * 15_000),
    "200 bodies that do not come": lambda clients: clients.open(200, request("/", "POST", "Content-Length: 9\r\n")),
    "200 streams, unread": lambda clients: clients.open(200, request("/live")),
}
UNREAD: dict[str, Harm] = {
    "40 x 20 /metrics": lambda clients: clients.open(40, request("/metrics") * 20, receive_buffer=4096),
    "40 x 20 pages": lambda clients: clients.open(40, request("/") * 20, receive_buffer=4096),
    "100 /api/state": lambda clients: clients.open(100, request("/api/state"), receive_buffer=4096),
}


def settle(relay: RelayProcess) -> None:
    """Wait until what it does once, just after its start, is done."""
    until(lambda: worst(relay, "/healthz", ASKED) < LONGEST / 10, what="quick answers")


@pytest.mark.parametrize("name", HALF_OPEN)
def test_half_open_connections_keep_nobody_out(tmp_path: Path, valkey: Valkey, report: Report, name: str) -> None:
    with (
        RelayProcess(tmp_path, valkey.url) as relay,
        WebClients(relay) as clients,
        Numbered(valkey.port, 200) as traffic,
    ):
        settle(relay)
        HALF_OPEN[name](clients)
        slowest = worst(relay, "/healthz", ASKED), worst(relay, "/metrics", ASKED)
        assert relay.metric("relay_http_connections") <= 129  # and the one that asks
        traffic.more(20)
        traffic.stop()
        until(lambda: len(relay.numbers()) == traffic.sent)
        assert relay.terminate(10) == 0
    assert max(slowest) < LONGEST
    remark = f"worst /healthz {slowest[0] * 1000:.0f} ms, /metrics {slowest[1] * 1000:.0f} ms"
    report(f"half-open: {name}", injections=len(clients.sockets), messages=traffic.sent, remark=remark)


@pytest.mark.parametrize("name", UNREAD)
def test_scraping_never_starves_intake(tmp_path: Path, valkey: Valkey, report: Report, name: str) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    relay.config["http"].pop("metrics_max_age")  # as it is by default
    with relay, WebClients(relay) as clients, Numbered(valkey.port, 200) as traffic:
        settle(relay)
        harming = threading.Thread(target=UNREAD[name], args=(clients,))
        harming.start()
        slowest = worst(relay, "/healthz", ASKED)
        late = 0.0
        for _ in range(5):
            began, goal = time.monotonic(), traffic.sent
            until(lambda goal=goal: len(relay.numbers()) >= goal)  # type: ignore[misc]
            late = max(late, time.monotonic() - began)
        harming.join()
        traffic.stop()
        until(lambda: len(relay.numbers()) == traffic.sent)
        assert relay.terminate(10) == 0
    assert max(slowest, late) < LONGEST
    remark = f"worst /healthz {slowest * 1000:.0f} ms, event {late * 1000:.0f} ms late"
    report(f"scraping: {name}, unread", injections=len(clients.sockets), messages=traffic.sent, remark=remark)


@pytest.mark.parametrize("limit", [64, 256])
def test_half_open_connections_leave_descriptors_for_sinks(
    tmp_path: Path, valkey: Valkey, report: Report, limit: int
) -> None:
    taken: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Connection", "close")  # a new descriptor for each
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        app = {"type": "webhook", "url": f"http://127.0.0.1:{server.server_port}/hook", "concurrency": 8}
        config = {"sinks": {"app": app}, "routes": [{"name": "app", "match": {}, "to": ["app"]}]}
        relay = RelayProcess(tmp_path, valkey.url, config=config)
        relay.program = ("prlimit", f"--nofile={limit}:{limit}", str(PROGRAM))
        with relay, WebClients(relay) as clients:
            clients.open(1200, b"GET / HT")
            with Numbered(valkey.port, 100) as traffic:
                traffic.more(20)
            until(lambda: len(taken) >= traffic.sent, what="every event at the receiver")
            assert ask(relay, "/healthz")[0] == "HTTP/1.1 200 OK"
            assert "EMFILE" not in relay.log_text()
            assert "Too many open files" not in relay.log_text()
        server.shutdown()
    report(f"half-open: {limit} descriptors in all", injections=1200, messages=traffic.sent)


def test_the_relay_takes_as_many_descriptors_as_it_may(tmp_path: Path, valkey: Valkey) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    relay.program = ("prlimit", "--nofile=256:2048", str(PROGRAM))
    with relay:
        assert relay.process is not None
        assert resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE) == (2048, 2048)
        assert len(list(Path(f"/proc/{relay.process.pid}/fd").iterdir())) < 64
