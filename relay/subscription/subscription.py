"""Redis pub/sub, read so that nothing is lost: peek, hand out, and consume only what was accepted.

`Subscription.batches` yields batches for ever. A batch's bytes stay in the kernel until the consumer comes back for the
next one; a consumer that dies before that leaves them to its successor (`relay.subscription.handover`). It connects and
reconnects for ever, and says whenever it begins or ends to be subscribed. It knows nothing of what messages mean.
"""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from relay.config.settings import RedisOptions
from relay.subscription.dial import DialError, dial
from relay.subscription.handover import Handover
from relay.subscription.resp import FrameParser, Message, ProtocolViolationError
from relay.subscription.wire import LOOK_AT_MOST, PeekWire, TlsWire, Wire, WireClosedError

LONGEST_WAIT = 1.0
"""Seconds between two attempts to connect, at most: Redis is back within a second or two of being missed."""
FIRST_WAIT = 0.1
"""Seconds before the first of them; it doubles with each."""
TELL_AGAIN = 60.0
"""Seconds after which a reason for not being subscribed is logged again while it lasts."""
ENOUGH = 25
"""Messages among which a wake-up's cost is shared well enough: it is not waited longer than it takes to get so many."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages as Redis handed them over, and when they were read. `stream` names their connection."""

    stream: str
    received: datetime
    messages: list[Message]


@dataclass(frozen=True, slots=True)
class Link:
    """What the subscription says of itself: subscribed, anew or by a handover with nothing missed, or lost and why."""

    subscribed: bool
    adopted: bool = False
    reason: str = ""


class Subscription:
    """One subscribed connection at a time."""

    def __init__(
        self,
        options: RedisOptions,
        handover: Handover,
        *,
        now: Callable[[], datetime],
        changed: Callable[[Link], None],
    ) -> None:
        """`changed` is called whenever the subscription begins or ends."""
        self._options = options
        self._handover = handover
        self._now = now
        self._changed = changed
        self._wire: PeekWire | TlsWire | None = None
        self._parser = FrameParser(0)
        self._position = 0
        self._stream = ""
        self._confirmed: set[bytes] = set()
        self._last_heard = 0.0
        self._last_unread = 0
        self._told, self._told_at = "", 0.0
        self._pinged = False
        self._adopted = False
        self._torn = False
        self.subscribed = False
        self.connects = 0
        self.duplicates = 0
        self.behind_since: datetime | None = None
        """Since when there has always been something unread: the age of the oldest unread message, or more."""

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches, for ever; asking for the next one acknowledges the last."""
        failures = 0
        while True:
            try:
                await self._open()
                async for batch in self._read():
                    failures = 0
                    yield batch
            except (OSError, DialError) as error:
                self._lost(error)
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 10))
            failures += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def unread(self) -> int:
        """Bytes that wait in the kernel."""
        if self._wire is None:
            return 0
        try:
            return self._wire.unread()
        except OSError:
            return 0

    def close(self) -> None:
        """Let go of the socket. The service manager's copy, if it has one, keeps the subscription alive."""
        if self._wire is not None:
            self._wire.sock.close()
            self._wire = None

    def descriptor(self) -> dict[str, int]:
        """The socket by its name, for `systemd.reexec`; empty where nothing can be handed over."""
        if self._wire is None or not self._wire.durable or self._torn or not self._relied_on:
            return {}
        return {self._handover.name(self._stream): self._wire.sock.fileno()}

    @property
    def _relied_on(self) -> bool:
        """Whether the connection is subscribed as far as we know."""
        return self._adopted or bool(self._confirmed)

    async def _open(self) -> None:
        adopted = self._handover.adopt()
        if adopted is not None:
            self._begin(PeekWire(adopted.sock), adopted.stream)
            self._adopted = True
            with contextlib.suppress(OSError):  # a dead one: what the kernel still holds of it can be read
                self._subscribe()  # again: the answer comes behind all that is unread, so nothing was missed till then
            return
        wire = await asyncio.to_thread(dial, self._options)
        self._begin(wire, f"s{time.time_ns() // 1_000_000:x}{secrets.token_hex(2)}")
        self._subscribe()
        self._keep()  # only now: whoever adopts it must be able to rely on its being subscribed

    def _begin(self, wire: Wire, stream: str) -> None:
        if not isinstance(wire, PeekWire | TlsWire):
            raise TypeError(f"not a wire: {wire!r}")
        self.close()
        self._wire, self._stream = wire, stream
        self._position = wire.position()
        self._parser = FrameParser(self._position)
        self._confirmed = set()
        self._adopted = self._torn = False
        self._heard()

    def _keep(self) -> None:
        if self._wire is not None and self._wire.durable:
            self._handover.keep(self._wire.sock, self._stream)

    async def _read(self) -> AsyncIterator[Batch]:
        wire = self._wire
        if wire is None:
            return
        while True:
            partial = self._parser.seen - self._position  # of a message that is not whole yet
            wire.want(partial + 1)
            try:
                unread = wire.look()
                if len(unread) == partial:
                    await self._wait_for_the_rest(wire, partial)
                    continue
            except BlockingIOError:
                self.behind_since = None
                await self._wait(wire)
                continue
            messages = self._parser.parse(unread, self._position)
            full, before = len(unread) == LOOK_AT_MOST, self._last_heard
            received = self._heard()
            self._control()
            if messages:
                yield Batch(self._stream, received, messages)
            self._acknowledge(wire)
            self.behind_since = (self.behind_since or received) if full else None
            await asyncio.sleep(0 if full else self._pause(len(messages), self._last_heard - before))

    def _pause(self, count: int, seconds: float) -> float:
        """How long to let messages gather when `count` came in the last `seconds`."""
        longest = self._options.coalesce
        return min(longest, ENOUGH * seconds / count) if count else longest

    def _acknowledge(self, wire: PeekWire | TlsWire) -> None:
        """Consume exactly what was handed out, so that the socket is left at a message boundary."""
        boundary = self._parser.boundary
        if boundary > self._position:
            wire.consume(boundary - self._position)
            self._position = boundary
            if self._torn:
                self._torn = False
                self._keep()
        if self._torn or self._parser.seen - self._position >= LOOK_AT_MOST:
            self._take_partial(wire)

    def _take_partial(self, wire: PeekWire | TlsWire) -> None:
        """A message larger than can be peeked at: take what is there, the parser holds it.

        Until it is whole the connection is torn and must not be handed over: its next byte is not a boundary.
        """
        if not self._torn:
            self._torn = True
            self._handover.drop(self._stream)
        wire.consume(self._parser.seen - self._position)
        self._position = self._parser.seen

    async def _wait_for_the_rest(self, wire: PeekWire | TlsWire, partial: int) -> None:
        """Until more of a half message is there. Readable without more: the peer has closed, or the window is full."""
        if not await self._wait(wire) or len(wire.look()) > partial:
            return
        if wire.closed_with_rest():
            raise WireClosedError("closed by the other side in the middle of a message")
        self._take_partial(wire)

    async def _wait(self, wire: PeekWire | TlsWire) -> bool:
        """Until the wire is readable; pings a silent one, and gives up on one that stays silent."""
        silent = time.monotonic() - self._last_heard
        limit = self._options.ping_interval + (self._options.ping_timeout if self._pinged else 0)
        if not self._relied_on:
            limit = self._options.connect_timeout
        if silent < limit:
            return await self._readable(wire, limit - silent)
        unread, before = wire.unread(), self._last_unread
        self._last_unread = unread
        if unread > before:  # more of a long message has come
            self._heard()
        elif self._pinged or not self._relied_on:
            raise ConnectionError(f"no answer for {silent:.0f} s")
        else:
            self._pinged = True
            self._send(b"PING")
        return False

    async def _readable(self, wire: PeekWire | TlsWire, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(wire.sock, _done, ready)
        try:
            await asyncio.wait_for(ready, seconds)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            loop.remove_reader(wire.sock)

    def _heard(self) -> datetime:
        self._last_heard = time.monotonic()
        self._pinged = False
        return self._now()

    def _control(self) -> None:
        for reply in self._parser.control:
            if reply[0] == b"psubscribe" and isinstance(reply[1], bytes):
                self._confirmed.add(reply[1])
        if self._parser.control:
            self._parser.control.clear()
            if not self.subscribed and len(self._confirmed) >= len(self._options.patterns):
                self._now_subscribed(adopted=self._adopted)
        self.duplicates += self._parser.duplicates
        self._parser.duplicates = 0

    def _now_subscribed(self, *, adopted: bool) -> None:
        self.subscribed = True
        self.connects += 1
        self._told = ""
        log.info("subscribed", patterns=self._options.patterns, adopted=adopted, stream=self._stream)
        self._changed(Link(subscribed=True, adopted=adopted))

    def _lost(self, error: OSError) -> None:
        reason = "Redis speaks another protocol" if isinstance(error, ProtocolViolationError) else "no connection"
        text = f"{reason}: {error}"
        self._tell(text)
        if self._wire is not None:
            self._handover.drop(self._stream)
        self.close()
        self.behind_since = None
        if self.subscribed:
            self.subscribed = False
            self._changed(Link(subscribed=False, reason=text))

    def _tell(self, reason: str) -> None:
        """Once for each reason, and now and then again: an attempt a second would fill a log in a night."""
        if reason != self._told or time.monotonic() - self._told_at >= TELL_AGAIN:
            self._told, self._told_at = reason, time.monotonic()
            log.warning("not subscribed", reason=reason)

    def _subscribe(self) -> None:
        self._send(b"PSUBSCRIBE", *(pattern.encode() for pattern in self._options.patterns))

    def _send(self, *parts: bytes) -> None:
        if self._wire is not None:
            frame = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
            self._wire.sock.send(frame)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
