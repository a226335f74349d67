"""Showing facts to people: text from the wire made harmless, times in New York and UTC, tables.

Only the look is here; what is shown comes from the commands.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from relay.process.plain_text import plain as plain  # noqa: PLC0414 - from here for all commands

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def moment_text(moment: datetime | None) -> str | None:
    """A moment as all commands show it: `Mon 27 Jan 16:10:00 EST (21:10:00 UTC)`; without the day if it is today."""
    from relay.events.wording import clock_time  # noqa: PLC0415 - needs time zone data, which `check` reports missing

    return None if moment is None else clock_time(moment, datetime.now(UTC), seconds=True, utc=True)


def console() -> Console:
    """Standard output for people. Made when needed, as tests and pipes put another stream there."""
    found = Console(highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found.width = PIPED_WIDTH
    return found
