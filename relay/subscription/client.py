"""A client of the relay's own Redis for those who publish there, with everything that `redis:` of config.yaml says."""

from redis.asyncio import Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from relay.config.settings import RedisOptions
from relay.subscription.dial import client_settings, sentinel_settings, tls_settings
from relay.subscription.sentinel import SENTINEL_SCHEMES, parse_sentinel_url
from sinks.options import current_secret


def client_of(options: RedisOptions, timeout: float) -> Redis:
    """A client that has not connected yet; it gives up after `timeout` seconds and never retries.

    Raises:
        OSError: a certificate cannot be read.
    """
    url = current_secret(options.url)
    once = {"socket_timeout": timeout, "socket_connect_timeout": timeout, "retry": Retry(NoBackoff(), 0)}
    settings = client_settings(options) | once
    if not url.startswith(SENTINEL_SCHEMES):
        if url.startswith("rediss"):
            settings |= tls_settings(options)
        if url.startswith("unix"):
            settings = {key: value for key, value in settings.items() if "keepalive" not in key}
        return Redis.from_url(url, **settings)
    where = parse_sentinel_url(url)
    tls = tls_settings(options) | {"ssl": True} if where.tls else {}
    given = {"username": where.username, "password": where.password}
    settings |= tls | {key: value for key, value in given.items() if value}
    asked = sentinel_settings(options) | tls | once
    master: Redis = Sentinel(where.nodes, sentinel_kwargs=asked).master_for(  # type: ignore[no-untyped-call]
        where.master, db=where.db, **settings
    )
    return master
