"""Unreadable messages: kept byte for byte, once, bounded, and never in anybody's way."""

import base64
import json
import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from relay.lanes.quarantine import Quarantine
from relay.normalize.normalize import Unreadable, UnreadableReason
from tests.support.disks import small_disk
from tests.support.scripted import Clock
from tickstock_simulator.malformed import malformed

NOW = datetime(2025, 1, 27, 21, 15, tzinfo=UTC)


def unreadable(number: int, data: bytes = b"{", channel: bytes = b"tickstock:a:b") -> Unreadable:
    return Unreadable(channel, data, NOW, "s1", number, UnreadableReason.NOT_JSON)


def opened(directory: Path, **options: Any) -> Quarantine:
    return Quarantine(directory, **({"max_bytes": 1 << 20, "max_total_bytes": 1 << 30, "keep": 3600.0} | options))


def lines(directory: Path) -> list[dict[str, Any]]:
    files = sorted(directory.glob("quarantine*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in files for line in path.read_bytes().splitlines()]


def test_every_byte_is_kept_with_channel_time_and_reason(tmp_path: Path) -> None:
    quarantine = opened(tmp_path)
    messages = [unreadable(number, data, channel.encode()) for number, (channel, data, _) in enumerate(malformed())]
    messages.append(unreadable(99, b"\x00\xff" * 500_000, b"tickstock:\xff\xfe"))
    quarantine.accept(messages)
    quarantine.close()
    found = lines(tmp_path)
    assert [base64.b64decode(line["data"]) for line in found] == [message.data for message in messages]
    assert found[0] | {"data": ""} == {
        "id": "s1-0",
        "received": "2025-01-27T21:15:00Z",
        "channel": messages[0].channel.decode(),
        "reason": "not_json",
        "size": len(messages[0].data),
        "data": "",
    }
    assert base64.b64decode(found[-1]["channel_bytes"]) == b"tickstock:\xff\xfe"
    assert quarantine.counts["not_json"] == len(messages)
    assert stat.S_IMODE((tmp_path / "quarantine.jsonl").stat().st_mode) == 0o640


def test_text_from_the_wire_cannot_break_a_line_of_the_log(tmp_path: Path) -> None:
    with capture_logs() as logs:
        opened(tmp_path).accept([unreadable(1, channel=b"tickstock:\n\xff" + b"x" * 1000)])
    assert len(logs[0]["channel"]) == 200
    assert "{" not in str(logs[0]["size"])


def test_what_a_crash_has_us_meet_again_is_kept_once(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.accept([unreadable(1), unreadable(2)])
    first.close()
    second = opened(tmp_path)
    second.accept([unreadable(1), unreadable(2), unreadable(3)])
    second.close()
    assert [line["id"] for line in lines(tmp_path)] == ["s1-1", "s1-2", "s1-3"]
    assert second.counts["not_json"] == 1


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"id":1}\n', b'{"id":"s1-9'])
def test_a_damaged_file_does_not_keep_the_relay_from_starting(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "quarantine.jsonl").write_bytes(damage)
    quarantine = opened(tmp_path)
    quarantine.accept([unreadable(1)])
    quarantine.close()
    assert json.loads((tmp_path / "quarantine.jsonl").read_bytes().splitlines()[-1])["id"] == "s1-1"


@pytest.mark.faults
def test_a_full_disk_is_waited_for_in_memory_and_what_does_not_fit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.lanes.quarantine.HOLD_BYTES", 1000)
    with small_disk(tmp_path / "disk", "128k") as disk:
        quarantine = opened(disk.path / "q")
        disk.fill()
        (disk.path / "q" / "quarantine.jsonl").write_bytes(b"")
        for number in range(1, 21):
            quarantine.accept([unreadable(number, os.urandom(100))])
        assert quarantine.error
        assert quarantine.counts["not_json"] == 20
        disk.empty()
        quarantine.tick()
        assert quarantine.error == ""
        quarantine.close()
        kept = [int(line["id"].removeprefix("s1-")) for line in lines(disk.path / "q")]
        assert kept == list(range(quarantine.dropped + 1, 21))
        assert 0 < quarantine.dropped < 20


def test_of_what_the_memory_cannot_hold_the_oldest_is_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine = opened(tmp_path)
    quarantine.accept([unreadable(1)])
    size = len((tmp_path / "quarantine.jsonl").read_bytes())
    monkeypatch.setattr("relay.lanes.quarantine.HOLD_BYTES", 3 * size)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with capture_logs() as logs, monkeypatch.context() as broken:
        broken.setattr("sinks.append_file.AppendFile.append", full)
        for number in range(2, 8):
            quarantine.accept([unreadable(number)])
        quarantine.tick()
    assert (quarantine.error, quarantine.is_in_use, quarantine.dropped) == ("No space left on device", False, 3)
    assert [line["error"] for line in logs if line["log_level"] == "error"] == ["No space left on device"]
    quarantine.tick()
    assert (quarantine.error, quarantine.dropped) == ("", 3)
    quarantine.close()
    assert [line["id"] for line in lines(tmp_path)] == ["s1-1", "s1-5", "s1-6", "s1-7"]


def test_a_file_may_be_as_large_as_it_may_be(tmp_path: Path) -> None:
    with_two = opened(tmp_path / "two")
    with_two.accept([unreadable(1), unreadable(2)])
    size = (tmp_path / "two" / "quarantine.jsonl").stat().st_size
    with_two.close()
    for limit, files in ((size, 1), (size - 1, 2)):
        quarantine = opened(tmp_path / f"{limit}", max_bytes=limit)
        assert (quarantine.error, quarantine.is_in_use) == ("", False)
        quarantine.accept([unreadable(1)])
        quarantine.accept([unreadable(2)])
        quarantine.close()
        assert len(list((tmp_path / f"{limit}").iterdir())) == files


def test_of_too_many_files_the_oldest_go_and_no_more_than_that(tmp_path: Path) -> None:
    for number in range(1, 6):
        (tmp_path / f"quarantine-{number}.jsonl").write_bytes(b"x" * 1000)
    quarantine = opened(tmp_path, max_bytes=1500, max_total_bytes=1500 + 3000)
    quarantine._rotate()
    quarantine.close()
    left = sorted(path.name for path in tmp_path.glob("quarantine-?.jsonl"))
    assert left == ["quarantine-3.jsonl", "quarantine-4.jsonl", "quarantine-5.jsonl"]


def test_files_are_bounded_and_old_ones_deleted(tmp_path: Path) -> None:
    old = tmp_path / "quarantine-1.jsonl"
    old.write_bytes(b"")
    os.utime(old, (time.time() - 7200,) * 2)
    by_hand = Clock(datetime.now(UTC) - timedelta(hours=3))
    quarantine = opened(tmp_path, max_bytes=2000, clock=by_hand.judged())
    by_hand.forward(3 * 3600)
    for number in range(1, 41):
        quarantine.accept([unreadable(number)])
    quarantine.close()
    assert not old.exists()
    assert len(list(tmp_path.glob("quarantine-*.jsonl"))) >= 2
    assert [line["id"] for line in lines(tmp_path)] == [f"s1-{number}" for number in range(1, 41)]


def test_poison_that_comes_after_its_neighbours_is_kept_once_and_hides_none_of_them(tmp_path: Path) -> None:
    """It is set aside by a later process, when what stands behind it in the stream has been kept long since."""

    def unreadable(offset: int, reason: UnreadableReason) -> Unreadable:
        return Unreadable(b"tickstock:a:b", b"x", NOW, "s1", offset, reason)

    def kept() -> list[str]:
        lines = (tmp_path / "quarantine.jsonl").read_bytes().splitlines()
        return [json.loads(line)["id"] for line in lines]

    def process(*messages: Unreadable) -> None:
        quarantine = Quarantine(tmp_path, max_bytes=1 << 20, max_total_bytes=1 << 30, keep=3600.0)
        quarantine.accept(messages)
        quarantine.close()

    process(unreadable(30, UnreadableReason.NOT_JSON), unreadable(40, UnreadableReason.EMPTY))
    process(unreadable(20, UnreadableReason.POISON))
    assert kept() == ["s1-30", "s1-40", "s1-20"]
    process(
        unreadable(20, UnreadableReason.POISON),
        unreadable(30, UnreadableReason.NOT_JSON),
        unreadable(40, UnreadableReason.EMPTY),
    )
    assert kept() == ["s1-30", "s1-40", "s1-20"]
    process(
        unreadable(35, UnreadableReason.POISON),
        unreadable(40, UnreadableReason.EMPTY),
        unreadable(50, UnreadableReason.EMPTY),
    )
    assert kept() == ["s1-30", "s1-40", "s1-20", "s1-35", "s1-50"]


def test_all_files_together_are_bounded_and_what_goes_is_logged(tmp_path: Path) -> None:
    quarantine = opened(tmp_path, max_bytes=2000, max_total_bytes=6000)
    with capture_logs() as logs:
        for number in range(1, 201):
            quarantine.accept([unreadable(number)])
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 6000
    quarantine.close()
    kept = [int(line["id"].removeprefix("s1-")) for line in lines(tmp_path)]
    assert kept == list(range(kept[0], 201))
    assert len(kept) > 20
    deleted = [log for log in logs if log["event"] == "quarantine is full; its oldest file was deleted"]
    assert sum(log["bytes"] for log in deleted) > 10_000


def test_a_bound_below_the_size_of_one_file_holds_too(tmp_path: Path) -> None:
    quarantine = opened(tmp_path, max_bytes=1 << 20, max_total_bytes=1000)
    for number in range(1, 51):
        quarantine.accept([unreadable(number)])
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 1000
    quarantine.close()
    assert lines(tmp_path)[-1]["id"] == "s1-50"
