"""The web server's connections: so many at most and each for so long, that none of them keeps the others out.

A connection waits (for the head of a request, or for its last answer to be taken), or it is being answered. One that
waits for too long is closed, and so is one that does not take its answer. When there are too many, the one that has
waited longest makes room: who connects now and asks at once, as a health check or a scrape does, is always let in.
Addresses play no part, as the attacker may be on this machine too.
"""

import asyncio
import resource
from collections import Counter
from typing import Any

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 128
"""At once, where the process may have enough descriptors."""
SHARE = 4
"""The web server has one in so many of the process' descriptors; the others are for Redis, the store and the sinks."""
HEAD_SECONDS = 10.0
"""For the whole head of a request to come, counted from the connection or the last answer."""
UNREAD_SECONDS = 10.0
"""For a full write buffer to be emptied."""
HEAD_BYTES = 16 * 1024
UNREAD_BYTES = 64 * 1024
"""The kernel keeps about twice that for a reader, not megabytes; a stream that is not read is so noticed in minutes."""


def most_connections() -> int:
    """How many connections there may be under this process' limit of open files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if limit == resource.RLIM_INFINITY else max(4, min(MOST_CONNECTIONS, limit // SHARE))


class Connections:
    """All open connections of one server."""

    def __init__(self, most: int) -> None:
        self.closed: Counter[str] = Counter({"head": 0, "room": 0, "unread": 0})
        """Connections that the server ended before their time, by reason."""
        self._most = most
        self._waiting: dict[Connection, None] = {}
        self._answered: dict[Connection, None] = {}
        """Both in the order in which they began to."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._answered)

    def add(self, newcomer: "Connection") -> None:
        """Take one in; if there is no room, the one that has waited longest goes, or the one answered for longest."""
        if len(self) >= self._most:
            next(iter(self._waiting or self._answered)).end("room")
        self._waiting[newcomer] = None

    def move(self, one: "Connection", *, waits: bool) -> None:
        """It begins to wait, or to be answered."""
        if self.remove(one):
            (self._waiting if waits else self._answered)[one] = None

    def remove(self, one: "Connection", reason: str | None = None) -> bool:
        """It is gone, or going for this reason; gives whether it was here."""
        places = [place for place in (self._waiting, self._answered) if one in place]
        for place in places:
            del place[one]
        if places and reason:
            self.closed[reason] += 1
        return bool(places)

    def protocol(self) -> type[asyncio.Protocol]:
        """What uvicorn makes of each accepted socket."""

        class OneOfThese(Connection):
            all = self

        return OneOfThese


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, bounded in time; beside it, only one request at a time is read from a connection."""

    all: Connections

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._application = self.app
        self.app = self._answer
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    @property
    def _waits(self) -> bool:
        """Whether nothing is being answered."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # None before the first

    def end(self, reason: str) -> None:
        """Close at once, whatever is still to be sent."""
        self.all.remove(self, reason)
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Make room, and begin to wait for a head."""
        super().connection_made(transport)
        self.all.add(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        _cancel(self._head_timer)
        _cancel(self._unread_timer)
        self.all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a head does not prolong the wait; the whole of it ends it."""
        waited = self._waits
        super().data_received(data)
        if waited and not self._waits:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        """Wait for the next request; what is left of this answer has as long to be taken."""
        self._wait()
        super().on_response_complete()
        if not self._waits:  # the next one had come already
            self._stop_waiting()

    def pause_writing(self) -> None:
        """The write buffer is full."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self.end, "unread")

    def resume_writing(self) -> None:
        """It is empty enough."""
        _cancel(self._unread_timer)
        super().resume_writing()

    def shutdown(self) -> None:
        """End, after the answer that is underway."""
        if self._waits:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    async def _answer(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Run the application, and close after it where more has been sent than the head of one request.

        No page reads a body. Who sends several requests at once gets the first answered and sends the others again
        (RFC 9112, 9.3.2), so one connection cannot order a pile of work.
        """
        cycle = self.cycle
        if cycle.more_body or self.conn.trailing_data[0]:
            self.headers.append(CLOSE_HEADER)
        await self._application(scope, receive, send)
        if not cycle.response_complete and not cycle.disconnected:  # a stream whose reader was too slow
            cycle.disconnected = True
            self.end("unread")

    def _wait(self) -> None:
        _cancel(self._head_timer)
        self.all.move(self, waits=True)
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._waited_too_long)

    def _stop_waiting(self) -> None:
        _cancel(self._head_timer)
        self.all.move(self, waits=False)

    def _waited_too_long(self) -> None:
        self.end("unread" if self.transport.get_write_buffer_size() else "head")


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
