"""What is stated once: the columns of a table, the facts of a kind, opening the store, the relay on another clock."""

import ast
import sqlite3
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest

from relay.events import KindFacts, Phase, Severity, kind_of
from relay.events.kind import Kind
from relay.store import schema
from relay.store.outbox import Row
from tests.support.sources import trees
from tests.support.wire import event, utc

ROOT = Path(__file__).parents[1]
FOLDERS = ("relay", "sinks", "tickstock_simulator", "tests", "benchmarks")


def having(text: str, folders: tuple[str, ...] = FOLDERS) -> list[str]:
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py") if path != Path(__file__))
    return [str(path.relative_to(ROOT)) for path in paths if text in path.read_text()]


@pytest.mark.parametrize(("table", "columns"), [("outbox", schema.OUTBOX_COLUMNS), ("shelf", schema.SHELF_COLUMNS)])
def test_a_table_has_the_columns_that_are_stated(table: str, columns: tuple[schema.Column, ...]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        schema.prepare(db)
        found = [str(row[1]) for row in db.execute(f"PRAGMA table_xinfo({table})")]
    assert found == [column.name for column in columns]


def test_a_row_has_the_tables_columns_in_its_order() -> None:
    assert [field.name for field in fields(Row)] == [*schema.OUTBOX[:-1], "size", "event"]
    assert schema.holds(schema.OUTBOX_COLUMNS) == tuple(
        column.holds for column in schema.OUTBOX_COLUMNS if column.name in schema.OUTBOX
    )


def test_no_second_list_of_columns() -> None:
    for path in (ROOT / "relay").rglob("*.py"):
        source = path.read_text()
        together = [name for name in ("order_key", "repeat_key", "not_before") if f'"{name}"' in source]
        assert len(together) < 3 or path.name in {"schema.py", "outbox.py"}, f"{path}: use schema.OUTBOX"


def test_a_kind_is_made_of_its_facts_and_all_of_them_are_its_attributes() -> None:
    facts = KindFacts("tickstock:a:b", "e", Phase.CACHE, Severity.ERROR, "source", "1.0", "wire")
    kind = kind_of(facts)
    assert kind.facts == facts
    assert all(getattr(kind, name) == value for name, value in facts._asdict().items())
    assert kind_of(facts._replace(version="2.0")) is not kind
    assert set(KindFacts._fields) < set(Kind.__slots__)


def test_the_facts_of_a_kind_are_listed_once() -> None:
    listed = having('"wire_event"', ("relay", "sinks"))
    assert listed in ([], ["relay/events/kind.py"]), listed
    assert event("errors", "error", utc("2025-01-27 21:10")).kind.facts.channel == "tickstock:errors"


def test_the_store_is_opened_for_commands_in_one_place() -> None:
    assert having("open_for_tools(", ("relay",)) == ["relay/cli/store.py", "relay/store/file.py"]
    assert having('"relay.db"', ("relay", "sinks")) == ["relay/store/store.py"]
    assert having("INSERT OR REPLACE INTO shelf VALUES", ("relay", "sinks")) == ["relay/store/file.py"]


def test_the_relay_on_another_clock_is_run_in_one_place() -> None:
    runners = []
    paths = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    for path, tree in trees(paths, "Daemon"):
        for node in ast.walk(tree):
            made = node.value if isinstance(node, ast.Attribute) and node.attr == "run" else None
            if isinstance(made, ast.Call) and ast.unparse(made.func).split(".")[-1] == "Daemon":
                runners.append(str(path.relative_to(ROOT)))
    assert sorted(runners) == ["relay/cli/run.py", "tickstock_simulator/demo/other_clock.py"]


def test_the_demo_patches_no_constant_of_the_relay() -> None:
    for path in (ROOT / "tickstock_simulator").rglob("*.py"):
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("relay"):
                imported |= {alias.asname or alias.name for alias in node.names}
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    owner = target.value if isinstance(target, ast.Attribute) else None
                    patched = isinstance(owner, ast.Name) and owner.id in imported
                    assert not patched, f"{path}:{node.lineno}: pass it in"


@pytest.mark.parametrize(
    "name", ["Alert", "Reason", "Selection", "Parts", "State", "Verdict", "Note", "Action", "Link"]
)
def test_a_name_that_was_shared_is_of_one_class_at_most(name: str) -> None:
    product = ("relay", "sinks", "tickstock_simulator")
    assert len(having(f"\nclass {name}:", product) + having(f"\nclass {name}(", product)) <= 1
