"""How httpx connects for us: names by our own resolver, and nothing taken from the environment unseen."""

import ssl

import httpx

from relay.network.backend import ResolvingBackend
from relay.network.resolver import Resolver


def transport(resolver: Resolver, *, tls: ssl.SSLContext, limits: httpx.Limits) -> httpx.AsyncHTTPTransport:
    """A transport that connects directly."""
    way = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)
    # httpcore takes a backend, but httpx has no argument to hand one on; a test holds that this is where it is.
    way._pool._network_backend = ResolvingBackend(resolver)  # noqa: SLF001
    return way
