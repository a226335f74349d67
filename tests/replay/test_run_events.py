"""A run's events out of the archive: complete, in order, bounded in bytes and time, read from the run on."""

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import zstandard

from relay.events import Event, encode
from relay.replay import run_events as module
from relay.replay.archive import whole_lines
from relay.replay.run_events import FoundEvents, RunSpan, archive_files, run_events
from tests.support.days import DUE, a_run
from tests.support.wire import event


def span(directory: Path, run_id: str = "r1", *, began: datetime = DUE, minutes: int = 35) -> RunSpan:
    return RunSpan(run_ids=(run_id,), began=began, ended=began + timedelta(minutes=minutes), directory=directory)


def lines(events: list[Event]) -> bytes:
    return b"".join(encode(one) + b"\n" for one in events)


def noise(count: int, since: datetime, *, seconds: float) -> list[Event]:
    step = timedelta(seconds=seconds / count)
    return [event("market:ticks", "market_tick", since + step * n, symbol="AAPL", price=n) for n in range(count)]


def names(found: FoundEvents) -> list[str]:
    return [json.loads(line)["event"] for line in found.lines]


@pytest.mark.parametrize("kind", ["", ".zst", ".gz"])
def test_events_of_a_run_are_those_that_name_it_in_all_files_of_its_days(tmp_path: Path, kind: str) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".zst": zstandard.compress, ".gz": gzip.compress}
    pack = packers[kind]
    late = DUE + timedelta(hours=2, minutes=30)  # over midnight in UTC
    run = a_run(late)
    error = event("errors", "error", late + timedelta(minutes=5), message="x", context={"run_id": "r1"})
    other = a_run(late, "r2")
    everything = sorted([*run, *other, error], key=lambda one: one.received)
    today = [one for one in everything if one.received.day == late.day]
    (tmp_path / f"events-2025-01-27-001.jsonl{kind}").write_bytes(pack(lines(today)))
    (tmp_path / "events.jsonl").write_bytes(lines([one for one in everything if one not in today]))
    (tmp_path / f"events-2025-01-20-001.jsonl{kind}").write_bytes(b"no archive")
    (tmp_path / "other.jsonl").write_bytes(b"no archive")
    found = run_events(span(tmp_path, began=late))
    assert len(found.lines) == len(run) + 1
    assert names(found)[0] == "processing_started"
    assert names(found)[-1] == "processing_completed"
    assert (found.is_cut, found.trouble) == (False, "")


@pytest.mark.thorough
def test_a_large_plain_file_is_read_from_the_run_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = noise(40_000, DUE - timedelta(hours=8), seconds=8 * 3600 - 300)
    (tmp_path / "events.jsonl").write_bytes(lines([*before, *a_run(DUE)]))
    size = (tmp_path / "events.jsonl").stat().st_size
    read = 0

    def counted(path: Path, *, begin: int) -> Iterator[bytes]:
        nonlocal read
        read = size - begin
        return whole_lines(path, begin=begin)

    monkeypatch.setattr(module, "whole_lines", counted)
    assert len(run_events(span(tmp_path)).lines) == len(a_run(DUE))
    assert read < size / 20


@pytest.mark.thorough
def test_what_takes_too_long_or_too_much_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.jsonl").write_bytes(lines(a_run(DUE, steps=4000)))
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 18)
    found = run_events(span(tmp_path))
    assert found.is_cut
    assert 0 < len(found.lines) < len(a_run(DUE, steps=4000))
    monkeypatch.setattr(module, "MOST_SECONDS", -1)
    assert run_events(span(tmp_path)).is_cut


def test_a_directory_that_is_not_there_and_damaged_files_are_no_error(tmp_path: Path) -> None:
    assert run_events(span(tmp_path / "nowhere")).lines == []
    whole = zstandard.compress(lines(a_run(DUE)) * 50)
    (tmp_path / "events-2025-01-27-001.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "events.jsonl").write_bytes(b'{"received": 1}\n\n\x00\n{"run_id":"r1"\n' + lines(a_run(DUE)[:3]))
    found = run_events(span(tmp_path))
    assert "damaged" in found.trouble
    assert len(found.lines) >= 3


def test_secrets_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(lines(a_run(DUE)))
    found = run_events(span(tmp_path), lambda _: event("errors", "error", DUE, message="hidden"))
    assert set(names(found)) == {"error"}


def test_the_file_that_is_being_written_comes_last(tmp_path: Path) -> None:
    for name in ("events.jsonl", "events-2025-01-27-002.jsonl", "events-2025-01-27-001.jsonl.zst"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in archive_files(span(tmp_path))] == [
        "events-2025-01-27-001.jsonl.zst",
        "events-2025-01-27-002.jsonl",
        "events.jsonl",
    ]
