"""The demo where there is no terminal (CI, a pipe): a plain line for each thing that happens."""

import os
import sys
from collections.abc import Callable

import click

from relay.events.wording import clock_time
from relay.status.snapshot import Snapshot
from tickstock_simulator.demo.notes import DemoNote

NAMES = {"scene": "-----", "tickstockpl": "TickStockPL", "slack": "Slack"}


class Output:
    """Standard output, whose reader may go away, as `head` does: then `closed` is called, and no more is printed.

    Several tasks print, and an error would end the wrong one.
    """

    def __init__(self, closed: Callable[[], None]) -> None:
        self._closed = closed
        self.is_closed = False

    def line(self, text: str) -> None:
        """Print `text` and a line break, at once."""
        if self.is_closed:
            return
        try:
            click.echo(text)
        except BrokenPipeError:
            self.is_closed = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in its buffer must not fail
            self._closed()


class Lines:
    """Shows by printing."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def note(self, note: DemoNote) -> None:
        """Print what happened."""
        self._output.line(f"{clock_time(note.at, note.at, named=True)}  {NAMES[note.kind]:<11}  {note.text}")

    def show(self, snapshot: Snapshot) -> None:
        """Nothing: what matters has been printed."""

    def close(self) -> None:
        """Nothing is open."""
