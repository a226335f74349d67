"""`tickstock-relay status`: what TickStockPL is doing now, as its API tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from relay.cli.api import Api, api_options
from relay.process.terminal import fact_table, moment_text

if TYPE_CHECKING:
    from relay.tickstockpl.models import Status

STATE_STYLES = {"running": "bold green", "idle": "bold", "unknown": "bold yellow"}
BAR_CELLS = 24


@click.command(
    help="What TickStockPL is doing now.\n\nExit code 0 when it answered, whatever its state, 1 when it did not."
)
@api_options
def command(api: Api) -> None:
    """Ask for the status and show it."""
    status = api.ask(lambda client: client.status())
    facts = {"state": status.state} | msgspec.to_builtins(status)
    table = fact_table(
        {
            "TickStockPL": api.url,
            "state": _state(status),
            "run": status.run_id,
            "phase": status.current_phase,
            "progress": _bar(status.progress),
            "symbols": _symbols(status),
            "started": moment_text(status.start_time),
            "expected end": moment_text(status.estimated_completion),
        }
    )
    api.show(facts, table)


def _state(status: Status) -> Text:
    explanation = "  it answered, but did not say whether a run is going" if status.is_running is None else ""
    return Text.assemble((status.state, STATE_STYLES[status.state]), explanation)


def _bar(percent: float | None) -> Text | None:
    if percent is None:
        return None
    full = int(percent / 100 * BAR_CELLS)
    return Text.assemble(("█" * full, "green"), ("░" * (BAR_CELLS - full), "dim"), f" {percent:.1f} %")


def _symbols(status: Status) -> str | None:
    if status.symbols_processed is None:
        return None
    total = "" if status.symbols_total is None else f" of {status.symbols_total:,}"
    return f"{status.symbols_processed:,}{total}"
