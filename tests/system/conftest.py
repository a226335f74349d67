"""A booted machine with the relay for each module that asks for one, and its program built once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.system.lab import boot
from tests.system.machine import Machine, install, start_valkey
from tests.system.tree import RELEASES, relay_wheel, tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return relay_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=RELEASES)
def machine(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Debian 12 with systemd 252 and Debian 13 with 257, a Valkey on port 6379, and the relay, not started."""
    with tree(request.param) as place, boot(place, tmp_path_factory.mktemp("lab") / "boot.log") as lab:
        start_valkey(lab)
        yield install(lab, wheel)
