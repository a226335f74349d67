"""Sinks and a clock that do as a test says, and lanes around them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from relay.config.settings import OutboxOptions
from relay.events import Event, KindFacts, Severity, kind_of
from relay.lanes.queued import QueuedLane
from relay.process import clock
from relay.store.outbox import Outbox
from relay.store.store import Store
from sinks.base import DELIVERED, Batching, DirectSink, Outcome, QueuedSink, Reason
from sinks.options import Options
from sinks.testing import make_context

BEGIN = datetime(2025, 1, 27, 21, 0, tzinfo=UTC)
DOWN = Outcome(Reason.SERVER_ERROR, "HTTP 500")
PATIENT = {"breaker_failures": 1000, "retry_first": "1s", "retry_most": "8s"}
"""Options of a lane that tries again and again: its breaker stays closed."""


@dataclass
class Clock:
    """A clock that is moved by hand."""

    now: datetime = BEGIN
    passed: float = 0.0
    """Seconds since boot."""

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> None:
        """So many seconds pass."""
        self.set(seconds)
        self.passed += seconds

    def set(self, seconds: float) -> None:
        """Somebody sets it by so many seconds."""
        self.now += timedelta(seconds=seconds)

    def judged(self) -> clock.Clock:
        """It, as the daemon has it."""
        return clock.Clock(self, lambda: self.passed)


def numbered(number: int, stream: str = "s1", **payload: Any) -> Event:
    """The event of that number."""
    raw = b'{"n":%d}' % number
    kind = kind_of(KindFacts("tickstock:a:b", "numbered"))
    event = Event(kind, stream, number, BEGIN, BEGIN, raw, raw)
    event.payload.update(payload)
    return event


class ScriptedSink(QueuedSink):
    """Answers with `outcomes` in turn, then with success; notes what it was given."""

    def __init__(self, *, batching: Batching | None = None, **keys: Callable[[Event], str | None]) -> None:
        super().__init__(Options(), make_context("app"))
        self.outcomes: list[Outcome | Exception | Callable[[], Awaitable[Outcome]]] = []
        self.deliveries: list[tuple[str, list[int]]] = []
        self.arrived: list[int] = []
        self.poison: set[int] = set()
        self._batching = batching or Batching()
        self._keys = keys

    def batching(self) -> Batching:
        return self._batching

    def order_key(self, event: Event) -> str | None:
        return self._keys["order"](event) if "order" in self._keys else None

    def repeat_key(self, event: Event) -> str | None:
        return self._keys["repeat"](event) if "repeat" in self._keys else None

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        numbers = [event.offset for event in events]
        self.deliveries.append((delivery_id, numbers))
        if self.poison & set(numbers):
            raise ValueError("a bug that this event meets")
        answer = self.outcomes.pop(0) if self.outcomes else DELIVERED
        if isinstance(answer, Exception):
            raise answer
        outcome = answer if isinstance(answer, Outcome) else await answer()
        if outcome.delivered:
            self.arrived += numbers
        return outcome


class DirectScript(DirectSink):
    """Keeps what is written, unless told to fail."""

    def __init__(self, held: tuple[str, int] | None = None) -> None:
        super().__init__(Options(), make_context("archive"))
        self.written: list[int] = []
        self.error: Exception | None = None
        self.tick_error: Exception | None = None
        self.poison: set[int] = set()
        self._position = held

    def write(self, events: Sequence[Event]) -> None:
        if self.error:
            raise self.error
        numbers = [event.offset for event in events]
        if self.poison & set(numbers):
            raise ValueError("a bug that this event meets")
        self.written += numbers

    def position(self) -> tuple[str, int] | None:
        return self._position

    def tick(self) -> None:
        if self.tick_error:
            raise self.tick_error


@dataclass
class Rig:
    """One lane with its outbox, on a store in memory unless told otherwise."""

    sink: ScriptedSink = field(default_factory=ScriptedSink)
    options: dict[str, Any] = field(default_factory=dict)
    store: Store = field(default_factory=lambda: Store(None))
    clock: Clock = field(default_factory=Clock)
    muted: Callable[[Event], str | None] = lambda _: None
    redact: Callable[[Event], Event] = lambda event: event
    tells_incidents: Callable[[Severity], bool] = lambda _: True

    def __post_init__(self) -> None:
        settings = OutboxOptions.model_validate(self.options)
        self.steady = self.clock.judged()
        self.outbox = Outbox(self.store, settings)
        self.lane = self.make_lane()
        self.slept: list[float | None] = []

    def make_lane(self) -> QueuedLane:
        """A lane as after a restart: only the store remembers. It counts as one that has started."""
        lane = self.make_new_lane()
        lane._started = True
        return lane

    def make_new_lane(self) -> QueuedLane:
        """A lane that has yet to start."""
        settings = OutboxOptions.model_validate(self.options)
        return QueuedLane(
            self.sink,
            self.outbox,
            settings,
            clock=self.steady,
            redact=self.redact,
            muted=self.muted,
            tells_incidents=self.tells_incidents,
        )

    def accept(self, *numbers: int) -> None:
        """A batch, committed."""
        self.lane.accept([numbered(number) for number in numbers])
        self.store.commit()

    async def round(self, times: int = 1) -> None:
        """So many looks at the outbox, each with the deliveries that follow; one with nothing to do does not wait."""
        for _ in range(times):
            workers = self.lane._workers
            workers._sleep = self._note_sleep  # type: ignore[method-assign]
            async with asyncio.timeout(120):
                await workers.round()
                await asyncio.gather(*workers.tasks)

    async def _note_sleep(self, seconds: float | None) -> None:
        self.slept.append(seconds)

    def tick(self, seconds: float = 1.0) -> None:
        """Time goes on, and the daemon looks."""
        self.clock.forward(seconds)
        self.lane.tick(self.steady.now())

    def set_clock(self, seconds: float) -> None:
        """The clock is set, and the daemon looks."""
        self.clock.set(seconds)
        self.tick()

    def adds_up(self) -> bool:
        """Whether accepted = delivered + dropped + waiting, and so much does wait."""
        lane = self.lane
        return lane.waiting == self.outbox.count_of(lane.name) >= 0
