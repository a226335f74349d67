"""Between the routes and one sink: a lane accepts events, and from then on they are its responsibility.

`accept` never waits and never raises; whatever the sink does after that is this lane's trouble alone.
`relay.lanes.direct` has the lane that writes at once, `relay.lanes.queued` the one that delivers from the outbox.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import structlog

from relay.events import Event
from sinks.base import Sink

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

    def try_now(self, now: datetime) -> None:  # noqa: B027 - a lane that never rests has nothing to do
        """End a rest and try at once what failed before: the other side may have been mended."""

    def has_caught_up(self) -> bool:
        """Whether the sink has taken events again since it missed states of incidents; said once."""
        return False

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
        self.error = ""
        self.failing_since = None
