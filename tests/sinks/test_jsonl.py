"""The archive's files: one line an event, rotated, compressed, deleted in time, and never half a line."""

import errno
import gzip
import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
import zstandard
from structlog.testing import capture_logs

from relay.events import Event, encode
from sinks.append_file import AppendFile
from sinks.base import SinkError
from sinks.jsonl import JsonlOptions, JsonlSink, compress
from sinks.testing import make_context
from tests.support.disks import small_disk
from tests.support.scripted import numbered

NOON = datetime(2025, 1, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)


class Archive:
    """The sink with a clock that is moved."""

    def __init__(self, directory: Path, **options: Any) -> None:
        self.now = NOON
        context = make_context("archive")
        object.__setattr__(context, "now", lambda: self.now)
        self.directory = directory
        self.sink = JsonlSink(JsonlOptions(directory=directory, **options), context)

    async def __aenter__(self) -> Self:
        await self.sink.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.sink.close()

    def write(self, *numbers: int) -> None:
        self.sink.write([self.event(number) for number in numbers])

    def event(self, number: int) -> Event:
        event = numbered(number)
        event.received = self.now
        return event

    def swept(self) -> None:
        """Wait for the threads that tidy up: one from the start may go on, and then the next comes with a tick."""
        for _ in range(2):
            assert self.sink._sweeper is not None
            self.sink._sweeper.join(120)
            self.sink.tick()

    def content(self) -> bytes:
        """Of all files that are not compressed."""
        return b"".join(path.read_bytes() for path in self.directory.glob("*.jsonl"))

    def names(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())


def numbers_in(data: bytes) -> list[int]:
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line)["payload"]["n"] for line in data.splitlines()]


async def test_a_batch_is_appended_one_line_an_event(tmp_path: Path) -> None:
    async with Archive(tmp_path / "deep" / "archive") as archive:
        archive.write(1, 2)
        archive.write(3)
        path = tmp_path / "deep" / "archive" / "events.jsonl"
        assert path.read_bytes() == b"".join(encode(archive.event(number)) + b"\n" for number in (1, 2, 3))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("how", "suffix", "read"),
    [
        ("zstd", ".zst", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        ("gzip", ".gz", gzip.decompress),
        ("none", "", lambda data: data),
    ],
)
async def test_each_day_has_its_file_compressed_when_it_is_over(
    tmp_path: Path, how: Any, suffix: str, read: Callable[[bytes], bytes]
) -> None:
    async with Archive(tmp_path, compress=how) as archive:
        archive.write(1, 2)
        archive.now += DAY
        archive.write(3)
        archive.swept()
        rotated = tmp_path / f"events-2025-01-27-000.jsonl{suffix}"
        assert archive.names() == [rotated.name, "events.jsonl"]
        assert numbers_in(read(rotated.read_bytes())) == [1, 2]
        assert numbers_in((tmp_path / "events.jsonl").read_bytes()) == [3]
        assert stat.S_IMODE(rotated.stat().st_mode) == 0o640


async def test_a_file_rotated_while_another_is_compressed_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    underway, may_end = threading.Event(), threading.Event()

    def slow(path: Path, how: str) -> None:
        underway.set()
        may_end.wait(120)
        compress(path, how)

    monkeypatch.setattr("sinks.jsonl.compress", slow)
    (tmp_path / "events-2025-01-25-000.jsonl").write_text("{}\n")
    async with Archive(tmp_path, compress="gzip") as archive:
        assert underway.wait(120)
        archive.write(1)
        archive.now += DAY
        archive.write(2)
        may_end.set()
        archive.swept()
        assert archive.names() == [
            "events-2025-01-25-000.jsonl.gz",
            "events-2025-01-27-000.jsonl.gz",
            "events.jsonl",
        ]


async def test_a_day_ends_also_when_nothing_is_written(tmp_path: Path) -> None:
    async with Archive(tmp_path, compress="none") as archive:
        archive.write(1)
        archive.now += DAY
        archive.sink.tick()
        assert archive.names() == ["events-2025-01-27-000.jsonl", "events.jsonl"]
        archive.now += DAY
        archive.sink.tick()
        assert archive.names() == ["events-2025-01-27-000.jsonl", "events.jsonl"], "no empty files"


async def test_a_file_that_is_large_enough_is_rotated_within_its_day(tmp_path: Path) -> None:
    async with Archive(tmp_path, compress="none", max_bytes=500) as archive:
        for number in range(1, 8):
            archive.write(number)
        found = [numbers_in((tmp_path / name).read_bytes()) for name in archive.names()]
        assert [number for numbers in found for number in numbers] == [1, 2, 3, 4, 5, 6, 7]
        assert len(found) > 2


async def test_a_day_with_more_than_a_thousand_files_keeps_them_all(tmp_path: Path) -> None:
    async with Archive(tmp_path, compress="none", max_bytes=1) as archive:
        (tmp_path / "events-2025-01-27-999.jsonl").write_bytes(b"")
        for number in range(999):
            (tmp_path / f"events-2025-01-27-{number:03}.jsonl").touch()
        archive.write(1)
        archive.write(2)
        assert numbers_in((tmp_path / "events-2025-01-27-1000.jsonl").read_bytes()) == [1]


async def test_old_files_are_deleted_and_others_left_alone(tmp_path: Path) -> None:
    long_ago = (NOON - 10 * DAY).timestamp()
    others = ["events-errors.jsonl", "events-errors-2025-01-17-000.jsonl", "notes.txt", "events-2025-01-17.jsonl.bak"]
    ours = ["events-2025-01-17-000.jsonl.zst", "events-2025-01-17T05-001.jsonl.gz", "events-all-000.jsonl"]
    for name in others + ours:
        (tmp_path / name).write_text("old")
        os.utime(tmp_path / name, (long_ago, long_ago))
    (tmp_path / "events-2025-01-26-000.jsonl.zst").write_text("young")
    os.utime(tmp_path / "events-2025-01-26-000.jsonl.zst", (NOON.timestamp(),) * 2)
    async with Archive(tmp_path, keep=5 * 86400) as archive:
        archive.swept()
        assert archive.names() == sorted([*others, "events-2025-01-26-000.jsonl.zst", "events.jsonl"])


@pytest.mark.parametrize("torn", [b'{"id":"s1-3","rec', b"x" * 200_000, b"\x00" * 70_000])
async def test_half_a_line_that_a_crash_left_is_cut_and_no_more(tmp_path: Path, torn: bytes) -> None:
    async with Archive(tmp_path) as archive:
        archive.write(1, 2)
    path = tmp_path / "events.jsonl"
    path.write_bytes(path.read_bytes() + torn)
    async with Archive(tmp_path) as archive:
        archive.write(3)
    assert numbers_in(path.read_bytes()) == [1, 2, 3]


async def test_a_file_of_half_a_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b'{"id":')
    async with Archive(tmp_path) as archive:
        archive.write(1)
    assert numbers_in((tmp_path / "events.jsonl").read_bytes()) == [1]


@pytest.mark.faults
async def test_a_batch_that_the_disk_cuts_short_is_taken_back(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "256k") as disk:
        async with Archive(disk.path) as archive:
            archive.write(1)
            disk.fill()
            size = (disk.path / "events.jsonl").stat().st_size
            with pytest.raises(OSError) as full:  # noqa: PT011 - the number is asked for below
                archive.write(*range(2, 500))
            assert full.value.errno == errno.ENOSPC
            assert (disk.path / "events.jsonl").stat().st_size == size
            disk.empty()
            archive.write(2, 3)
            assert numbers_in((disk.path / "events.jsonl").read_bytes()) == [1, 2, 3]


@pytest.mark.parametrize("rotate", ["daily", "hourly", "never"])
@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
async def test_the_first_and_the_last_moment_of_all_are_archived(tmp_path: Path, rotate: str, moment: datetime) -> None:
    async with Archive(tmp_path, rotate=rotate, compress="none") as archive:
        archive.write(1)
        archive.now = moment
        archive.write(2)
        archive.write(3)
    assert sorted(numbers_in(archive.content())) == [1, 2, 3]


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As logrotate does it."""
    async with Archive(tmp_path) as archive:
        archive.write(1)
        (tmp_path / "events.jsonl").rename(tmp_path / "elsewhere")
        archive.sink.tick()
        archive.write(2)
        (tmp_path / "events.jsonl").unlink()
        archive.sink.tick()
        archive.write(3)
        assert numbers_in((tmp_path / "elsewhere").read_bytes()) == [1]
        assert numbers_in((tmp_path / "events.jsonl").read_bytes()) == [3]


async def test_the_position_is_that_of_the_last_message_not_of_the_relays_own_events(tmp_path: Path) -> None:
    async with Archive(tmp_path) as archive:
        assert archive.sink.position() is None
        archive.write(1, 5)
        archive.sink.write([numbered(9, stream="r1") for _ in range(20)])
        assert archive.sink.position() == ("s1", 5)
    async with Archive(tmp_path) as archive:
        assert archive.sink.position() == ("s1", 5)


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"id":17}\n', b'{"id":"s1-x"}\n', b"\xff\xfe\n", b"\n"])
async def test_a_line_that_is_none_does_not_keep_the_relay_from_starting(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "events.jsonl").write_bytes(encode(numbered(4)) + b"\n" + damage)
    async with Archive(tmp_path) as archive:
        assert archive.sink.position() == ("s1", 4)


async def test_the_position_is_found_behind_a_line_of_many_megabytes(tmp_path: Path) -> None:
    async with Archive(tmp_path) as archive:
        archive.write(1)
        large = archive.event(2)
        large.raw = b'{"n":2,"x":"%b"}' % (b"y" * (5 << 20))
        archive.sink.write([large])
        assert archive.sink.position() == ("s1", 2)


async def test_a_directory_that_cannot_be_written_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    archive = Archive(tmp_path / "file" / "archive")
    with pytest.raises(SinkError, match="cannot write"):
        await archive.sink.start()
    await archive.sink.close()


async def test_check_says_what_it_found(tmp_path: Path) -> None:
    assert "is writable" in await Archive(tmp_path / "not" / "yet").sink.check()


@pytest.mark.faults
async def test_a_compression_that_fails_leaves_the_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "300k") as disk:
        path = disk.path / "events-2025-01-27-000.jsonl"
        path.write_bytes(os.urandom(200_000))
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            compress(path, "zstd")
        assert [one.name for one in sorted(disk.path.iterdir())] == ["ballast", path.name]
        with capture_logs() as logs:
            async with Archive(disk.path) as archive:
                archive.swept()
        assert logs[0]["event"] == "old files not tidied up"
        assert path.stat().st_size == 200_000


def test_lines_are_written_again_at_the_same_place_after_a_failed_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = AppendFile(tmp_path / "x.jsonl")

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr("sinks.append_file.os.fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            file.append(b"once\n", fsync=True)
    file.append(b"once\n", fsync=True)
    file.close()
    assert (tmp_path / "x.jsonl").read_bytes() == b"once\n"
