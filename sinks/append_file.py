"""Append-only files of lines, whatever else happens to them: one writer, whole lines, no memory of what a file was.

What is on disk decides: before each write the file is looked at, for somebody may have cut it (logrotate's
`copytruncate`), deleted it or replaced its directory. It knows lines, not what is in them, but for their ids.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

FILE_MODE = 0o640
DIRECTORY_MODE = 0o750
TAIL_BYTES = 1 << 16
CHUNK_BYTES = 1 << 20
NOT_THERE = (FileNotFoundError, NotADirectoryError)
_NULS = re.compile(rb"\x00+")

log = structlog.get_logger(__name__)


class _Id(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class InUseError(OSError):
    """Another process writes to the file."""


class AppendFile:
    """A file of lines that this process alone appends to, a batch at a time; made anew when it is gone."""

    def __init__(self, path: Path) -> None:
        """Open or make `path`, lock it, and repair it.

        Raises:
            InUseError: another process has it open.
            OSError: it cannot be written.
        """
        self.path = path
        self.size = 0
        """Bytes, as of the last write."""
        self._fd = -1
        self._open()

    def append(self, data: bytes, *, fsync: bool = False) -> None:
        """Write whole lines, all or none: a write that the disk cut short is taken back.

        Raises:
            OSError: nothing was written.
        """
        self._inspect()
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:] if written else data)
            if fsync:
                os.fdatasync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):  # what is left of a line then is cut before the next write
                os.ftruncate(self._fd, max(0, os.fstat(self._fd).st_size - written))
            raise
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

    def moved_away(self) -> bool:
        """Whether the path leads elsewhere by now: somebody renamed the file or its directory, or deleted them."""
        try:
            return self._fd < 0 or not _leads_to(self.path, self._fd)
        except NOT_THERE:
            return True

    def is_empty(self) -> bool:
        """Whether nothing is in the file now, whoever wrote or cut it."""
        return os.fstat(self._fd).st_size == 0

    def close(self) -> None:
        """Close the file, which unlocks it."""
        _open_here.discard(self)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_at(self, found: os.stat_result) -> bool:
        """Whether this is the file that was found."""
        return os.path.samestat(os.fstat(self._fd), found)

    def duplicate(self) -> int:
        """Another descriptor of the same open file; the lock lasts until the last one is closed."""
        return os.dup(self._fd)

    def _inspect(self) -> None:
        """See what the file is now, before something is written to it."""
        found = os.fstat(self._fd) if self._fd >= 0 else None
        if found is None or found.st_nlink == 0:
            self._open()
        elif found.st_size != self.size:
            self.size = _cut_torn_line(self._fd)

    def _open(self) -> None:
        self.close()
        make_directory(self.path.parent)
        while True:
            fd = _locked(os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE), self.path)
            try:
                if _leads_to(self.path, fd):  # else it was rotated just before we had the lock
                    os.fchmod(fd, FILE_MODE)
                    self.size = _cut_torn_line(fd)
                    self._fd = _without_nuls(fd, self.path)
                    break
            except OSError:
                os.close(fd)
                raise
            os.close(fd)
        self.size = os.fstat(self._fd).st_size
        _open_here.add(self)

    def _lines_at_the_end(self) -> Iterator[bytes]:
        """Lines, the last one first: those of the last megabyte, or as much as the last line takes."""
        size, window = os.fstat(self._fd).st_size, TAIL_BYTES * 16
        while True:
            start = max(0, size - window)
            lines = os.pread(self._fd, size - start, start).split(b"\n")[:-1]
            if start == 0 or len(lines) > 1:
                return reversed(lines if start == 0 else lines[1:])
            window *= 4


_open_here: set[AppendFile] = set()
"""Those of this process: a reload opens a file anew before it closes it, and a lock would keep it from that."""


def make_directory(path: Path) -> None:
    """Make a directory and those above it, for the relay and its group alone.

    Raises:
        OSError: it cannot be.
    """
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(DIRECTORY_MODE, exist_ok=True)


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, which need not be there: relative, by a symlink, a hard link or a mount."""
    one, other = one.resolve(), other.resolve()
    with contextlib.suppress(OSError):
        if one == other or one.samefile(other):
            return True
    with contextlib.suppress(OSError):
        return one.name == other.name and one.parent.samefile(other.parent)
    return False


def _locked(fd: int, path: Path) -> int:
    """The descriptor, locked; of a file that this process has open already, one that shares its lock."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        ours = next((file for file in _open_here if file.is_at(os.fstat(fd))), None)
        os.close(fd)
        if ours is not None:
            return ours.duplicate()
        message = "another process writes to it; each relay needs a file of its own"
        raise InUseError(errno.EBUSY, message, str(path)) from None
    except OSError as error:
        log.warning("nothing keeps a second writer away", path=str(path), error=error.strerror)
    return fd


def _leads_to(path: Path, fd: int) -> bool:
    return os.path.samestat(os.fstat(fd), path.stat())


def _cut_torn_line(fd: int) -> int:
    """Cut off what follows the last line break: a crash in the middle of a write left it. The size then."""
    end = size = os.fstat(fd).st_size
    while end:
        start = max(0, end - TAIL_BYTES)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(fd, end)
    return end


def _without_nuls(fd: int, path: Path) -> int:
    """The descriptor of the file without NULs, which stand where nothing was written; the same if there are none.

    Such places are at the beginning (the file was cut under a writer that remembered its size), at the end (power
    was lost) or holes. The lines are written anew beside the file and take its place.
    """
    size = os.fstat(fd).st_size
    if not _has_nuls(fd, size):
        return fd
    part = path.with_name(path.name + ".part")
    repaired = -1
    try:
        repaired = os.open(part, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        fcntl.flock(repaired, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with os.fdopen(repaired, "wb", closefd=False) as out:
            out.writelines(_lines_between_nuls(fd, size))
        os.fsync(repaired)
        was = os.fstat(fd)
        os.utime(repaired, ns=(was.st_atime_ns, was.st_mtime_ns))
        part.rename(path)
    except OSError as error:
        log.warning("NUL bytes are left in the file", path=str(path), error=error.strerror)
        if repaired >= 0:
            os.close(repaired)
            part.unlink(missing_ok=True)
        return fd
    log.warning("NUL bytes removed", path=str(path), count=size - os.fstat(repaired).st_size)
    os.close(fd)
    return repaired


def _has_nuls(fd: int, size: int) -> bool:
    if b"\0" in os.pread(fd, TAIL_BYTES, 0) or b"\0" in os.pread(fd, TAIL_BYTES, max(0, size - TAIL_BYTES)):
        return True
    hole = os.lseek(fd, 0, os.SEEK_HOLE) if size else 0
    return hole < size and os.pread(fd, 1, hole) == b"\0"


def _lines_between_nuls(fd: int, size: int) -> Iterator[bytes]:
    """All but the NULs; a line that they broke off ends there, so that it does not spoil the next one."""
    last = b"\n"
    for start in range(0, size, CHUNK_BYTES):
        for number, piece in enumerate(_NULS.split(os.pread(fd, min(CHUNK_BYTES, size - start), start))):
            if number and last != b"\n":
                yield (last := b"\n")
            if piece:
                yield piece
                last = piece[-1:]
