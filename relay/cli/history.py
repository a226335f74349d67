"""`tickstock-relay history`: TickStockPL's last runs, as its API tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from relay.cli.api import Api, api_options
from relay.process.terminal import console, duration_text, moment_text, shown

if TYPE_CHECKING:
    from relay.tickstockpl.models import HistoryRun

STATUS_STYLES = {
    "completed": "green",
    "success": "green",
    "failed": "red",
    "error": "red",
    "partial": "yellow",
    "completed_with_errors": "yellow",
}
COLUMNS = ("Start", "Took", "Status", "By", "Symbols", "Failed", "Indicators", "Patterns", "Run")
NUMBERS = {"Took", "Symbols", "Failed", "Indicators", "Patterns"}
ROOM_FOR_ALL = 140
"""Columns of a terminal from which on a row stays one line, with the run's id."""


@click.command(help="TickStockPL's last runs. A narrow terminal leaves out their ids.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How far to look back.")
@api_options
def command(api: Api, days: int) -> None:
    """Ask for the history and show it."""
    runs = api.ask(lambda client: client.history(days))
    wide = console().width >= ROOM_FOR_ALL
    api.show({"runs": runs}, _table(runs, wide=wide) if runs else Text(f"No runs in the last {days} days."))


def _table(runs: list[HistoryRun], *, wide: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    for name in COLUMNS if wide else COLUMNS[:-1]:
        table.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for run in runs:
        cells = _cells(run, wide=wide)
        table.add_row(*cells if wide else cells[:-1])
    return table


def _cells(run: HistoryRun, *, wide: bool) -> list[Text]:
    """In the order of `COLUMNS`."""
    start = shown(moment_text(run.start_time) or run.run_date)
    return [
        start if wide else Text("\n(").join(start.split(" (")),
        shown(duration_text(run.duration_seconds)),
        shown(run.status, STATUS_STYLES.get((run.status or "").lower(), "")),
        shown(run.trigger_type),
        shown(run.symbols_processed),
        shown(run.symbols_failed, "red" if run.symbols_failed else ""),
        shown(run.indicators_calculated),
        shown(run.patterns_detected),
        shown(run.run_id),
    ]
