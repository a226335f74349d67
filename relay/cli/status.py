"""`tickstock-relay status`: what TickStockPL is doing now, as its API tells it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec
from rich.text import Text

from relay.cli.api import Api, api_options
from relay.events.wording import clock_time, duration
from relay.process.terminal import fact_table, moment_text

if TYPE_CHECKING:
    from relay.tickstockpl.client import TickStockPL
    from relay.tickstockpl.models import HistoryRun, Schedule, Status

STATE_STYLES = {"running": "bold green", "idle": "bold", "unknown": "bold yellow"}
BAR_CELLS = 24
DAYS = 7
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@click.command(
    help="What TickStockPL is doing now.\n\nExit code 0 when it answered, whatever its state, 1 when it did not."
)
@api_options
def command(api: Api) -> None:
    """Ask for the status and show it."""
    status, last, schedule = api.ask(_ask)
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
            **({} if status.is_running else _when_idle(last, schedule)),
        }
    )
    api.show(facts, table)


async def _ask(client: TickStockPL) -> tuple[Status, HistoryRun | None, Schedule | None]:
    """The status; when no run goes on, the last one and the schedule too, as far as the API says."""
    from relay.tickstockpl.errors import ApiError

    status = await client.status()
    last, schedule = None, None
    if not status.is_running:
        with suppress(ApiError):
            last = max(await client.history(DAYS), key=lambda run: run.start_time or LONG_AGO, default=None)
        with suppress(ApiError):
            schedule = await client.schedule()
    return status, last, schedule


def _when_idle(last: HistoryRun | None, schedule: Schedule | None) -> dict[str, object]:
    """How the last run ended, and when the next one is due."""
    facts: dict[str, object] = {}
    if last is not None:
        facts["last run"] = _ended(last)
    if schedule is not None and schedule.enabled is False:
        facts["next run"] = "none: the schedule is off"
    elif schedule is not None:
        facts["next run"] = moment_text(schedule.next_run)
    return facts


def _ended(run: HistoryRun) -> str:
    from relay.status.api_history import results

    (result,) = results([run], datetime.now(UTC))
    words = result[0] if result else run.status or "its result is not known"
    began = f"{clock_time(run.start_time)}: " if run.start_time else ""
    took = f" after {duration(run.duration_seconds)}" if run.duration_seconds is not None else ""
    return f"{began}{words}{took}"


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
