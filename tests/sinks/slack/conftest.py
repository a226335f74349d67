"""Fixtures of the Slack sink's tests."""

from collections.abc import AsyncIterator

import pytest

from tickstock_simulator.slack import SlackStandIn


@pytest.fixture
async def slack() -> AsyncIterator[SlackStandIn]:
    """A Slack that takes as much as comes."""
    async with SlackStandIn(rate=None) as stand_in:
        yield stand_in
