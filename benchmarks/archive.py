"""What a contender has appended: is it all there, is anything missing or twice, and when did each line become visible.

A contender's archive is a directory of `*.jsonl` files that grow, and of compressed ones. Read only what was written;
never asks the contender.
"""

from __future__ import annotations

import bisect
import io
from array import array
from pathlib import Path
from typing import BinaryIO

import zstandard

from benchmarks.traffic import FIRST, SENT, SEQUENCE, STOP_CHANNEL

STOP = STOP_CHANNEL.encode()
READ = 1 << 22


class Ledger:
    """Which sequence numbers were seen, and how often."""

    def __init__(self, count: int) -> None:
        """Expects the numbers 0 to count - 1."""
        self._seen = bytearray(count)
        self.seen = 0
        self.twice = 0
        self.strange = 0  # numbers that were never published, torn lines
        self.others = 0  # lines without a number: the relay's own events, the stop message

    def line(self, line: bytes) -> None:
        """Enters one line."""
        found = SEQUENCE.search(line)
        if found is None:
            self.others += 1
            return
        number = int(found[1]) - FIRST
        if not 0 <= number < len(self._seen):
            self.strange += 1
        elif self._seen[number]:
            self.twice += 1
        else:
            self._seen[number] = 1
            self.seen += 1

    @property
    def missing(self) -> int:
        """How many numbers have not been seen."""
        return len(self._seen) - self.seen


class Tail:
    """Follows an archive as it grows, over rotations: a file that was begun is read to its end before the next."""

    def __init__(self, directory: Path) -> None:
        """Begins at the start of the oldest file."""
        self._directory = directory
        self._file: BinaryIO | None = None
        self._done: set[int] = set()  # inodes of files read to their end
        self._rest = b""

    def lines(self) -> list[bytes]:
        """The whole lines that were added since the last call."""
        found: list[bytes] = []
        while True:
            data = self._file.read(READ) if self._file else b""
            if not data and not self._next():
                return found
            *whole, self._rest = (self._rest + data).split(b"\n")
            found += whole

    def _next(self) -> bool:
        there = [(path.stat(), path) for path in self._directory.glob("**/*.jsonl")]
        self._done &= {stat.st_ino for stat, _ in there}  # a deleted file's number may come again
        fresh = [(stat, path) for stat, path in there if stat.st_ino not in self._done]
        if not fresh:
            return False
        stat, path = min(fresh, key=lambda one: (one[0].st_mtime_ns, one[1].name))
        if self._file:
            self._file.close()
        self._file = path.open("rb", buffering=0)
        self._done.add(stat.st_ino)
        return True


def files(directory: Path) -> list[Path]:
    """The archive's files, oldest first."""
    return sorted(directory.glob("**/*.jsonl"), key=lambda path: path.stat().st_mtime_ns)


def has_stopped(directory: Path) -> bool:
    """Whether the stop message is among the last lines; cheap enough to ask often."""
    for path in files(directory)[-1:]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 16384))
            return STOP in file.read()
    return False


def check(directory: Path, count: int) -> Ledger:
    """Reads a whole archive into a ledger of `count` numbers: the compressed files of the relay, too."""
    ledger = Ledger(count)
    plain = files(directory)
    packed = [path for path in directory.glob("**/*.jsonl.zst") if path.with_suffix("") not in plain]
    for path in (*packed, *plain):
        with zstandard.open(path, "rb") if path.suffix == ".zst" else path.open("rb") as file:
            for line in io.BufferedReader(file, READ):
                ledger.line(line)
    return ledger


def latencies(path: Path, times: array[int], sizes: array[int]) -> list[float]:
    """Milliseconds from publishing to the line's being visible, for each line with a time in it.

    `times` (microseconds since the epoch) and `sizes` say when the file was first seen to have grown to which size.
    """
    found: list[float] = []
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            sent = SENT.search(line)
            place = bisect.bisect_left(sizes, end)
            if sent is not None and place < len(sizes):
                found.append((times[place] - int(sent[1])) / 1000)
    return found
