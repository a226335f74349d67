"""Reload: whatever goes wrong in one, it ends, the old configuration stays in force, and all get the same answer."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Report
from tests.support import RelayProcess, Valkey, until
from tests.support.relay_process import PROGRAM
from tests.support.service_manager import ServiceManager

pytestmark = pytest.mark.faults

HARMED = """
import asyncio, sys
from sinks.webhook import WebhookSink

async def start(self):
    {fault}

WebhookSink.start = start
sys.argv[0] = "tickstock-relay"
import relay.lifecycle.configurator
relay.lifecycle.configurator.SINK_START_TIMEOUT = 0.5
from relay.cli import main
main()
"""
NEW = {"sinks": {"app": {"type": "webhook", "url": "http://127.0.0.1:9/"}}}
SHUTDOWN = {"shutdown_timeout": "2s"}


def ask(relay: RelayProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), *arguments]
    return subprocess.run(command, cwd=relay.directory, capture_output=True, text=True, check=False, timeout=60)


def refused(relay: RelayProcess, *, because: str) -> None:
    """Log, metric, alert and the command agree; the old configuration stays in force."""
    asked = ask(relay, "reload", "--config", str(relay.config_path))
    assert asked.returncode != 0
    assert because in asked.stdout
    assert "the old configuration stays in force" in asked.stderr
    assert relay.metric("relay_config_last_reload_successful") == 0
    assert "reload refused" in relay.log_text()
    until(lambda: alert(relay) == "firing")


def alert(relay: RelayProcess) -> str:
    """The last state of `reload_refused`."""
    states = [each["payload"]["state"] for each in relay.archive() if each["payload"].get("alert") == "reload_refused"]
    return str(states[-1]) if states else ""


def accepted(relay: RelayProcess) -> None:
    asked = ask(relay, "reload", "--config", str(relay.config_path))
    assert (asked.returncode, asked.stderr) == (0, "reloaded\n"), asked
    assert relay.metric("relay_config_last_reload_successful") == 1
    until(lambda: alert(relay) == "resolved")


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        ("raise ZeroDivisionError('token=hidden')", "ZeroDivisionError"),
        ("await asyncio.sleep(1000)", "a sink has not started"),
        ("raise __import__('sinks.base').base.SinkError('the place is gone')", "the place is gone"),
    ],
)
def test_a_sink_that_cannot_start_ends_the_reload(
    tmp_path: Path, valkey: Valkey, report: Report, fault: str, because: str
) -> None:
    with ServiceManager(tmp_path) as manager:
        relay = RelayProcess(tmp_path, valkey.url, config=SHUTDOWN, manager=manager)
        relay.program = (sys.executable, "-c", HARMED.format(fault=fault))
        with relay:
            whole = dict(relay.config)
            relay.config = whole | {"sinks": whole["sinks"] | NEW["sinks"]}
            relay.write_config()
            refused(relay, because=because)
            assert last_state(manager) == "READY=1"
            relay.config = whole
            relay.write_config()
            accepted(relay)
            valkey.client.publish("tickstock:x", json.dumps({"event": "x"}))
            until(lambda: len(relay.archived("x")) == 1)
            assert "hidden" not in relay.log_text().replace("ZeroDivisionError: token=hidden", "")
            assert relay.terminate(3.0) == 0
    report(f"reload: {because}", injections=1, messages=1)


def last_state(manager: ServiceManager) -> str:
    return [each for each in manager.assignments if each in ("READY=1", "RELOADING=1")][-1]


def test_a_mistake_in_the_file_and_a_failed_test_refuse_it(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with RelayProcess(tmp_path, valkey.url, config=SHUTDOWN) as relay:
        whole = dict(relay.config)
        failing = {"name": "t", "given": {"channel": "tickstock:x", "payload": {}}, "expect": []}
        for wrong, code, because in (
            ({"routes": [{"name": "all", "match": {}, "to": ["nowhere"]}]}, 2, "nowhere"),
            ({"tests": [failing]}, 1, "t"),
        ):
            relay.config = whole | wrong
            relay.write_config()
            refused(relay, because=because)
            assert ask(relay, "check", "--running").returncode == code
            assert json.loads(ask(relay, "reload", "--json").stdout)["exit_code"] == code
            relay.config = whole
            relay.write_config()
            accepted(relay)
        assert relay.terminate(3.0) == 0
    report("reload: mistakes", injections=2, messages=0)


def test_no_request_is_forgotten_and_each_gets_its_answer(tmp_path: Path, valkey: Valkey, report: Report) -> None:
    with ServiceManager(tmp_path) as manager, RelayProcess(tmp_path, valkey.url, manager=manager) as relay:
        answers: list[dict[str, Any]] = []

        def reload() -> None:
            answers.append(request(relay, b'{"verb": "reload"}\n'))

        threads = [threading.Thread(target=reload) for _ in range(10)]
        for thread in threads:
            thread.start()
            relay.send(signal.SIGHUP)
        for thread in threads:
            thread.join()
        assert [answer["ok"] for answer in answers] == [True] * 10
        until(lambda: last_state(manager) == "READY=1")
        assert relay.terminate() == 0
    report("reload: ten at once", injections=10, messages=0)


def request(relay: RelayProcess, line: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(60)
        connection.connect(str(relay.state / "control.sock"))
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            found: dict[str, Any] = json.loads(answer.readline())
            return found


@pytest.mark.parametrize(
    "line",
    [b"\n", b"reload\n", b"[]\n", b"{}\n", b'{"verb": "stop"}\n', b'{"verb": ["reload"]}\n', b"x" * 100_000 + b"\n"],
)
def test_what_is_no_request_is_answered_and_harms_nothing(tmp_path: Path, valkey: Valkey, line: bytes) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay:
        answer = request(relay, line)
        assert (answer["ok"], answer["exit_code"]) == (False, 2)
        assert answer["config"] == str(relay.config_path)
        assert (relay.state / "control.sock").stat().st_mode & 0o777 == 0o660
        assert request(relay, b'{"verb": "check"}\n')["ok"]


def test_a_command_with_another_configuration_is_refused(tmp_path: Path, valkey: Valkey) -> None:
    with RelayProcess(tmp_path, valkey.url) as relay:
        other = tmp_path / "other.yaml"
        other.write_text(relay.config_path.read_text())
        for verb in (("reload",), ("check", "--running")):
            asked = ask(relay, *verb, "--config", str(other))
            assert asked.returncode == 2
            assert f"this relay runs with another configuration, {relay.config_path}" in asked.stdout
        assert relay.metric("relay_config_last_reload_successful") == 1
        assert "reloaded" not in relay.log_text()
    asked = ask(relay, "reload")
    assert asked.returncode == 1
    assert "no running relay answers at" in asked.stderr


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_a_signal_in_the_first_second_is_no_end_and_is_not_forgotten(
    tmp_path: Path, valkey: Valkey, report: Report, number: signal.Signals
) -> None:
    """From the moment at which the process catches it, long before it is ready."""
    with RelayProcess(tmp_path, valkey.url) as relay:
        relay.kill()
        relay.launch()
        assert relay.process is not None
        until(lambda: catches(relay, number), every=0.001)
        assert not relay.answers("/healthz")
        relay.send(number)
        done = "reloaded" if number is signal.SIGHUP else "started"
        until(lambda: relay.log_text().count(f'"event": "{done}"') == (1 if number is signal.SIGHUP else 3))
        until(lambda: relay.answers("/readyz"))
        relay.send(number)
        assert relay.terminate() in (0, -signal.SIGTERM)  # by its default between the old program and the new one
    report(f"{number.name} while it starts", injections=1, messages=0)


def catches(relay: RelayProcess, number: signal.Signals) -> bool:
    assert relay.process is not None
    status = Path(f"/proc/{relay.process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_path_that_is_too_long_is_refused_by_check_and_does_not_stop_the_relay(
    tmp_path: Path, valkey: Valkey
) -> None:
    relay = RelayProcess(tmp_path, valkey.url)
    relay.state = tmp_path / ("long" * 25)
    relay.config["state_dir"] = str(relay.state)
    with relay:
        assert "control socket not available" in relay.log_text()
        asked = ask(relay, "check", "--config", str(relay.config_path))
        assert asked.returncode == 2
        assert "longer than 100 bytes" in asked.stdout
    environment = os.environ | {"RUNTIME_DIRECTORY": str(tmp_path)}
    command = [str(PROGRAM), "check", "--config", str(relay.config_path)]
    assert subprocess.run(command, env=environment, check=False, capture_output=True, timeout=60).returncode == 0
