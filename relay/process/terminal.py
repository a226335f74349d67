"""Showing facts to people: text from the wire made harmless, times in New York and UTC, tables.

Only the look is here; what is shown comes from the commands.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.process.plain_text import plain as plain  # noqa: PLC0414 - from here for all commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NEW_YORK = ZoneInfo("America/New_York")
NOTHING = "–"  # noqa: RUF001 - a dash is what is meant
PIPED_WIDTH = 160
"""Columns when no terminal says how many there are: wide enough that a table's rows stay whole for grep."""


def shown(value: object, style: str = "") -> Text:
    """A value as a cell: never read as rich markup, None as a dash, whole numbers with separators."""
    if value is None or value == "":
        return Text(NOTHING, style="dim")
    if isinstance(value, Text):
        return value
    if isinstance(value, bool):
        return Text("yes" if value else "no", style=style)
    return Text(f"{value:,}" if isinstance(value, int) else plain(str(value)), style=style)


def fact_table(facts: Mapping[str, object]) -> Table:
    """Names on the left, values on the right."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(Text(name), shown(value))
    return table


def both_times(moment: datetime | None) -> str | None:
    """`2025-01-26 16:10:00 EST (21:10:00 UTC)`; the UTC date too where it is another day."""
    if moment is None:
        return None
    here, there = moment.astimezone(NEW_YORK), moment.astimezone(UTC)
    utc = f"{there:%H:%M:%S}" if here.date() == there.date() else f"{there:%Y-%m-%d %H:%M:%S}"
    return f"{here:%Y-%m-%d %H:%M:%S %Z} ({utc} UTC)"


def span(seconds: float | None) -> str | None:
    """`35m 00s`, `1h 02m 05s`."""
    if seconds is None:
        return None
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m {rest:02}s" if hours else f"{minutes}m {rest:02}s"


def console() -> Console:
    """Standard output for people. Made when needed, as tests and pipes put another stream there."""
    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = PIPED_WIDTH
    return found
