"""redis-py's connections with a resolver of our own: theirs would look a name up for as long as it takes.

And with our own context for TLS: theirs trusts the system's authorities beside those that are named.
"""

import socket
import ssl
from typing import Any

import redis
from redis.connection import Connection, SSLConnection

from relay.network.resolver import Resolver


class _ResolvedConnection(Connection):
    """Looks its host up within `socket_connect_timeout`, and tries each of its addresses."""

    def __init__(self, *, resolver: Resolver, **settings: Any) -> None:
        super().__init__(**settings)  # type: ignore[no-untyped-call]
        self._resolver = resolver

    def _connect(self) -> Any:
        """Connect.

        Raises:
            OSError: there is no such name, or none of its addresses takes the connection.
        """
        host, errors = self.host, []
        for address in self._resolver.addresses_blocking(host, self.socket_connect_timeout):
            self._host = address  # which redis-py takes as it is
            try:
                return super()._connect()  # type: ignore[no-untyped-call]
            except OSError as error:
                errors.append(error)
            finally:
                self._host = host  # a certificate is for the name
        raise errors[0]


class _ResolvedTlsConnection(SSLConnection, _ResolvedConnection):
    """The same; `SSLConnection` has what it connects wrapped."""

    def __init__(self, *, tls: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
        self._tls = tls

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        return self._tls.wrap_socket(sock, server_hostname=self.host)


def pool_of(resolver: Resolver, url: str, **settings: Any) -> redis.ConnectionPool:
    """A pool of connections to `url`, of which nothing is connected yet.

    Raises:
        ValueError: it is no URL of Redis.
    """
    if not url.startswith("unix"):
        kind = _ResolvedTlsConnection if url.startswith("rediss") else _ResolvedConnection
        settings |= {"connection_class": kind, "resolver": resolver}
    return redis.ConnectionPool.from_url(url, **settings)
