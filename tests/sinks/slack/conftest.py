"""Fixtures of the Slack sink's tests."""

from collections.abc import AsyncIterator

import pytest

from sinks.testing import FaultyServer, Reply
from tests.support.slack_sink import POSTED
from tickstock_simulator.slack import SlackStandIn


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    """A Slack that takes as much as comes."""
    async with SlackStandIn(rate=None) as stand_in:
        yield stand_in


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    """Answers as Slack does to what it has posted, unless told otherwise."""
    async with FaultyServer(Reply(200, POSTED)) as faulty:
        yield faulty
