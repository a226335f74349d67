"""An archive read again: every byte but the mark, in order, at its pace, and chosen by time."""

import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.events import Mark, decode, encode, encode_lines
from relay.replay.archive import Archive, ReplayError, ReplaySelection, paced
from tests.support.archives import BEGIN, SHAPES, lines, replayed, write
from tests.support.examples import examples
from tests.support.wire import event, read


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
