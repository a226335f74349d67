"""A connected, authenticated socket to Redis, by redis-py: URL, ACL user, TLS, Unix socket, Sentinel.

redis-py makes the connection and then lets go of it: what is read from it is the subscription's business, because only
an unread kernel buffer can be handed to the next process.
"""

import re
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from relay.config.environment import Environment
from relay.config.sentinel_url import SENTINEL_SCHEMES, parse_sentinel_url
from relay.config.settings import RedisOptions
from relay.network.resolver import Resolver
from relay.network.tls import tls_context
from relay.redaction.known_secrets import KnownSecrets
from relay.subscription.errors import ErrorKind, kind_of
from relay.subscription.pools import pool_of
from relay.subscription.sentinel import find_master
from relay.subscription.socket import PeekWire, TlsWire, Wire
from sinks.options import current_secret

_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}


Address = tuple[str, int]
ASK_AGAIN = 600.0
"""Seconds after which a command that the ACL did not allow is tried again: each attempt is a line in `ACL LOG`."""


UNREADABLE_URL = "redis.url cannot be read: write / # ? @ [ in a password as %2F %23 %3F %40 %5B"


class ConnectError(ConnectionError):
    """Redis could not be reached or refused us; the text is one line and holds no secret.

    `kind` is None when no server answered; `target` is where one was looked for.
    """

    def __init__(self, text: str, kind: ErrorKind | None = None, target: Address | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.target = target


@dataclass(frozen=True, slots=True)
class Server:
    """The server that a connection has reached, by what it says of itself and by what names it."""

    address: Address | None
    """Its IP address and port; None on a Unix socket."""
    run_id: str = ""
    """Of its process; empty where the ACL does not let us ask."""
    problem: str = ""
    """Why it does not get what is published; empty when it does, and where the ACL does not let us ask."""
    target: Address | None = None
    """Host and port that we were to connect to: by the URL, by Sentinel, or by a redirection."""


def connect(options: RedisOptions) -> Wire:
    """Connect and authenticate. Blocks for up to the connect timeout; call it in a thread.

    Raises:
        ConnectError: unreachable, refused, wrong password, bad certificate.
    """
    return Connector(options).connect()[0]


class Connector:
    """Connects again and again; its methods block, so call them in a thread."""

    def __init__(self, options: RedisOptions) -> None:
        self._options = options
        self.resolver = Resolver(max_age=0)  # a name that has moved is to be noticed
        self.by_sentinel = options.url.get_secret_value().startswith(SENTINEL_SCHEMES)
        self._denied: dict[str, float] = {}
        self.redirected: Address | None = None
        """Where a server has sent us; the URL's host is not asked while this is set. Sentinel knows better."""

    def connect(self) -> tuple[PeekWire | TlsWire, Server]:
        """A connection, and the server at its other end.

        Raises:
            ConnectError: unreachable, refused, wrong password, bad certificate, or no master though Sentinel says so.
        """
        connection, server = self._reach()
        sock = _let_go(connection)
        sock.settimeout(None)
        return TlsWire(sock) if isinstance(sock, ssl.SSLSocket) else PeekWire(sock), server

    def check(self) -> Server:
        """The server that `connect` would reach now; the connection is closed again.

        Raises:
            ConnectError: as `connect`.
        """
        connection, server = self._reach()
        connection.disconnect()
        return server

    def _reach(self) -> tuple[Any, Server]:
        target = connection = None
        try:
            connection = self._connection()
            host = getattr(connection, "host", None)  # a Unix socket has none
            target = (str(host), int(connection.port)) if host else None
            connection.connect()
            server = self._introduced(connection, target)
        except (redis.RedisError, OSError, ValueError, LookupError, TypeError) as error:  # also odd answers to ROLE
            if connection is not None:
                connection.disconnect()
            raise ConnectError(_without_secrets(_words(error), self._options), _kind(error), target) from None
        if self.by_sentinel and server.problem:
            connection.disconnect()
            raise ConnectError(f"Sentinel names it as the master, but it is not one: {server.problem}", None, target)
        return connection, server

    def _connection(self) -> Any:
        options = self._options
        url = current_secret(options.url)
        settings = client_settings(options, url)
        if not self.by_sentinel:
            pool = pool_of(self.resolver, url, **settings)
            if self.redirected is not None:
                pool.connection_kwargs |= dict(zip(("host", "port"), self.redirected, strict=True))
            return pool.make_connection()
        where = parse_sentinel_url(url)
        tls = tls_settings(options) if where.tls else {}
        scheme = "rediss" if where.tls else "redis"

        def pool_to(node: Address, **settings: Any) -> redis.ConnectionPool:
            return pool_of(self.resolver, f"{scheme}://", host=node[0], port=node[1], **settings, **tls)

        master = find_master(where, lambda node: pool_to(node, **sentinel_settings(options)))
        given = {"username": where.username, "password": where.password}
        settings |= {key: value for key, value in given.items() if value}
        return pool_to(master, db=where.db, **settings).make_connection()

    def _introduced(self, connection: Any, target: Address | None) -> Server:
        """Tell our name, and ask the server who it is; what the ACL does not allow stays unknown."""
        self._ask(connection, "CLIENT", "SETNAME", "tickstock-relay")
        found = re.search(rb"run_id:(\w+)", _bytes(self._ask(connection, "INFO", "server")))
        problem = _problem(self._ask(connection, "ROLE"), wants_master=self.by_sentinel)
        address = peer(connection._sock)  # noqa: SLF001 - redis-py has no public way to the socket
        return Server(address, found[1].decode() if found else "", problem, target)

    def _ask(self, connection: Any, *command: str) -> Any:
        if time.monotonic() < self._denied.get(command[0], 0.0):
            return None
        connection.send_command(*command)
        try:
            return connection.read_response()
        except redis.ResponseError as error:
            if kind_of(_words(error)) is ErrorKind.REFUSED:
                self._denied[command[0]] = time.monotonic() + ASK_AGAIN
            return None


def peer(sock: socket.socket) -> Address | None:
    """IP address and port of the other end; None where there are none."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        host, port = sock.getpeername()[:2]
    except OSError:  # it is gone already
        return None
    return str(host), int(port)


def _problem(role: Any, *, wants_master: bool) -> str:
    """Why a server with that answer to ROLE does not get what is published; empty when it does, or did not answer."""
    if not isinstance(role, list) or not role or role[0] == b"master":
        return ""
    if role[0] != b"slave":
        return f"it is not a data server, but a {_bytes(role[0]).decode(errors='replace')}"
    host, port, state = role[1], role[2], _bytes(role[3]).decode(errors="replace")
    if wants_master:
        return "it is a replica"
    master = f"{_bytes(host).decode(errors='replace')}:{port}"
    return "" if state == "connected" else f"this replica has no connection to its master {master} ({state})"


def _bytes(reply: Any) -> bytes:
    return reply if isinstance(reply, bytes) else str(reply or "").encode()


def _words(error: BaseException) -> str:
    """The server's words, from which redis-py has cut the first; else the error and its type."""
    if isinstance(error, ValueError) and not isinstance(error, OSError | redis.RedisError):
        return UNREADABLE_URL  # the error's own text holds a part of the URL, perhaps of its password
    code = getattr(error, "status_code", None)
    if code:
        return f"{code} {error}"
    return str(error) if isinstance(error, redis.ResponseError) else f"{type(error).__name__}: {error}"


def _kind(error: BaseException) -> ErrorKind | None:
    if isinstance(error, redis.InvalidResponse):
        return ErrorKind.BROKEN
    answered = isinstance(error, redis.ResponseError | redis.AuthenticationError) or getattr(error, "status_code", None)
    return kind_of(_words(error)) if answered else None


def client_settings(options: RedisOptions, url: str) -> dict[str, Any]:
    """What redis-py is given for a connection to Redis; behind Sentinels but for TLS.

    Raises:
        OSError: a certificate cannot be read.
    """
    settings = _bounds(options) | {
        "protocol": options.protocol,
        "driver_info": None,  # no CLIENT SETINFO: an ACL that does not allow it would log each attempt
    }
    if not url.startswith("unix"):
        settings |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    if url.startswith("rediss://"):
        settings |= tls_settings(options)
    if options.username:
        settings["username"] = options.username
    if options.password:
        settings["password"] = current_secret(options.password)
    return settings


def sentinel_settings(options: RedisOptions) -> dict[str, Any]:
    """What redis-py is given for a connection to a Sentinel, but for TLS."""
    password = options.sentinel.password
    settings = _bounds(options) | {"username": options.sentinel.username, "decode_responses": True}
    return settings | ({"password": current_secret(password)} if password else {})


def _bounds(options: RedisOptions) -> dict[str, Any]:
    return {
        "socket_connect_timeout": options.connect_timeout,
        "socket_timeout": options.connect_timeout,
        "retry": Retry(NoBackoff(), 0),  # the subscription retries, for ever and with jitter
    }


def tls_settings(options: RedisOptions) -> dict[str, Any]:
    """The settings of TLS, for our connection classes: whom we trust, and our certificate, as for HTTP.

    Raises:
        OSError: one of the files cannot be used; the text says which.
    """
    given = options.tls
    try:
        tls = tls_context(Environment.read(), given.ca_file, given.cert_file, given.key_file)
    except ValueError as error:
        raise OSError(str(error)) from None
    tls.check_hostname = given.check_hostname
    return {"tls": tls}


def _let_go(connection: Any) -> socket.socket:
    """The connection's socket, taken from redis-py: its own clean-up would shut the connection down for everyone."""
    sock = connection._sock  # noqa: SLF001 - redis-py has no public way to hand a socket over
    if not isinstance(sock, socket.socket):
        raise ConnectError("redis-py gave no socket")
    connection._sock = None  # noqa: SLF001
    return sock


def _without_secrets(text: str, options: RedisOptions) -> str:
    secrets = [current_secret(options.url)]
    with suppress(ValueError):  # a URL from a file may have become unreadable since the start
        secrets += [unquote(part) for part in (urlsplit(secrets[0]).password,) if part]
    secrets += [current_secret(given) for given in (options.password, options.sentinel.password) if given]
    return KnownSecrets(secrets).hide(text)
