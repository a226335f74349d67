"""Redis pub/sub, read so that nothing is lost: peek, hand out, and consume only what was accepted.

`Subscription.batches` yields batches for ever. A batch's bytes stay in the kernel until the consumer comes back for the
next one; a consumer that dies before that leaves them to its successor (`relay.subscription.handover`). It connects and
reconnects for ever, and says whenever it begins or ends to be subscribed: to all patterns, at a server that is known to
get what is published (`relay.subscription.server_check`). It knows nothing of what messages mean.
The loop that peeks and consumes is in `relay.subscription.connection`.
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
from relay.process.worker import Worker
from relay.subscription.batch import Batch
from relay.subscription.connect import Connector, Server, peer
from relay.subscription.connection import Connection
from relay.subscription.errors import ErrorKind, ServerError
from relay.subscription.handover import Handover
from relay.subscription.reasons import ReasonLog, in_words, kind_of_loss, reason_of_loss
from relay.subscription.server_check import Finding, ServerCheck, ServerState
from relay.subscription.socket import PeekWire, TlsWire

LONGEST_WAIT = 1.0
"""Seconds between two attempts to connect, at most: Redis is back within a second or two of being missed."""
FIRST_WAIT = 0.1
"""Seconds before the first of them; it doubles with each."""
REFUSED_WAIT = 10.0
"""Seconds between two attempts while the server refuses us: only a person can change that."""
UNKNOWN_FOR = 60.0
"""Seconds for which it may be unknown whether the server is the right one before we do not count as subscribed."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """What the subscription says of itself: subscribed, anew or by a handover with nothing missed, or lost and why.

    `known_until` is the last moment at which a subscription that was lost was known to be right; None if never.
    """

    subscribed: bool
    adopted: bool = False
    reason: str = ""
    known_until: datetime | None = None


class Subscription:
    """One subscribed connection at a time."""

    def __init__(
        self,
        options: RedisOptions,
        handover: Handover,
        *,
        now: Callable[[], datetime],
        changed: Callable[[SubscriptionChange], None],
    ) -> None:
        """`changed` is called whenever the subscription begins or ends."""
        self._options = options
        self._handover = handover
        self._now = now
        self._changed = changed
        self._connector = Connector(options)
        self._worker = Worker("connect")
        self._check = ServerCheck(self._connector, timeout=options.connect_timeout)
        self._checking: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._is_kept = False
        self._is_continuous = False
        """Whether all has been received since the process before ours; it ends with the first loss."""
        self._right_at: datetime | None = None
        """When the server was last known to be the right one; None before that."""
        self._unknown_since: datetime | None = None
        self._reasons = ReasonLog()
        self._earlier_duplicates = 0
        self.subscribed = False
        self.problem = ""
        """Why a server that we are connected to does not count; empty when it does."""
        self.reason = "not connected yet"
        """Why we are not subscribed, in the server's words where it has any; empty while we are."""
        self.lost_since: datetime | None = now()
        """Since when we are not subscribed; None while we are."""
        self.changed_at: datetime | None = None
        """When the subscription last began or ended."""
        self.connects = 0

    async def batches(self) -> AsyncIterator[Batch]:
        """Batches, for ever; asking for the next one acknowledges the last."""
        failures = 0
        while True:
            refused = False
            try:
                connection = await self._open()
                async for batch in connection.batches():
                    failures = 0
                    yield batch
            except OSError as error:
                self._lost(error)
                self._connector.redirected = error.place if isinstance(error, ServerError) else None
                refused = kind_of_loss(error) is ErrorKind.REFUSED
            wait = REFUSED_WAIT if refused else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures, 10))
            failures += 1
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter

    def acknowledge(self, batch: Batch) -> None:
        """Consume the bytes of a part of the batch in hand: earlier than by asking for the next one."""
        if self._connection is not None and self._connection.stream == batch.stream:
            self._connection.acknowledge(batch.last_position)

    @property
    def known_until(self) -> datetime | None:
        """The last moment at which we are known to have received all that was published; None if there is none."""
        if not self.subscribed or self._connection is None or self._right_at is None:
            return None
        return min(self._right_at, self._connection.received_at)

    @property
    def lag(self) -> float:
        """Age in seconds of the oldest unread message, at least, wherever it waits; 0 when all is read."""
        return self._connection.lag if self._connection else 0.0

    @property
    def duplicates(self) -> int:
        """Messages that came once more because patterns overlap."""
        return self._earlier_duplicates + (self._connection.duplicates if self._connection else 0)

    def unread(self) -> int:
        """Bytes that wait in the kernel."""
        if self._connection is None:
            return 0
        try:
            return self._connection.wire.unread()
        except OSError:
            return 0

    def close(self) -> None:
        """Let go of the socket. The service manager's copy, if it has one, keeps the subscription alive."""
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None
        if self._connection is not None:
            self._earlier_duplicates += self._connection.duplicates
            self._connection.wire.sock.close()
            self._connection = None

    def descriptor(self) -> dict[str, int]:
        """The socket by its name, for `systemd.reexec`; empty where nothing can be handed over."""
        connection = self._connection
        if connection is None or not self._may_be_kept(connection) or not connection.relied_on:
            return {}
        return {self._handover.name(connection.stream): connection.wire.sock.fileno()}

    async def _open(self) -> Connection:
        adopted = self._handover.adopt()
        if adopted is not None:
            connection = self._begin(PeekWire(adopted.sock), adopted.stream, adopted=True)
            self._check.connected(Server(peer(adopted.sock)))
            with contextlib.suppress(OSError):  # a dead one: what the kernel still holds of it can be read
                connection.subscribe()  # again: the answer comes behind all that is unread, so till then all was heard
        else:
            begun = self._now()
            wire, server = await self._worker.run(self._connector.connect)
            connection = self._begin(wire, f"s{time.time_ns() // 1_000_000:x}{secrets.token_hex(2)}", adopted=False)
            self._check.connected(server)
            self._right_at = begun
            self.problem = server.problem
            connection.subscribe()
            self._settle()  # only now: whoever adopts it must be able to rely on its being subscribed
        self._checking = asyncio.create_task(self._check_server(at_once=connection.adopted), name="check_server")
        return connection

    def _begin(self, wire: PeekWire | TlsWire, stream: str, *, adopted: bool) -> Connection:
        self.close()
        self.problem = ""
        self._is_kept = self._is_continuous = adopted
        self._right_at = self._unknown_since = None
        self._connection = Connection(wire, stream, self._options, now=self._now, changed=self._settle, adopted=adopted)
        return self._connection

    def _may_be_kept(self, connection: Connection) -> bool:
        """Whether who adopts the connection will have missed nothing."""
        return connection.wire.durable and not connection.mid_message and not self.problem

    def _settle(self) -> None:
        """Begin or end to count as subscribed, and to be kept by the service manager, by what is known now."""
        connection = self._connection
        if connection is None:
            return
        if self._may_be_kept(connection) != self._is_kept:
            if self._is_kept:
                self._handover.drop(connection.stream)
                self._is_kept = False
            else:  # if the manager cannot take it now, the next check tries again
                self._is_kept = self._handover.keep(connection.wire.sock, connection.stream)
        if connection.confirmed and not self.problem:
            if not self.subscribed:
                self._now_subscribed(connection)
        elif self.problem:
            self._not_subscribed(self.problem)
        elif connection.waits_for:
            self._not_subscribed(in_words(ErrorKind.PASSING, connection.waits_for))

    def _now_subscribed(self, connection: Connection) -> None:
        adopted = self._is_continuous
        self._is_continuous = False
        self.subscribed = True
        self.reason = ""
        self.lost_since = None
        self.changed_at = self._now()
        self.connects += 1
        self._reasons.clear()
        log.info(
            "subscribed",
            text=_subscribed_to(self._options.patterns, adopted=adopted),
            patterns=self._options.patterns,
            adopted=adopted,
            stream=connection.stream,
        )
        self._changed(SubscriptionChange(subscribed=True, adopted=adopted))

    def _not_subscribed(self, reason: str) -> None:
        was_subscribed = self.subscribed
        known_until = self.known_until
        self.subscribed = False
        self.reason = reason
        self._is_continuous = False
        self._reasons.warn(reason, "not subscribed")
        if was_subscribed:
            self.lost_since = self.changed_at = self._now()
            self._changed(SubscriptionChange(subscribed=False, reason=reason, known_until=known_until))

    def _lost(self, error: OSError) -> None:
        self._not_subscribed(reason_of_loss(error))
        if self._connection is not None:
            self._handover.drop(self._connection.stream)
        self.close()

    async def _check_server(self, *, at_once: bool) -> None:
        """Ask now and then whether this server is the right one, for as long as the connection lives."""
        while True:
            if not at_once:
                await asyncio.sleep(self._options.server_check_interval)
            at_once = False
            begun = self._now()
            try:
                self._found(await self._check.check(), begun)
            except Exception:
                log.exception("the check of the server failed")

    def _found(self, finding: Finding, begun: datetime) -> None:
        """Act on a check that began at `begun`."""
        if finding.state is ServerState.RIGHT:
            self._right_at = begun
            self._unknown_since = None
            self.problem = ""
            if finding.reason:
                self._reasons.warn(finding.reason, "subscribed, but a new connection would fail")
        elif finding.state is ServerState.ISOLATED:
            self.problem = finding.reason
        elif finding.state is ServerState.MOVED and self._connection is not None:
            self._connection.leave(finding.reason)
        elif finding.state is ServerState.UNKNOWN:
            self._reasons.warn(finding.reason, "not known whether this is the right server")
            self._unknown_since = self._unknown_since or self._right_at or begun
            if (self._now() - self._unknown_since).total_seconds() > UNKNOWN_FOR:
                self.problem = f"no longer known whether this is the right server: {finding.reason}"
        self._settle()


def _subscribed_to(patterns: list[str], *, adopted: bool) -> str:
    count = "1 pattern" if len(patterns) == 1 else f"{len(patterns)} patterns"
    how = ", handed over by the process before" if adopted else ""
    return f"subscribed to {', '.join(patterns)} ({count}){how}"
