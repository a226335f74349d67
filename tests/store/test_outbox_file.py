"""The outbox's file: what its triggers keep is right whoever writes, one of 0.1 is taken over, space is given back."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.settings import OutboxOptions
from relay.store import schema
from relay.store.file import open_for_tools
from relay.store.outbox import Outbox
from relay.store.outbox_admin import OutboxSelection, Undelivered
from relay.store.store import FREE_PAGES, Store
from tests.support.examples import examples

SCHEMA_OF_0_1 = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, lane TEXT NOT NULL, state TEXT NOT NULL, delivery TEXT, order_key TEXT, repeat_key TEXT,
    event BLOB NOT NULL, accepted REAL NOT NULL, not_before REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS outbox_by_lane ON outbox (lane, state, not_before);
CREATE INDEX IF NOT EXISTS outbox_by_order ON outbox (lane, order_key, id) WHERE order_key IS NOT NULL;
CREATE TABLE IF NOT EXISTS shelf (
    name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, key)
) STRICT, WITHOUT ROWID;
"""
COLUMNS_OF_0_1 = "id, lane, state, delivery, order_key, repeat_key, event, accepted, not_before, attempts, error"
INSERT_OF_0_1 = f"INSERT INTO outbox ({COLUMNS_OF_0_1}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
DUE_BY_0_1 = (
    f"SELECT {COLUMNS_OF_0_1} FROM outbox AS this WHERE lane = :lane AND state = 'waiting' AND not_before <= :now"  # noqa: S608 - constants
    " AND NOT EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.lane = this.lane"
    " AND earlier.order_key = this.order_key AND earlier.state = 'waiting' AND earlier.id < this.id"
    " AND earlier.not_before > :now) ORDER BY id LIMIT :most"
)


def row_of_0_1(number: int, *, lane: str = "app", state: str = "waiting", key: str | None = None) -> tuple[object, ...]:
    return (number, lane, state, None, key, None, b"%d" % number, 100.0 + number, 100.0, 2, "HTTP 500")


def file_of_0_1(path: Path, *rows: tuple[object, ...]) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA_OF_0_1)
    db.executemany(INSERT_OF_0_1, rows)
    db.execute("INSERT INTO shelf VALUES ('runs', 'today', '{}')")
    db.commit()
    db.close()


def assert_right(db: sqlite3.Connection) -> None:
    """What is kept about the rows is what follows from them."""
    wrong = db.execute(
        "SELECT id FROM outbox AS this WHERE state = 'waiting' AND behind <> EXISTS (SELECT 1 FROM outbox AS earlier"
        " WHERE earlier.lane = this.lane AND earlier.order_key = this.order_key AND earlier.state = 'waiting'"
        " AND earlier.id < this.id)"
    ).fetchall()
    assert wrong == []
    counted = "SELECT lane, state, events, bytes FROM outbox_count WHERE events <> 0 OR bytes <> 0 ORDER BY 1, 2"
    real = "SELECT lane, state, count(*), sum(length(event)) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2"
    assert db.execute(counted).fetchall() == db.execute(real).fetchall()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "insert", "old insert", "delete", "dead letter", "revive", "postpone"]),
        st.integers(0, 30),
    ),
    max_size=40,
)


CHANGES = {
    "delete": "DELETE FROM outbox WHERE id = ?",
    "dead letter": "UPDATE outbox SET state = 'dead', attempts = 1, error = 'no' WHERE id = ?",
    "revive": "UPDATE outbox SET state = 'waiting', not_before = 0 WHERE id = ?",
    "postpone": "UPDATE outbox SET not_before = 500 WHERE id = ?",
}


@examples(200)
@given(STEPS)
def test_order_and_counts_are_right_whoever_writes_and_the_same_rows_are_due_as_in_0_1(
    steps: list[tuple[str, int]],
) -> None:
    store = Store(None)
    box, db = Outbox(store, OutboxOptions()), store._db
    for step, which in steps:
        key = None if which % 4 == 0 else f"key {which % 4}"
        if step == "insert":
            box.stage("ab"[which % 2], b"x" * which, now=100.0, order_key=key)
            box.commit()
        elif step == "old insert":
            box._last_id += 1
            db.execute(INSERT_OF_0_1, row_of_0_1(box._last_id, lane="ab"[which % 2], key=key))
        elif found := db.execute("SELECT id FROM outbox ORDER BY id LIMIT 1 OFFSET ?", (which % 8,)).fetchone():
            db.execute(CHANGES[step], found)
    assert_right(db)
    for lane in "ab":
        due = [row[0] for row in db.execute(DUE_BY_0_1, {"lane": lane, "now": 200.0, "most": 1000})]
        assert [row.id for row in box.waiting(lane, 200.0, 1000)] == due
    store.close()


KEYS_OF_A_FILE = {
    "none": [None] * 40,
    "one": ["run 1"] * 40,
    "some": [f"run {number % 7}" if number % 3 else None for number in range(40)],
}


@pytest.mark.parametrize("keys", KEYS_OF_A_FILE.values(), ids=KEYS_OF_A_FILE.keys())
def test_a_file_of_0_1_is_taken_over_with_all_its_rows(tmp_path: Path, keys: list[str | None]) -> None:
    path = tmp_path / "relay.db"
    rows = [
        row_of_0_1(number, lane="ab"[number % 2], state="dead" if number % 5 == 0 else "waiting", key=key)
        for number, key in enumerate(keys, 1)
    ]
    file_of_0_1(path, *rows)
    store = Store(path)
    assert store.trouble == ""
    assert store.read("PRAGMA user_version") == [(schema.VERSION,)]
    assert store.read("PRAGMA auto_vacuum") == [(2,)]
    assert store.read(f"SELECT {COLUMNS_OF_0_1} FROM outbox ORDER BY id") == rows  # noqa: S608 - constants
    assert store.read_shelf("runs") == {"today": "{}"}
    assert_right(store._db)
    store.close()
    again = Store(path)
    assert len(again.read("SELECT id FROM outbox")) == len(rows)
    again.close()


def test_0_1_uses_the_file_of_today_and_its_rows_are_right(tmp_path: Path) -> None:
    """After a downgrade: its own statements, as they stood there, and then today's relay again."""
    path = tmp_path / "relay.db"
    store = Store(path)
    box = Outbox(store, OutboxOptions())
    for _ in range(3):
        box.stage("app", b"new", now=100.0, order_key="run 1")
    box.commit()
    store.close()
    last = box._last_id
    old = sqlite3.connect(path, isolation_level=None)
    for statement in SCHEMA_OF_0_1.split(";\n"):
        old.execute(statement)
    old.executemany(INSERT_OF_0_1, [row_of_0_1(last + number, key=f"run {number % 2}") for number in range(1, 7)])
    due = old.execute(DUE_BY_0_1, {"lane": "app", "now": 200.0, "most": 100}).fetchall()
    assert len(due) == 9
    old.execute("DELETE FROM outbox WHERE id = ?", (due[0][0],))
    old.execute("UPDATE outbox SET state = 'dead', attempts = 3, error = 'no' WHERE id = ?", (due[1][0],))
    old.execute(
        "UPDATE outbox SET delivery = 'd', not_before = 500, attempts = 1, error = '' WHERE id = ?", (due[4][0],)
    )
    assert_right(old)
    old.close()
    store = Store(path)
    box = Outbox(store, OutboxOptions())
    assert [row.id for row in box.waiting("app", 600.0, 100)] == [row[0] for row in due[2:]]
    assert box.depth("app").waiting == 7
    assert store.read("SELECT name FROM sqlite_master WHERE name LIKE 'outbox_by%'") == []
    store.close()


def test_a_backlog_that_has_gone_leaves_no_large_file(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    store = Store(path)
    box = Outbox(store, OutboxOptions())
    for _ in range(2000):
        box.stage("app", b"x" * 4000, now=100.0)
    box.commit()
    while rows := box.waiting("app", 100.0, 100):
        box.delivered(rows)
    (pages,) = store.read("PRAGMA page_count")[0]
    assert isinstance(pages, int)
    assert pages > 2000
    store.retry_disk()
    assert store.read("PRAGMA page_count") == [(pages - FREE_PAGES,)]
    for _ in range(pages // FREE_PAGES + 1):
        store.retry_disk()
    store.close()
    assert path.stat().st_size < 200_000


def test_a_vacuum_that_takes_too_long_is_left_for_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "relay.db"
    file_of_0_1(path, *(row_of_0_1(number) for number in range(1, 20_000)))
    monkeypatch.setattr("relay.store.file.VACUUM_SECONDS", -1.0)
    store = Store(path)
    assert store.trouble == ""
    assert store.read("PRAGMA auto_vacuum") == [(0,)]
    assert Outbox(store, OutboxOptions()).count_of("app") == 19_999
    store.retry_disk()
    store.close()
    monkeypatch.undo()
    store = Store(path)
    assert store.read("PRAGMA auto_vacuum") == [(2,)]
    store.close()


def test_what_was_kept_in_memory_goes_back_into_the_file_with_order_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.store.store.RETURN_EVERY", 0.0)
    path = tmp_path / "relay.db"
    first = Store(path)
    box = Outbox(first, OutboxOptions())
    for key in ("run 1", "run 2", None):
        box.stage("app", b"old", now=100.0, order_key=key)
    first.close()
    locker = sqlite3.connect(path, isolation_level=None)
    locker.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr("relay.store.file.BUSY_SECONDS", 0.05)
    store = Store(path)
    assert "locked" in store.trouble
    box = Outbox(store, OutboxOptions())
    for key in ("run 1", "run 3", "run 3"):
        box.stage("app", b"new", now=100.0, order_key=key)
    box.commit()
    locker.close()
    store.retry_disk()
    assert store.trouble == ""
    assert_right(store._db)
    assert len(box.waiting("app", 100.0, 100)) == 6
    assert box.count_of("app") == 6
    store.close()


def test_the_command_line_reads_a_file_that_no_relay_of_today_has_opened(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    file_of_0_1(path, row_of_0_1(1), row_of_0_1(2, state="dead"), row_of_0_1(3))
    db = open_for_tools(path)
    outbox = Undelivered(db)
    assert outbox.counts(OutboxSelection()) == {("app", "waiting"): 2, ("app", "dead"): 1}
    assert [row.event for row in outbox.rows(OutboxSelection(state="waiting"))] == [b"1", b"3"]
    assert outbox.drop(OutboxSelection(state="dead")) == 1
    db.close()
