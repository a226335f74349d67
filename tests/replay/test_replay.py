"""An archive read again: every byte but the mark, in order, at its pace, chosen, and marked so that nobody is woken."""

import asyncio
import gzip
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import yaml
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Mark, decode, encode, encode_lines
from relay.normalize.normalize import Normalizer, Unreadable
from relay.replay.archive import Archive, ReplayError, ReplaySelection, paced
from relay.replay.targets import envelope
from tests.support import RelayProcess, Valkey, until
from tests.support.examples import examples
from tests.support.wire import event, read, utc
from tickstock_simulator.slack import SlackStandIn
from tickstock_simulator.webhook import WebhookStandIn

PROGRAM = str(Path(sys.executable).parent / "tickstock-relay")
BEGIN = utc("2025-01-27 21:10")
SHAPES: list[tuple[str, dict[str, Any]]] = [
    ("tickstock:errors", {"error_id": "e1", "severity": "error", "category": "x", "timestamp": "2025-01-27T21:10:00Z"}),
    ("tickstock:monitoring", {"event_type": "METRIC_UPDATE", "metrics": {"a": 1}, "timestamp": "2025-01-27T21:10:00Z"}),
    ("tickstock:market:ticks", {"symbol": "AAPL", "price": 1.5, "timestamp": 1738012200}),
    (
        "tickstock:cache:started",
        {"event": "cache_started", "timestamp": "2025-01-27T21:10:00Z", "payload": {"a": "é\n"}},
    ),
    ("tickstock:import:completed", {"event": "data_import_completed", "source": "job", "payload": {"run_id": "r1"}}),
    (
        "tickstock:streaming:session_started",
        {"event": "s", "timestamp": "2025-01-27T21:10:00Z", "data": {"session_id": 5}},
    ),
    ("tickstock:nobody:knows", {}),
    ("tickstock:nobody:knows", {"replayed": False, "payload": {"replayed": True}}),
]


def lines(count: int, *, every: float = 1.0, begin: datetime = BEGIN) -> list[bytes]:
    """An archive of so many events, so many seconds apart."""
    moments = [begin + timedelta(seconds=number * every) for number in range(count)]
    return [encode(event("job:status", "numbered", at, n=number)) for number, at in enumerate(moments)]


def write(path: Path, content: list[bytes]) -> Path:
    data = b"\n".join([*content, b""])
    if path.suffix == ".zst":
        data = zstandard.ZstdCompressor().compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data)
    path.write_bytes(data)
    return path


def replayed(*paths: Path, mark: bool = False, selection: ReplaySelection | None = None) -> list[bytes]:
    archive = Archive(paths, selection or ReplaySelection(), mark=mark)
    return b"".join(archive.blocks()).split(b"\n")[:-1]


def replay(*arguments: str | Path, code: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [PROGRAM, "replay", *map(str, arguments)]
    ended = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=120)
    assert ended.returncode == code, ended.stderr.decode()
    assert b"Traceback" not in ended.stderr
    return ended


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_without_a_mark_every_byte_is_as_it_was(tmp_path: Path, suffix: str) -> None:
    content = lines(5000)
    assert replayed(write(tmp_path / f"a{suffix}", content)) == content


def test_the_mark_is_all_that_a_replayed_event_has_more(tmp_path: Path) -> None:
    heard = [read(channel, json.dumps(body).encode(), BEGIN) for channel, body in SHAPES]
    path = tmp_path / "a.jsonl"
    path.write_bytes(encode_lines(heard))
    for line, one in zip(replayed(path, mark=True), heard, strict=True):
        again = decode(line)
        assert again.marks == one.marks | Mark.REPLAYED
        assert encode(msgspec.structs.replace(again, marks=one.marks)) == encode(one)


def test_an_event_that_was_replayed_before_is_marked_once(tmp_path: Path) -> None:
    once = replayed(write(tmp_path / "a.jsonl", lines(3)), mark=True)
    twice = replayed(write(tmp_path / "b.jsonl", once), mark=True)
    assert twice == once
    assert all(line.count(b'"replayed":true') == 1 for line in twice)


@examples(100)
@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4), max_size=30), st.integers(1, 200)
)
def test_blocks_may_be_cut_anywhere(tmp_path_factory: pytest.TempPathFactory, payloads: list[Any], size: int) -> None:
    path = tmp_path_factory.mktemp("cut") / "a.jsonl"
    heard = [event("job:status", "x", BEGIN, **{f"p_{name}": text for name, text in each.items()}) for each in payloads]
    path.write_bytes(encode_lines(heard))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("relay.replay.archive.READ_AT_ONCE", size)
        assert [decode(line).payload for line in replayed(path, mark=True)] == [one.payload for one in heard]


def test_files_come_in_the_order_of_their_events_whatever_they_are_called(tmp_path: Path) -> None:
    days = [BEGIN + timedelta(days=day) for day in range(3)]
    names = ["events.jsonl", "b.jsonl.zst", "a.jsonl.gz"]
    parts = [lines(10, begin=day) for day in days]
    paths = [write(tmp_path / name, part) for name, part in zip(names, parts, strict=True)]
    assert replayed(*reversed(paths)) == [line for part in parts for line in part]


def test_several_compressed_parts_in_one_file_are_one_archive(tmp_path: Path) -> None:
    content = lines(30)
    for suffix in (".gz", ".zst"):
        parts = [write(tmp_path / f"part{suffix}", part).read_bytes() for part in (content[:10], content[10:])]
        path = tmp_path / f"whole{suffix}"
        path.write_bytes(b"".join(parts))
        assert replayed(path) == content


@pytest.mark.thorough
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_was_cut_off_gives_what_it_has_and_then_says_so(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", lines(40_000))
    path.write_bytes(path.read_bytes()[:-20])
    archive, found = Archive([path], ReplaySelection(), mark=False), b""
    with pytest.raises(ReplayError, match="ends in the middle"):  # noqa: PT012 - what comes before it is the point
        for block in archive.blocks():
            found += block
    assert found.count(b"\n") > 1000


def test_lines_that_are_no_events_are_left_out_and_counted(tmp_path: Path) -> None:
    content = lines(4)
    partial = content[3][:50]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([content[0], b"garbage", b"", content[1] + b"\r", b"[]", content[2], partial]))
    archive = Archive([path], ReplaySelection(), mark=True)
    found = b"".join(archive.blocks()).splitlines()
    assert [decode(line).payload["n"] for line in found] == [0, 1, 2]
    assert (archive.events, archive.damaged) == (3, 3)


def test_events_are_chosen_by_the_time_they_were_received(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(10))
    selection = ReplaySelection(BEGIN + timedelta(seconds=3), BEGIN + timedelta(seconds=6))
    assert [decode(line).payload["n"] for line in replayed(path, selection=selection)] == [3, 4, 5]


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
    assert replay(no_archive, code=1).stderr == b"0 events, 2 lines skipped that are not events\n"
    damaged = write(tmp_path / "damaged.jsonl", [*lines(1), b"torn"])
    assert replay(damaged, "--match", "severity=critical").stderr == b"0 events, 1 lines skipped that are not events\n"


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


def test_a_pace_keeps_the_spacing_and_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1000.0
    monkeypatch.setattr("relay.replay.archive.time", SimpleNamespace(monotonic=lambda: clock))
    content, seen = lines(5, every=0.2), []
    for wait, block in paced([b"\n".join([*content[:2], b""]), b"\n".join([*content[2:], b""])], 2.0):
        clock += wait
        seen += [(decode(line).payload["n"], round(clock - 1000.0, 6)) for line in block.splitlines()]
    assert seen == [(number, number / 10) for number in range(5)]


def test_a_reader_that_was_held_up_gets_at_once_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 0.0
    monkeypatch.setattr("relay.replay.archive.time", SimpleNamespace(monotonic=lambda: clock))
    seen = []
    for wait, block in paced([b"\n".join([*lines(5, every=0.2), b""])], 2.0):
        clock += wait + 0.15
        seen += [(decode(line).payload["n"], round(clock, 6)) for line in block.splitlines()]
    assert seen == [(0, 0.15), (1, 0.45), (2, 0.45), (3, 0.45), (4, 0.75)]


def test_a_clock_that_went_back_does_not_stop_the_replay() -> None:
    content = [*lines(2, every=0.01), *lines(2, begin=BEGIN - timedelta(hours=1))]
    pieces = list(paced([b"\n".join([*content, b""])], 1000.0))
    assert b"".join(block for _, block in pieces).splitlines() == content
    assert sum(wait for wait, _ in pieces) < 0.1


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


@pytest.fixture
def config(tmp_path: Path) -> Any:
    def written(**sections: Any) -> Path:
        path = tmp_path / "replay.yaml"
        base = {"state_dir": str(tmp_path / "state"), "http": {"enabled": False}}
        path.write_text(yaml.safe_dump(base | sections))
        return path

    return written


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


async def run(*arguments: str | Path, code: int = 0) -> str:
    """As `replay --to sinks`, while the stand-ins answer in this loop."""
    command = [PROGRAM, "replay", "--to", "sinks", "--as-fast", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    async with asyncio.timeout(120):
        _, output = await process.communicate()
    assert process.returncode == code, output.decode()
    return output.decode()


async def test_to_sinks_all_is_delivered_in_bounded_memory_before_it_ends(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl.zst", lines(6000))
    async with WebhookStandIn() as receiver:
        app = {"type": "webhook", "url": receiver.url, "batch": {"max_events": 500, "max_wait": "50ms"}}
        routes = [{"name": "some", "match": {"payload.n": "<5000"}, "to": ["app", "archive"]}]
        archive = {"type": "jsonl", "directory": str(tmp_path / "archive")}
        path = config(sinks={"app": app, "archive": archive}, routes=routes, outbox={"max_rows": 3000})
        output = await run(source, "--config", path)
        bodies = [json.loads(delivery.body) for delivery in receiver.accepted]
    events = [each for body in bodies for each in body]
    assert sorted(each["payload"]["n"] for each in events) == list(range(5000))
    assert all(each["replayed"] for each in events)
    assert output == "6,000 events, 5,000 to app, 1,000 with no route to them\n"
    assert not (tmp_path / "archive").exists(), "archive and metrics are a running relay's"
    assert not (tmp_path / "state").exists()


@pytest.mark.thorough
async def test_nobody_is_woken_by_a_replay_unless_asked_for(tmp_path: Path, config: Any) -> None:
    alert = {"alert": "never_started", "state": "firing", "title": "No run", "message": "It has not started."}
    heard = read("relay:alert:never_started", json.dumps({"event": "never_started", "payload": alert}).encode(), BEGIN)
    source = write(tmp_path / "a.jsonl", [encode(heard)])
    async with SlackStandIn() as slack:
        ops = {"type": "slack", "webhook_url": slack.webhook_url}
        path = config(sinks={"ops": ops}, routes=[{"name": "all", "to": ["ops"]}])
        assert await run(source, "--config", path) == "1 events, 0 to ops, 1 not sent to alerting sinks\n"
        assert len(slack.messages) == 0
        assert await run(source, "--config", path, "--alerts") == "1 events, 1 to ops\n"
        assert len(slack.messages) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("received", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
@pytest.mark.parametrize("claimed", ["0001-01-01T00:00:00Z", "2025-01-27T21:10:00Z", "9999-12-31T23:59:59.999999Z"])
async def test_whatever_year_an_archive_claims_its_alerts_are_delivered(
    tmp_path: Path, config: Any, received: str, claimed: str
) -> None:
    alert = {"alert": "never_started", "title": "No run", "message": "It has not started."}
    bodies = [{"event": "never_started", "payload": alert | {"state": state}} for state in ("firing", "resolved")]
    heard = [json.loads(encode(read("relay:alert:never_started", json.dumps(body).encode(), BEGIN))) for body in bodies]
    content = [json.dumps(line | {"received": received, "timestamp": claimed}).encode() for line in heard]
    async with SlackStandIn() as slack:
        ops = {"type": "slack", "webhook_url": slack.webhook_url}
        path = config(sinks={"ops": ops}, routes=[{"name": "all", "to": ["ops"]}])
        source = write(tmp_path / "a.jsonl", content)
        assert await run(source, "--config", path, "--alerts") == "2 events, 2 to ops\n"
        assert len(slack.messages) == 2


@pytest.mark.parametrize("received", ["2025-01-27T21:15:00", "2025-01-27", "0001-01-01T00:00:00+14:00"])
def test_a_line_whose_time_cannot_be_had_in_utc_is_left_out_and_counted(tmp_path: Path, received: str) -> None:
    good = lines(2)
    bad = json.dumps(json.loads(good[0]) | {"received": received}).encode()
    source = write(tmp_path / "a.jsonl", [good[0], bad, good[1]])
    archive = Archive([source], ReplaySelection(matches=lambda _: True), mark=False)
    assert b"".join(archive.blocks()).split() == good
    assert archive.damaged == 1
    since = Archive([source], ReplaySelection(since=BEGIN), mark=False)
    assert b"".join(since.blocks()).split() == good


async def test_what_a_sink_refuses_is_reported_and_ends_with_exit_code_1(tmp_path: Path, config: Any) -> None:
    source = write(tmp_path / "a.jsonl", lines(3))
    async with WebhookStandIn(secret="whsec_" + "QUFB" * 8) as receiver:  # we sign with none
        path = config(sinks={"app": {"type": "webhook", "url": receiver.url}}, routes=[{"name": "a", "to": ["app"]}])
        output = await run(source, "--config", path, code=1)
    assert "3 NOT delivered to app" in output


@pytest.mark.thorough
def test_the_archive_of_a_running_relay_is_its_own(tmp_path: Path, relay: RelayProcess) -> None:
    source = write(tmp_path / "a.jsonl", lines(1))
    ended = replay(source, "--to", "sinks", "--sink", "archive", "--config", relay.config_path, code=1)
    assert b"a relay is running" in ended.stderr
    ended = replay(source, "--to", "sinks", "--config", relay.config_path, code=1)
    assert b"no sink delivers over the network" in ended.stderr
