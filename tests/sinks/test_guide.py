"""docs/sinks.md is true: its example works as it stands there, and its tables are complete."""

import asyncio
import re
import sys
import tomllib
from pathlib import Path

import pytest

from sinks.base import FINAL_REASONS, Reason
from sinks.registry import GROUP
from tests.support.waiting import plain_environment

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "sinks.md").read_text(encoding="utf-8")

PYTEST_INI = """[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
filterwarnings = error
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


async def run(directory: Path, *arguments: str) -> str:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        cwd=directory,
        env={**plain_environment(), "PYTHONPATH": str(directory)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(120):
        output = (await program.communicate())[0].decode()
    assert program.returncode == 0, output
    return output


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A directory with the sink of the guide and its tests."""
    sink, its_tests = blocks("python")
    (tmp_path / "tickstock_ntfy.py").write_text(sink, encoding="utf-8")
    (tmp_path / "test_ntfy.py").write_text(its_tests, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(PYTEST_INI, encoding="utf-8")
    return tmp_path


@pytest.mark.thorough
async def test_the_example_passes_the_contract(example: Path) -> None:
    printed = await run(example, "pytest", "-q", "-p", "no:cacheprovider", "test_ntfy.py")
    assert re.search(r"^3\d passed", printed, re.MULTILINE), printed


@pytest.mark.thorough
async def test_the_example_passes_the_type_checker(example: Path) -> None:
    await run(example, "mypy", "--strict", "--ignore-missing-imports", "tickstock_ntfy.py", "test_ntfy.py")


def test_the_entry_point_is_in_the_relays_group() -> None:
    [door] = blocks("toml")
    assert tomllib.loads(door)["project"]["entry-points"] == {GROUP: {"ntfy": "tickstock_ntfy:NtfySink"}}


def test_every_reason_is_explained() -> None:
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \|.*\| ([^|]+) \|$", GUIDE, re.MULTILINE))
    assert set(documented) == set(Reason.__members__)
    for name, again in documented.items():
        assert again.startswith("yes") == (Reason[name] not in FINAL_REASONS), name
