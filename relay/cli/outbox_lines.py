"""What `outbox list` prints: rows that differ in nothing but their number are one line, and 80 columns are enough."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from relay.cli.board import cell, fitted
from relay.events.wording import duration
from relay.process.terminal import plain
from relay.store.short_id import short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from relay.store.outbox import Row

ID = 13
STATE = 24
AGE = 7
SINK = 10


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the outbox, or several that differ in nothing that is shown."""

    row: Row
    count: int
    due: float
    """Epoch seconds of the first one's next try."""
    attempts: int

    @property
    def held_for_repeats(self) -> bool:
        """Whether it has not been tried because more of its kind may come."""
        return self.row.repeat_key is not None and not self.row.attempts

    def state(self, now: float) -> str:
        """What will be done with it, and when."""
        if self.row.state != "waiting":
            return f"dead, {self.attempts} tries" if self.attempts != 1 else "dead, 1 try"
        when = duration(self.due - now) if self.due > now else None
        if self.held_for_repeats:
            return f"held for repeats {when or ''}"
        return f"try {self.attempts + 1} {f'in {when}' if when else 'now'}"


def listed(rows: Iterable[Row], now: float, width: int) -> Iterator[Text]:
    """The lines, each of at most `width` cells."""
    yield Text(f"{'ID':{ID}} {'STATE':{STATE}} {'AGE':>{AGE}}  {'SINK':{SINK}} EVENT", style="bold")
    for line in _lines(rows):
        row, event = line.row, json.loads(line.row.event.partition(b"\n")[0])
        more = f" (+{line.count - 1:,} like it)" if line.count > 1 else ""
        what = f"{event.get('event')} {event.get('channel')}"
        age = cell(duration(now - row.accepted), AGE, right=True)
        head = f"{short_id(row.id):{ID}} {cell(line.state(now), STATE)} {age}  {cell(row.lane, SINK)} "
        left = max(1, width - cell_len(head) - len(more))
        yield fitted(Text.assemble(head, cell(what, left).rstrip(), (more, "dim")), width)
        if row.error:
            yield fitted(Text(f"{'':{ID}} {plain(row.error)}", style="red"), width)


def _lines(rows: Iterable[Row]) -> Iterator[_Line]:
    for _, alike in groupby(rows, _likeness):
        first, *others = list(alike)
        due = min(row.not_before for row in (first, *others))
        yield _Line(first, 1 + len(others), due, max(row.attempts for row in (first, *others)))


def _likeness(row: Row) -> tuple[object, ...]:
    """What of a row is shown, its number and its times aside."""
    event = json.loads(row.event.partition(b"\n")[0])
    return row.lane, row.state, bool(row.repeat_key), row.attempts, row.error, event.get("event"), event.get("channel")
