"""The log's writer: it never blocks or raises, counts what it dropped, reports that when it can write again."""

import os
import socket
from collections.abc import Iterator

import pytest

from relay.process.log_writer import LogWriter
from tests.support import until


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue  # the test has closed it


def test_lines_arrive_whole_and_in_their_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LogWriter(writing)
    for text in ("one\n", "tw", "o\nthree\nfo", "ur"):
        writer.write(text)
    writer.finish(timeout=60)
    assert os.read(reading, 100) == b"one\ntwo\nthree\nfour\n"
    assert writer.dropped == 0


def test_what_finds_no_room_is_dropped_counted_and_reported_when_lines_go_again(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, max_bytes=100_000)
    reports: list[int] = []
    writer.report = reports.append
    for number in range(1000):
        writer.write(f"{number:<999}\n")
    assert writer.dropped > 500
    writer.finish(timeout=0.01)  # nobody reads: no longer than that
    seen = b""
    while seen.count(b"\n") < 1000 - writer.dropped:
        seen += os.read(reading, 1 << 16)
    numbers = [int(line) for line in seen.splitlines()]
    assert numbers == sorted(set(numbers))
    until(lambda: sum(reports) == writer.dropped)


@pytest.mark.parametrize("descriptor", ["/dev/full", "closed", "EPIPE"])
def test_what_cannot_be_written_at_all_is_counted(pipe: tuple[int, int], descriptor: str) -> None:
    reading, writing = pipe
    if descriptor == "/dev/full":
        full = os.open(descriptor, os.O_WRONLY)
        os.dup2(full, writing)
        os.close(full)
    os.close(writing if descriptor == "closed" else reading)
    writer = LogWriter(writing)
    writer.write("one\ntwo\n")
    writer.write("three\n")
    until(lambda: writer.dropped == 3)


def test_a_line_after_a_torn_one_begins_anew() -> None:
    """A disk that is full takes the first half of a line; what comes later must not stand behind it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = LogWriter(os.dup(ours.fileno()))
        taken = [4]

        def some(data: memoryview) -> int:
            if not taken:
                raise OSError(28, "No space left on device")
            return ours.send(data[: taken.pop()])

        writer._write_some = some  # type: ignore[method-assign]
        writer.write("torn line\n")
        until(lambda: writer.dropped == 1)
        taken += [100, 100]
        writer.write("whole\n")
        writer.finish(timeout=60)
        assert theirs.recv(100) == b"torn\nwhole\n"


def test_a_descriptor_that_somebody_made_non_blocking_is_waited_for(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.set_blocking(writing, False)
    writer = LogWriter(writing)
    text = "x" * 1_000_000
    writer.write(f"{text}\n")
    seen = b""
    while not seen.endswith(b"\n"):
        seen += os.read(reading, 1 << 16)
    assert seen == f"{text}\n".encode()
    assert writer.dropped == 0
