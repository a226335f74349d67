"""The store's file: opened, checked, made where a damaged one was; and what each transaction on it is.

It knows the file, not what is in it; `relay.store.store` decides when to use it.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from relay.store import schema
from sinks.append_file import make_directory

log = structlog.get_logger(__name__)

BUSY_SECONDS = 1.0
"""How long a write waits for the command line's, which are short."""
INCREMENTAL = 2
"""What `PRAGMA auto_vacuum` answers when free pages can be given back."""
LOG_BYTES = 8 << 20
"""What the file's write-ahead log is cut to when it has grown beyond."""
VACUUM_SECONDS = 20.0
"""How long the one VACUUM of a file of 0.1 may keep the relay from starting; see docs/decisions/outbox.md."""


def open_for_tools(path: Path) -> sqlite3.Connection:
    """The file of a relay that may be running, for the command line.

    Raises:
        sqlite3.Error: it is not there, or not ours to read.
    """
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=5 * BUSY_SECONDS, isolation_level=None
    )
    try:
        db.execute("SELECT 1 FROM outbox LIMIT 1").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db


def open_file(path: Path) -> tuple[sqlite3.Connection, Path | None]:
    """The file, or a new one where a damaged one was; and where that one is now, with its log.

    Raises:
        sqlite3.OperationalError: it cannot be used now, though it may be good.
        OSError: its directory cannot be made, or the damaged file not be renamed.
    """
    make_directory(path.parent)
    try:
        return _connect(path), None
    except sqlite3.OperationalError:
        raise  # full, locked, not permitted: the file itself may be good
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        path.rename(aside)
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(f"{path.name}-wal").rename(f"{aside}-wal")
        log.warning("the store was damaged; starting a new one", kept_as=str(aside), error=one_line(error))
        return _connect(path), aside


def inode(path: Path) -> int | None:
    """Which file stands there; None: none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _connect(path: Path) -> sqlite3.Connection:
    path.touch()
    path.chmod(0o640)  # before it is opened: the log beside it, which holds the same, gets its mode then
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; an old one takes it with its VACUUM
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = FAST")  # some builds write zeros over what is deleted: 15 MB take 45 ms
        db.execute("PRAGMA cache_size = -2048")
        check(db)
        with transaction(db):  # also finds out whether the file can be written
            schema.prepare(db)
            shelve(db, "store", "opened", str(int(time.time())))
        _let_it_shrink(db)
    except sqlite3.Error:
        db.close()
        raise
    return db


def check(db: sqlite3.Connection) -> None:
    """Raise DatabaseError if it is damaged."""
    if (found := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(found)


def in_memory() -> sqlite3.Connection:
    """A store that no file has."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    schema.prepare(db)
    return db


def _let_it_shrink(db: sqlite3.Connection) -> None:
    """A file of 0.1 never gives space back until it was vacuumed once; if that takes too long, at another start."""
    if db.execute("PRAGMA auto_vacuum").fetchone() == (INCREMENTAL,):
        return
    deadline = time.monotonic() + VACUUM_SECONDS
    db.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.OperationalError as error:  # too long, no room for the copy, somebody reads
        log.warning("free space not given back; retried at a later start", error=one_line(error))
    finally:
        db.set_progress_handler(None, 0)


def shelve(db: sqlite3.Connection, name: str, key: str, value: str | None) -> None:
    """Put `value` on a shelf of the file, or take it off for None."""
    if value is None:
        db.execute("DELETE FROM shelf WHERE name = ? AND key = ?", (name, key))
    else:
        db.execute("INSERT OR REPLACE INTO shelf VALUES (?, ?, ?)", (name, key, value))


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def one_line(error: Exception) -> str:
    """What an error says, for a log."""
    return " ".join(str(error).split()) or type(error).__name__
