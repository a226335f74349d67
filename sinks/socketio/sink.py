"""The sink: each delivery is one pipeline of PUBLISH on the web app's message queue.

By redis-py, not by python-socketio, whose manager drops what Redis refuses without a word (docs/web-app.md, "Why").
Nothing is durable: what a page missed, the repeated `run_state` makes good.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from relay.events import Event, Kind, Mark, PerKind
from sinks.base import DELIVERED, Batching, Outcome, QueuedSink, Reason, SinkContext, SinkError
from sinks.socketio.emits import Emit, emit_of, message
from sinks.socketio.options import SocketIoOptions
from sinks.socketio.run_state import RunStates
from sinks.socketio.values import run_id_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

STATE_EVERY = 3.0
"""Seconds between two `run_state` of a run that goes on."""
STALE = timedelta(seconds=60)
"""Progress that is older is not shown any more: Redis was away, and newer has come since."""
MOST_EVENTS = 1000
ORDER = "emits"


class SocketIoSink(QueuedSink):
    """Emits to the pages of a web app."""

    Options = SocketIoOptions
    remote = True
    durable = False

    options: SocketIoOptions

    def __init__(self, options: Any, context: SinkContext) -> None:
        """Keep both; `start` makes the client."""
        super().__init__(options, context)
        self._redis: Redis | None = None
        self._emits: PerKind[Emit | None] = PerKind(lambda kind: emit_of(kind, results=self.options.results))
        self._states = RunStates()
        self._repeating: asyncio.Task[None] | None = None
        self._progress_at = -self.options.every
        self._state_failed = False
        self._taken_over = ""
        """The last delivery whose events are in `run_state`."""

    async def start(self) -> None:
        """Make the client, which connects with the first delivery.

        Raises:
            SinkError: a client cannot be made: a certificate that cannot be read, say.
        """
        self._redis = self._client()
        self._repeating = asyncio.create_task(self._repeat(), name=f"{self.context.name}: run_state")

    async def close(self) -> None:
        """End the repetition and the connections."""
        if self._repeating is not None:
            self._repeating.cancel()
            await asyncio.gather(self._repeating, return_exceptions=True)
        if self._redis is not None:
            await self._redis.aclose()

    async def check(self) -> str:
        """Ask how many web processes listen; nothing is published.

        Raises:
            SinkError: Redis does not answer, or refuses.
        """
        from redis import RedisError  # noqa: PLC0415 - only for who uses this sink
        from redis.exceptions import NoPermissionError  # noqa: PLC0415

        from sinks.socketio.answers import outcome_of  # noqa: PLC0415

        channel = self.options.channel
        try:
            async with asyncio.timeout(self.options.timeout):
                ((_, listening),) = await self._connected.pubsub_numsub(channel)
        except NoPermissionError:
            return f"answers, but its ACL lacks `+pubsub`: how many web processes listen on {channel} is not known"
        except (RedisError, OSError) as error:
            raise SinkError(outcome_of(error, self.options.timeout).detail) from None
        if not listening:
            return f"answers; no web process listens on {channel} yet: one does from its first visitor on"
        return f"answers; {listening} web process{'' if listening == 1 else 'es'} on {channel}"

    def batching(self) -> Batching:
        """Progress waits for newer progress; all else goes out at once, and what it holds back goes with it."""
        return Batching(max_events=MOST_EVENTS, latest_wait=self.options.every)

    def order_key(self, event: Event) -> str | None:  # noqa: ARG002 - all of one page
        """A bar must not go back because an older event came later."""
        return ORDER

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        """Those that become an emit."""
        emits = self._emits
        return [
            event
            for event in events
            if emits[event.kind] is not None and not (event.marks and event.marks & Mark.REPLAYED)
        ]

    def latest_key(self, kind: Kind) -> str | None:
        """Progress of one phase."""
        emit = self._emits[kind]
        return emit.name if emit is not None and emit.is_progress else None

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        """Publish the emits of these events."""
        stale = self.context.now() - STALE
        chosen = [(emit, event) for event in self._newest(self.select(events)) if (emit := self._emits[event.kind])]
        fresh = [(emit, event) for emit, event in chosen if not (emit.is_progress and event.received < stale)]
        if any(emit.is_progress for emit, _ in fresh):
            await self._pace()
        # `run_state` is made of what the relay found out, behind all that was emitted before
        plain = [(emit, {} if emit.name == "run_state" else emit.data(event), event) for emit, event in fresh]
        outcome = await self._publish([self._message(emit.name, data) for emit, data, _ in plain if data])
        if not outcome.delivered:
            return outcome
        if delivery_id != self._taken_over:  # it may come again, for what follows can fail
            for emit, data, event in plain:
                self._states.take(emit, data, event, self.context.now())
            self._taken_over = delivery_id
        run_ids = {run_id_of(event) for emit, _, event in plain if emit.name in {"run_state", "processing_status"}}
        states = [state for id_ in run_ids if (state := self._states.of(id_)) is not None]
        return await self._publish([self._message("run_state", state) for state in states])

    def _newest(self, events: Sequence[Event]) -> list[Event]:
        """The events without progress that a later one among them supersedes."""
        keys = [(self.latest_key(event.kind), event.run_id) for event in events]
        last = {key: number for number, key in enumerate(keys)}
        return [event for number, event in enumerate(events) if keys[number][0] is None or last[keys[number]] == number]

    @property
    def _connected(self) -> "Redis":
        if self._redis is None:
            raise RuntimeError("the sink has not started")
        return self._redis

    def _client(self) -> "Redis":
        if self.context.redis is None:
            raise SinkError("nobody here makes clients of Redis")
        client: Redis = self.context.redis(self.options.url, self.options.timeout)
        return client

    def _message(self, name: str, data: dict[str, Any]) -> bytes:
        return message(name, data, namespace=self.options.namespace, room=self.options.room)

    async def _publish(self, messages: Sequence[bytes]) -> Outcome:
        """All of them in one round trip; of several errors the first is told."""
        from redis import RedisError  # noqa: PLC0415 - only for who uses this sink

        from sinks.socketio.answers import outcome_of  # noqa: PLC0415

        if not messages:
            return DELIVERED
        try:
            async with asyncio.timeout(self.options.timeout):
                pipeline = self._connected.pipeline(transaction=False)
                for each in messages:
                    pipeline.publish(self.options.channel, each)
                replies = await pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            return outcome_of(error, self.options.timeout)
        failed = next((reply for reply in replies if isinstance(reply, Exception)), None)
        return outcome_of(failed, self.options.timeout) if failed else Outcome(Reason.OK, f"{len(replies)} emits")

    async def _pace(self) -> None:
        """Wait until `every` has passed since progress was last sent."""
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(max(0.0, self._progress_at + self.options.every - clock()))
        self._progress_at = clock()

    async def _repeat(self) -> None:
        """Until closed: the state of each run that goes on, for pages that were opened since."""
        while True:
            await asyncio.sleep(STATE_EVERY)
            await self.repeat_states()

    async def repeat_states(self) -> None:
        """Once. That it fails is logged when it begins; the deliveries' own failures are the lane's to count."""
        states = list(self._states.current(self.context.now()))
        outcome = await self._publish([self._message("run_state", data) for data in states])
        if not outcome.delivered and not self._state_failed:
            self.context.log.warning("run_state not sent", sink=self.context.name, error=str(outcome.detail))
        self._state_failed = not outcome.delivered
