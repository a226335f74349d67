"""How many rows the store holds, noted in a small file beside it: a store that lost rows cannot say how many.

The note has a serial number that was committed to the store just before. A store with a lower one has lost commits.
"""

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sinks.append_file import FILE_MODE

SHELF, KEY = "store", "serial"


class Census(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds."""

    serial: int = 0
    waiting: dict[str, int] = {}
    """Events by lane."""
    dead: int = 0
    """Dead letters."""
    state: int = 0
    """Rows of small state: runs, alerts, silences."""

    def less(self, found: "Census") -> "Census":
        """What is missing when this was there and that was found."""
        missing = {lane: count - found.waiting.get(lane, 0) for lane, count in self.waiting.items()}
        return Census(
            serial=max(0, self.serial - found.serial),
            waiting={lane: count for lane, count in missing.items() if count > 0},
            dead=max(0, self.dead - found.dead),
            state=max(0, self.state - found.state),
        )

    @property
    def events(self) -> int:
        """All that wait."""
        return sum(self.waiting.values())

    @property
    def rows(self) -> int:
        """All rows."""
        return self.events + self.dead + self.state


@dataclass(frozen=True, slots=True)
class Loss:
    """What the store has lost, and how. `missing` is None where nobody knows what there was."""

    cause: str
    missing: Census | None
    saved: int = 0
    """Rows that were saved from a damaged file."""
    kept_as: str = ""
    """Where the damaged file is."""


_decode = msgspec.json.Decoder(Census).decode


def count(db: sqlite3.Connection, state: int | None = None) -> Census:
    """What is in the store; `state` where it is known.

    Raises:
        sqlite3.Error: the store cannot be read.
    """
    waiting, dead = {}, 0
    for lane, kind, events in db.execute("SELECT lane, state, events FROM outbox_count WHERE events > 0"):
        if kind == "waiting":
            waiting[str(lane)] = int(events)
        else:
            dead += int(events)
    serial = db.execute("SELECT value FROM shelf WHERE name = ? AND key = ?", (SHELF, KEY)).fetchone()
    if state is None:
        state = int(db.execute("SELECT count(*) FROM shelf WHERE name <> ?", (SHELF,)).fetchone()[0])
    return Census(serial=int(serial[0]) if serial else 0, waiting=waiting, dead=dead, state=state)


class CensusFile:
    """The file with the last census."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(f"{store.name}.rows")
        self._part = store.with_name(f"{store.name}.rows.part")

    def read(self) -> Census | None:
        """The last census; None if there is none, or none that can be read."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return _decode(self._path.read_bytes())
        return None

    def write(self, census: Census) -> None:
        """Keep a census. A disk that refuses is no error here: the store reports that."""
        with contextlib.suppress(OSError):
            with open(self._part, "wb", opener=_private) as out:
                out.write(msgspec.json.encode(census))
            self._part.rename(self._path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
