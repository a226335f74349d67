"""The commands that README and operating guide give for an installation, in a root that has only what Debian 12 has."""

import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_each_file_finds_its_place(page: str, tmp_path: Path) -> None:
    (tmp_path / "etc" / "systemd" / "system").mkdir(parents=True)
    lines = [line for line in (ROOT / page).read_text(encoding="utf-8").splitlines() if line.startswith("install ")]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line.partition(" && ")[0], comments=True)
        if "-g" in words:  # the group is there only once systemd-sysusers has made it
            del words[words.index("-g") : words.index("-g") + 2]
        command = [f"{tmp_path}{word}" if word.startswith("/etc/") else word for word in words]
        subprocess.run(command, cwd=ROOT, check=True)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == {
        "etc/sysusers.d/tickstock-relay.conf",
        "etc/systemd/system/tickstock-relay.service",
        "etc/tickstock-relay/config.yaml",
    }
