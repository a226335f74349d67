"""Fixtures of the webhook sink's tests."""

from collections.abc import AsyncIterator

import pytest

from sinks.testing import FaultyServer, Reply


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    """Takes what comes, unless told otherwise."""
    async with FaultyServer(Reply(204, b"")) as faulty:
        yield faulty
