"""A run's events out of the archive: the files of its time, read from its begin on, within bounds. For a thread.

Whoever waits for it is a person with a browser or a shell: it gives what it has after `MOST_SECONDS` or `MOST_BYTES`,
and says that it was cut.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from relay.events import Event, decode, encode
from relay.replay.archive import ReplayError, received_of, whole_lines

MOST_BYTES = 50 << 20
"""Of lines within the run's time."""
MOST_SECONDS = 5.0
MARGIN = timedelta(minutes=2)
"""Around the run's time, for alerts that come after its end, and for clocks."""
_DAY = re.compile(r"-(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True, kw_only=True)
class RunSpan:
    """Whose events are looked for, and when they were received."""

    run_ids: tuple[str, ...]
    """The run's id, and TickStockPL's own for it where that is another."""
    began: datetime
    ended: datetime
    directory: Path
    prefix: str = "events"

    @property
    def since(self) -> datetime:
        """When the first can have been received."""
        return self.began - MARGIN

    @property
    def until(self) -> datetime:
        """When the last can have been received."""
        return self.ended + MARGIN


@dataclass
class FoundEvents:
    """The lines that were found, as NDJSON; `trouble` says what could not be read."""

    lines: list[bytes] = field(default_factory=list)
    is_cut: bool = False
    trouble: str = ""


def run_events(span: RunSpan, redact: Callable[[Event], Event] = lambda event: event) -> FoundEvents:
    """Read them; never raises for what stands in an archive, or for a file that is gone."""
    found, began, size = FoundEvents(), time.monotonic(), 0
    for path in archive_files(span):
        try:
            for block in _blocks(path, span):
                if size > MOST_BYTES or time.monotonic() - began > MOST_SECONDS:
                    found.is_cut = True
                    return found
                lines = block.split(b"\n")[:-1]
                if not _reaches(lines, span.since):
                    continue
                size += len(block)
                found.lines += [_redacted(line, redact) for line in lines if _is_of(line, span)]
                if lines and (last := received_of(lines[0])) is not None and last > span.until:
                    break
        except (ReplayError, OSError) as error:
            found.trouble = str(error)
    return found


def archive_files(span: RunSpan) -> list[Path]:
    """The files that can hold them, the oldest first, the one that is being written last."""
    try:
        names = sorted(path for path in span.directory.iterdir() if path.name.startswith(span.prefix))
    except OSError:
        return []
    first, last = (f"{at.astimezone(UTC):%Y-%m-%d}" for at in (span.since, span.until))
    files = [path for path in names if ".jsonl" in path.name]
    days = {path: _DAY.search(path.name.removeprefix(span.prefix)) for path in files}
    chosen = [path for path in files if (day := days[path]) is None or first <= day[1] <= last]
    return sorted(chosen, key=lambda path: (days[path] is None, path.name))


def _blocks(path: Path, span: RunSpan) -> Iterator[bytes]:
    """Whole lines; of a plain file from shortly before the run's begin on."""
    return whole_lines(path, begin=_offset(path, span.since) if path.suffix == ".jsonl" else 0)


def _offset(path: Path, since: datetime) -> int:
    """The begin of a line that was received before `since`, as near to it as some twenty looks find."""
    low, high = 0, path.stat().st_size
    with path.open("rb") as file:
        while high - low > 1 << 16:
            middle = (low + high) // 2
            file.seek(middle)
            file.readline()
            at, line = file.tell(), file.readline()
            received = received_of(line)
            if received is not None and received < since and at < high:
                low = at
            else:
                high = middle
    return low


def _reaches(lines: list[bytes], since: datetime) -> bool:
    """Whether the last of these lines was received then or later; what has no time is looked at."""
    received = received_of(lines[-1]) if lines else None
    return received is None or received >= since


def _is_of(line: bytes, span: RunSpan) -> bool:
    """Whether the event names the run; most lines are told apart without being decoded."""
    if not any(run_id.encode() in line for run_id in span.run_ids):
        return False
    try:
        event = decode(line)
        context = event.payload.get("context")
    except (ValueError, KeyError, RecursionError):
        return False
    inner = context.get("run_id") if isinstance(context, dict) else None
    return bool({event.run_id, inner} & set(span.run_ids)) and span.since <= event.received <= span.until


def _redacted(line: bytes, redact: Callable[[Event], Event]) -> bytes:
    event = decode(line)
    shown = redact(event)
    return line if shown is event else encode(shown)
