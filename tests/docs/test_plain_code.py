"""Code that is read at once: one assignment to an attribute a line, one condition a conditional expression."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("relay", "sinks", "tickstock_simulator")


def sets_attributes_together(node: ast.AST) -> bool:
    """`self.a, self.b = x, y`, also where only one of them is an attribute or an item."""
    if not isinstance(node, ast.Assign):
        return False
    together = [target for target in node.targets if isinstance(target, ast.Tuple | ast.List)]
    return any(isinstance(part, ast.Attribute | ast.Subscript) for target in together for part in ast.walk(target))


def nests_conditionals(node: ast.AST) -> bool:
    """`a if x else b if y else c`, also within an f-string, a call or a comprehension."""
    if not isinstance(node, ast.IfExp):
        return False
    return any(isinstance(part, ast.IfExp) for part in ast.walk(node) if part is not node)


def places(source: str, is_dense: Callable[[ast.AST], bool]) -> list[int]:
    """The lines where it is."""
    return [
        node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt | ast.expr) and is_dense(node)
    ]


@pytest.mark.parametrize("is_dense", [sets_attributes_together, nests_conditionals])
@pytest.mark.parametrize("package", PACKAGES)
def test_no_expression_hides_a_decision_in_another(package: str, is_dense: Callable[[ast.AST], bool]) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    found = {str(file.relative_to(ROOT)): places(file.read_text(encoding="utf-8"), is_dense) for file in files}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("source", "is_dense"),
    [
        ("self.a, self.b = 1, 2", sets_attributes_together),
        ("old, self.a = self.a, None", sets_attributes_together),
        ("(x, (self.a, y)) = z", sets_attributes_together),
        ("before, self.counts[key] = 1, 2", sets_attributes_together),
        ("x = 1 if a else 2 if b else 3", nests_conditionals),
        ("x = f(1 if b else 2) if a else 3", nests_conditionals),
        ('x = f"{1 if b else 2}" if a else ""', nests_conditionals),
    ],
)
def test_what_is_dense_is_seen(source: str, is_dense: Callable[[ast.AST], bool]) -> None:
    assert places(source, is_dense) == [1]


@pytest.mark.parametrize(
    "source",
    ["a, b = 1, 2", "self.a = self.b = 1", "self.a = b, c", "x = 1 if a else 2", "x = (1 if a else 2, 3 if b else 4)"],
)
def test_what_is_plain_is_left_alone(source: str) -> None:
    assert places(source, sets_attributes_together) == places(source, nests_conditionals) == []
