"""Between the routes and one sink: a lane accepts events, and from then on they are its responsibility.

`accept` never waits and never raises; whatever the sink does after that is this lane's trouble alone. `DirectLane`
writes at once and holds in memory what its sink cannot write now; `relay.delivery` has the lane that delivers from the
outbox.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime

import structlog

from relay.events import Event
from sinks.base import DirectSink, Reason, Sink

HOLD_BYTES = 64 << 20
"""What a direct lane keeps in memory while its sink cannot write."""
log = structlog.get_logger(__name__)


class Lane(ABC):
    """What every lane has: a sink, and counts that add up (accepted = delivered + dropped + waiting)."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.name = sink.context.name
        self.accepted = 0
        self.delivered = 0
        self.dropped: Counter[str] = Counter()
        """Events lost, by reason."""
        self.error = ""
        """What is wrong now, in one line; empty while all is well."""
        self.failing_since: datetime | None = None

    @abstractmethod
    def accept(self, events: Sequence[Event]) -> None:
        """Take responsibility for events. Durable ones are safe with the store's next commit."""

    @abstractmethod
    def tick(self, now: datetime) -> None:
        """Called about once a second."""

    @abstractmethod
    def start(self) -> None:
        """Begin; the sink has started."""

    async def stop(self, grace: float) -> None:
        """Deliver what is underway, for at most `grace` seconds, and close the sink."""
        await asyncio.wait_for(self.sink.close(), grace)

    @property
    def waiting(self) -> int:
        """Events accepted and neither delivered nor dropped."""
        return self.accepted - self.delivered - sum(self.dropped.values())

    def _trouble(self, error: str, now: datetime) -> None:
        if not self.error:
            log.warning("sink is failing", sink=self.name, error=error)
        self.error = error
        self.failing_since = self.failing_since or now

    def _well(self) -> None:
        if self.error:
            log.info("sink works again", sink=self.name)
        self.error, self.failing_since = "", None


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
        if self._held:
            self._hold(events)
        else:
            self._write(events)

    def tick(self, now: datetime) -> None:
        """Try what is held again, in slices, so that a long hold does not block the loop for long."""
        self._sink.tick()
        while self._held:
            count = min(len(self._held), 5000)
            slice_ = [self._held.popleft() for _ in range(count)]
            if not self._write(slice_, now, front=True):
                return
        self._held_bytes = 0

    def _write(self, events: Sequence[Event], now: datetime | None = None, *, front: bool = False) -> bool:
        try:
            self._sink.write(events)
        except OSError as error:
            self._trouble(error.strerror or str(error), now or events[-1].received)
            self._hold(events, front=front)
            return False
        except Exception as error:  # a sink's bug is this lane's trouble alone
            log.exception("sink raised", sink=self.name)
            self._trouble(f"{type(error).__name__} in the sink", now or events[-1].received)
            self.dropped[Reason.FAILED] += len(events)
            return False
        self.delivered += len(events)
        if self.error:
            self._well()
        return True

    def _hold(self, events: Sequence[Event], *, front: bool = False) -> None:
        if front:
            self._held.extendleft(reversed(events))
            return
        self._held.extend(events)
        self._held_bytes += sum(len(event.original) + len(event.raw) + 500 for event in events)
        while self._held and self._held_bytes > self._hold_bytes:
            lost = self._held.popleft()
            self._held_bytes -= len(lost.original) + len(lost.raw) + 500
            self.dropped["hold_full"] += 1

    def _without_known(self, events: Sequence[Event]) -> Sequence[Event]:
        """The events after the sink's own position; behind it the question need not be asked again."""
        if self._already is None:
            return events
        stream, offset = self._already
        fresh = [event for event in events if event.stream != stream or event.offset > offset]
        if any(event.stream == stream for event in fresh):
            self._already = None
        return fresh
