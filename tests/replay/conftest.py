"""Fixtures of the replay's tests."""

from pathlib import Path
from typing import Any

import pytest
import yaml


@pytest.fixture
def config(tmp_path: Path) -> Any:
    """Writes a configuration with these sections, and says where it is."""

    def written(**sections: Any) -> Path:
        path = tmp_path / "replay.yaml"
        base = {"state_dir": str(tmp_path / "state"), "http": {"enabled": False}}
        path.write_text(yaml.safe_dump(base | sections))
        return path

    return written
