"""The service manager's side is played by a real datagram socket, the next process by a real one."""

from __future__ import annotations

import array
import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from relay.process import systemd

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Manager:
    """Takes what a unit sends, as PID 1 does: keeps stored descriptors, lets go of those of a barrier."""

    listening: socket.socket
    received: list[list[str]] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)

    def take(self) -> list[str]:
        body, ancillary, _flags, _address = self.listening.recvmsg(4096, socket.CMSG_SPACE(4 * 8))
        descriptors = array.array("i")
        for _level, _kind, data in ancillary:
            descriptors.frombytes(data)
        message = body.decode().split("\n")
        self.received.append(message)
        if "FDSTORE=1" in message:
            self.kept[message[1].removeprefix("FDNAME=")] = descriptors[0]
        else:
            for descriptor in descriptors:
                os.close(descriptor)
        return message


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"\0relay-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address)
        listening.settimeout(120)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        found = Manager(listening)
        yield found
        for descriptor in found.kept.values():
            os.close(descriptor)


def test_the_manager_hears_of_each_state(manager: Manager) -> None:
    assert systemd.ready("subscribed to tickstock:*")
    assert manager.take() == ["READY=1", "STATUS=subscribed to tickstock:*"]
    assert systemd.alive()
    assert manager.take() == ["WATCHDOG=1"]
    assert systemd.stopping()
    assert manager.take() == ["STOPPING=1"]


def test_a_reload_carries_the_moment_of_its_start(manager: Manager) -> None:
    before = time.monotonic_ns() // 1000
    assert systemd.reloading()
    state, moment = manager.take()
    assert state == "RELOADING=1"
    assert before <= int(moment.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_a_status_cannot_smuggle_in_another_assignment(manager: Manager) -> None:
    assert systemd.status("connected to\nMAINPID=1\n redis")
    assert manager.take() == ["STATUS=connected to MAINPID=1 redis"]


@pytest.mark.parametrize("address", [None, "", "vsock:2:1", "/nowhere/at/all"])
def test_without_a_manager_every_call_is_harmless(address: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert not systemd.ready()
    assert not systemd.store(0, "redis")
    assert not systemd.forget("redis")


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(
    variables: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert systemd.watchdog_interval() == seconds


def test_a_stored_descriptor_replaces_the_one_of_its_name_and_is_the_connection(
    manager: Manager,
) -> None:
    near, far = socket.socketpair()
    with near, far:
        assert systemd.store(near.fileno(), "redis")
        assert manager.take() == ["FDSTOREREMOVE=1", "FDNAME=redis"]
        assert manager.take() == ["FDSTORE=1", "FDNAME=redis", "FDPOLL=0"]
        os.write(manager.kept["redis"], b"still subscribed")
        assert far.recv(100) == b"still subscribed"


def fill(manager: Manager) -> int:
    """Send until there is no room for more; how many that were."""
    sent = 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(BlockingIOError):
        sender.connect(manager.listening.getsockname())
        while True:
            sender.send(b"X", socket.MSG_DONTWAIT)
            sent += 1
    return sent


def test_what_a_manager_that_does_not_read_has_no_room_for_is_sent_later_in_its_order(manager: Manager) -> None:
    filled = fill(manager)
    near, far = socket.socketpair()
    with near, far:
        assert not systemd.store(near.fileno(), "redis")
    assert not systemd.reloading()
    assert not systemd.status("first")
    assert not systemd.status("second")
    assert not systemd.ready("running")
    assert not systemd.alive()
    assert not systemd.resend()
    for _ in range(filled):
        manager.take()
    assert systemd.resend()
    manager.listening.settimeout(0.05)
    messages = []
    with suppress(TimeoutError):
        while True:
            messages.append(manager.take())
    assert [message[0] for message in messages] == ["FDSTOREREMOVE=1", "RELOADING=1", "STATUS=second", "READY=1"]


def test_a_manager_that_has_gone_is_not_sent_old_news(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(manager)
    assert not systemd.status("subscribed")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    assert systemd.resend()
    assert not systemd.ready()


@pytest.mark.parametrize("name", ["", "a:b", "tab\t", "é", "x" * 256])
def test_a_name_that_systemd_would_refuse_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a descriptor"):
        systemd.store(0, name)


CHECKOUT = Path(__file__).parents[2]

NEXT_PROCESS = """
    import json, os, socket, sys
    from relay.process import systemd

    found = systemd.inherited()
    if not found:
        with socket.create_server(("127.0.0.1", 0)) as server:
            one = socket.create_connection(server.getsockname())
            other, _ = server.accept()
        other.sendall(b"unread before")
        lowest = os.dup(one.fileno())  # where the first one handed over has to go: no plain copy will do
        assert lowest == systemd.FIRST_DESCRIPTOR
        systemd.reexec({"second": other.fileno(), "first": lowest, "spare": one.fileno()})
    one, other = (socket.socket(fileno=found.pop(name)) for name in ("first", "second"))
    other.sendall(b", unread after")
    other.shutdown(socket.SHUT_WR)
    heard = b""
    while part := one.recv(100):
        heard += part
    print(json.dumps({
        "arguments": sys.argv[1:], "optimised": sys.flags.optimize, "heard": heard.decode(),
        "left": len(found), "inheritable": one.get_inheritable(), "again": systemd.inherited(),
        "pid": os.getpid(),
        "environment": sorted(key for key in os.environ if key.startswith("LISTEN_")),
        "notify": os.environ["NOTIFY_SOCKET"],
    }))
"""


def test_a_process_that_executes_itself_again_finds_its_connections_and_what_was_unread(
    tmp_path: Path,
) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(NEXT_PROCESS))
    started = subprocess.Popen(
        [sys.executable, "-O", str(program), "run", "--config", "a b.yaml"],
        env=os.environ | {"NOTIFY_SOCKET": "/run/kept", "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    out, _ = started.communicate(timeout=120)
    assert started.returncode == 0
    assert json.loads(out) == {
        "arguments": ["run", "--config", "a b.yaml"],
        "optimised": 1,
        "heard": "unread before, unread after",
        "left": 1,
        "inheritable": False,
        "again": {},
        "pid": started.pid,
        "environment": [],
        "notify": "/run/kept",
    }


def test_descriptors_meant_for_another_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert systemd.inherited() == {}


def test_of_two_under_one_name_one_is_taken_and_the_rest_is_closed_or_unnamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", 900)  # where this process has nothing open
    reading, writing = os.pipe()
    for number in (900, 901, 902):
        os.dup2(reading, number)
    os.close(reading)
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "3")
    monkeypatch.setenv("LISTEN_FDNAMES", "redis:redis")
    assert systemd.inherited() == {"redis": 900, "unknown": 902}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(901)
    for number in (900, 902, writing):
        os.close(number)


def test_nothing_is_executed_when_the_interpreter_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        systemd.reexec({})
