"""A client of the relay's own Redis for those who publish there, with everything that `redis:` of config.yaml says."""

import asyncio
import ssl
from typing import Any

from redis.asyncio import Connection, Redis, Sentinel, SSLConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelManagedSSLConnection
from redis.backoff import NoBackoff

from relay.config.sentinel_url import SENTINEL_SCHEMES, parse_sentinel_url
from relay.config.settings import RedisOptions
from relay.network.resolver import Resolver
from relay.subscription.connect import client_settings, sentinel_settings, tls_settings
from sinks.options import current_secret


def client_of(options: RedisOptions, timeout: float) -> Redis:
    """A client that has not connected yet; it gives up after `timeout` seconds and never retries.

    Raises:
        OSError: a certificate cannot be read.
    """
    url = current_secret(options.url)
    once = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": Retry(NoBackoff(), 0)}
    settings = client_settings(options, url) | once
    if not url.startswith(SENTINEL_SCHEMES):
        client: Redis = Redis.from_url(url, **settings)
        if not url.startswith("unix"):
            pool = client.connection_pool
            pool.connection_class = _ResolvedTlsConnection if url.startswith("rediss") else _ResolvedConnection
            pool.connection_kwargs["resolver"] = Resolver(max_age=0)
        return client
    where = parse_sentinel_url(url)
    tls = tls_settings(options) if where.tls else {}
    given = {"username": where.username, "password": where.password}
    settings |= {key: value for key, value in given.items() if value}
    sentinels = Sentinel(where.nodes, sentinel_kwargs=sentinel_settings(options) | once)  # type: ignore[no-untyped-call]
    if tls:
        settings |= tls | {"connection_class": _MasterTlsConnection}
        for node in sentinels.sentinels:
            node.connection_pool.connection_class = _TlsConnection
            node.connection_pool.connection_kwargs |= tls
    master: Redis = sentinels.master_for(where.master, redis_class=_MasterBySentinel, db=where.db, **settings)
    return master


class _ResolvedConnection(Connection):
    """Looks its host up by our own resolver, and tries each of its addresses."""

    def __init__(self, *, resolver: Resolver, **settings: Any) -> None:
        super().__init__(**settings)
        self._resolver = resolver
        self._address = ""

    async def _connect(self) -> None:
        """Connect.

        Raises:
            OSError: there is no such name, or none of its addresses takes the connection.
        """
        async with asyncio.timeout(self.socket_connect_timeout):
            addresses = await self._resolver.addresses(self.host)
        errors = []
        for address in addresses:
            self._address = address
            try:
                await super()._connect()  # type: ignore[no-untyped-call]
            except OSError as error:
                errors.append(error)
            else:
                return
        raise errors[0]

    def _connection_arguments(self) -> dict[str, Any]:
        given = dict(super()._connection_arguments()) | {"host": self._address}
        return given | {"server_hostname": self.host} if "ssl" in given else given


class _TlsConnection(SSLConnection):
    """Trusts whom our own context trusts, and nobody else."""

    def __init__(self, *, tls: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self.ssl_context.context = tls


class _ResolvedTlsConnection(_ResolvedConnection, _TlsConnection):
    """The same; a certificate is for the name."""


class _MasterTlsConnection(SentinelManagedSSLConnection, _TlsConnection):
    """To the master that the Sentinels name."""


class _MasterBySentinel(Redis):
    """Closes the connections to the Sentinels as well, which redis-py leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close everything."""
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()
