"""The command `replay`: what it chooses and shows, its exit codes, and Ctrl-C."""

import json
import os
import pty
import signal
import socket
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.support import RelayProcess, Valkey
from tests.support.archives import BEGIN, PROGRAM, lines, replay, write


def test_the_command_chooses_by_time_and_matchers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl.zst", lines(10))
    ended = replay(path, "--since", "2025-01-27T21:10:02Z", "--match", "payload.n<=5", "--match", "event=num*")
    assert [json.loads(line)["payload"]["n"] for line in ended.stdout.splitlines()] == [2, 3, 4, 5]
    assert ended.stderr == b"4 events\n"
    assert replay(path, "--match", "domain=market").stdout == b""
    assert replay(path, "--since", "1h").stdout == b""


def test_a_pipe_can_be_replayed_too() -> None:
    content = b"\n".join([*lines(3), b""])
    assert replay("-", "--alerts", stdin=content).stdout == content
    packed = zstandard.ZstdCompressor().compress(content)
    assert replay("-", "--alerts", stdin=packed).stdout == content


@pytest.mark.thorough
def test_wrong_usage_is_exit_code_2_and_what_cannot_be_read_is_1(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(1))
    for wrong in (
        ["--speed", "2", "--as-fast"],
        ["--speed", "0"],
        ["--match", "nonsense"],
        ["--match", "colour=red"],
        ["--match", "event=a", "--match", "event=b"],
        ["--since", "yesterday"],
        ["--sink", "x"],
        ["--to", "sinks", "--config", str(tmp_path / "none.yaml")],
    ):
        assert replay(path, *wrong, code=2).stdout == b""
    assert b"No such file" in replay(tmp_path / "none", code=1).stderr
    no_archive = write(tmp_path / "notes.txt", [b"what an archive is not", b"in two lines"])
    assert replay(no_archive, code=1).stderr == b"0 events, 2 unreadable lines skipped\n"
    damaged = write(tmp_path / "damaged.jsonl", [*lines(1), b"torn"])
    assert replay(damaged, "--match", "severity=critical").stderr == b"0 events, 1 unreadable line skipped\n"


@pytest.mark.thorough
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(20_000))
    with subprocess.Popen([PROGRAM, "replay", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(120) == 0


def test_a_terminal_shows_a_bar_of_bytes_and_the_events_stay_clean(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(3, every=0.3))
    ours, theirs = pty.openpty()
    command = [PROGRAM, "replay", str(path), "--alerts", "--speed", "1"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, stdin=theirs, check=True, timeout=120)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert ended.stdout == path.read_bytes()
    assert "━" in shown
    assert f"{path.stat().st_size}/{path.stat().st_size} bytes" in shown


def interrupted(process: subprocess.Popen[bytes], shown: bytes, times: int = 1) -> str:
    """Press Ctrl-C once that is on standard error; all that was there in the end."""
    assert process.stderr
    text = b""
    while shown not in text:
        text += os.read(process.stderr.fileno(), 1 << 16) or pytest.fail(f"ended without it: {text!r}")
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        while times > 1 and b"Ctrl-C again" not in text:
            text += os.read(process.stderr.fileno(), 1 << 16)
    text += process.stderr.read()
    assert process.wait(120) == 130, text
    assert b"Traceback" not in text
    return text.decode()


@pytest.mark.parametrize("target", ["redis", "stdout"])
def test_after_ctrl_c_it_says_what_was_sent_and_how_to_go_on(
    tmp_path: Path, valkey: Valkey, config: Any, target: str
) -> None:
    content = [*lines(3, every=0.0), *lines(2, begin=BEGIN + timedelta(hours=1))]
    source = write(tmp_path / "a.jsonl", content)
    command = [PROGRAM, "replay", str(source), "--to", target, "--yes", "--speed", "1", "--alerts"]
    command += ["--config", str(config(redis={"url": valkey.url}))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        text = interrupted(process, b"next event in 3,600 s")
        assert process.stdout
        output = process.stdout.read().splitlines()
    assert "to go on, add: --since 2025-01-27T21:10:00" in text
    assert "interrupted" in text
    if target == "redis":
        assert ", 3 published" in text
    else:
        assert output == content[:3]


def test_ctrl_c_ends_what_waits_for_a_sink_at_the_second_time(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl", lines(3))
    with socket.create_server(("127.0.0.1", 0)) as receiver:  # it takes connections and never answers
        url = f"http://127.0.0.1:{receiver.getsockname()[1]}/"
        app = {"type": "webhook", "url": url, "timeout": "30s"}
        path = config(sinks={"app": app}, routes=[{"name": "a", "to": ["app"]}], shutdown_timeout="1s")
        command = [PROGRAM, "replay", str(source), "--to", "sinks", "--as-fast", "--config", str(path)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            text = interrupted(process, b"waiting for deliveries: 3 to app", 2)
    assert "3 NOT delivered to app" in text


@pytest.mark.thorough
def test_the_archive_of_a_running_relay_is_its_own(tmp_path: Path, relay: RelayProcess) -> None:
    source = write(tmp_path / "a.jsonl", lines(1))
    ended = replay(source, "--to", "sinks", "--sink", "archive", "--config", relay.config_path, code=1)
    assert b"a relay is running" in ended.stderr
    ended = replay(source, "--to", "sinks", "--config", relay.config_path, code=1)
    assert b"no sink delivers over the network" in ended.stderr
