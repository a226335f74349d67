"""The archive: one event a line, in files that are rotated, compressed and in the end deleted.

A batch is one write. A line that a crash cut short is removed at start; whole ones are never touched. The fields of a
line are those of `relay.events.Record` (docs/archive.md).
"""

import contextlib
import gzip
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
import zstandard
from pydantic import Field

from relay.events import Event, encode_lines
from sinks.base import DirectSink, SinkContext, SinkError
from sinks.options import Duration, Options, Size


class _Id(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode
_ROTATED = re.compile(r"-(?:\d{4}-\d\d-\d\d(?:T\d\d)?|all)-\d{3,}\.jsonl(?:\.zst|\.gz)?")
"""What follows the prefix in a rotated file's name; other sinks may have files beside ours."""
FOR_EVER = datetime.max.replace(tzinfo=UTC)
FILE_MODE = 0o640
TAIL_BYTES = 1 << 16
SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": ""}


class JsonlOptions(Options):
    """Options of the sink `jsonl`."""

    directory: Path = Field(..., description="Where the files are; made if missing.")
    prefix: str = Field("events", pattern=r"^[A-Za-z0-9._-]+$", description="How file names begin.")
    rotate: Literal["daily", "hourly", "never"] = Field("daily", description="When a new file begins (UTC).")
    max_bytes: Size = Field(1 << 30, gt=0, description="Size at which a new file begins in any case.")
    compress: Literal["zstd", "gzip", "none"] = Field("zstd", description="How rotated files are compressed.")
    keep: Duration | None = Field(None, description="How long rotated files are kept; default: for ever.")
    fsync: bool = Field(False, description="Wait for the disk after each batch: safe against power loss, slow.")


class LineFile:
    """An append-only file of lines: opened with its torn last line removed, written a batch at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make `path`.

        Raises:
            OSError: it cannot be.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.fchmod(self._fd, FILE_MODE)
            self.size = self._repair()
        except OSError:
            os.close(self._fd)
            raise

    def append(self, data: bytes, *, fsync: bool = False) -> None:
        """Write whole lines, all or none: a write that the disk cut short is taken back.

        Raises:
            OSError: nothing was written.
        """
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._fd, data[written:] if written else data, self.size + written)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        if fsync:
            os.fdatasync(self._fd)
        self.size += written

    def last_position(self, streams: str = "", *, without: bytes = b"") -> tuple[str, int] | None:
        """Stream and offset of the last line whose stream's name begins with `streams`; a damaged line is no line.

        Lines that contain `without` are passed over.
        """
        for line in self._lines_at_the_end():
            if without and without in line:
                continue
            with contextlib.suppress(msgspec.MsgspecError, ValueError):
                stream, _, offset = _decode_id(line).id.rpartition("-")
                if stream.startswith(streams):
                    return stream, int(offset)
        return None

    def _lines_at_the_end(self) -> Iterator[bytes]:
        """Lines, the last one first: those of the last megabyte, or as much as the last line takes."""
        window = TAIL_BYTES * 16
        while True:
            start = max(0, self.size - window)
            lines = os.pread(self._fd, self.size - start, start).split(b"\n")[:-1]
            if start == 0 or len(lines) > 1:
                return reversed(lines if start == 0 else lines[1:])
            window *= 4

    def moved_away(self) -> bool:
        """Whether somebody (logrotate, an operator) has renamed or deleted the file under us."""
        try:
            return os.fstat(self._fd).st_ino != self.path.stat().st_ino
        except FileNotFoundError:
            return True

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _repair(self) -> int:
        """Cut off what follows the last line break: a crash in the middle of a write left it."""
        end = size = os.fstat(self._fd).st_size
        while end:
            start = max(0, end - TAIL_BYTES)
            found = os.pread(self._fd, end - start, start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._fd, end)
        return end


class JsonlSink(DirectSink):
    """Appends each batch to the current file."""

    Options = JsonlOptions
    options: JsonlOptions

    def __init__(self, options: Any, context: SinkContext) -> None:
        """Keep the options; `start` opens the file."""
        super().__init__(options, context)
        self._file: LineFile | None = None
        self._period = ""
        self._period_ends = FOR_EVER
        self._sweeper: threading.Thread | None = None
        self._is_swept = True

    async def start(self) -> None:
        """Open the current file, repair it, and tidy up what a crash left uncompressed.

        Raises:
            SinkError: the directory or file cannot be written.
        """
        try:
            self._open()
        except OSError as error:
            raise SinkError(f"cannot write {error.filename or self.options.directory}: {error.strerror}") from None
        self._sweep()

    async def close(self) -> None:
        """Close the file and wait for a compression underway."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._sweeper is not None:
            self._sweeper.join(timeout=5)

    async def check(self) -> str:
        """See whether the directory can be written."""
        directory = self.options.directory
        parent = directory
        while not parent.exists():
            parent = parent.parent
        if not os.access(parent, os.W_OK | os.X_OK):
            raise SinkError(f"cannot write {directory}: permission denied")
        return f"{directory} can be written, {shutil.disk_usage(parent).free >> 20:,} MiB are free"

    def write(self, events: Sequence[Event]) -> None:
        """Append a batch in one write."""
        self._file_for(events[0].received).append(encode_lines(events), fsync=self.options.fsync)

    def position(self) -> tuple[str, int] | None:
        """The last message of a subscription that is in the archive; relay events (stream `r…`) do not count."""
        return self._file.last_position("s") if self._file else None

    def tick(self) -> None:
        """Begin a new file when its time has come, reopen one that was moved away, tidy up what was put off."""
        if self._file is not None and self._file.moved_away():
            self._file.close()
            self._file = None
        self._file_for(self.context.now())
        if not self._is_swept:
            self._sweep()

    def _file_for(self, moment: datetime) -> LineFile:
        if self._file is None:
            return self._open()
        if moment >= self._period_ends or self._file.size >= self.options.max_bytes:
            self._rotate(moment)
        return self._file

    def _open(self) -> LineFile:
        path = self.options.directory / f"{self.options.prefix}.jsonl"
        file = LineFile(path)
        self._enter(datetime.fromtimestamp(path.stat().st_mtime, UTC) if file.size else self.context.now())
        self._file = file
        return file

    def _rotate(self, moment: datetime) -> None:
        """Rename the current file after its period and begin the next; compression is a thread's business."""
        current = self._file
        if current is None or current.size == 0:
            self._enter(moment)
            return
        stem = f"{self.options.prefix}-{self._period}"
        number = 0
        while any((self.options.directory / f"{stem}-{number:03}.jsonl{end}").exists() for end in SUFFIXES.values()):
            number += 1
        current.path.rename(self.options.directory / f"{stem}-{number:03}.jsonl")
        current.close()
        self._file = None
        self._open()
        self._enter(moment)
        self._sweep()

    def _enter(self, moment: datetime) -> None:
        """Begin the period that `moment` is in: its name, and when it ends."""
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        if self.options.rotate == "daily":
            self._period, self._period_ends = f"{hour:%Y-%m-%d}", _after(hour.replace(hour=0), timedelta(days=1))
        elif self.options.rotate == "hourly":
            self._period, self._period_ends = f"{hour:%Y-%m-%dT%H}", _after(hour, timedelta(hours=1))
        else:
            self._period, self._period_ends = "all", FOR_EVER

    def _sweep(self) -> None:
        """Compress and delete old files, in a thread: the intake must not wait. While one is at it, that is put off."""
        self._is_swept = self._sweeper is None or not self._sweeper.is_alive()
        if self._is_swept:
            self._sweeper = threading.Thread(target=self._sweep_files, name=f"{self.context.name} sweep", daemon=True)
            self._sweeper.start()

    def _sweep_files(self) -> None:
        try:
            for path in self._rotated():
                if path.suffix == ".jsonl":
                    compress(path, self.options.compress)
            if self.options.keep is not None:
                self._delete_older(self.context.now() - timedelta(seconds=self.options.keep))
        except OSError as error:
            self.context.log.warning("old files not tidied up", sink=self.context.name, error=str(error))

    def _rotated(self) -> list[Path]:
        prefix = self.options.prefix
        files = self.options.directory.glob(f"{prefix}-*")
        return sorted(path for path in files if _ROTATED.fullmatch(path.name.removeprefix(prefix)))

    def _delete_older(self, limit: datetime) -> None:
        for path in self._rotated():
            if path.stat().st_mtime < limit.timestamp():
                path.unlink()


def compress(path: Path, how: str) -> None:
    """Compress a rotated file beside itself, keep its time, then delete the original; a crash leaves one whole file.

    Raises:
        OSError: the disk does not let us; the original is still there.
    """
    if how == "none":
        return
    target = path.with_name(path.name + SUFFIXES[how])
    partial = path.with_name(path.name + ".part")
    try:
        with path.open("rb") as source, partial.open("wb") as sink:
            os.fchmod(sink.fileno(), FILE_MODE)
            if how == "zstd":
                zstandard.ZstdCompressor(level=3).copy_stream(source, sink)
            else:
                with gzip.GzipFile(fileobj=sink, mode="wb") as packed:
                    shutil.copyfileobj(source, packed)
            sink.flush()
            os.fsync(sink.fileno())
        shutil.copystat(path, partial)
        partial.rename(target)
        path.unlink()
    finally:
        partial.unlink(missing_ok=True)


def _after(moment: datetime, span: timedelta) -> datetime:
    """So much later; the end of all time when that comes before (an archive line may claim any year)."""
    return moment + span if moment <= FOR_EVER - span else FOR_EVER
