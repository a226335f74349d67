"""Standard error without waiting: lines go through a bounded queue to a thread, which alone writes them.

A disk that is full, a pipe that nobody reads or that has lost its reader keep the thread, never the program: a line
that cannot be written is dropped and counted, and the count is reported once lines can be written again.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 4 << 20
"""How much may wait; what comes beyond is dropped."""
FLUSH_TIMEOUT = 0.5
"""Seconds that the end of the process waits for the lines that are left."""


class LogWriter(io.TextIOBase):
    """A text stream whose `write` never blocks and never raises for what is wrong with the descriptor."""

    def __init__(self, descriptor: int, *, max_bytes: int = MAX_BYTES) -> None:
        """Write to `descriptor`, which stays the caller's and should be open for as long as the process lives."""
        super().__init__()
        self.dropped = 0
        """Lines that could not be written, since the start."""
        self.report: Callable[[int], None] = lambda _: None
        """Called in the thread when a line was written after some were dropped, with their number."""
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._is_terminal = os.isatty(descriptor)
        self._changed = threading.Condition(threading.RLock())  # a signal handler may write while we do
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._rest = ""
        self._busy = False
        self._unreported = 0
        self._torn = False
        self._thread: threading.Thread | None = None

    def write(self, text: str) -> int:
        """Queue the whole lines of the text; what is no whole line yet waits for its end."""
        with self._changed:
            whole, newline, rest = (self._rest + text).rpartition("\n")
            self._rest = rest
            if newline:
                self._put(f"{whole}\n")
        return len(text)

    def flush(self) -> None:
        """Do nothing: nobody waits for the log. The end of the process calls `finish`."""

    def finish(self, timeout: float = FLUSH_TIMEOUT) -> None:
        """Wait until all is written, but no longer than so many seconds."""
        until = time.monotonic() + timeout
        with self._changed:
            if self._rest:
                rest = self._rest
                self._rest = ""
                self._put(f"{rest}\n")
            while (self._lines or self._busy) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)

    def isatty(self) -> bool:
        """Whether a person reads it at a terminal."""
        return self._is_terminal

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """UTF-8, whatever the locale."""
        return "utf-8"

    def _put(self, lines: str) -> None:
        data = lines.encode(errors="backslashreplace")
        if self._waiting + len(data) > self._max_bytes:
            self._drop(data)
            return
        self._lines.append(data)
        self._waiting += len(data)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="log", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _drop(self, data: bytes) -> None:
        count = data.count(b"\n")
        self.dropped += count
        self._unreported += count

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                while not self._lines:
                    self._changed.wait()
                data = self._lines.popleft()
                self._waiting -= len(data)
                self._busy = True
            if self._written(data):
                self._report_dropped()
            else:
                with self._changed:
                    self._drop(data)

    def _report_dropped(self) -> None:
        """Not while there is hardly room: the report is a line too."""
        with self._changed:
            if self._waiting > self._max_bytes // 2:
                return
            count = self._unreported
            self._unreported = 0
        if count:
            self.report(count)

    def _written(self, data: bytes) -> bool:
        """Whether all of it was; after a part of a line the next one begins on a line of its own."""
        left = memoryview(b"\n" + data if self._torn else data)
        try:
            while left:
                left = left[self._write_some(left) :]
                self._torn = bool(left)
        except OSError:
            return False
        return True

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:  # somebody who shares it has made it non-blocking
            ready = select.poll()
            ready.register(self._descriptor, select.POLLOUT)
            ready.poll()
            return 0
