"""Telling the relay what a command changed, so that archive and journal have it: who, what, and what came of it."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from relay.cli.running import ask, places
from relay.cli.store import StoreShelf, opened_store
from relay.process.operations import SHELF, Operation, who_am_i
from relay.process.terminal import plain
from relay.redaction.built_in import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PATIENCE = 5.0
"""Seconds for the running relay to take it."""
LONGEST_WORD = 200
"""Characters of an argument, so that the request fits."""


class Recorded:
    """What is to be recorded of one command."""

    def __init__(self) -> None:
        self.answer = ""
        """What came of it, in a line."""


@contextmanager
def recorded(command: str, arguments: Iterable[str] = (), config: Path | None = None) -> Iterator[Recorded]:
    """Have what the block does recorded, also when it fails; not when the user says no.

    `config` is what the user named. That it cannot be recorded is said and does not fail the command.
    """
    record, ok = Recorded(), False
    try:
        yield record
        ok = True
    except click.ClickException as error:
        record.answer = record.answer or error.format_message()
        raise
    finally:
        if ok or record.answer:
            words = [shortened(word, LONGEST_WORD) or "" for word in arguments]
            _tell(
                Operation(
                    command=command,
                    who=who_am_i(),
                    uid=os.getuid(),
                    arguments=words,
                    answer=shortened(record.answer, LONGEST_WORD) or "",
                    ok=ok,
                ),
                config,
            )


def _tell(operation: Operation, config: Path | None) -> None:
    facts = msgspec.to_builtins(operation)
    try:
        if ask("operation", config, timeout=PATIENCE, operation=facts).get("ok"):
            return
        why = "the running relay has another configuration"
    except click.ClickException as error:
        why = error.format_message()
    if not _on_the_shelf(operation, config or Path("config.yaml")) and any(map(_may_be_there, places(config))):
        click.echo(f"not recorded in a relay's archive: {plain(why)}", err=True)


def _may_be_there(path: Path) -> bool:
    """Whether a relay's socket is there, or we may not look."""
    try:
        path.stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _on_the_shelf(operation: Operation, config: Path) -> bool:
    """Leave it in the store for the next relay; whether that could be done."""
    key = f"{time.time():017.6f}-{secrets.token_hex(4)}"
    try:
        with opened_store(config) as db:
            StoreShelf(db, SHELF).put(key, msgspec.json.encode(operation).decode())
    except (click.ClickException, OSError):
        return False
    return True
