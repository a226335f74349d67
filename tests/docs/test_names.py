"""Names of the code: one standard term for each meaning (CONTRIBUTING.md)."""

import ast
from pathlib import Path

import pytest

from tests.support.sources import trees

ROOT = Path(__file__).parents[2]
PACKAGES = ("relay", "sinks", "tickstock_simulator", "benchmarks", "docs", "tests", "tools")
PRIVATE = {"said", "told"}
"""Words that had seven meanings each; what is meant has a name of its own: announcements, text, redacted, row …"""


def identifiers(module: ast.Module) -> set[str]:
    """Every name that a module gives or uses."""
    names: set[str] = set()
    for node in ast.walk(module):
        names |= {
            value for field in ("id", "attr", "arg", "name") if isinstance(value := getattr(node, field, None), str)
        }
    return names


@pytest.mark.parametrize("package", PACKAGES)
def test_no_identifier_is_a_private_word(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {str(file.relative_to(ROOT)): identifiers(tree) & PRIVATE for file, tree in trees(files, *PRIVATE)}
    assert {file: names for file, names in found.items() if names} == {}
