"""A running relay's own pages over HTTP: page, state, assets, live updates, and a stop that no viewer delays."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from relay.status.snapshot import Snapshot
from relay.web.assets import address
from tests.support import RelayProcess, Valkey, until


@pytest.fixture(scope="module")
def idle_relay(tmp_path_factory: pytest.TempPathFactory, shared_valkey: Valkey) -> Iterator[RelayProcess]:
    """One for the tests that only look at it."""
    with RelayProcess(tmp_path_factory.mktemp("idle"), shared_valkey.url) as relay:
        yield relay


def ask(relay: RelayProcess, path: str) -> httpx.Response:
    return httpx.get(relay.url + path, timeout=120)


@contextlib.contextmanager
def stream(relay: RelayProcess) -> Iterator[Iterator[str]]:
    """Its lines, as they come."""
    with httpx.stream("GET", f"{relay.url}/live", timeout=120) as answer:
        assert answer.status_code == 200
        yield answer.iter_lines()


def refused(relay: RelayProcess) -> bool:
    with httpx.stream("GET", f"{relay.url}/live", timeout=120) as answer:
        return answer.status_code == 503


def news(lines: Iterator[str]) -> dict[str, str]:
    """The next parts of the stream."""
    line = next(line for line in lines if line.startswith("data: "))
    found: dict[str, str] = json.loads(line.removeprefix("data: "))
    return found


def test_everything_that_the_page_needs_is_served(idle_relay: RelayProcess) -> None:
    for path, kind, begins in (
        ("/", "text/html", "<!doctype html>"),
        (f"/{address('style.css')}", "text/css", "/*"),
        (f"/{address('live.js')}", "text/javascript", '"use strict"'),
        ("/icon-good.svg", "image/svg+xml", "<svg"),
        ("/api/state", "application/json", '{"at":'),
    ):
        answer = ask(idle_relay, path)
        assert (answer.status_code, answer.headers["Content-Type"].split(";")[0]) == (200, kind)
        assert answer.text.startswith(begins)


def test_style_and_script_are_asked_for_once_and_pages_each_time(idle_relay: RelayProcess) -> None:
    page, style = ask(idle_relay, "/"), ask(idle_relay, f"/{address('style.css')}")
    assert page.headers["Cache-Control"] == "no-store"
    assert style.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert address("style.css") in page.text
    assert {answer.headers["Content-Encoding"] for answer in (page, style)} == {"gzip"}
    plain = httpx.get(f"{idle_relay.url}/{address('style.css')}", headers={"Accept-Encoding": "identity"}, timeout=120)
    assert (plain.headers.get("Content-Encoding"), plain.text) == (None, style.text)


@pytest.mark.thorough
def test_an_idle_page_streams_next_to_nothing(idle_relay: RelayProcess) -> None:
    with httpx.stream("GET", f"{idle_relay.url}/live", timeout=120) as answer:
        pieces = answer.iter_text()
        next(piece for piece in pieces if "intake" in piece)
        at_first = answer.num_bytes_downloaded
        began = time.monotonic()
        for _ in pieces:
            if (passed := time.monotonic() - began) >= 16:  # a heartbeat, and the calm parts once
                break
        assert answer.num_bytes_downloaded - at_first < 80 * passed  # 0.3 MB an hour; it was 7 MB


def test_nothing_else_is_served_and_no_method_changes_anything(idle_relay: RelayProcess) -> None:
    assert ask(idle_relay, "/icon-x.svg").status_code == 404
    assert ask(idle_relay, "/assets/style-000000000000.css").status_code == 404
    assert ask(idle_relay, "/assets/..%2Frelay.db").status_code == 404
    assert httpx.post(f"{idle_relay.url}/api/state", timeout=120).status_code == 405


def test_the_state_reads_back_as_a_snapshot_with_errors_grouped_and_secrets_hidden(
    relay: RelayProcess, valkey: Valkey
) -> None:
    for number in range(3):
        payload = {"severity": "error", "component": "db", "message": f"attempt {number}: password=hunter2 refused"}
        body = {"event": "error", "timestamp": "", "source": "x", "version": "1.0", "payload": payload}
        valkey.client.publish("tickstock:errors", json.dumps(body))
    until(lambda: relay.metric("relay_received_messages_total") >= 3)
    text = ask(relay, "/api/state").content
    state = msgspec.json.decode(text, type=Snapshot, strict=True)
    assert [(group.count, group.component) for group in state.errors] == [(3, "db")]
    assert b"hunter2" not in text
    assert "hunter2" not in ask(relay, "/").text
    assert state.intake.subscribed
    assert {sink.name: sink.delivered for sink in state.sinks} == {"metrics": 3, "archive": 3}


def test_the_stream_brings_an_error_and_its_script_as_text(relay: RelayProcess, valkey: Valkey) -> None:
    with stream(relay) as answer:
        assert "None since" in news(answer)["errors"]
        payload = {"severity": "error", "message": "<script>alert(1)</script>"}
        valkey.client.publish("tickstock:errors", json.dumps({"event": "error", "payload": payload}))
        deadline = time.monotonic() + 120
        while "alert(1)" not in (parts_seen := news(answer)).get("errors", ""):
            assert time.monotonic() < deadline
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in parts_seen["errors"]
        assert "<script" not in parts_seen["errors"]


@pytest.mark.thorough
def test_viewers_do_not_delay_the_end(tmp_path: Path, valkey: Valkey) -> None:
    unhurried = {"shutdown_timeout": "1h"}  # so that one who is waited for is noticed
    with RelayProcess(tmp_path, valkey.url, config=unhurried) as relay, contextlib.ExitStack() as stack:
        for _ in range(4):
            news(stack.enter_context(stream(relay)))
        host, _, port = relay.url.removeprefix("http://").partition(":")
        deaf = stack.enter_context(socket.create_connection((host, int(port))))
        deaf.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")  # and reads nothing
        until(lambda: ask(relay, "/healthz").status_code == 200)
        assert relay.terminate() == 0
        assert "Traceback" not in relay.log_text()


@pytest.mark.thorough
def test_a_seventeenth_viewer_is_refused_and_the_others_go_on(relay: RelayProcess) -> None:
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(stream(relay)) for _ in range(16)]
        for viewer in viewers:
            news(viewer)
        assert refused(relay)
        assert ask(relay, "/").status_code == 200
    until(lambda: not refused(relay), what="room for another viewer")
