"""The one SQLite file: the outbox and the shelves of small state.

What belongs to one batch is staged and then committed in one transaction, the intake's position with it. When the disk
cannot be written (full, read-only, damaged) the store goes on in memory, says so in `trouble`, and comes back to the
disk by itself. It knows tables, not events or sinks.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from relay.store import census, schema
from relay.store.census import Census, CensusFile, Loss
from relay.store.file import check, in_memory, inode, one_line, open_file, shelve, transaction
from relay.store.salvage import save_rows
from relay.store.shelf import StoredShelf

log = structlog.get_logger(__name__)

FILE_NAME = "relay.db"
"""Of the store, in the state directory."""
RETURN_EVERY = 5.0
"""Seconds between two attempts to go back to the disk."""
FREE_PAGES = 100
"""Free pages that go back to the file system with each tick: 400 kB, well below a millisecond's work each."""

SHELVES = ("alerts", "gaps", "incidents", "intake", "poison", "recent", "runs", "silences", "summary")
"""What is looked for in a damaged file, beside what is found there."""

Change = Callable[[sqlite3.Connection], object]
Values = tuple[object, ...] | dict[str, object]


class Store:
    """The file, or memory while the file cannot be written."""

    def __init__(self, path: Path | None, *, is_first_start: bool = True) -> None:
        """Open `path`, or begin in memory: never raises for what the disk does. None: memory is what is wanted.

        `is_first_start`: nothing else of an installation is there, so that a missing file is no loss.
        """
        self._path = path or Path(":memory:")
        self._census_file = CensusFile(path) if path else None
        self._is_first_start = is_first_start
        self._noted = (self._census_file.read() if self._census_file else None) or Census()
        self._changed = True
        self._inodes: list[int | None] = []
        """Of the file and of its log, as they were opened."""
        self.losses: list[Loss] = []
        """What this process has found lost, at its start or later; the daemon announces it."""
        self._staged: dict[str, list[Values]] = {}
        self._shelved: dict[tuple[str, str], str | None] = {}
        self.shelves: list[StoredShelf] = []
        """Those that were asked for; what they hold survives a damaged file."""
        self._tried = time.monotonic()
        self._version: list[tuple[object, ...]] = []
        self.is_whole = True
        """Whether it holds all that the file held; not so in memory, when the file could not be read."""
        self.trouble = ""
        """Why the store is in memory only, in one line; empty while all is well."""
        self._was_open = False
        try:
            self._db = self._open_first(path) if path else in_memory()
        except (sqlite3.Error, OSError) as error:
            self._db = in_memory()
            self.is_whole = False
            self._into_trouble(error)
        else:
            self._was_open = True

    def shelf(self, name: str, *, at_once: bool = False) -> StoredShelf:
        """The shelf of this name; `at_once`: what is put there is on disk when `put` returns."""
        shelf = StoredShelf(name, self.read_shelf, self.write_shelf if at_once else self.stage_shelf)
        self.shelves.append(shelf)
        return shelf

    def read_shelf(self, name: str) -> dict[str, str]:
        """What a shelf holds, as committed."""
        found = self.read("SELECT key, value FROM shelf WHERE name = ?", (name,))
        return {str(key): str(value) for key, value in found}

    def read(self, query: str, values: Values = ()) -> list[tuple[object, ...]]:
        """Rows of a query; none when the file has become unreadable (the next write finds out and says so)."""
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            if not self.trouble:
                self._leave_disk(error)
            return self._db.execute(query, values).fetchall()

    def value(self, query: str, values: Values = ()) -> object:
        """What a query for one value gives."""
        return self.read(query, values)[0][0]

    def stage(self, statement: str, values: Values) -> None:
        """Have a row written by the next commit, which runs each statement once for all its rows."""
        self._staged.setdefault(statement, []).append(values)

    def unstage(self, statement: str) -> tuple[object, ...] | None:
        """Take back the row that was staged first with this statement; None: there is none."""
        rows = self._staged.get(statement)
        return tuple(rows.pop(0)) if rows else None

    @property
    def staged(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._staged or self._shelved)

    def write_shelf(self, name: str, key: str, value: str | None) -> None:
        """Put a value on a shelf without waiting for what is staged."""
        self.write(lambda db: shelve(db, name, key, value))

    def stage_shelf(self, name: str, key: str, value: str | None) -> None:
        """Have a value put on a shelf by the next commit; of several under one key the last is written."""
        self._shelved[name, key] = value

    def commit(self) -> None:
        """Write all that is staged in one transaction."""
        if not self.staged:
            return
        staged = self._staged
        self._staged = {}
        shelved = self._shelved
        self._shelved = {}

        def write(db: sqlite3.Connection) -> None:
            for statement, rows in staged.items():
                db.executemany(statement, rows)
            for (name, key), value in shelved.items():
                shelve(db, name, key, value)

        self.write(write)

    def write(self, change: Change) -> None:
        """Do one transaction; if the disk refuses, go on in memory with all that it held."""
        self._changed = True
        try:
            with transaction(self._db):
                change(self._db)
        except sqlite3.Error as error:
            if self.trouble:
                raise  # memory refused: nothing is left to fall back on
            self._leave_disk(error)
            with transaction(self._db):
                change(self._db)

    def changed_by_others(self) -> bool:
        """Whether another process, the command line that is, has committed since the last call."""
        before = self._version
        self._version = self.read("PRAGMA data_version")
        return before != self._version

    def retry_disk(self) -> None:
        """Called every second or so: see that the file is there, note what it holds, give free pages back.

        While there is trouble: try the disk again.
        """
        if not self.trouble and (wrong := self._wrong_with_file()):
            self._leave_disk(wrong)
            if self.is_whole:  # else the lanes count first what is lost
                self._return_to_disk()
        elif not self.trouble:
            self._give_back()
            self._take_census()
        elif time.monotonic() - self._tried >= RETURN_EVERY:
            self._return_to_disk()

    def _give_back(self) -> None:
        if self.read("PRAGMA freelist_count") != [(0,)]:
            with contextlib.suppress(sqlite3.Error):  # another tick comes, and a write finds out what is wrong
                self._db.executescript(f"PRAGMA incremental_vacuum({FREE_PAGES})")  # `execute` frees one page

    def close(self) -> None:
        """Commit what is staged, make a last attempt to reach the disk, close."""
        self.commit()
        if self.trouble:
            self._return_to_disk()
        if not self.trouble:
            self._take_census()
        self._db.close()

    def _open_first(self, path: Path) -> sqlite3.Connection:
        """Open the file, and find out whether it holds what it held."""
        was_there = path.exists() and path.stat().st_size > 0
        db, kept_as = self._open(save=True)
        found = census.count(db)
        missing = self._noted.less(found)
        if kept_as:
            self._lost("the file was damaged", missing, saved=found.rows, kept_as=kept_as)
        elif not was_there and not (self._is_first_start and self._noted.serial == 0):
            self._lost("the file was missing or empty", missing if self._noted.serial else None)
        elif missing.serial and missing.rows:
            self._lost("its last changes were missing", missing)
        self._noted = msgspec.structs.replace(found, serial=max(self._noted.serial, found.serial))
        return db

    def _lost(self, cause: str, missing: Census | None, *, saved: int = 0, kept_as: str = "") -> None:
        self.losses.append(Loss(cause, missing, saved, kept_as))
        rows = missing.rows if missing else "not known"
        log.error("the store has lost rows", cause=cause, lost=rows, saved=saved, kept_as=kept_as or None)

    def _open(self, *, save: bool) -> tuple[sqlite3.Connection, str]:
        """Open or make the file; one that is damaged is put aside, and its rows are saved if that is asked for.

        Returns:
            The database, and where the damaged file is now.
        """
        db, aside = open_file(self._path)
        if aside is not None and save:
            try:
                with transaction(db), contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as damaged:
                    save_rows(damaged, db, SHELVES)
            except sqlite3.Error as error:
                log.warning("no rows could be saved", path=str(aside), error=one_line(error))
        self._inodes = self._inodes_now()
        return db, str(aside or "")

    def _inodes_now(self) -> list[int | None]:
        return [inode(path) for path in (self._path, self._path.with_name(f"{self._path.name}-wal"))]

    def _wrong_with_file(self) -> sqlite3.Error | None:
        """Whether somebody deleted, replaced or emptied the file or its log while we have them open.

        SQLite would silently go on with files that have no name any more.
        """
        if self._census_file is None:
            return None
        if self._inodes_now() != self._inodes:
            return sqlite3.OperationalError("the file or its log was deleted or replaced")
        with contextlib.suppress(OSError):  # gone since: that is found a second later
            if self._path.stat().st_size:
                return None
        return sqlite3.DatabaseError("the file was emptied")

    def _take_census(self) -> None:
        """Note what the store holds, if that has changed."""
        if self._census_file is None:
            return
        try:
            now = census.count(self._db, sum({shelf.name: len(shelf) for shelf in self.shelves}.values()))
        except sqlite3.Error:
            return  # the next write finds out what is wrong
        if not self._changed and now.rows == self._noted.rows:
            return
        serial = self._noted.serial + 1
        self.write(lambda db: shelve(db, census.SHELF, census.KEY, str(serial)))
        if not self.trouble:
            self._noted = msgspec.structs.replace(now, serial=serial)
            self._changed = False
            self._census_file.write(self._noted)

    def _leave_disk(self, error: sqlite3.Error) -> None:
        memory = in_memory()
        self.is_whole = True
        try:
            self._db.backup(memory)
            if not isinstance(error, sqlite3.OperationalError):  # damaged, and a backup copies the damage
                check(memory)
        except sqlite3.Error:  # what it held cannot be read, so the file must not be replaced by this
            memory = in_memory()
            self.is_whole = False
            save_rows(self._db, memory, SHELVES)
            for shelf in self.shelves:
                for key, value in shelf.items().items():
                    shelve(memory, shelf.name, key, value)
            saved = census.count(memory)
            self._lost("the file was damaged", self._noted.less(saved), saved=saved.rows)
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        self._db = memory
        self._into_trouble(error)

    def _return_to_disk(self) -> None:
        """Write everything back: in place of what was read from the file, beside what was never read."""
        self._tried = time.monotonic()
        disk = None
        try:
            disk, _ = self._open(save=not self._was_open)
            with transaction(disk):
                schema.write_into(self._db, disk, replace=self.is_whole)
        except (sqlite3.Error, OSError) as error:
            self.trouble = one_line(error)
            if disk is not None:
                disk.close()
            return
        self._db.close()
        self._db = disk
        self.is_whole = True
        self.trouble = ""
        self._was_open = True
        log.info("the store is on disk again", path=str(self._path))

    def _into_trouble(self, error: Exception) -> None:
        self.trouble = one_line(error)
        self._tried = time.monotonic()
        log.error("the store cannot be written; continuing in memory", path=str(self._path), error=self.trouble)
