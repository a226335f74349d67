"""Commands whose output goes where not every sign can be shown, or where nothing can be written any more."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).parent / "tickstock-relay")
CHANNEL = ("explain", "--channel", "tickstock:errors", "--json")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("{}\n")
    return path


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_sign_that_the_terminal_does_not_have_ends_no_command(encoding: str, config: Path) -> None:
    message = json.dumps({"event": "☃"}, ensure_ascii=False)
    for command in (["trigger", "--help"], [*CHANNEL, message, "--config", str(config)]):
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        ended = subprocess.run([PROGRAM, *command], env=environment, capture_output=True, check=False)
        assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"? on tickstock:errors" in ended.stdout


@pytest.mark.parametrize("command", [["schema", "event"], ["check", "--config"], [*CHANNEL, "{}", "--config"]])
def test_a_full_disk_is_told_in_one_line(command: list[str], config: Path) -> None:
    arguments = [PROGRAM, *command, *([str(config)] if command[-1] == "--config" else [])]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"Error: cannot write: No space left on device\n")


@pytest.mark.thorough
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_standard_descriptor_that_is_closed_ends_no_command(closed: str, config: Path) -> None:
    shell = ["sh", "-c", f'exec "$0" "$@" {closed}', PROGRAM, *CHANNEL, "{}", "--config", str(config)]
    assert subprocess.run(shell, capture_output=True, check=False).returncode == 0
