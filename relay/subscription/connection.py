"""One subscribed connection, from PSUBSCRIBE to its end: whole messages out, exactly their bytes consumed.

It probes a silent server, waits for one that cannot answer now, and raises an `OSError` when it is of no use any more.
What is asked and answered is in `relay.subscription.commands`. Whether the server is the right one is not its business,
nor what comes after it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime

import structlog

from relay.config.settings import RedisOptions
from relay.subscription.batch import Batch
from relay.subscription.commands import Commands
from relay.subscription.errors import ServerError
from relay.subscription.resp import FrameParser
from relay.subscription.socket import PEEK_AT_MOST, PeekWire, TlsWire, WireClosedError

ENOUGH = 25
"""Messages among which a wake-up's cost is shared well enough: it is not waited longer than it takes to get so many."""
MEMORY_WAIT = 1.0
"""Seconds before a batch for which there was not enough memory is read again."""
MEMORY_ATTEMPTS = 60
"""How often, before the connection is given up."""
SMALL = 1 << 15
"""Bytes of a half message with which a window is full only for a moment; more is a message too large to peek at."""
WINDOW_WAIT = 0.005
"""Seconds until a socket is looked at again whose window was full."""
WINDOW_ATTEMPTS = 200
"""How often, before what is there of a message is taken all the same."""
LEAVE_WITHIN = 5.0
"""Seconds in which what is unread is still taken from a server that is to be left."""

log = structlog.get_logger(__name__)


class Connection:
    """Reads one connection."""

    def __init__(
        self,
        wire: PeekWire | TlsWire,
        stream: str,
        options: RedisOptions,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None],
        adopted: bool = False,
    ) -> None:
        """`changed` is called whenever `confirmed`, `mid_message` or `waits_for` may have changed."""
        self.wire = wire
        self.stream = stream
        self.adopted = adopted
        """Whether a process before ours has subscribed it."""
        self._options = options
        self._now = now
        self._changed = changed
        self._position = wire.position()
        self._parser = FrameParser(self._position)
        self._commands = Commands(wire, options.patterns)
        self._last_received = time.monotonic()
        self.received_at = now()
        """When something last came."""
        self._last_unread = 0
        self._probed_at: float | None = None
        self._leave = ""
        self._leave_by = 0.0
        self._failed_reads = 0
        self._ready: asyncio.Future[None] | None = None
        self.mid_message = False
        """Whether a part of a message was consumed: nobody else could go on from there."""
        self._full_windows = 0
        """Times in a row that the socket was readable with nothing new, as its window was still full."""
        self.duplicates = 0

    @property
    def confirmed(self) -> bool:
        """Whether the server has confirmed all patterns."""
        return self._commands.all_confirmed

    @property
    def relied_on(self) -> bool:
        """Whether the connection is subscribed as far as we know."""
        return self.adopted or self._commands.any_confirmed

    @property
    def waits_for(self) -> str:
        """Why the server has not confirmed yet, in its words."""
        return self._commands.waits_for

    @property
    def lag(self) -> float:
        """Age in seconds of the oldest unread message, at least, wherever it waits; 0 when all is read."""
        return self._commands.lag.seconds(time.monotonic())

    def subscribe(self) -> None:
        """Send PSUBSCRIBE.

        Raises:
            OSError: the connection is gone.
        """
        self._commands.subscribe()

    def leave(self, reason: str) -> None:
        """Take what is unread, then end with that reason."""
        self._leave = reason
        self._leave_by = time.monotonic() + LEAVE_WITHIN
        if self._ready is not None:
            _done(self._ready)

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches for as long as it lives; asking for the next one acknowledges the last.

        Raises:
            OSError: it is over; a `ServerError` has the server's words.
        """
        wire = self.wire
        while True:
            partial = self._parser.seen - self._position  # of a message that is not whole yet
            wire.want(partial + 1)
            boundary = self._parser.boundary
            try:
                unread = wire.peek()
                if len(unread) == partial:
                    await self._wait_for_the_rest(partial)
                    continue
                messages = self._parser.parse(unread, self._position)
            except BlockingIOError:
                self._commands.lag.is_behind = False
                self._leave_if_asked(drained=True)
                await self._wait()
                continue
            except MemoryError:
                await self._wait_for_memory()
                continue
            self._full_windows = 0
            full, before = len(unread) >= PEEK_AT_MOST, self._last_received
            received = self._note_received()
            error = self._replies()
            if messages:
                yield Batch(self.stream, received, messages, self._parser.boundary - boundary)
            self._acknowledge_all()
            if error is not None:
                raise error
            self._leave_if_asked(drained=not full)
            self._note_lag(is_behind=full)
            await asyncio.sleep(0 if full else self._pause(len(messages), self._last_received - before))

    def _note_lag(self, *, is_behind: bool) -> None:
        """Ask now and then, while there is more unread than can be peeked at."""
        lag = self._commands.lag
        lag.is_behind = is_behind
        if is_behind and self.confirmed and lag.is_due(time.monotonic()):
            self._commands.ask()

    def _pause(self, count: int, seconds: float) -> float:
        """How long to let messages gather when `count` came in the last `seconds`."""
        longest = self._options.coalesce
        return min(longest, ENOUGH * seconds / count) if count else longest

    def acknowledge(self, position: int) -> None:
        """Consume what was handed out up to `position`, a message's end: earlier than by asking for the next batch."""
        if position > self._position:
            self.wire.consume(position - self._position)
            self._position = position
            if self.mid_message:
                self.mid_message = False
                self._changed()

    def _acknowledge_all(self) -> None:
        """Consume exactly what was handed out, so that the socket is left at a message boundary."""
        self.acknowledge(self._parser.boundary)
        if self.mid_message or self._parser.seen - self._position >= PEEK_AT_MOST:
            self._take_partial()

    def _take_partial(self) -> None:
        """A message larger than can be peeked at: take what is there, the parser holds it.

        Until it is whole the connection must not be handed over: its next byte is not a boundary.
        """
        if not self.mid_message:
            self.mid_message = True
            self._changed()
        # What the parser has seen is copied there; taken from the socket it makes room for the rest, but a crash now
        # loses the beginning of this message. That is why only a message that does not fit is taken apart.
        self.wire.consume(self._parser.seen - self._position)
        self._position = self._parser.seen

    async def _wait_for_the_rest(self, partial: int) -> None:
        """Until more of a half message is there. Readable without more: the peer has closed, or the window is full."""
        if not await self._wait() or len(self.wire.peek()) > partial:
            return
        if self.wire.closed_with_rest():
            raise WireClosedError("closed by the other side in the middle of a message")
        self._leave_if_asked(drained=True)
        self._full_windows += 1
        if partial < SMALL and self._full_windows < WINDOW_ATTEMPTS:
            await asyncio.sleep(WINDOW_WAIT)  # what was just consumed lets the sender go on in a moment
        else:
            self._take_partial()

    async def _wait_for_memory(self) -> None:
        """What is unread stays so, and is read again: nothing is lost by a moment without memory.

        Raises:
            ConnectionError: it lasts; or of a large message a part was taken already, and is gone.
        """
        self._failed_reads += 1
        if self.mid_message or self._failed_reads > MEMORY_ATTEMPTS:
            raise ConnectionError("not enough memory to read from Redis")
        self._parser.restart(self._position)
        self._note_lag(is_behind=True)
        if self._failed_reads == 1:
            log.warning("not enough memory to read from Redis; the data stays unread, retrying")
        await asyncio.sleep(MEMORY_WAIT)

    async def _wait(self) -> bool:
        """Until the wire is readable; probes a silent one, and gives up on one that stays silent."""
        subscribe_at = self._commands.subscribe_at
        if subscribe_at is not None:
            return await self._wait_to_subscribe(subscribe_at - time.monotonic())
        now = time.monotonic()
        silent = now - self._last_received
        left = (self._options.ping_interval if self.relied_on else self._options.connect_timeout) - silent
        if self._probed_at is not None:  # from then on: who was stopped for a minute has still to give it its time
            left = self._probed_at + self._options.ping_timeout - now
        if left > 0:
            return await self._until_readable(left)
        unread, before = self.wire.unread(), self._last_unread
        self._last_unread = unread
        if unread > before:  # more of a long message has come
            self._note_received()
        elif self._probed_at is not None or not self.relied_on:
            raise ConnectionError(f"no answer for {silent:.0f} s")
        else:
            self._probed_at = now
            self._commands.ask()
        return False

    async def _wait_to_subscribe(self, seconds: float) -> bool:
        """Until the wire is readable, or PSUBSCRIBE is due again."""
        if seconds > 0:
            return await self._until_readable(seconds)
        self._last_received = time.monotonic()  # the time for an answer begins anew
        self.subscribe()
        return False

    async def _until_readable(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        ready = self._ready = loop.create_future()
        loop.add_reader(self.wire.sock, _done, ready)
        try:
            await asyncio.wait_for(ready, seconds)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            self._ready = None
            loop.remove_reader(self.wire.sock)

    def _note_received(self) -> datetime:
        self._last_received = time.monotonic()
        self._probed_at = None
        self.received_at = self._now()
        return self.received_at

    def _replies(self) -> ServerError | None:
        """Take note of replies that are no messages; an error after which the connection is of no use."""
        parser = self._parser
        self._failed_reads = 0
        self.duplicates += parser.duplicates
        parser.duplicates = 0
        if not parser.control and not parser.errors:
            return None
        error = self._commands.take(parser.control, parser.errors)
        parser.control.clear()
        parser.errors.clear()
        self._changed()
        return error

    def _leave_if_asked(self, *, drained: bool) -> None:
        if self._leave and (drained or time.monotonic() >= self._leave_by):
            raise ConnectionError(self._leave)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
