"""What ends the process while it reads is found, across processes, and set aside: a poison message.

The kernel keeps a batch that was not consumed, so a message that ends one process would end each of its successors: by
a hang that the watchdog ends, for want of memory, by a crash in C code. A process therefore puts its first batch on
record before it takes it. When three have ended with the same one, it is taken message by message, each on record;
the one on record when a process has ended is the one. Nothing here knows what a message means.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from relay.events import Announcement, Severity
from relay.events.wording import clock_time
from relay.store.store import Store
from relay.subscription.batch import Batch

ENOUGH = 3
"""Processes that have ended with a batch before it is taken apart."""
_KEY = "attempt"


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a process has begun to take, as the next one finds it. Positions are ends of messages in the stream."""

    stream: str
    first: int
    """The batch's first message, or the single one."""
    ends: int = 0
    """Processes that have ended with it."""
    until: int = 0
    """The last message of the batch that is taken apart; 0: it is taken whole."""
    is_counted: bool = False
    """No process has it underway: `ends` says all."""
    is_blamed: bool = False
    """A process has ended while it took this single message."""


@dataclass(frozen=True, slots=True)
class Part:
    """Messages to be taken together; or, where `ends` says how many processes it has ended, one to be set aside."""

    batch: Batch
    ends: int = 0

    @property
    def position(self) -> int:
        """Where it ends in the stream."""
        return self.batch.last_position


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Attempt).decode


class PoisonSearch:
    """Watches over a process' first batch, and over all of one that has ended processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelf = store.shelf("poison")
        self._last = _read(self._shelf.get(_KEY))
        self.ended_in_batch = self._last is not None and not self._last.is_counted
        """Whether the last process ended while it took a batch, and so not by anything else."""
        if self._last is not None and self.ended_in_batch:
            counted = msgspec.structs.replace(self._last, ends=self._last.ends + 1, is_counted=True)
            self._record(msgspec.structs.replace(counted, is_blamed=bool(counted.until)))
        self.is_over = False
        """Whether batches need no watching any more in this process."""

    def parts(self, batch: Batch) -> Iterator[Part]:
        """The batch as it is to be taken. To ask for the next part is to say that the last one was consumed."""
        first, last = batch.first_position, self._met_before(batch)
        ends = last.ends if last else 0
        if last and last.until:
            poison = ends if last.is_blamed and last.first == first else 0
            return self._singly(batch, ends - last.is_blamed, last.until, poison=poison)
        if ends >= ENOUGH:
            return self._singly(batch, ends, batch.last_position, poison=ends if len(batch.messages) == 1 else 0)
        return self._whole(batch, ends)

    def stopping(self) -> None:
        """The process was asked to end: that says nothing of what it has on record."""
        if self._last is not None and not self._last.is_counted:
            self._record(msgspec.structs.replace(self._last, is_counted=True))

    def _whole(self, batch: Batch, ends: int) -> Iterator[Part]:
        self._record(Attempt(batch.stream, batch.first_position, ends))
        yield Part(batch)
        self._finish()

    def _singly(self, batch: Batch, ends: int, until: int, *, poison: int) -> Iterator[Part]:
        """Message by message. `poison`: how many processes the first one has ended, where it is known to be the one."""
        for message in batch.messages:
            part = replace(batch, messages=[message])
            if poison:
                yield Part(part, poison)
                poison = 0
            else:
                if part.last_position <= until:
                    self._record(Attempt(batch.stream, part.last_position, ends, until))
                yield Part(part)
        if batch.last_position >= until:
            self._finish()

    def _met_before(self, batch: Batch) -> Attempt | None:
        """The record, if it is of this batch or of one that this is a part of."""
        last, first = self._last, batch.first_position
        if last is None or last.stream != batch.stream:
            return None
        return last if first == last.first or last.first < first <= last.until else None

    def _record(self, attempt: Attempt) -> None:
        self._last = attempt
        self._shelf.put(_KEY, _encode(attempt).decode())
        self._store.commit()

    def _finish(self) -> None:
        """What comes from here on is new. The record goes at once: else it would seem to be why the process ended."""
        self._last = None
        self.is_over = True
        self._shelf.put(_KEY, None)
        self._store.commit()


def notice(part: Part, now: datetime) -> Announcement:
    """That a message was set aside."""
    wire_channel, _, _ = part.batch.messages[0]
    channel = wire_channel.decode(errors="backslashreplace")[:200]
    return Announcement(
        channel="relay:alert:messages_set_aside",
        event="messages_set_aside",
        severity=Severity.ERROR,
        payload={
            "title": "1 message was set aside",
            "message": (
                f"It ended the relay's process {part.ends} times while it read it, so it goes on without it."
                f" From {channel}, at {clock_time(now, now, utc=True)}. All other events were read."
                " Please report it with its line of reason `poison` in quarantine/quarantine.jsonl,"
                " in the state directory."
            ),
            "facts": {"channel": channel, "ends": part.ends, "id": f"{part.batch.stream}-{part.position}"},
        },
    )


def _read(text: str | None) -> Attempt | None:
    try:
        return _decode(text) if text else None
    except msgspec.MsgspecError:
        return None
