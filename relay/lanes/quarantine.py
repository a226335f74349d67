"""What is no JSON object, or ends the process that reads it: kept byte for byte, with channel, time and reason.

A line is `{"id", "received", "channel", "reason", "size", "data"}`; `data` is base64 of the bytes as they came, and so
is `channel_bytes` where a channel's name is not UTF-8.
"""

import base64
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from relay.events import utc_text
from relay.normalize.normalize import Unreadable, UnreadableReason
from relay.process.clock import Clock
from sinks import retention
from sinks.append_file import AppendFile, InUseError

HOLD_BYTES = 64 << 20
"""Bytes held in memory while the file cannot be written."""
_POISON = f'"reason":"{UnreadableReason.POISON}"'.encode()

log = structlog.get_logger(__name__)


class Quarantine:
    """The file of unreadable messages: accepted like by any lane, never sent anywhere."""

    def __init__(
        self, directory: Path, *, max_bytes: int, max_total_bytes: int, keep: float, clock: Clock | None = None
    ) -> None:
        """`max_bytes` for one file, and for all; rotated files are deleted after `keep` seconds, or to keep that."""
        self._clock = clock or Clock()
        self._path = directory / "quarantine.jsonl"
        self._max_bytes = min(max_bytes, max_total_bytes)
        self._max_rotated_bytes = max_total_bytes - self._max_bytes
        self._keep = keep
        self._file: AppendFile | None = None
        self._held: list[bytes] = []
        self._prepared: dict[tuple[str, int], bytes] = {}
        self.counts: Counter[str] = Counter(dict.fromkeys(UnreadableReason, 0))
        """Messages by reason."""
        self.dropped = 0
        """Lines lost because neither disk nor memory had room."""
        self.error = ""
        self.is_in_use = False
        """Whether another process, a second relay, writes to the file."""
        self._flush()
        # Poison comes out of order, long after its neighbours, so it says nothing of how far the others have come.
        self._last = self._position(without=_POISON)
        self._last_line = self._position()

    def prepare(self, messages: Sequence[Unreadable]) -> None:
        """Make the lines of messages that `accept` will be given: long ones, in a thread."""
        self._prepared = {(message.stream, message.offset): _line(message) for message in messages}

    def accept(self, messages: Sequence[Unreadable]) -> None:
        """Keep messages; those that a crash has us meet again are kept once."""
        for message in messages:
            line = self._prepared.pop((message.stream, message.offset), None)
            if self._is_kept(message):
                continue
            self.counts[message.reason] += 1
            self._held.append(line or _line(message))
            log.warning(
                "message quarantined",
                channel=message.channel.decode(errors="backslashreplace")[:200],
                reason=message.reason,
                size=len(message.data),
            )
        self._flush()

    def tick(self) -> None:
        """Try again what could not be written."""
        if self._held:
            self._flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _position(self, without: bytes = b"") -> tuple[str, int] | None:
        """Stream and offset of the last message that is kept."""
        return self._file.last_position(without=without) if self._file else None

    def _is_kept(self, message: Unreadable) -> bool:
        """Whether the process before has kept it already."""
        if message.reason is UnreadableReason.POISON:
            return self._last_line == (message.stream, message.offset)
        return self._last is not None and message.stream == self._last[0] and message.offset <= self._last[1]

    def _flush(self) -> None:
        try:
            if self._file is None:
                self._file = AppendFile(self._path)
            elif self._file.moved_away():
                self.close()
                self._file = AppendFile(self._path)
            data = b"".join(self._held)
            if self._file.size and self._file.size + len(data) > self._max_bytes:
                self._rotate()
            if data:
                self._file.append(data)
        except OSError as error:
            self.is_in_use = isinstance(error, InUseError)
            if not self.error:
                log.error("the quarantine cannot be written", path=str(self._path), error=error.strerror)  # noqa: TRY400 - no news in a traceback
            self.error = error.strerror or str(error)
            while sum(map(len, self._held)) > HOLD_BYTES:
                self._held.pop(0)
                self.dropped += 1
        else:
            self._held.clear()
            self.error = ""
            self.is_in_use = False

    def _rotate(self) -> None:
        self.close()
        self._path.rename(self._path.with_name(f"quarantine-{time.time_ns()}.jsonl"))
        self._make_room()
        self._file = AppendFile(self._path)
        self._delete_older()

    def _delete_older(self) -> None:
        rotated = self._path.parent.glob("quarantine-*.jsonl")
        now, steady_for = self._clock.now(), self._clock.steady_for
        for path in retention.doomed(rotated, self._path, self._keep, now, steady_for):
            path.unlink()
            log.info("old file deleted", path=str(path), keep_seconds=self._keep)

    def _make_room(self) -> None:
        """Delete the oldest files while all of them together are too large."""
        files = [(path.stat().st_size, path) for path in sorted(self._path.parent.glob("quarantine-*.jsonl"))]
        total = sum(size for size, _ in files)
        for size, path in files:
            if total <= self._max_rotated_bytes:
                return
            path.unlink()
            total -= size
            log.warning("quarantine is full; its oldest file was deleted", path=str(path), bytes=size)


def _line(message: Unreadable) -> bytes:
    """One message's line; `Raw` is copied as it is, where text would be searched for what must be escaped."""
    channel = message.channel.decode(errors="backslashreplace")
    fields: dict[str, object] = {
        "id": f"{message.stream}-{message.offset}",
        "received": utc_text(message.received),
        "channel": channel,
        "reason": message.reason,
        "size": len(message.data),
        "data": msgspec.Raw(b'"%b"' % base64.b64encode(message.data)),
    }
    if channel.encode() != message.channel:
        fields["channel_bytes"] = base64.b64encode(message.channel).decode()
    return msgspec.json.encode(fields) + b"\n"
