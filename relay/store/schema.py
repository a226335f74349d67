"""The tables of the store, how an older file becomes one of today's, and how one store is written into another.

What is kept about an outbox, which rows may go next and how many there are, is kept by triggers, so that it is right
whoever writes: this relay, its command line, or a relay of 0.1 on the same file. `docs/decisions/outbox.md` says why.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

VERSION = 1
"""`PRAGMA user_version` of a file of today; files of 0.1 have 0."""


class Column(NamedTuple):
    """One column: all that is known of it, for whoever makes, writes, reads or saves a row."""

    name: str
    definition: str
    holds: type | tuple[type, ...]
    """What Python reads of a sound row."""
    is_written: bool = True
    """Not so for what follows from the others."""


_TEXT_OR_NULL = (str, type(None))
OUTBOX_COLUMNS = (
    Column("id", "INTEGER PRIMARY KEY", int),  # nanoseconds of acceptance, made unique: the order of delivery
    Column("lane", "TEXT NOT NULL", str),
    Column("state", "TEXT NOT NULL", str),  # waiting | dead
    # 1: an earlier row of its lane and order key waits
    Column("behind", "INTEGER NOT NULL DEFAULT 0", int, is_written=False),
    Column("delivery", "TEXT", _TEXT_OR_NULL),  # the delivery that it was tried with, so that a repeat is the same one
    Column("order_key", "TEXT", _TEXT_OR_NULL),
    Column("repeat_key", "TEXT", _TEXT_OR_NULL),
    Column("accepted", "REAL NOT NULL", float),  # epoch seconds
    Column("not_before", "REAL NOT NULL", float),
    Column("attempts", "INTEGER NOT NULL DEFAULT 0", int),
    Column("error", "TEXT NOT NULL DEFAULT ''", str),
    Column("size", "INTEGER NOT NULL GENERATED ALWAYS AS (length(event)) STORED", int, is_written=False),
    Column("event", "BLOB NOT NULL", bytes),  # last: the others are read without the pages of a long one
)
SHELF_COLUMNS = (
    Column("name", "TEXT NOT NULL", str),
    Column("key", "TEXT NOT NULL", str),
    Column("value", "TEXT NOT NULL", str),
)
OUTBOX = tuple(column.name for column in OUTBOX_COLUMNS if column.is_written)
"""The columns of a row that are written; `behind` and `size` follow from them."""
SHELF = tuple(column.name for column in SHELF_COLUMNS)


def _defined(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{column.name} {column.definition}" for column in columns)


_TABLES = (
    f"CREATE TABLE IF NOT EXISTS outbox ({_defined(OUTBOX_COLUMNS)}) STRICT",
    """
    CREATE TABLE IF NOT EXISTS outbox_count (
        lane TEXT NOT NULL,
        state TEXT NOT NULL,
        events INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (lane, state)
    ) STRICT, WITHOUT ROWID
    """,
    f"CREATE TABLE IF NOT EXISTS shelf ({_defined(SHELF_COLUMNS)}, PRIMARY KEY (name, key)) STRICT, WITHOUT ROWID",
)
_INDEXES = {
    "outbox_heads": "(lane, id, not_before) WHERE state = 'waiting' AND behind = 0",
    "outbox_due": "(lane, not_before) WHERE state = 'waiting' AND behind = 0",
    "outbox_age": "(lane, accepted) WHERE state = 'waiting'",
    "outbox_chain": "(lane, order_key, id) WHERE state = 'waiting' AND order_key IS NOT NULL",
    "outbox_delivery": "(lane, delivery, id) WHERE state = 'waiting' AND delivery IS NOT NULL",
    "outbox_dead": "(id) WHERE state = 'dead'",
}
_INDEXES_OF_0_1 = ("outbox_by_lane", "outbox_by_order")
"""0.1 makes them again when it uses the file; they would cost something with each row."""
_EARLIER = (
    "EXISTS (SELECT 1 FROM outbox AS earlier WHERE earlier.lane = {row}.lane AND earlier.order_key = {row}.order_key"
    " AND earlier.state = 'waiting' AND earlier.id < {row}.id)"
)
_NEXT = (
    "id = (SELECT later.id FROM outbox AS later WHERE later.lane = {row}.lane AND later.order_key = {row}.order_key"
    " AND later.state = 'waiting' AND later.id > {row}.id ORDER BY later.id LIMIT 1)"
)
_ONE_MORE = (
    "INSERT INTO outbox_count VALUES (NEW.lane, NEW.state, 1, NEW.size)"
    " ON CONFLICT DO UPDATE SET events = events + 1, bytes = bytes + excluded.bytes;"
)
_ONE_LESS = (
    "UPDATE outbox_count SET events = events - 1, bytes = bytes - OLD.size WHERE lane = OLD.lane AND state = OLD.state;"
)
_NEXT_IS_FIRST = f"UPDATE outbox SET behind = 0 WHERE {_NEXT.format(row='OLD')};"  # noqa: S608 - constants
_KEYED_ROW_CAME = "NEW.order_key IS NOT NULL AND NEW.state = 'waiting'"
_FIRST_OF_KEY_WENT = "OLD.order_key IS NOT NULL AND OLD.state = 'waiting' AND OLD.behind = 0"
_TRIGGERS = {
    "outbox_counts_insert": f"AFTER INSERT ON outbox BEGIN {_ONE_MORE} END",
    "outbox_counts_delete": f"AFTER DELETE ON outbox BEGIN {_ONE_LESS} END",
    "outbox_counts_state": (
        f"AFTER UPDATE OF state ON outbox WHEN OLD.state <> NEW.state BEGIN {_ONE_LESS} {_ONE_MORE} END"
    ),
    "outbox_order_insert": (
        f"AFTER INSERT ON outbox WHEN {_KEYED_ROW_CAME} AND {_EARLIER.format(row='NEW')}"  # noqa: S608 - constants
        " BEGIN UPDATE outbox SET behind = 1 WHERE id = NEW.id; END"
    ),
    "outbox_order_delete": f"AFTER DELETE ON outbox WHEN {_FIRST_OF_KEY_WENT} BEGIN {_NEXT_IS_FIRST} END",
    "outbox_order_dead": (
        f"AFTER UPDATE OF state ON outbox WHEN {_FIRST_OF_KEY_WENT} AND NEW.state <> 'waiting'"
        f" BEGIN {_NEXT_IS_FIRST} END"
    ),
    "outbox_order_revived": (
        f"AFTER UPDATE OF state ON outbox WHEN {_KEYED_ROW_CAME} AND OLD.state <> 'waiting' BEGIN"  # noqa: S608 - constants
        f" UPDATE outbox SET behind = {_EARLIER.format(row='NEW')} WHERE id = NEW.id;"
        f" UPDATE outbox SET behind = 1 WHERE behind = 0 AND {_NEXT.format(row='NEW')}; END"
    ),
}
_BEHIND = (
    f"UPDATE outbox SET behind = {_EARLIER.format(row='outbox')}"  # noqa: S608 - constants
    " WHERE state = 'waiting' AND order_key IS NOT NULL"
)
_COUNT = "INSERT INTO outbox_count SELECT lane, state, count(*), sum(size) FROM outbox GROUP BY lane, state"


def holds(columns: tuple[Column, ...]) -> tuple[type | tuple[type, ...], ...]:
    """What Python reads of a sound row, of the columns that are written."""
    return tuple(column.holds for column in columns if column.is_written)


def columns(names: tuple[str, ...] = OUTBOX) -> str:
    """As they stand in a statement."""
    return ", ".join(names)


def insert(table: str = "outbox", names: tuple[str, ...] = OUTBOX) -> str:
    """The statement that writes one row."""
    return f"INSERT INTO {table} ({columns(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - constants


def prepare(db: sqlite3.Connection) -> None:
    """Make what is missing; a file of 0.1 becomes one of today's. Belongs into a transaction on a file."""
    is_old = _version(db) < VERSION and _has_outbox(db)
    if is_old:
        db.execute("ALTER TABLE outbox RENAME TO outbox_of_0_1")
    for statement in _TABLES:
        db.execute(statement)
    if is_old:
        names = columns()
        db.execute(f"INSERT INTO outbox ({names}) SELECT {names} FROM outbox_of_0_1")  # noqa: S608 - constants
        db.execute("DROP TABLE outbox_of_0_1")  # and its indexes
    for name in _INDEXES_OF_0_1:
        db.execute(f"DROP INDEX IF EXISTS {name}")
    for name, what in _INDEXES.items():
        db.execute(f"CREATE INDEX IF NOT EXISTS {name} ON outbox {what}")
    if is_old:
        _derive(db)
    for name, body in _TRIGGERS.items():
        db.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")
    if _version(db) < VERSION:
        db.execute(f"PRAGMA user_version = {VERSION}")


def insert_or_replace(table: str) -> str:
    """The same, in place of a row with its key."""
    return insert(table, OUTBOX if table == "outbox" else SHELF).replace("INSERT", "INSERT OR REPLACE", 1)


@contextlib.contextmanager
def without_triggers(db: sqlite3.Connection) -> Iterator[None]:
    """Write many rows: what the triggers keep is worked out once at the end. Belongs into a transaction."""
    for name in _TRIGGERS:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    yield
    _derive(db)
    prepare(db)


def write_into(source: sqlite3.Connection, target: sqlite3.Connection, *, replace: bool) -> None:
    """Write all that `source` holds into `target`: in place of what is there, or beside it.

    Belongs into a transaction.
    """
    with without_triggers(target):
        for table, names in (("outbox", OUTBOX), ("shelf", SHELF)):
            if replace:
                target.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            rows = source.execute(f"SELECT {columns(names)} FROM {table}")  # noqa: S608 - constants
            target.executemany(insert_or_replace(table), rows)


def _derive(db: sqlite3.Connection) -> None:
    """Work out anew what the triggers keep."""
    db.execute(_BEHIND)
    db.execute("DELETE FROM outbox_count")
    db.execute(_COUNT)


def _version(db: sqlite3.Connection) -> int:
    found: int = db.execute("PRAGMA user_version").fetchone()[0]
    return found


def _has_outbox(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'outbox'").fetchone() is not None
