"""Fixtures of the tests of the sink `socketio`."""

from collections.abc import AsyncIterator

import fakeredis
import pytest

from tests.support.socketio_sink import Queue


@pytest.fixture
def server() -> fakeredis.FakeServer:
    """The web app's Redis."""
    return fakeredis.FakeServer()


@pytest.fixture
async def queue(server: fakeredis.FakeServer) -> AsyncIterator[Queue]:
    """The message queue there."""
    queue = Queue(server)
    yield queue
    queue.close()
