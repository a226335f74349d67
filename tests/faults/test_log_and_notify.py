"""The log and the service manager are beside the work: whatever becomes of them, events are received and passed on."""

import contextlib
import fcntl
import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, until
from tests.support.relay_process import PROGRAM

pytestmark = pytest.mark.faults

MESSAGES = 20
SHUTDOWN = {"shutdown_timeout": "2s"}


def works_and_ends(relay: RelayProcess, valkey: Valkey, *, first: int = 0) -> None:
    """Messages arrive, and SIGTERM ends the process within `shutdown_timeout` and a second."""
    receives(relay, valkey, first=first)
    assert relay.terminate(3.0) == 0


def receives(relay: RelayProcess, valkey: Valkey, *, first: int = 0) -> None:
    for number in range(first, first + MESSAGES):
        valkey.client.publish("tickstock:x", json.dumps({"event": "x", "payload": {"n": number}}))
    until(lambda: len(relay.archived("x")) == first + MESSAGES)


def reload_and_wait(relay: RelayProcess, times: int) -> None:
    """Each reload is a line of the log."""
    for _ in range(times):
        before = relay.metric("relay_config_last_reload_timestamp_seconds")
        relay.send(signal.SIGHUP)
        until(lambda before=before: relay.metric("relay_config_last_reload_timestamp_seconds") > before)  # type: ignore[misc]


def started_with(relay: RelayProcess, redirection: str) -> RelayProcess:
    relay.program = ("sh", "-c", f'exec "$0" "$@" {redirection}', str(PROGRAM))
    return relay


def test_a_full_log_disk_is_none_of_the_relays_business(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with started_with(RelayProcess(tmp_path, valkey.url, config=SHUTDOWN), "2>/dev/full") as relay:
        until(lambda: relay.metric("relay_log_lines_dropped_total") >= 2)
        works_and_ends(relay, valkey)
    report("log full: 2>/dev/full", injections=1, messages=MESSAGES)


@contextlib.contextmanager
def pipe_as_log(relay: RelayProcess) -> Iterator[int]:
    """The end that reads the relay's log; closing it is the caller's."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    started_with(relay, f"2>/proc/{os.getpid()}/fd/{writing}")
    try:
        with relay:
            os.close(writing)
            yield reading
    finally:
        with contextlib.suppress(OSError):
            os.close(reading)


def test_a_log_whose_reader_has_gone_is_dropped_and_counted(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    relay = RelayProcess(tmp_path, valkey.url, config=SHUTDOWN)
    with pipe_as_log(relay) as reading:
        os.close(reading)
        reload_and_wait(relay, 3)
        until(lambda: relay.metric("relay_log_lines_dropped_total") >= 3)
        works_and_ends(relay, valkey)
    report("log closed: EPIPE", injections=1, messages=MESSAGES)


def test_a_log_that_nobody_reads_keeps_nobody_waiting(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    """The pipe is full after some lines; what comes later waits for a reader, and is there when one comes."""
    relay = RelayProcess(tmp_path, valkey.url, config=SHUTDOWN)
    with pipe_as_log(relay) as reading:
        reload_and_wait(relay, 40)
        receives(relay, valkey)
        seen = b""
        while seen.count(b'"reloaded"') < 40:
            seen += os.read(reading, 4096)
        reload_and_wait(relay, 40)  # full again
        works_and_ends(relay, valkey, first=MESSAGES)
    report("log unread: a full pipe", injections=1, messages=2 * MESSAGES)


def test_a_service_manager_that_reads_nothing_is_not_waited_for(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    """READY comes late there, when it reads again, and the descriptor of the subscription too."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        fill(address)
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "200000"}
        config = SHUTDOWN | {"redis": {"server_check_interval": "1s"}}
        with RelayProcess(tmp_path, valkey.url, config=config, environment=environment) as relay:
            receives(relay, valkey)
            relay.send(signal.SIGHUP)
            messages: list[str] = []
            manager.settimeout(60)
            while not any("FDSTORE=1" in each for each in messages):
                messages.append(manager.recv(4096).decode())
            assert any(each.startswith("READY=1") for each in messages)
            fill(address)
            works_and_ends(relay, valkey, first=MESSAGES)
    report("notify socket unread", injections=2, messages=2 * MESSAGES)


def fill(address: str) -> None:
    """Until there is no room for more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(BlockingIOError):
        sender.connect(address)
        while True:
            sender.send(b"", socket.MSG_DONTWAIT)
