"""A replay to Redis: each event comes again in its form and marked, and somebody was asked before."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from relay.events import Mark
from relay.normalize.normalize import Normalizer, Unreadable
from relay.replay.targets import envelope
from tests.support import RelayProcess, Valkey, until
from tests.support.archives import BEGIN, PROGRAM, SHAPES, lines, replay, write
from tests.support.wire import read


@pytest.mark.parametrize(("channel", "body"), SHAPES)
def test_what_was_published_again_is_the_same_event_again(channel: str, body: dict[str, Any]) -> None:
    """Also an event of another envelope, which comes back in the contract's."""
    one = read(channel, json.dumps(body).encode(), BEGIN)
    again = Normalizer().read(channel.encode(), envelope(one), BEGIN, "s", 1)
    assert not isinstance(again, Unreadable)
    assert (again.channel, again.event, again.severity, again.phase) == (
        one.channel,
        one.event,
        one.severity,
        one.phase,
    )
    assert (again.run_id, again.timestamp, again.source) == (one.run_id, one.timestamp, one.source)
    assert again.payload == one.payload


@pytest.mark.parametrize("stamp", [{}, {"timestamp": "2025-01-27T21:10:00Z"}])
@pytest.mark.parametrize("body", [{}, {"a": 1}, {"event": "x", "payload": {}}, {"symbol": "A", "price": 1}])
def test_the_normaliser_knows_a_replayed_message_and_takes_the_mark_out(
    body: dict[str, Any], stamp: dict[str, Any]
) -> None:
    body = body | stamp
    marked = read("tickstock:job:status", json.dumps(body | {"replayed": True}).encode(), BEGIN)
    plain = read("tickstock:job:status", json.dumps(body).encode(), BEGIN)
    assert marked.marks == plain.marks | Mark.REPLAYED
    assert marked.payload == plain.payload
    (quick,), _ = Normalizer().read_all(
        [(b"tickstock:job:status", json.dumps(body | {"replayed": True}).encode(), 1)], BEGIN, "s"
    )
    assert quick.marks == marked.marks
    assert quick.payload == plain.payload


def test_to_redis_every_event_comes_again_in_its_form_and_marked(
    tmp_path: Path, relay: RelayProcess, valkey: Valkey, config: Any
) -> None:
    """A relay hears them: its archive then has the same events once more, marked."""
    for channel, body in SHAPES:
        assert valkey.publish(channel, json.dumps(body)) == 1
    until(lambda: sum(b'"channel":"tickstock:' in line for line in relay.archive_lines()) >= len(SHAPES))
    first = [line for line in relay.archive_lines() if b'"channel":"tickstock:' in line]
    assert len(first) == len(SHAPES)
    source = write(tmp_path / "source.jsonl", relay.archive_lines())
    subscriber = valkey.client.pubsub()  # type: ignore[no-untyped-call]
    subscriber.psubscribe("tickstock:*")
    ended = replay(source, "--to", "redis", "--yes", "--as-fast", "--config", config(redis={"url": valkey.url}))
    assert f"{len(SHAPES)} published".encode() in ended.stderr
    until(lambda: len([line for line in relay.archive() if line.get("replayed")]) == len(SHAPES))
    again = [line for line in relay.archive() if line.get("replayed")]
    for before, after in zip(map(json.loads, first), again, strict=True):
        for name in ("channel", "event", "severity", "phase", "source", "run_id", "payload"):
            assert after.get(name) == before.get(name), name
        assert before.get("undated") or after["timestamp"] == before["timestamp"]
    messages = [
        message for message in iter(lambda: subscriber.get_message(timeout=1), None) if "pmessage" in message["type"]
    ]
    subscriber.close()
    assert json.loads(messages[0]["data"]) == SHAPES[0][1] | {"replayed": True}, "it had no envelope"
    assert json.loads(messages[3]["data"]) == SHAPES[3][1] | {"replayed": True}, "it had the contract's"
    assert relay.metric("relay_lane_depth") == 0


def test_a_redis_that_is_not_there_is_told_in_one_line(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl", lines(1))
    ended = replay(source, "--to", "redis", "-y", "--config", config(redis={"url": "redis://127.0.0.1:9/0"}), code=1)
    assert b"Connection refused" in ended.stderr


@pytest.mark.thorough
@pytest.mark.parametrize("stdin", [b"", b"y\n"])
def test_nothing_is_published_where_nobody_can_be_asked(
    tmp_path: Path, valkey: Valkey, config: Any, stdin: bytes
) -> None:
    source = write(tmp_path / "a.jsonl", lines(3))
    path = config(redis={"url": valkey.url})
    ended = replay(source, "--to", "redis", "--as-fast", "--config", path, code=2, stdin=stdin)
    assert b"--yes publishes the events again" in ended.stderr
    ended = replay("-", "--to", "redis", "--config", path, code=2, stdin=source.read_bytes())
    assert b"--yes publishes the events again" in ended.stderr
    assert valkey.client.info("commandstats").get("cmdstat_publish") is None


def test_on_a_terminal_the_question_comes_before_anything_else(tmp_path: Path, valkey: Valkey, config: Any) -> None:
    source = write(tmp_path / "a.jsonl", lines(3))
    ours, theirs = pty.openpty()
    command = [PROGRAM, "replay", str(source), "--to", "redis", "--as-fast"]
    command += ["--config", str(config(redis={"url": valkey.url}))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(ours, 1 << 16).decode()
        assert "━" not in shown
        os.write(ours, b"n\n")
        assert process.wait(120) == 1
    os.close(ours)
    assert valkey.client.info("commandstats").get("cmdstat_publish") is None
