"""From settings to lanes: each sink found by its type, made, started, and put behind its lane.

A reload builds the new set beside the old one: what has not changed is kept, what fails refuses the whole reload.
"""

import asyncio
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from pydantic import SecretStr, ValidationError

from relay.config import named_files
from relay.config.settings import OutboxOptions, RedisOptions, Settings
from relay.events import Event, Severity
from relay.lanes.direct import DirectLane
from relay.lanes.lane import Lane
from relay.lanes.poison import DeliveryWatch
from relay.lanes.queued import QueuedLane
from relay.process.clock import Clock
from relay.redaction.redactor import Redactor
from relay.store.outbox import Outbox
from relay.store.store import Store
from sinks.base import DirectSink, QueuedSink, Sink, SinkContext, SinkError
from sinks.registry import UnknownSinkError, sink_class

CLOSE_TIMEOUT = 1.0
"""Seconds for a sink to close that has not been in use."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SinkEnvironment:
    """What lanes and sinks get from the daemon."""

    clock: Clock
    store: Store
    outbox: Outbox
    muted: Callable[[Event], str | None]
    user_agent: str
    installation: str = "tickstock-relay"
    label: str = ""
    """See `SinkContext`."""
    tells_incidents: Callable[[str, Severity], bool] = lambda _sink, _severity: False
    """Whether the routes give a sink the state of incidents that have reached a severity."""
    redis: RedisOptions = field(default_factory=RedisOptions)
    """The relay's own, for sinks that publish there."""
    watch: DeliveryWatch | None = None
    """Looks for a delivery that ends the process; only where deliveries are made."""


def make_sink(name: str, options: Mapping[str, Any], environment: SinkEnvironment) -> Sink:
    """The sink that config.yaml calls `name`, not started.

    Raises:
        SinkError: unknown type or options; one line, no secret.
    """
    try:
        kind = sink_class(str(options.get("type")))
        read = kind.Options.model_validate({key: value for key, value in options.items() if key != "type"})
    except UnknownSinkError as error:
        raise SinkError(f"sink {name}: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise SinkError(f"sink {name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    context = SinkContext(
        name=name,
        now=environment.clock.now,
        steady_for=lambda: environment.clock.steady_for,
        registry=CollectorRegistry(auto_describe=False),
        state=environment.store.shelf(f"sink:{name}", at_once=True),
        user_agent=environment.user_agent,
        installation=environment.installation,
        label=environment.label,
        redis=partial(_redis_client, environment.redis),
    )
    return kind(read, context)


def _redis_client(own: RedisOptions, url: SecretStr | None, timeout: float) -> Any:
    """See `SinkContext.redis`."""
    from relay.subscription.client import client_of  # noqa: PLC0415 - most sinks need none

    try:
        return client_of(own if url is None else RedisOptions(url=url), timeout)
    except (OSError, ValueError) as error:
        raise SinkError(f"cannot use its Redis: {type(error).__name__}") from None


def make_lane(sink: Sink, settings: Settings, environment: SinkEnvironment) -> Lane:
    """The lane that a sink asks for by its class.

    Raises:
        SinkError: it is neither kind of sink.
    """
    if isinstance(sink, DirectSink):
        return DirectLane(sink)
    if isinstance(sink, QueuedSink):
        outbox = environment.outbox if sink.durable else _volatile(settings.outbox)
        rules = settings.redaction
        redact = Redactor(rules.patterns, rules.keys).redact if rules.enabled else _as_it_is
        watch = environment.watch if sink.durable else None
        return QueuedLane(
            sink,
            outbox,
            settings.outbox,
            clock=environment.clock,
            redact=redact,
            muted=environment.muted,
            tells_incidents=partial(environment.tells_incidents, sink.context.name),
            watch=watch,
        )
    raise SinkError(f"sink {sink.context.name}: {type(sink).__name__} is neither a DirectSink nor a QueuedSink")


def _as_it_is(event: Event) -> Event:
    return event


def _volatile(options: OutboxOptions) -> Outbox:
    """The outbox of a sink that needs none on disk: the same, in memory."""
    store = Store(None)
    outbox = Outbox(store, options)
    weakref.finalize(outbox, store.close)  # nobody else knows of it
    return outbox


async def make_lanes(settings: Settings, old: "LaneSet", environment: SinkEnvironment) -> "LaneSet":
    """The lanes of `settings`: those of `old` that have not changed, and new ones, started.

    Raises:
        SinkError: a sink cannot start. Whatever is raised, what was started for this set has been closed again and
            `old` is untouched.
    """
    lanes: dict[str, Lane] = {}
    fresh: list[Lane] = []
    certificates = named_files.certificates()
    asked: dict[str, object] = {
        name: (
            dict(options),
            named_files.contents(options),
            certificates,
            settings.outbox,
            settings.redaction,
            settings.name,
        )
        for name, options in settings.sinks.items()
    }
    try:
        for name, options in settings.sinks.items():
            if old.asked.get(name) == asked[name]:
                lanes[name] = old.lanes[name]
                continue
            lane = make_lane(make_sink(name, options, environment), settings, environment)
            fresh.append(lane)
            await lane.sink.start()
            lanes[name] = lane
    except BaseException:  # a sink's own bug, and the end of a reload's patience, too
        await _close([lane.sink for lane in fresh])
        raise
    return LaneSet(lanes, asked, fresh)


async def _close(sinks: Iterable[Sink]) -> None:
    """Each of them, also when another cannot be closed."""
    for ended in await asyncio.gather(
        *(asyncio.wait_for(sink.close(), CLOSE_TIMEOUT) for sink in sinks), return_exceptions=True
    ):
        if isinstance(ended, Exception):
            log.error("a sink could not be closed", exc_info=ended)


@dataclass(slots=True)
class LaneSet:
    """Lanes by name, what was asked for when they were made, and which of them have yet to begin."""

    lanes: dict[str, Lane]
    asked: dict[str, object]
    fresh: list[Lane]

    def start(self) -> None:
        """Have the new lanes deliver: each of them, also when another cannot start; then the first error is raised."""
        fresh = self.fresh
        self.fresh = []
        errors: list[Exception] = []
        for lane in fresh:
            try:
                lane.start()
            except Exception as error:
                log.exception("a lane could not be started", lane=lane.name)
                errors.append(error)
        if errors:
            raise errors[0]

    async def discard(self) -> None:
        """Close the sinks of the new lanes, which have not begun: this set is not put in force."""
        await _close([lane.sink for lane in self.fresh])
        self.fresh.clear()
