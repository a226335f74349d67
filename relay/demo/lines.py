"""The demo where there is no terminal (CI, a pipe): a plain line for each thing that happens."""

import click

from relay.demo.notes import Note
from relay.simulator.wire import NEW_YORK
from relay.web.snapshot import Snapshot

NAMES = {"scene": "-----", "tickstockpl": "TickStockPL", "slack": "Slack"}


class Lines:
    """Shows by printing."""

    def note(self, note: Note) -> None:
        """Print what happened."""
        click.echo(f"{note.at.astimezone(NEW_YORK):%H:%M %Z}  {NAMES[note.kind]:<11}  {note.text}")

    def show(self, snapshot: Snapshot) -> None:
        """Nothing: what matters has been printed."""

    def close(self) -> None:
        """Nothing is open."""
