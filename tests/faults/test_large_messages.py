"""Messages of many megabytes, of whatever is in them: none of them blocks the relay, and all are kept."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.faults.test_relay_and_redis import counters_add_up
from tests.support import RelayProcess, Valkey, until
from tests.support.health import Pulse
from tests.support.relay_process import drained
from tests.support.traffic import CHANNEL, message

pytestmark = pytest.mark.faults

MESSAGES = int(os.environ.get("FAULT_LARGE_MESSAGES", "3"))
SIZE = 15 << 20
HANG = 10.0
"""Seconds of silence that are a hang on any machine; the table shows how long it was."""
MEMORY = 350 << 20
"""Bytes. More than the 200 MB that hold for everything else: while it is staged and delivered, a message of 15 MB is
there some twelve times: the parser's buffer, payload, line, row, request."""
STATUSES = int(os.environ.get("FAULT_LARGE_STATUSES", "100"))
"""Messages of one megabyte of a name that nobody has heard before."""


def filled(piece: bytes, begin: bytes = b'{"n":1,"event":"numbered","payload":{"text":"', end: bytes = b'"}}') -> bytes:
    """A message of `SIZE`, of one piece again and again."""
    return begin + piece * ((SIZE - len(begin) - len(end)) // len(piece)) + end


LISTS = (b'{"event":"numbered","payload":{"rows":[', b"1]}}")
KINDS = {
    "one text": filled(b"x"),
    "a word of secrets": filled(b"the token of a line, "),
    "passwords": filled(b"password=hunter2 at https://user:secret@host/ "),
    "empty lists": filled(b"[],", *LISTS),
    "empty objects": filled(b"{},", *LISTS),
    "numbers": filled(b"1,", *LISTS),
    "one number": filled(b"7", b'{"event":"numbered","payload":{"number":', b"}}"),
    "one key": filled(b"k", b'{"event":"numbered","payload":{"', b'":1}}'),
    "a million keys": b'{"event":"numbered","payload":{%b}}'
    % b",".join(b'"key%d":%d' % (n, n) for n in range(1 << 20)),
    "deep": b"[" * (SIZE // 2) + b"]" * (SIZE // 2),
    "escapes": filled(b'\\"'),
    "no UTF-8": b"\xff" * SIZE,
    "blanks": b" " * SIZE,
}


class Receiver:
    """Takes webhooks and remembers how large each was."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.url = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    it = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            left = size = int(self.headers["Content-Length"])
            while left and (chunk := self.rfile.read(min(left, 1 << 20))):
                left -= len(chunk)
            it.sizes[self.headers["webhook-id"]] = size
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        it.url = f"http://127.0.0.1:{server.server_address[1]}/"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield it
        server.shutdown()


@pytest.fixture
def posting(tmp_path: Path, valkey: Valkey, receiver: Receiver) -> Iterator[RelayProcess]:
    config = {
        "sinks": {"app": {"type": "webhook", "url": receiver.url, "timeout": "30s"}},
        "routes": [{"name": "all", "match": {"channel": CHANNEL}, "to": ["app"]}],
    }
    with RelayProcess(tmp_path, valkey.url, config=config) as relay:
        yield relay


@pytest.mark.parametrize("kind", KINDS)
def test_no_large_message_blocks_the_relay(
    posting: RelayProcess, valkey: Valkey, receiver: Receiver, report: Report, kind: str
) -> None:
    count = MESSAGES if kind == "one text" else 1
    with Pulse(posting) as pulse:
        for _ in range(count):
            valkey.publish(CHANNEL, KINDS[kind])
        valkey.publish(CHANNEL, message(2))
        until(
            lambda: len(receiver.sizes) + posting.metric("relay_quarantined_messages_total") == count + 1,
            120,
            every=0.2,
            what="all of them",
        )
    small = [json.loads(line)["payload"] for line in posting.archive_lines() if len(line) < 10_000]
    assert [each["n"] for each in small if "n" in each] == [2], "what came behind them"
    assert pulse.longest < HANG
    assert pulse.memory < MEMORY
    drained(posting)
    counters_add_up(posting)
    report(
        f"large messages: {kind}",
        injections=count,
        messages=count + 1,
        remark=f"/healthz silent {1000 * pulse.longest:.0f} ms, {pulse.memory >> 20} MiB",
    )


@pytest.mark.parametrize("place", ["status", "event", "source", "channel"])
def test_long_names_are_not_remembered(relay: RelayProcess, valkey: Valkey, report: Report, place: str) -> None:
    with Pulse(relay) as pulse:
        for number in range(STATUSES):
            text = f"{number}-".ljust(1 << 20, "x")
            event, source, status = (text if place == name else "x" for name in ("event", "source", "status"))
            body = f'{{"event":"{event}","source":"{source}","payload":{{"status":"{status}"}}}}'
            valkey.publish(f"tickstock:{text if place == 'channel' else 'names'}", body)
        until(lambda: relay.metric("relay_received_messages_total") >= STATUSES, what="all of them")
    assert pulse.longest < HANG
    assert pulse.memory < 200 << 20
    drained(relay)
    counters_add_up(relay)
    report(
        f"large messages: {STATUSES} names of 1 MB ({place})",
        injections=STATUSES,
        messages=STATUSES,
        remark=f"/healthz silent {1000 * pulse.longest:.0f} ms, {pulse.memory >> 20} MiB",
    )
