"""Names to addresses, without anybody waiting for somebody else's name.

The loop's own lookups share a few threads, and a cancelled one keeps its thread: two names whose servers do not answer
stop all lookups. Here each name has a thread of its own while it is looked up; it is a daemon thread, so that nobody
waits for it at the end. A name is looked up once at a time, whoever asks; an answer is kept for a moment.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

MAX_AGE = 5.0
"""Seconds for which an answer is kept."""
FAILURE_MAX_AGE = 1.0
"""The same for a failure."""
MOST_UNDER_WAY = 8
"""Names that one resolver may have looked up at the same time: its owner needs one or two, or some Sentinels."""
MOST_KEPT = 256
"""Names in all."""
LOCALHOST = ("127.0.0.1", "::1")


class Resolver:
    """One for each sink, the API and Redis: the lookups of one never use up what another may have."""

    def __init__(self, *, max_age: float = MAX_AGE) -> None:
        """`max_age` is in seconds; with 0 every question is a new lookup, unless one is under way."""
        self._max_age = max_age
        self._begun: set[_Lookup] = set()

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The IP addresses of `host`, in the resolver's order. The caller bounds the time.

        Raises:
            OSError: there are none, or too many lookups are under way.
        """
        known = _without_lookup(host)
        if known:
            return known
        lookup = self._lookup(host)
        await lookup.wait()
        return lookup.result()

    def addresses_blocking(self, host: str, seconds: float | None) -> tuple[str, ...]:
        """The same for a thread, within `seconds`.

        Raises:
            OSError: there are none, nobody answered in time, or too many lookups are under way.
        """
        known = _without_lookup(host)
        if known:
            return known
        lookup = self._lookup(host)
        if not lookup.ended.wait(seconds):
            raise TimeoutError(f"the lookup of {host} was not answered within {seconds:g} s")
        return lookup.result()

    def _lookup(self, host: str) -> "_Lookup":
        """The lookup of that name that is under way or has ended a moment ago; else a new one."""
        now = time.monotonic()
        with _lock:
            self._begun = {lookup for lookup in self._begun if not lookup.ended.is_set()}
            lookup = _lookups.get(host)
            if lookup is not None and lookup.is_usable(now, self._max_age):
                return lookup
            if len(self._begun) >= MOST_UNDER_WAY:
                raise OSError(f"cannot look up {host}: {MOST_UNDER_WAY} other lookups are not answered")
            _forget_old(now)
            lookup = _lookups[host] = _Lookup(host)
            self._begun.add(lookup)
        threading.Thread(target=lookup.run, name="lookup", daemon=True).start()
        return lookup


class _Lookup:
    """One question to the system's resolver, and all who wait for its answer."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.ended = threading.Event()
        self._ended_at = 0.0
        self._addresses: tuple[str, ...] = ()
        self._error: OSError | None = None
        self._wakes: set[Callable[[], None]] = set()

    def is_usable(self, now: float, max_age: float) -> bool:
        """Whether it is under way, or its answer is young enough."""
        limit = max_age if self._error is None else min(max_age, FAILURE_MAX_AGE)
        return not self.ended.is_set() or now - self._ended_at < limit

    def run(self) -> None:
        """Ask; in a thread."""
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
            self._addresses = tuple(dict.fromkeys(str(address[0]) for *_, address in found))
        except OSError as error:
            self._error = error
        except ValueError as error:  # it is no name at all
            self._error = OSError(str(error))
        with _lock:
            self._ended_at = time.monotonic()
            self.ended.set()
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    async def wait(self) -> None:
        """Until it has ended. Who stops waiting leaves nothing behind."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_settle, answered)

        with _lock:
            if self.ended.is_set():
                return
            self._wakes.add(wake)
        try:
            await answered
        finally:
            with _lock:
                self._wakes.discard(wake)

    def result(self) -> tuple[str, ...]:
        """The addresses.

        Raises:
            OSError: there are none.
        """
        if self._error is not None:
            raise type(self._error)(*self._error.args)  # each who waits gets one of its own
        return self._addresses


_lock = threading.Lock()
_lookups: dict[str, _Lookup] = {}


def _forget_old(now: float) -> None:
    for host, lookup in list(_lookups.items()):
        if not lookup.is_usable(now, MAX_AGE) or (len(_lookups) >= MOST_KEPT and lookup.ended.is_set()):
            del _lookups[host]


def _settle(answered: "asyncio.Future[None]") -> None:
    if not answered.done():
        answered.set_result(None)


def _without_lookup(host: str) -> tuple[str, ...]:
    """The addresses of what is known by itself: an address, and this machine (RFC 6761, 6.3)."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return LOCALHOST
    try:
        ip_address(name)
    except ValueError:
        return ()
    return (name,)
