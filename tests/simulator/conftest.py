"""A Valkey for all of these tests, and one who listens in each."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.simulator.hearing import Hearing, listening
from tests.support import Valkey


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with Valkey() as valkey:
        yield valkey.url


@pytest.fixture
async def hearing(redis_url: str) -> AsyncIterator[Hearing]:
    async with listening(redis_url) as heard:
        yield heard
