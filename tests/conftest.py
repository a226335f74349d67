"""Real parts for all tests; see tests/parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.parts import RelayProcess, ServiceManager, Valkey


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command sets up logging for its process; in a test, that is the next one's too."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    """One Valkey for all tests that do it no harm."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey for this test alone."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    """Keeps the descriptors of the relays of this test."""
    with ServiceManager(tmp_path) as manager:
        yield manager


@pytest.fixture
def relay(tmp_path: Path, valkey: Valkey) -> Iterator[RelayProcess]:
    """A running relay with `/metrics` and archive, on this test's Valkey."""
    with RelayProcess(tmp_path, valkey.url) as relay:
        yield relay
