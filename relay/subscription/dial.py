"""A connected, authenticated socket to Redis, by redis-py: URL, ACL user, TLS, Unix socket, Sentinel.

redis-py makes the connection and then lets go of it: what is read from it is the subscription's business, because only
an unread kernel buffer can be handed to the next process.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from relay.config.settings import RedisOptions
from relay.subscription.wire import PeekWire, TlsWire, Wire

SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_KEEPALIVE = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}


class DialError(ConnectionError):
    """Redis could not be reached or refused us; the text is one line and holds no secret."""


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """`redis+sentinel://[user:password@]host:port,host:port/master[/db]`."""

    nodes: list[tuple[str, int]]
    master: str
    db: int
    username: str | None
    password: str | None
    tls: bool


def parse_sentinel_url(url: str) -> SentinelUrl:
    """Take a Sentinel URL apart.

    Raises:
        ValueError: the text is no such URL; the message does not repeat it.
    """
    parts = urlsplit(url)
    userinfo, _, hosts = parts.netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    path = parts.path.strip("/").split("/")
    if not path[0] or len(path) > 2 or not re.fullmatch(r"\d*", path[-1] if len(path) == 2 else ""):  # noqa: PLR2004
        raise ValueError("write redis+sentinel://host:26379,host:26379/master-name/0")
    nodes = []
    for node in hosts.split(","):
        host, _, port = node.rpartition(":") if re.search(r":\d+$", node) else (node, "", "26379")
        nodes.append((host.strip("[]"), int(port)))
    return SentinelUrl(
        nodes=nodes,
        master=path[0],
        db=int(path[1]) if len(path) == 2 and path[1] else 0,  # noqa: PLR2004
        username=unquote(username) or None,
        password=unquote(password) or None,
        tls=parts.scheme == "rediss+sentinel",
    )


def dial(options: RedisOptions) -> Wire:
    """Connect and authenticate. Blocks for up to the connect timeout; call it in a thread.

    Raises:
        DialError: unreachable, refused, wrong password, bad certificate.
    """
    try:
        connection = _connection(options)
        connection.connect()
    except (redis.RedisError, OSError, ValueError) as error:
        raise DialError(_without_secrets(f"{type(error).__name__}: {error}", options)) from None
    sock = _let_go(connection)
    sock.settimeout(None)
    return TlsWire(sock) if isinstance(sock, ssl.SSLSocket) else PeekWire(sock)


def _connection(options: RedisOptions) -> Any:
    url = options.url.get_secret_value()
    settings = _settings(options)
    if not url.startswith(SENTINEL_SCHEMES):
        settings |= _tls(options) if url.startswith("rediss") else {}
        if url.startswith("unix"):
            settings = {key: value for key, value in settings.items() if "keepalive" not in key}
        return redis.Redis.from_url(url, **settings).connection_pool.make_connection()
    where = parse_sentinel_url(url)
    tls = _tls(options) | {"ssl": True} if where.tls else {}
    host, port = _master(where, options, tls)
    given = {"username": where.username, "password": where.password}
    settings |= tls | {key: value for key, value in given.items() if value}
    return redis.Redis(host=host, port=port, db=where.db, **settings).connection_pool.make_connection()


def _master(where: SentinelUrl, options: RedisOptions, tls: dict[str, Any]) -> tuple[str, int]:
    """Where the master is, by the first Sentinel that sees it alive: one that is cut off may name a dead one.

    Raises:
        redis.ConnectionError: none does; its text says why for each.
    """
    password = options.sentinel.password
    settings = _bounds(options) | tls | {"username": options.sentinel.username, "decode_responses": True}
    settings |= {"password": password.get_secret_value()} if password else {}
    reasons = []
    for host, port in where.nodes:
        with redis.Redis(host=host, port=port, **settings) as sentinel:
            try:
                found = sentinel.sentinel_master(where.master)
            except redis.RedisError as error:  # also one that knows no master of this name
                reasons.append(f"{host}:{port}: {error}")
                continue
        if not found["is_sdown"] and not found["is_odown"]:
            return str(found["ip"]), int(found["port"])
        reasons.append(f"{host}:{port} takes the master for down")
    raise redis.ConnectionError(f"no Sentinel tells where {where.master!r} is: {'; '.join(reasons)}")


def _settings(options: RedisOptions) -> dict[str, Any]:
    settings = _bounds(options) | {
        "protocol": options.protocol,
        "client_name": "tickstock-relay",
        "socket_keepalive": True,
        "socket_keepalive_options": _KEEPALIVE,
    }
    if options.username:
        settings["username"] = options.username
    if options.password:
        settings["password"] = options.password.get_secret_value()
    return settings


def _bounds(options: RedisOptions) -> dict[str, Any]:
    return {
        "socket_connect_timeout": options.connect_timeout,
        "socket_timeout": options.connect_timeout,
        "retry": Retry(NoBackoff(), 0),  # the subscription retries, for ever and with jitter
    }


def _tls(options: RedisOptions) -> dict[str, Any]:
    """The settings of TLS.

    Raises:
        OSError: one of the files cannot be read; redis-py would not say which.
    """
    tls = options.tls
    for path in filter(None, (tls.ca_file, tls.cert_file, tls.key_file)):
        path.read_bytes()
    return {
        "ssl_ca_certs": str(tls.ca_file) if tls.ca_file else None,
        "ssl_certfile": str(tls.cert_file) if tls.cert_file else None,
        "ssl_keyfile": str(tls.key_file) if tls.key_file else None,
        "ssl_check_hostname": tls.check_hostname,
    }


def _let_go(connection: Any) -> socket.socket:
    """The connection's socket, taken from redis-py: its own clean-up would shut the connection down for everyone."""
    sock = connection._sock  # noqa: SLF001 - redis-py has no public way to hand a socket over
    if not isinstance(sock, socket.socket):
        raise DialError("redis-py gave no socket")
    connection._sock = None  # noqa: SLF001
    return sock


def _without_secrets(text: str, options: RedisOptions) -> str:
    secrets = [options.url.get_secret_value()]
    secrets += [unquote(part) for part in (urlsplit(secrets[0]).password,) if part]
    secrets += [given.get_secret_value() for given in (options.password, options.sentinel.password) if given]
    for secret in secrets:
        text = text.replace(secret, "[redacted]") if secret else text
    return " ".join(text.split())
