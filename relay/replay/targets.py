"""Where replayed events go beside standard output: to Redis in their envelopes, or to the sinks of a configuration.

The sinks' lanes are those of the daemon (`relay.lanes.build`), with an outbox in memory: a running relay's is its own.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

import hiredis
import msgspec

from relay.config.settings import RedisOptions, Settings
from relay.events import Event, Mark, Message, utc_text
from relay.lanes.build import LaneSet, SinkEnvironment, make_lanes
from relay.lanes.muting import why_muted
from relay.normalize.normalize import Normalizer
from relay.process.clock import Clock
from relay.routing import Routes
from relay.store.outbox import Outbox
from relay.store.store import Store
from relay.subscription.connect import ConnectError, connect
from relay.watchdog.self_check import NO_LOSS
from sinks.base import QueuedSink, SinkError
from sinks.registry import sink_class

PIPELINE = 200
"""Messages that Redis is given before its answers are read."""
MOST_WAITING = 2000
"""Events that may wait in lanes before more are read, so that memory stays bounded."""
PATIENCE = 120.0
"""Seconds without one event delivered after which the sinks are given up: longer than repeats are usually held."""

SILENCE = 2.0
"""Seconds without one event delivered after which it is shown what is waited for."""

_encode = msgspec.json.Encoder().encode


class Republisher:
    """Publishes events where they were published first.

    An event that came without an envelope is published as the object that it was, any other in the contract's
    (wire notes, "Envelopes"); both say `"replayed": true` at the top level, which the normaliser knows.
    """

    def __init__(self, options: RedisOptions, *, mark: bool) -> None:
        """Connect.

        Raises:
            ConnectError: Redis cannot be reached, or refuses.
        """
        self._mark = mark
        self._normalizer = Normalizer()
        self._reader = hiredis.Reader()
        self._sock: socket.socket = connect(options).sock
        self._sock.settimeout(options.ping_timeout)
        self.published = 0
        self.heard = 0
        """Deliveries that Redis made of them."""
        self.own = 0
        """The relay's own events, which were never on Redis: left out."""
        self.last_received: datetime | None = None
        """When the last event of a pipeline that Redis took had been received."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish events in order.

        Raises:
            ConnectError: Redis does not take them.
        """
        for start in range(0, len(events), PIPELINE):
            some = events[start : start + PIPELINE]
            self._send([message for event in some if (message := self._message(event))])
            self.last_received = some[-1].received

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _message(self, event: Event) -> tuple[bytes, bytes] | None:
        if event.channel.startswith("relay:"):
            self.own += 1
            return None
        channel = event.channel.encode()
        body = event.raw if self._had_no_envelope(channel, event) else envelope(event)
        if self._mark:
            inside = body.strip()[1:-1].strip()
            body = b'{%b%b"replayed":true}' % (inside, b"," if inside else b"")
        return channel, body

    def _had_no_envelope(self, channel: bytes, event: Event) -> bool:
        """Whether the payload alone is the same event again."""
        message: Message = (channel, event.raw, 1)
        again, _ = self._normalizer.read_all((message,), event.received, event.stream)
        return bool(again) and (again[0].kind, again[0].timestamp, again[0].raw) == (
            event.kind,
            event.timestamp,
            event.raw,
        )

    def _send(self, messages: list[tuple[bytes, bytes]]) -> None:
        try:
            self._sock.sendall(b"".join(map(_command, messages)))
            for _ in messages:
                self.heard += self._answer()
        except OSError as error:
            raise ConnectError(f"Redis: {error.strerror or error}") from None
        self.published += len(messages)

    def _answer(self) -> int:
        while (reply := self._reader.gets()) is False:
            if not (data := self._sock.recv(1 << 16)):
                raise ConnectError("Redis closed the connection")
            self._reader.feed(data)
        if isinstance(reply, Exception):
            raise ConnectError(f"Redis refused PUBLISH: {reply}")
        return int(reply)


def envelope(event: Event) -> bytes:
    """The event in the contract's envelope; the name is the one that it was published under."""
    fields = {"event": event.wire_event or event.event}
    if not event.marks & Mark.UNDATED:
        fields["timestamp"] = utc_text(event.timestamp)
    fields |= {name: value for name, value in (("source", event.source), ("version", event.version)) if value}
    return _encode(fields)[:-1] + b',"payload":' + event.raw + b"}"


def _command(message: tuple[bytes, bytes]) -> bytes:
    channel, data = message
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(channel), channel, len(data), data)


class SinkReplay:
    """Feeds events to the lanes of a configuration's sinks, and waits until they have delivered."""

    def __init__(
        self,
        settings: Settings,
        names: Collection[str] = (),
        waits_for: Callable[[dict[str, int]], None] = lambda _: None,
    ) -> None:
        """`names` chooses sinks; none: all that deliver from a queue. Archive and metrics are the running relay's.

        `waits_for` is called with what has not been delivered, by sink, once nothing has been for a while.
        """
        chosen = {name: options for name, options in settings.sinks.items() if name in names or not names}
        if not names:
            kinds = {name: sink_class(str(options["type"])) for name, options in chosen.items()}
            chosen = {name: chosen[name] for name, kind in kinds.items() if issubclass(kind, QueuedSink)}
        self.sinks = list(chosen)
        self._settings = settings.model_copy(update={"sinks": chosen})
        self._routes = Routes(settings.routes)
        self._store = Store(None)
        self._lanes = LaneSet({}, {}, [])
        self._waits_for = waits_for
        self._given_up = False
        self.unrouted = 0
        """Events that no route took to one of these sinks."""

    async def start(self) -> None:
        """Start the sinks.

        Raises:
            SinkError: one cannot.
        """
        environment = SinkEnvironment(
            clock=Clock(),
            store=self._store,
            outbox=Outbox(self._store, self._settings.outbox),
            muted=lambda event: why_muted(event, lambda _: False),
            tells_incidents=lambda sink, severity: sink in self._routes.incident_sinks(severity),
            user_agent="tickstock-relay",
            installation=self._settings.installation,
            label=self._settings.name,
            redis=self._settings.redis,
        )
        try:
            self._lanes = await make_lanes(self._settings, self._lanes, environment)
        except SinkError:
            self._store.close()
            raise
        self._lanes.start()

    async def feed(self, events: Sequence[Event]) -> bool:
        """Hand events to the lanes; whether they still deliver."""
        for start in range(0, len(events), MOST_WAITING // 4):
            some = events[start : start + MOST_WAITING // 4]
            taken = {name: part for name, part in self._routes.split(some).items() if name in self._lanes.lanes}
            self.unrouted += len({id(event) for event in some} - {id(e) for part in taken.values() for e in part})
            for name, part in taken.items():
                self._lanes.lanes[name].accept(part)
            self._store.commit()
            if not await self._settled(MOST_WAITING):
                return False
        return True

    async def drain(self) -> dict[str, int]:
        """Wait for the deliveries, and stop; what could not be delivered, by sink."""
        await self._settled(0)
        lanes = self._lanes.lanes.values()
        left = {lane.name: lane.waiting + _lost(lane.dropped) for lane in lanes}
        await asyncio.gather(*(lane.stop(self._settings.shutdown_timeout) for lane in lanes), return_exceptions=True)
        self._store.close()
        return {name: count for name, count in left.items() if count}

    def give_up(self) -> None:
        """Wait for no delivery any more."""
        self._given_up = True

    @property
    def delivered(self) -> dict[str, int]:
        """Events that arrived, by sink."""
        return {lane.name: lane.delivered for lane in self._lanes.lanes.values()}

    @property
    def muted(self) -> int:
        """Events that alerting sinks did not get, as they are replayed or tests."""
        return sum(lane.dropped[why] for lane in self._lanes.lanes.values() for why in ("replayed", "test"))

    async def _settled(self, most: int) -> bool:
        """Wait until at most `most` events wait; not for longer than patience lasts without a single delivery."""
        lanes, seen, since = self._lanes.lanes.values(), -1, time.monotonic()
        while sum(lane.waiting for lane in lanes) > most:
            done = sum(lane.delivered + lane.dropped.total() for lane in lanes)
            if done != seen:
                seen, since = done, time.monotonic()
            elif time.monotonic() - since > SILENCE:
                self._waits_for({lane.name: lane.waiting for lane in lanes if lane.waiting})
            if self._given_up or time.monotonic() - since > PATIENCE:
                return False
            for lane in lanes:
                lane.tick(_now())
            await asyncio.sleep(0.05)
        return True


def _lost(dropped: Mapping[str, int]) -> int:
    return sum(count for why, count in dropped.items() if why not in NO_LOSS)


def _now() -> datetime:
    return datetime.now(UTC)
