"""The store of a relay that may be running, for the commands that work on it: opened, and put on, in one way."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from relay.cli.options import loaded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def opened_store(config: Path) -> Iterator[sqlite3.Connection]:
    """The store of the relay with that configuration; what SQLite says against it within the block is said of it.

    Raises:
        BadConfig: the configuration cannot be used.
        click.ClickException: there is no store, or it cannot be used.
    """
    with store_in(loaded(config, only=("state_dir",)).state_dir) as db:
        yield db


@contextmanager
def store_in(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """The store in that state directory.

    Raises:
        click.ClickException: there is none, or it cannot be used.
    """
    from relay.store.file import open_for_tools
    from relay.store.store import FILE_NAME

    path = state_dir / FILE_NAME
    if not path.exists():
        raise click.ClickException(
            f"there is no store {path}: check state_dir, and the directory that this command runs in"
        )
    try:
        db = open_for_tools(path)
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot open the relay's store {path}: {error}") from error
    try:
        yield db
    except sqlite3.Error as error:
        raise click.ClickException(f"cannot use the relay's store {path}: {error}") from error
    finally:
        db.close()


class StoreShelf:
    """A shelf of an opened store, each put committed at once; the daemon reads it again within seconds."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db = db
        self._name = name

    def get(self, key: str) -> str | None:
        """The value under `key`."""
        return self.items().get(key)

    def put(self, key: str, value: str | None) -> None:
        """Keep `value`; None forgets it."""
        from relay.store.file import shelve

        shelve(self._db, self._name, key, value)

    def items(self) -> Mapping[str, str]:
        """Everything on the shelf."""
        return dict(self._db.execute("SELECT key, value FROM shelf WHERE name = ?", (self._name,)).fetchall())
