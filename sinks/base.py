"""What a sink is: it delivers events to one place, and knows events, not the daemon.

Two kinds. A `DirectSink` takes a batch at once, in the intake's own path, so it must be quick and must not wait
(metrics, a local file). A `QueuedSink` is fed by its lane from a queue, durable or in memory, and may take its time,
fail and be retried: everything that crosses a network is one. See docs/sinks.md for how to write one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from relay.events import Event, Kind
from sinks.options import Options


class Reason(StrEnum):
    """How a delivery ended: the closed set, which is also the metric's label."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    SERVER_ERROR = "server_error"
    BAD_ANSWER = "bad_answer"
    FAILED = "failed"
    """The sink raised: a bug in it, retried because nothing else would keep the events."""
    REJECTED = "rejected"
    UNAUTHORIZED = "unauthorized"
    TOO_LARGE = "too_large"


FINAL_REASONS = frozenset({Reason.OK, Reason.REJECTED, Reason.UNAUTHORIZED, Reason.TOO_LARGE})
"""Trying again would not help: what is not OK here goes to the dead letters."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one delivery. `detail` is for people and holds no secret; `retry_after` is in seconds."""

    reason: Reason
    detail: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        """Whether the place has taken responsibility for the events."""
        return self.reason is Reason.OK

    @property
    def worth_retrying(self) -> bool:
        """Whether the same delivery may succeed later."""
        return self.reason not in FINAL_REASONS


DELIVERED = Outcome(Reason.OK)


class SinkError(Exception):
    """A sink cannot start or fails its check; the text is one line for people and holds no secret."""


class SinkState(Protocol):
    """A few small strings that a sink may keep over restarts (a Slack thread's id, say)."""

    def get(self, key: str) -> str | None:
        """The value last put under `key`."""
        ...

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`, which is on disk when this returns; None forgets it."""
        ...


SETTLED = 2 * 3600.0
"""Seconds that a clock must have been steady before anything is deleted or given up for its age."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What the daemon lends a sink."""

    name: str
    """The sink's name in config.yaml."""
    now: Callable[[], datetime]
    """The clock (UTC); no sink asks the system's."""
    registry: CollectorRegistry
    state: SinkState
    user_agent: str = "tickstock-relay"
    installation: str = "tickstock-relay"
    """What this installation is called, for receivers that know several: config.yaml's `name`, else the host's name."""
    label: str = ""
    """What stands in titles to tell installations apart: `name`, empty where it is not given."""
    steady_for: Callable[[], float] = lambda: math.inf
    """Seconds that the clock is known to be right: since it was last set, or the relay started. Delete nothing for
    its age before some hours of it."""
    redis: Callable[[SecretStr | None, float], Any] | None = None
    """Makes a client (`redis.asyncio.Redis`) of this URL, None for the relay's own Redis, with a timeout in seconds."""
    log: structlog.stdlib.BoundLogger = field(default_factory=structlog.get_logger)


class Sink(ABC):  # noqa: B024 - its two kinds below have the abstract methods
    """Base of all sinks; a subclass is found by its entry point in the group `tickstock_relay.sinks`."""

    Options: ClassVar[type[Options]] = Options
    """The pydantic model of its part of config.yaml, without `type`."""
    alerting: ClassVar[bool] = False
    """It wakes people: silenced, test and replayed events do not reach it."""
    remote: ClassVar[bool] = False
    """It sends events off the machine: they are redacted first."""
    renders_incidents: ClassVar[bool] = False
    """It shows incidents (`relay:alert:incident`): the lane leaves out the alerts and errors that belong to one, and of
    an incident's states that wait keeps the newest. See docs/alerts.md, "The incident event"."""

    def __init__(self, options: Any, context: SinkContext) -> None:
        """Keep options and context. Opening files and connections belongs to `start`."""
        self.options = options
        self.context = context

    async def start(self) -> None:  # noqa: B027 - having nothing to start is usual
        """Open what is needed.

        Raises:
            SinkError: it cannot work like this (wrong permissions, say).
        """

    async def close(self) -> None:  # noqa: B027 - having nothing to close is usual
        """Give back what `start` took; called once, also after a failed start."""

    async def check(self) -> str:
        """Try the place without delivering anything, for `check --connect`; returns what was found.

        Raises:
            SinkError: it would not work.
        """
        return "nothing to try"

    def link(self, incident: str) -> str | None:  # noqa: ARG002 - most sinks have none
        """Where people find what was told of the incident with that id, as an address; it may not wait."""
        return None


class DirectSink(Sink):
    """Takes each batch at once. Must not block: a network has no place here."""

    @abstractmethod
    def write(self, events: Sequence[Event]) -> None:
        """Take responsibility for `events`, all of them or none.

        Raises:
            OSError: it cannot now; the lane keeps the events and comes again.
        """

    def position(self) -> tuple[str, int] | None:
        """Stream and offset of the last event held for good, so that none is written twice after a crash."""
        return None

    def tick(self) -> None:
        """Called about once a second: flush, rotate. Like `write`, it must not block."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How a lane groups events for one delivery."""

    max_events: int = 1
    max_wait: float = 0.0
    """Seconds to wait for more, once there is one."""
    latest_wait: float = 0.0
    """Seconds that an event of a `latest_key` waits for a newer one, before it is stored."""
    repeat_window: float = 0.0
    """Seconds after an event of one `repeat_key` in which its repeats are held, to go out together at the end."""
    concurrency: int = 1
    """Deliveries under way at once; events of one order key still wait for one another."""


class QueuedSink(Sink):
    """Fed by its lane. `deliver` may wait, fail and be called again with the same events."""

    durable: ClassVar[bool] = True
    """Events wait in the outbox and outlive a crash; else in memory, where the newest push out the oldest."""

    @property
    def wants_original(self) -> bool:
        """Whether `Event.original` must be the message as it came; keeping it doubles what waits in the outbox."""
        return False

    def batching(self) -> Batching:
        """How events are grouped into deliveries."""
        return Batching()

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those of a batch that are worth a delivery; the others are counted as dropped, reason `not_wanted`.

        Called in the intake's own path, so it must be quick: for a sink that is sent much and needs little of it.
        """
        return events

    def latest_key(self, kind: Kind) -> str | None:  # noqa: ARG002 - the base wants every event
        """Of one run's events of one key only the newest matters; the others are dropped, reason `superseded`.

        Asked once for each kind, as it is in the intake's own path. None: every event of this kind matters.
        For sinks that are not durable: such an event waits in memory for `Batching.latest_wait` before it is stored.
        """
        return None

    def order_key(self, event: Event) -> str | None:  # noqa: ARG002 - the base has no order
        """Events of one key are delivered in order, one delivery at a time; None: no order asked for."""
        return None

    def repeat_key(self, event: Event) -> str | None:  # noqa: ARG002 - the base knows no repeats
        """Events of one key are repeats of one another (`Batching.repeat_window`)."""
        return None

    @abstractmethod
    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        """Send `events`, one delivery. `delivery_id` is the same when the same events are sent again.

        Never raises for what the other side does; a raised OSError counts as `Reason.UNREACHABLE`, any other exception
        as `Reason.FAILED`.
        """
