"""The archive: one event a line, in files that are rotated, compressed and in the end deleted.

A batch is one write. A line that a crash cut short is removed at start; whole ones are never touched. The fields of a
line are those of `relay.events.Record` (docs/archive.md).
"""

import gzip
import os
import re
import shutil
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import zstandard
from pydantic import Field

from relay.events import Event, encode_lines
from sinks import retention
from sinks.append_file import FILE_MODE, AppendFile
from sinks.base import DirectSink, SinkContext, SinkError
from sinks.options import Duration, Options, Size

_ROTATED = re.compile(r"-(?:\d{4}-\d\d-\d\d(?:T\d\d)?|all)-\d{3,}\.jsonl(?:\.zst|\.gz)?")
"""What follows the prefix in a rotated file's name; other sinks may have files beside ours."""
FOR_EVER = datetime.max.replace(tzinfo=UTC)
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

    def writes_to(self) -> Path:
        """The current file."""
        return self.directory / f"{self.prefix}.jsonl"


class JsonlSink(DirectSink):
    """Appends each batch to the current file."""

    Options = JsonlOptions
    options: JsonlOptions

    def __init__(self, options: Any, context: SinkContext) -> None:
        """Keep the options; `start` opens the file."""
        super().__init__(options, context)
        self._file: AppendFile | None = None
        self._period = ""
        self._period_ends = FOR_EVER
        self._sweeper: threading.Thread | None = None
        self._is_swept = True
        self._swept_at = 0.0

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
        return f"{directory} is writable, {shutil.disk_usage(parent).free >> 20:,} MiB are free"

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
        if not self._is_swept or time.monotonic() - self._swept_at >= retention.EVERY:
            self._sweep()

    def _file_for(self, moment: datetime) -> AppendFile:
        if self._file is None:
            return self._open()
        if moment >= self._period_ends or self._file.size >= self.options.max_bytes:
            self._rotate(moment)
        return self._file

    def _open(self) -> AppendFile:
        file = AppendFile(self.options.writes_to())
        self._enter(datetime.fromtimestamp(file.path.stat().st_mtime, UTC) if file.size else self.context.now())
        self._file = file
        return file

    def _rotate(self, moment: datetime) -> None:
        """Rename the current file after its period and begin the next; compression is a thread's business."""
        current = self._file
        if current is None or current.is_empty():
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
            self._period = f"{hour:%Y-%m-%d}"
            self._period_ends = _after(hour.replace(hour=0), timedelta(days=1))
        elif self.options.rotate == "hourly":
            self._period = f"{hour:%Y-%m-%dT%H}"
            self._period_ends = _after(hour, timedelta(hours=1))
        else:
            self._period = "all"
            self._period_ends = FOR_EVER

    def _sweep(self) -> None:
        """Compress and delete old files, in a thread: the intake must not wait. While one is at it, that is put off."""
        self._is_swept = self._sweeper is None or not self._sweeper.is_alive()
        if self._is_swept:
            self._swept_at = time.monotonic()
            self._sweeper = threading.Thread(target=self._sweep_files, name=f"{self.context.name} sweep", daemon=True)
            self._sweeper.start()

    def _sweep_files(self) -> None:
        try:
            for path in self._rotated():
                if path.suffix == ".jsonl":
                    compress(path, self.options.compress)
            if self.options.keep is not None:
                self._delete_older(self.options.keep)
        except OSError as error:
            self.context.log.warning("old files not tidied up", sink=self.context.name, error=str(error))

    def _rotated(self) -> list[Path]:
        prefix = self.options.prefix
        files = self.options.directory.glob(f"{prefix}-*")
        return sorted(path for path in files if _ROTATED.fullmatch(path.name.removeprefix(prefix)))

    def _delete_older(self, keep: float) -> None:
        now, steady_for = self.context.now(), self.context.steady_for()
        current = self.options.directory / f"{self.options.prefix}.jsonl"
        for path in retention.doomed(self._rotated(), current, keep, now, steady_for):
            path.unlink()
            self.context.log.info("old file deleted", sink=self.context.name, path=str(path), keep_seconds=keep)


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
