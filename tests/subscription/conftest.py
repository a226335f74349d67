"""Fixtures of the subscription's tests."""

from collections.abc import Iterator

import pytest

from tests.support import TcpProxy, Valkey


@pytest.fixture
def proxy(shared_valkey: Valkey) -> Iterator[TcpProxy]:
    """A proxy before the Valkey, to harm connections with."""
    with TcpProxy(shared_valkey.port) as proxy:
        yield proxy
