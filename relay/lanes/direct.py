"""The lane of a sink that takes each batch at once; it holds in memory what its sink cannot write now."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from relay.events import Event
from relay.lanes.lane import Lane, log
from sinks.base import DirectSink, Reason

HOLD_BYTES = 64 << 20

"""What a direct lane keeps in memory while its sink cannot write."""

HELD_SLICE = 5000

"""Events of those that are written at once when the sink can again."""

SUBSCRIBED = "s"

"""How the names of Redis streams begin; those of the relay's own events begin otherwise."""


class DirectLane(Lane):
    """Writes each batch at once; holds events, oldest dropped first, while the sink cannot."""

    def __init__(self, sink: DirectSink, *, hold_bytes: int = HOLD_BYTES) -> None:
        super().__init__(sink)
        self._sink = sink
        self._held: deque[Event] = deque()
        self._held_bytes = 0
        self._hold_bytes = hold_bytes
        self._already: tuple[str, int] | None = None

    def start(self) -> None:
        """Ask the sink what it holds since before the restart, so that none is written twice."""
        self._already = self._sink.position()

    def accept(self, events: Sequence[Event]) -> None:
        """Write, or hold."""
        if self._already:
            events = self._without_known(events)
        self.accepted += len(events)
        done = 0 if self._held else self._write(events)
        if done < len(events):
            self._hold(events[done:])

    def tick(self, now: datetime) -> None:  # noqa: ARG002 - a direct sink asks its own clock
        """Let the sink tidy up; try what is held again."""
        try:
            self._sink.tick()
        except Exception as error:  # noqa: BLE001 - a full disk or a bug, it is logged and this lane's trouble alone
            self._failed(error)
        self._write_held()

    async def stop(self, grace: float) -> None:
        """Try what is held once more, count what is lost with the process, close the sink."""
        self._write_held()
        if self._held:
            log.error("events lost at shutdown", sink=self.name, count=len(self._held), error=self.error)
            self.dropped["stopped"] += len(self._held)
            self._held.clear()
        await super().stop(grace)

    def _write_held(self) -> None:
        """In slices, so that one does not block the loop for long."""
        while self._held:
            slice_ = list(islice(self._held, HELD_SLICE))
            done = self._write(slice_)
            for _ in range(done):
                self._held_bytes -= _size(self._held.popleft())
            if done < len(slice_):
                return

    def _write(self, events: Sequence[Event]) -> int:
        """How many of the first events are done with, written or given up; the others are for later."""
        if not events:
            return 0
        try:
            self._sink.write(events)
        except OSError as error:
            self._failed(error)
            return 0
        except Exception as error:  # noqa: BLE001 - a sink's bug is logged and this lane's trouble alone
            if len(events) > 1:
                return self._write_singly(events)
            self._failed(error)
            self.dropped[Reason.FAILED] += 1
            return 1
        self.delivered += len(events)
        self._well()
        return len(events)

    def _write_singly(self, events: Sequence[Event]) -> int:
        """One event that the sink cannot bear must not take its batch with it."""
        for done, event in enumerate(events):
            if not self._write([event]):
                return done
        return len(events)

    def _failed(self, error: Exception) -> None:
        now = self.sink.context.now()
        if isinstance(error, OSError):
            self._trouble(error.strerror or str(error), now)
        else:
            log.error("sink raised", sink=self.name, exc_info=error)
            self._trouble(f"{type(error).__name__} in the sink", now)

    def _hold(self, events: Sequence[Event]) -> None:
        self._held.extend(events)
        self._held_bytes += sum(map(_size, events))
        while self._held and self._held_bytes > self._hold_bytes:
            self._held_bytes -= _size(self._held.popleft())
            self.dropped["hold_full"] += 1

    def _without_known(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events after the sink's own position; behind it the question need not be asked again."""
        if self._already is None:
            return events
        stream, offset = self._already
        fresh = [event for event in events if event.stream != stream or event.offset > offset]
        if any(event.stream.startswith(SUBSCRIBED) for event in fresh):
            self._already = None
        return fresh


def _size(event: Event) -> int:
    """About the bytes that it takes in memory."""
    return len(event.original) + len(event.raw) + 500
