"""httpcore's connections, kept for further requests: what `httpx.AsyncClient` does, at a third of its cost.

Who posts many small requests pays more for httpx's client and httpcore's pool than for the request itself
(`docs/decisions/delivery-cost.md`). So a target's address and headers are worked out once, by httpx, and each request
has a connection of httpcore for itself; the pool is used for nothing but to make it.
"""

import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore
import httpx

from relay.config.environment import DEFAULT_PORTS, Environment, Proxy
from relay.network.backend import ResolvingBackend
from relay.network.resolver import Resolver

KEEP_SECONDS = 5.0
"""Seconds for which an idle connection is kept, as httpx does."""
MOST_IDLE = 64
"""Idle connections in all: as many as a lane makes deliveries at once."""
LOOK_EVERY = 1.0
"""Seconds between two looks at all idle connections."""
MOST_TARGETS = 256
"""Addresses that are remembered: a sink may make them up."""


Place = tuple[bytes, bytes, int]
"""Scheme, host and port."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address, ready to be asked."""

    url: httpcore.URL
    origin: httpcore.Origin
    headers: dict[str, tuple[bytes, bytes]]
    """What each request has, by name in lower case, unless it is given otherwise."""
    imposed: dict[str, tuple[bytes, bytes]]
    """What each request has whatever is given: user and password of the address."""
    proxy: Proxy | None
    place: Place

    def request(self, method: bytes, body: bytes | None, headers: Mapping[str, str]) -> httpcore.Request:
        """A request of this address."""
        fields = dict(self.headers)
        if body is not None:
            fields["content-length"] = (b"Content-Length", b"%d" % len(body))
        for name, value in headers.items():
            fields[name.lower()] = (name.encode("ascii"), value.encode("ascii"))
        request = httpcore.Request(method, self.url, content=body)
        request.headers = [*(fields | self.imposed).values()]  # as an argument each would be looked at once more
        return request


class Connections:
    """One owner's connections, to any number of places."""

    def __init__(
        self, resolver: Resolver, tls: ssl.SSLContext, environment: Environment, headers: Mapping[str, str]
    ) -> None:
        """`environment` says which places are asked by way of a proxy; each request has `headers`."""
        self._backend = ResolvingBackend(resolver)
        tls.set_alpn_protocols(["http/1.1"])
        self._tls = tls
        self._environment = environment
        self._headers = dict(headers)
        self._targets: dict[str, Target] = {}
        self._makers: dict[Proxy, httpcore.AsyncConnectionPool] = {}
        """httpcore's pools, which know how to speak with a proxy; nothing but that is asked of them."""
        self._idle: deque[tuple[Place, httpcore.AsyncConnectionInterface]] = deque()
        self._looked = 0.0

    def target(self, url: str) -> Target:
        """What there is to know about an address.

        Raises:
            httpx.InvalidURL: it is none.
            httpcore.UnsupportedProtocol: it is neither http nor https.
        """
        target = self._targets.get(url)
        if target is None:
            if len(self._targets) >= MOST_TARGETS:
                self._targets.clear()
            target = self._targets[url] = _target(url, self._headers, self._environment.proxy_for(url))
        return target

    async def take(self, target: Target) -> httpcore.AsyncConnectionInterface:
        """A connection for one request: the one that was used last, else a new one.

        Raises:
            httpcore.ConnectError: there is no way to the place, or it does not speak TLS with us.
        """
        now = time.monotonic()
        if now >= self._looked + LOOK_EVERY:
            await self._close_expired(now)
        while (connection := self._last_used(target.place)) is not None:
            if not connection.has_expired():  # the last answer may have been its last
                return connection
            await connection.aclose()
        return await self._connect(target)

    async def give_back(self, target: Target, connection: httpcore.AsyncConnectionInterface) -> None:
        """Keep it for the next request, if it can have one."""
        if not connection.is_available():
            await connection.aclose()
            return
        self._idle.append((target.place, connection))
        if len(self._idle) > MOST_IDLE:
            _, oldest = self._idle.popleft()
            await oldest.aclose()

    async def close(self) -> None:
        """Close all that are not in use."""
        while self._idle:
            _, connection = self._idle.pop()
            await connection.aclose()

    def _last_used(self, place: Place) -> httpcore.AsyncConnectionInterface | None:
        for number in reversed(range(len(self._idle))):
            connected_to, connection = self._idle[number]
            if connected_to == place:
                del self._idle[number]
                return connection
        return None

    async def _connect(self, target: Target) -> httpcore.AsyncConnectionInterface:
        """A new one; by way of a proxy it is connected when it is used."""
        if target.proxy is not None:
            return self._maker(target.proxy).create_connection(target.origin)
        host = target.origin.host.decode("ascii")
        stream = await self._backend.connect_tcp(host, target.origin.port)
        if target.url.scheme == b"https":
            stream = await stream.start_tls(self._tls, host)
        return httpcore.AsyncHTTP11Connection(target.origin, stream, KEEP_SECONDS)

    async def _close_expired(self, now: float) -> None:
        """Now and then; whoever takes a connection looks at that one again."""
        self._looked = now
        expired = [idle for idle in self._idle if idle[1].has_expired()]
        for idle in expired:
            self._idle.remove(idle)
            await idle[1].aclose()

    def _maker(self, proxy: Proxy) -> httpcore.AsyncConnectionPool:
        maker = self._makers.get(proxy)
        if maker is None:
            maker = self._makers[proxy] = httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                proxy=_proxy(proxy, self._tls),
                keepalive_expiry=KEEP_SECONDS,
                network_backend=self._backend,
            )
        return maker


def _target(url: str, headers: Mapping[str, str], proxy: Proxy | None) -> Target:
    parsed = httpx.URL(url)
    if parsed.scheme not in DEFAULT_PORTS or not parsed.host:
        raise httpcore.UnsupportedProtocol("the address must start with http:// or https:// and name a host")
    usual = httpx.Request("GET", parsed, headers={**headers, "Connection": "keep-alive"}).headers
    imposed = {}
    if parsed.username or parsed.password:
        basic = next(httpx.BasicAuth(parsed.username, parsed.password).auth_flow(httpx.Request("GET", parsed)))
        imposed = {"authorization": (b"Authorization", basic.headers["authorization"].encode())}
    address = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
    named = {name.decode().lower(): (name, value) for name, value in usual.raw}
    origin = address.origin
    return Target(address, origin, named, imposed, proxy, (origin.scheme, origin.host, origin.port))


def _proxy(proxy: Proxy, tls: ssl.SSLContext) -> httpcore.Proxy:
    auth = (proxy.username.encode(), proxy.password.encode()) if proxy.username or proxy.password else None
    return httpcore.Proxy(proxy.place, auth=auth, ssl_context=tls if proxy.scheme == "https" else None)
