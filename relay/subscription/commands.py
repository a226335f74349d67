"""What is asked on one subscribed connection, and what the server's answers mean.

PSUBSCRIBE, and PING where the ACL allows it. Messages are not its business, nor when to ask.
"""

import time
from collections.abc import Sequence

from relay.subscription.errors import ErrorKind, ServerError, is_no_permission, kind_of
from relay.subscription.lag import Lag
from relay.subscription.socket import PeekWire, TlsWire

PASSING_WAIT = 1.0
"""Seconds before a server that could not answer is asked again."""
PING, PSUBSCRIBE = b"PING", b"PSUBSCRIBE"


class Commands:
    """Those of one connection, which answers come in their order."""

    def __init__(self, wire: PeekWire | TlsWire, patterns: Sequence[str]) -> None:
        self.lag = Lag()
        self.waits_for = ""
        """Why the server has not confirmed yet, in its words."""
        self.subscribe_at: float | None = None
        """When to send PSUBSCRIBE again; by the monotonic clock."""
        self._wire = wire
        self._patterns = [pattern.encode() for pattern in patterns]
        self._confirmed: set[bytes] = set()
        self._may_ping = True

    @property
    def any_confirmed(self) -> bool:
        """Whether the server has confirmed at least one pattern."""
        return bool(self._confirmed)

    @property
    def all_confirmed(self) -> bool:
        """Whether the server has confirmed all patterns."""
        return len(self._confirmed) >= len(self._patterns)

    def subscribe(self) -> None:
        """Send PSUBSCRIBE.

        Raises:
            OSError: the connection is gone.
        """
        self.subscribe_at = None
        self._send(PSUBSCRIBE, *self._patterns)

    def ask(self) -> None:
        """Send something that changes nothing and is answered.

        Raises:
            OSError: the connection is gone.
        """
        if self._may_ping:
            self._send(PING)
        else:  # the ACL allows this at least
            self._send(PSUBSCRIBE, self._patterns[0])

    def take(self, replies: Sequence[Sequence[bytes | int | None]], errors: Sequence[str]) -> ServerError | None:
        """Take note of replies that are no messages; returns an error after which the connection is of no use."""
        for reply in replies:
            if reply[:1] == [b"psubscribe"] and len(reply) > 1 and isinstance(reply[1], bytes):
                self._note_subscribed(reply[1])
            elif reply[:1] == [b"pong"]:
                self.lag.answered()
        fatal = [self._answered(text) for text in errors]
        return next((error for error in fatal if error is not None), None)

    def _note_subscribed(self, pattern: bytes) -> None:
        """The server has confirmed a pattern: once more, if that was only asked to have an answer."""
        self.waits_for = ""
        if self.all_confirmed:
            self.lag.answered()
        else:
            self._confirmed.add(pattern)
            self.lag.all_answered()

    def _answered(self, text: str) -> ServerError | None:
        """What follows from an error reply: to our probe, when all patterns are confirmed, else to PSUBSCRIBE."""
        kind = kind_of(text)
        question = self.lag.answered() if self.all_confirmed else None
        if kind is ErrorKind.PASSING:
            if not self.all_confirmed:
                self.waits_for = text
                self.subscribe_at = time.monotonic() + PASSING_WAIT
            return None
        if self.all_confirmed and question != PSUBSCRIBE and is_no_permission(text):
            self._may_ping = False  # it has answered, and that was all that was asked
            return None
        return ServerError(text, kind)

    def _send(self, *parts: bytes) -> None:
        frame = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._wire.sock.send(frame)
        self.lag.asked(time.monotonic(), parts[0])
