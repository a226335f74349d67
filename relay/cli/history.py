"""`tickstock-relay history`: TickStockPL's last runs by its API, each with what the check of its result finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec
from rich.table import Table
from rich.text import Text

from relay.cli.api import Api, api_options
from relay.process.terminal import console, duration_text, moment_text, shown

if TYPE_CHECKING:
    from relay.status.snapshot import Tone
    from relay.tickstockpl.models import HistoryRun

TONE_STYLES = {"good": "green", "warn": "yellow", "bad": "red"}
COLUMNS = ("Start", "Took", "Result", "By", "Symbols", "Failed", "Indicators", "Patterns", "Run")
NUMBERS = {"Took", "Symbols", "Failed", "Indicators", "Patterns"}
ROOM_FOR_ALL = 140
"""Columns of a terminal from which on a row stays one line, with the run's id."""


@click.command(help="TickStockPL's last runs. A narrow terminal leaves out their ids.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How far to look back.")
@api_options
def command(api: Api, days: int) -> None:
    """Ask for the history and show it."""
    from relay.status.api_history import results

    runs = api.ask(lambda client: client.history(days))
    judged = results(runs, datetime.now(UTC))
    wide = console().width >= ROOM_FOR_ALL
    facts = [
        msgspec.to_builtins(run) | ({"result": result[0]} if result else {})
        for run, result in zip(runs, judged, strict=True)
    ]
    api.show({"runs": facts}, _table(runs, judged, wide=wide) if runs else Text(f"No runs in the last {days} days."))


def _table(runs: list[HistoryRun], results: list[tuple[str, Tone] | None], *, wide: bool) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold underline")
    for name in COLUMNS if wide else COLUMNS[:-1]:
        table.add_column(name, justify="right" if name in NUMBERS else "left", overflow="fold")
    for run, result in zip(runs, results, strict=True):
        cells = _cells(run, result, wide=wide)
        table.add_row(*cells if wide else cells[:-1])
    return table


def _cells(run: HistoryRun, result: tuple[str, Tone] | None, *, wide: bool) -> list[Text]:
    """In the order of `COLUMNS`; the API's own word for a run of which nothing can be judged."""
    words, tone = result or (run.status, "")
    start = shown(moment_text(run.start_time) or run.run_date)
    return [
        start if wide else Text("\n(").join(start.split(" (")),
        shown(duration_text(run.duration_seconds)),
        shown(words, TONE_STYLES.get(tone, "")),
        shown(run.trigger_type),
        shown(run.symbols_processed),
        shown(run.symbols_failed, "red" if run.symbols_failed else ""),
        shown(run.indicators_calculated),
        shown(run.patterns_detected),
        shown(run.run_id),
    ]
