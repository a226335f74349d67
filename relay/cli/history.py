"""`tickstock-relay history`: TickStockPL's last runs by its API, each with what the check of its result finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Group
from rich.text import Text

from relay.cli.api import Api, api_options
from relay.cli.board import cell
from relay.events.wording import clock_time, day_name, duration, percent
from relay.process.terminal import NOTHING, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from relay.status.snapshot import Tone
    from relay.tickstockpl.models import HistoryRun

TONE_STYLES = {"good": "green", "warn": "yellow", "bad": "red"}
TONE_MARKS = {"good": "✓", "warn": "!", "bad": "✗"}
HEAD = f"{'RUN':17} {'TOOK':>7}   {'RESULT':27} {'OK':>6} {'PATTERNS':>8} ID"
AUTOMATIC = "automatic"
SHORT_ID = 8
"""Signs of a run's id: enough for `report`."""


@click.command(help="TickStockPL's last runs, one line each.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="How far to look back.")
@api_options
def command(api: Api, days: int) -> None:
    """Ask for the history and show it."""
    from relay.status.api_history import results

    runs = api.ask(lambda client: client.history(days))
    judged = results(runs, datetime.now(UTC))
    facts = [
        msgspec.to_builtins(run) | ({"result": result[0]} if result else {})
        for run, result in zip(runs, judged, strict=True)
    ]
    none = Text(f"No runs in the last {days} days.")
    api.show({"runs": facts}, Group(*_lines(runs, judged)) if runs else none)


def _lines(runs: list[HistoryRun], results: list[tuple[str, Tone] | None]) -> Iterator[Text]:
    yield Text(HEAD, style="bold")
    for run, result in zip(runs, results, strict=True):
        yield _line(run, result)
    by_hand = any(_is_manual(run) for run in runs)
    named = next((run.run_id for run in runs if run.run_id), None)
    if by_hand or named:
        yield Text()
    if by_hand:
        yield Text("* by hand", style="dim")
    if named:
        yield Text(f"One of them in full: tickstock-relay report {plain(named)[:SHORT_ID]}", style="dim")


def _line(run: HistoryRun, result: tuple[str, Tone] | None) -> Text:
    """One run; the API's own word where nothing can be judged."""
    words, tone = result or (run.status or NOTHING, "")
    took = duration(run.duration_seconds) if run.duration_seconds is not None else NOTHING
    took = took.removesuffix(" min") if " h " in took else took  # `1 h 05`
    patterns = f"{run.patterns_detected:,}" if run.patterns_detected is not None else NOTHING
    return Text.assemble(
        f"{cell(_began(run) + '*' * _is_manual(run), 17)} {cell(took, 7, right=True)} ",
        (f"{TONE_MARKS.get(tone, ' ')} {cell(words, 27)}", TONE_STYLES.get(tone, "")),
        f" {cell(_rate(run), 6, right=True)} {cell(patterns, 8, right=True)} ",
        (plain(run.run_id or "")[:SHORT_ID], "dim"),
    )


def _began(run: HistoryRun) -> str:
    if run.start_time is not None:
        return clock_time(run.start_time)
    return day_name(run.run_date) if run.run_date is not None else NOTHING


def _is_manual(run: HistoryRun) -> bool:
    return run.trigger_type is not None and run.trigger_type != AUTOMATIC


def _rate(run: HistoryRun) -> str:
    """The share of symbols that did not fail."""
    if not run.symbols_processed or run.symbols_failed is None:
        return NOTHING
    return percent(100 * max(0, run.symbols_processed - run.symbols_failed) / run.symbols_processed)
