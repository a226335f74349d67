"""`tickstock-relay simulate` as a shell user meets it: output, options, signals, exit codes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from click.testing import CliRunner

from relay.cli import main
from tests.simulator.hearing import Hearing
from tickstock_simulator.faults import FAULTS


@contextmanager
def started(*options: str) -> Iterator["subprocess.Popen[str]"]:
    """The command as a program of its own, killed at the end whatever happens."""
    program = f"from relay.cli import main; main({['simulate', *options]!r})"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    """The next line of output that holds these words."""
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"ended without saying {words!r}")


async def test_one_run_is_told_in_readable_lines_and_heard(redis_url: str, hearing: Hearing) -> None:
    options = ["--redis-url", redis_url, "--listen", "127.0.0.1:0", "--speed", "6000", "--runs", "1"]
    with started(*options) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert errors == ""
    assert re.search(r"\d\d:\d\d:\d\d  api listening +url=http://127\.0\.0\.1:\d+", output)
    assert re.search(r"run ended +run_id=\S+  status=completed", output)
    assert re.search(r"ended +runs=1  sent=8\d\d  lost=0", output.splitlines()[-1])
    await hearing.completed()


def test_with_json_every_line_is_an_object_and_the_password_is_in_none(redis_url: str) -> None:
    url = redis_url.replace("redis://", "redis://default:very-secret@")
    options = [
        "--redis-url",
        url,
        "--listen",
        "127.0.0.1:0",
        "--duration",
        "0.3",
        "--json",
        "--slack-listen",
        "[::1]:0",
    ]
    with started(*options) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert {"publishing", "slack_listening", "api_listening", "ended"} <= {line["event"] for line in lines}
    assert "very-secret" not in output + errors


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(redis_url: str, number: signal.Signals) -> None:
    with started("--redis-url", redis_url, "--listen", "127.0.0.1:0", "--fault", "ticks:200") as process:
        url = line_with(process, "api listening").split("url=")[1].strip()
        assert httpx.get(f"{url}/health", timeout=120).status_code == 200
        process.send_signal(number)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    assert errors == ""
    assert "ended" in output.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--listen", "0.0.0.0:0"], "0.0.0.0:0 is not on loopback"),
        (["--listen", "ops.example.com:80"], "is not on loopback"),
        (["--slack-listen", "192.0.2.1:80"], "192.0.2.1:80 is not on loopback"),
        (["--listen", "8080x"], "is not HOST:PORT"),
        (["--listen", "127.0.0.1:70000"], "is not HOST:PORT"),
        (["--fault", "nope"], "there is no fault 'nope'; there are: never-starts"),
        (["--fault", "stall"], "write stall:PHASE[:SECONDS]"),
        (["--speed", "0"], "speed must be a number above 0"),
        (["--start", "soon"], "is not a time such as"),
        (["--redis-url", "http://localhost"], "redis://"),
    ],
)
def test_wrong_usage_is_one_readable_line_and_exit_code_2(options: list[str], complaint: str) -> None:
    result = CliRunner().invoke(main, ["simulate", *options])
    assert result.exit_code == 2
    assert complaint in result.output
    assert "Traceback" not in result.output


def test_a_port_that_is_taken_is_one_readable_line_and_exit_code_1(redis_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(main, ["simulate", "--redis-url", redis_url, "--listen", where])
    assert result.exit_code == 1
    assert f"Error: cannot listen on {where}: Address already in use" in result.output


def test_help_names_every_fault() -> None:
    help_text = CliRunner().invoke(main, ["simulate", "--help"]).output
    assert all(f"  {name}" in help_text for name in FAULTS)
