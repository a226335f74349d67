"""What `replay` shows while it works, on standard error: how far it is, what it waits for, how to go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

import click

from relay.events import utc_text
from relay.process.terminal import plain

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from rich.progress import Progress

LONG_WAIT = 5.0
"""Seconds; a shorter wait need not be explained."""


class ReplayProgress:
    """A bar over the files' bytes if standard error is a terminal, and a line for each long wait if it is none."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._total = sum(path.stat().st_size for path in paths if path.exists())
        self._bar: Progress | None = None
        self._shown = ""
        self.sent_until: datetime | None = None
        """When the last event that was sent had been received: where another replay has to go on."""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar(self._total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """So many bytes were read."""
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], count)

    def waits(self, seconds: float) -> None:
        """The next event is due in so long: it keeps its distance to the one before it."""
        if seconds >= LONG_WAIT:
            self.says(f"next event in {seconds:,.0f} s, as it was received (--as-fast does not wait)")

    def waits_for(self, waiting: dict[str, int]) -> None:
        """So many events have yet to be delivered, by sink."""
        if waiting:
            counts = ", ".join(f"{count:,} to {name}" for name, count in waiting.items())
            self.says(f"waiting for deliveries: {counts}")

    def says(self, text: str) -> None:
        """In the bar; without one, a line for each new text."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=plain(text))
        elif text != self._shown:
            click.echo(plain(text), err=True)
        self._shown = text

    def how_to_go_on(self) -> str:
        """The option that continues a replay that was interrupted."""
        if self.sent_until is None:
            return "interrupted: nothing was sent"
        return f"interrupted; to go on, add: --since {utc_text(self.sent_until)} (the last event is sent again)"


def _bar(total: int) -> Progress:
    from rich.console import Console  # for people only
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        DownloadColumn(binary_units=True),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.add_task("", total=total)
    return bar
