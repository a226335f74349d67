"""An archive read again: files in order, streamed, chosen by time and matchers, marked as replayed, at a pace.

Lines stay bytes: a block of whole lines is marked in one go, and a line is decoded only when something in it is asked
for. Where they go is `relay.replay.targets`.
"""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Protocol, cast

import msgspec
import zstandard

from relay.events import Event, decode

READ_AT_ONCE = 1 << 18
"""Bytes of a plain file's block: small enough to stay in the processor's cache on its way."""
PACKED_AT_ONCE = 1 << 15
"""The same of a compressed one, which becomes some ten times as much."""
PIECE = 1 << 8
"""Bytes that are unpacked in one go: they become 8 MB at most (zstd's blocks have 4 bytes for 128 kB)."""
LONGEST_LINE = 64 << 20
"""A file without a line break for so long is no archive."""
LARGEST_WINDOW = 32 << 20
"""Bytes of memory that a zstd file may ask for; what the archive and `zstd -19` write asks for 8 MB at most."""
TOGETHER = 0.005
"""Seconds: events due within this time go together."""
_MARK = b',"replayed":true}\n'
_BRACE = {ord("}")}
_last = itemgetter(-1)


class _Unpacker(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, /) -> bytes: ...


_unzstd = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
_PACKED: dict[bytes, Callable[[], _Unpacker]] = {
    b"\x1f\x8b": lambda: cast("_Unpacker", zlib.decompressobj(wbits=31)),
    b"\x28\xb5\x2f\xfd": lambda: cast("_Unpacker", _unzstd.decompressobj()),
}
"""Compression by what a file begins with: gzip, zstd."""


class ReplayError(Exception):
    """An archive cannot be read (on); one line for people."""


class _Moment(msgspec.Struct):
    """All of a line that time is decided by."""

    received: Annotated[datetime, msgspec.Meta(tz=True)]


_moment = msgspec.json.Decoder(_Moment).decode


@dataclass(frozen=True, slots=True)
class ReplaySelection:
    """Which events are replayed: received from `since` until before `until`, and matching."""

    since: datetime | None = None
    until: datetime | None = None
    matches: Callable[[Event], bool] | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing need be looked at."""
        return self == ReplaySelection()

    def takes(self, line: bytes) -> bool:
        """Whether the event in `line` is chosen; it is decoded no further than that needs.

        Raises:
            ValueError, KeyError: the line is no event.
        """
        if self.since or self.until:
            received = _moment(line).received
            if (self.since and received < self.since) or (self.until and received >= self.until):
                return False
        return self.matches is None or self.matches(decode(line))


class Archive:
    """The files of an archive, read as one."""

    def __init__(
        self,
        paths: Iterable[Path],
        selection: ReplaySelection,
        *,
        mark: bool,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """`mark`: say of each event that it is replayed. `progress` is called with the bytes read from disk.

        Raises:
            ReplayError: a file cannot be opened, or does not begin as an archive.
        """
        self.paths = list(paths)
        if len(self.paths) > 1:
            self.paths.sort(key=_begin)
        self._selection = selection
        self._mark = mark
        self._progress = progress or (lambda _: None)
        self.events = 0
        """Events passed on."""
        self.passed_over = 0
        """Events that were not chosen."""
        self.damaged = 0
        """Lines that are no events, left out."""

    def blocks(self) -> Iterator[bytes]:
        """Whole lines, many at once, in the files' order.

        Raises:
            ReplayError: a file is damaged; what stood before that has been given.
        """
        for path in self.paths:
            for block in whole_lines(path, self._progress):
                if lines := self._chosen(block.split(b"\n")[:-1]):
                    yield _marked(lines) if self._mark else b"\n".join([*lines, b""])

    def decoded(self, block: bytes) -> list[Event]:
        """The events in lines that `blocks` gave; what turns out to be none is counted as damaged."""
        events: list[Event] = []
        for line in block.split(b"\n")[:-1]:
            try:
                events.append(decode(line))
            except (ValueError, KeyError):
                self.events -= 1
                self.damaged += 1
        return events

    def _chosen(self, lines: list[bytes]) -> list[bytes]:
        """Those that are chosen; where all are, a look at their last bytes is enough."""
        if not self._selection.is_everything or b"" in lines or set(map(_last, lines)) != _BRACE:
            lines = [line for line in map(bytes.strip, lines) if self._takes(line)]
        self.events += len(lines)
        return lines

    def _takes(self, line: bytes) -> bool:
        try:
            if line[:1] == b"{" and line[-1:] == b"}":
                is_chosen = self._selection.takes(line)
                self.passed_over += not is_chosen
                return is_chosen
        except (ValueError, KeyError):
            pass
        self.damaged += line != b""
        return False


def paced(blocks: Iterable[bytes], speed: float | None) -> Iterator[tuple[float, bytes]]:
    """How many seconds to wait, and the lines that are due then. `speed` 2 halves the waits; None: no waits at all."""
    if speed is None:
        yield from ((0.0, block) for block in blocks)
        return
    begun, first, due = time.monotonic(), None, 0.0
    for block in blocks:
        together: list[bytes] = []
        for line in block.split(b"\n")[:-1]:
            received = received_of(line)
            first = first or received
            if first and received:
                due = max(due, (received - first).total_seconds() / speed)
            if due > time.monotonic() - begun + TOGETHER:
                if together:
                    yield 0.0, b"\n".join([*together, b""])
                    together = []
                yield max(0.0, due - (time.monotonic() - begun)), b""
            together.append(line)
        yield 0.0, b"\n".join([*together, b""])


def received_of(line: bytes) -> datetime | None:
    """When the event in that line was received; None when it is no event."""
    try:
        return _moment(line).received
    except msgspec.MsgspecError:
        return None


def _marked(lines: list[bytes]) -> bytes:
    """Every line with its mark, once, as its last field: all else stays the bytes that it was."""
    marked = _MARK.join([line[:-1] for line in lines] + [b""])
    return marked.replace(_MARK[:-2] + _MARK, _MARK)


def _begin(path: Path) -> tuple[str, str]:
    """When the first event of a file was received: files come in that order, whatever they are called. Pipes first."""
    if not path.is_file():
        return "", str(path)
    line = next(whole_lines(path, lambda _: None), b"").partition(b"\n")[0]
    received = received_of(line)
    return received.isoformat() if received else "", str(path)


def whole_lines(path: Path, progress: Callable[[int], None] = lambda _: None, *, begin: int = 0) -> Iterator[bytes]:
    """Blocks that end with a line break; a last line without one gets it. A plain file is read from `begin` on.

    Raises:
        ReplayError: the file cannot be read, or is damaged.
    """
    begun: list[bytes] = []
    held = 0
    for block in _gathered(_content(path, progress, begin)):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield b"".join([*begun, block[:cut]])
            begun, held = [], 0
        begun.append(block[cut:])
        held += len(begun[-1])
        if held > LONGEST_LINE:
            raise ReplayError(f"{path}: no line break in {held >> 20} MiB; that is not an archive")
    if rest := b"".join(begun):
        yield rest + b"\n"


def _gathered(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Small blocks together: each costs a few calls further on."""
    together: list[bytes] = []
    size = 0
    for block in blocks:
        together.append(block)
        size += len(block)
        if size >= READ_AT_ONCE:
            yield b"".join(together)
            together, size = [], 0
    yield b"".join(together)


def _content(path: Path, progress: Callable[[int], None], offset: int) -> Iterator[bytes]:
    """The file's bytes, decompressed by what it begins with; several compressed parts in a row are one content."""
    unpacker: _Unpacker | None = None
    try:
        with path.open("rb", buffering=0) as file:
            if offset:
                file.seek(offset)
            chunk = file.read(READ_AT_ONCE)
            packed = next((make for begin, make in _PACKED.items() if chunk.startswith(begin)), None)
            while chunk:
                progress(len(chunk))
                if packed is None:
                    yield chunk
                while packed and chunk:
                    unpacker = unpacker or packed()
                    begin, chunk = chunk[:PIECE], chunk[PIECE:]
                    yield unpacker.decompress(begin)
                    if unpacker.eof:
                        chunk, unpacker = unpacker.unused_data + chunk, None
                chunk = file.read(PACKED_AT_ONCE if packed else READ_AT_ONCE)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}") from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise ReplayError(f"{path}: damaged: {error}") from None
    if unpacker is not None:
        raise ReplayError(f"{path}: damaged: it ends in the middle")
