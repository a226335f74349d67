"""What others do to the files of the archive and the quarantine while the relay writes them."""

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import redis
import yaml

from tests.faults.accounts import assert_counters_add_up
from tests.faults.conftest import Report
from tests.support import Numbered, RelayProcess, Valkey, until
from tests.support.relay_process import Json, drained
from tests.support.waiting import free_port

pytestmark = pytest.mark.faults

PROGRAM = str(Path(sys.executable).parent / "tickstock-relay")


def numbers(*paths: Path, channel: str = "") -> Counter[int]:
    """Of all lines, each of which must be whole."""
    events = [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    numbered = [event for event in events if event["event"] == "numbered" and event["channel"].startswith(channel)]
    return Counter(event["payload"]["n"] for event in numbered)


def test_copytruncate_by_logrotate_leaves_whole_lines_only(relay: RelayProcess, valkey: Valkey, report: Report) -> None:
    archive = relay.archive_directory / "events.jsonl"
    rules = relay.directory / "logrotate.conf"
    rules.write_text(f"{archive} {{\n copytruncate\n rotate 9\n nocompress\n su root root\n}}\n")
    sent = []
    for times in range(3):
        with Numbered(valkey.port, 500, channel=f"tickstock:market:round{times}") as traffic:
            traffic.more(100)
        drained(relay)
        sent.append(traffic.sent)
        if times < 2:
            subprocess.run(["logrotate", "-f", "-s", relay.directory / "status", rules], check=True)
    files = [archive.with_name(f"events.jsonl.{number}") for number in (2, 1)] + [archive]
    assert not any(b"\0" in path.read_bytes() for path in files)
    assert [numbers(path) for path in files] == [Counter(range(1, count + 1)) for count in sent]
    assert_counters_add_up(relay)
    report("logrotate's copytruncate", injections=2, messages=sum(sent))


def test_a_second_relay_with_the_same_archive_or_quarantine_is_refused(
    relay: RelayProcess, valkey: Valkey, report: Report
) -> None:
    """Its state directory is another one, so the lock there does not keep it away."""
    link = relay.directory / "link"
    link.symlink_to(relay.archive_directory)
    quarantine = relay.state / "quarantine"
    elsewhere = {"archive": {"type": "jsonl", "directory": str(relay.directory / "own")}}
    same: list[tuple[Json, Path]] = [
        ({}, relay.archive_directory / "events.jsonl"),
        ({"sinks": {"archive": {"type": "jsonl", "directory": str(link)}}}, link / "events.jsonl"),
        ({"sinks": elsewhere, "quarantine": {"directory": str(quarantine)}}, quarantine / "quarantine.jsonl"),
    ]
    with Numbered(valkey.port, 200) as traffic:
        for number, (sections, file) in enumerate(same):
            own = {"state_dir": str(relay.directory / f"state{number}"), "http": {"listen": f"127.0.0.1:{free_port()}"}}
            config = relay.config | {"routes": []} | own | sections
            path = relay.directory / f"second{number}.yaml"
            path.write_text(yaml.safe_dump(config))
            ended = subprocess.run(
                [PROGRAM, "run", "--config", str(path)], capture_output=True, text=True, timeout=120, check=False
            )
            assert ended.returncode == 1
            expected = f"cannot write {file}: another process writes to it; each relay needs a file of its own\n"
            assert ended.stderr.endswith(expected)
        traffic.more(100)
    drained(relay)
    assert relay.numbers() == Counter(range(1, traffic.sent + 1))
    report("a second relay on the same files", injections=len(same), messages=traffic.sent)


def test_events_never_go_to_a_deleted_file(relay: RelayProcess, valkey: Valkey, report: Report) -> None:
    """Deleted: the file, its directory, and the directory with a file in its place, for a time."""
    archive = relay.archive_directory / "events.jsonl"
    moved = relay.directory / "moved"

    def deleted() -> None:
        archive.unlink()

    def directory_deleted() -> None:
        shutil.rmtree(archive.parent)

    def directory_replaced() -> None:
        archive.parent.rename(moved)
        archive.parent.write_text("in the way")

    total = 0
    for number, fault in enumerate((deleted, directory_deleted, directory_replaced)):
        fault()
        with Numbered(valkey.port, 500, channel=f"tickstock:market:deleted{number}") as traffic:
            traffic.more(200)
        if archive.parent.is_file():
            drained_of(relay, traffic.sent + total)
            archive.parent.unlink()
        until(lambda: relay.metric("relay_lane_depth", sink="archive") == 0, what="an empty lane")
        drained(relay)
        files = [path / "events.jsonl" for path in (moved, archive.parent)]
        found = numbers(*filter(Path.exists, files), channel=f"tickstock:market:deleted{number}")
        assert found == Counter(range(1, traffic.sent + 1))
        total += traffic.sent
    assert_counters_add_up(relay)
    report("archive deleted, its directory, a file in its place", injections=3, messages=total)


def drained_of(relay: RelayProcess, count: int) -> None:
    until(lambda: relay.metric("relay_received_messages_total") >= count, what="what was sent")


def test_unreadable_messages_never_go_to_a_deleted_quarantine(
    relay: RelayProcess, valkey: Valkey, report: Report
) -> None:
    quarantine = relay.state / "quarantine"

    def deleted() -> None:
        (quarantine / "quarantine.jsonl").unlink()

    def directory_deleted() -> None:
        shutil.rmtree(quarantine)

    def moved() -> None:
        (quarantine / "quarantine.jsonl").rename(quarantine / "mine")

    with redis.Redis(port=valkey.port) as client:
        for number, fault in enumerate((deleted, directory_deleted, moved), 1):
            fault()
            client.publish("tickstock:market:broken", b"{broken %d" % number)
            until(lambda: relay.metric("relay_quarantined_messages_total") == number)  # noqa: B023 - called at once
            assert [line["data"] for line in relay.quarantine()] == [b"{broken %d" % number]
    report("quarantine deleted, moved", injections=3, messages=3)
