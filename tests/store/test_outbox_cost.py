"""What the outbox costs does not depend on how much waits: no statement scans, none takes more steps with more rows.

Steps are those of SQLite's virtual machine, which do not depend on the machine that runs the tests.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.config.settings import OutboxOptions
from relay.store.file import open_for_tools
from relay.store.outbox import Outbox
from relay.store.outbox_admin import OutboxSelection, Undelivered
from relay.store.store import Store

FEW, MANY = 1_200, 12_000
"""Both are more than one statement looks at."""
MOST_STEPS = 25_000
"""Of one statement: some 2 ms, as a step takes less than 100 ns."""
MAY_BE_SCANNED = ("SCAN head", "SCAN outbox_count", "SCAN outbox USING INDEX outbox_dead")
"""A limited number of rows; the counts, a few a lane; the dead letters up to a limit."""

Key = Callable[[int], str | None]
SHAPES: dict[str, tuple[Key, float]] = {
    "no key": (lambda _: None, 0.0),
    "one key": (lambda _: "run 1", 0.0),
    "100 keys": (lambda number: f"run {number % 100}", 0.0),
    "a key each": (lambda number: f"run {number}", 0.0),
    "all postponed": (lambda _: None, 5000.0),
    "all postponed, a key each": (lambda number: f"run {number}", 5000.0),
}


class Meter:
    """What a connection does: its statements, and the steps of each."""

    def __init__(self) -> None:
        self.statements: list[str] = []
        self.steps: list[int] = []

    def begin(self, statement: str) -> None:
        if not statement.startswith("--"):  # a trigger's, which belongs to the one that fired it
            self.statements.append(statement)
            self.steps.append(0)

    def step(self) -> int:
        if self.steps:  # newer SQLite also asks while it reads the first statement
            self.steps[-1] += 1
        return 0

    @contextmanager
    def on(self, db: sqlite3.Connection) -> Iterator[None]:
        db.set_trace_callback(self.begin)
        db.set_progress_handler(self.step, 1)
        yield
        db.set_trace_callback(None)
        db.set_progress_handler(None, 0)


def fill(path: Path, key: Key, due: float, count: int) -> tuple[Store, Outbox]:
    store = Store(path)
    box = Outbox(store, OutboxOptions(max_rows=count, dead_letters=300))
    for number in range(count):
        box.stage("app", b"x" * 100, now=100.0 + number / 100, not_before=due, order_key=key(number))
    box.commit()
    return store, box


def use(box: Outbox) -> None:
    """All that the daemon does with an outbox."""
    rows = box.waiting("app", 1000.0, 100) or box.waiting("app", 9000.0, 100)
    assert rows
    assert box.load(rows)
    box.next_due("app", 1000.0)
    box.next_due("app", 9000.0)
    box.expired("app", 1000.0)
    assert box.expired("app", 9e9)
    box.depths()
    box.count()
    box.postpone(rows[:20])
    box.delivered(rows[20:60])
    box.dead_letter(rows[60:], "no")
    box.dead_letter(box.expired("app", 9e9), "too late")
    box.shift("app", -60.0)
    box.time_shift.go_on("app")
    for _ in range(400):
        box.stage("app", b"y", now=200.0, order_key="run 1")
    assert box.dropped["app"] > 0, "it is full"
    box.commit()


def use_as_command_line(outbox: Undelivered) -> None:
    """All that the command line does with it."""
    everything = OutboxSelection(lane="app")
    assert outbox.counts(everything)
    assert list(outbox.rows(everything, 50))
    assert not list(outbox.rows(OutboxSelection(lane="nobody")))
    assert not outbox.counts(OutboxSelection(before=1.0))
    ids = [row.id for row in outbox.rows(everything, 3)]
    assert outbox.retry(OutboxSelection(ids)) == 3
    assert outbox.drop(OutboxSelection(ids)) == 3
    outbox.retry(OutboxSelection(state="dead"))


@pytest.mark.thorough
@pytest.mark.parametrize("shape", SHAPES)
def test_no_statement_costs_more_with_more_rows(tmp_path: Path, shape: str) -> None:
    most: list[int] = []
    for count in (FEW, MANY):
        path, meter = tmp_path / f"{count}.db", Meter()
        store, box = fill(path, *SHAPES[shape], count)
        with meter.on(store._db):
            use(box)
        tool = open_for_tools(path)
        with meter.on(tool):
            use_as_command_line(Undelivered(tool))
        most.append(max(meter.steps))
        assert most[-1] < MOST_STEPS, meter.statements[meter.steps.index(most[-1])]
        assert [line for statement in set(meter.statements) for line in scans(tool, statement)] == []
        tool.close()
        store.close()
    few, many = most
    assert many <= 1.2 * few, "ten times the rows"


def scans(db: sqlite3.Connection, statement: str) -> list[str]:
    """The lines of a statement's plan that read a table from end to end, or sort."""
    if not statement.startswith(("SELECT", "UPDATE", "DELETE")):
        return []
    plan = [line for *_, line in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
    bad = [line for line in plan if "TEMP B-TREE" in line or line.startswith("SCAN")]
    return [f"{line}: {statement}" for line in bad if not line.startswith(MAY_BE_SCANNED)]
