"""The job that each Python contender does with an event, written the cheapest way that is still right.

Decode, count by channel and event, append one line: the received text is put into the line as it is (nobody pays for
encoding it again), and each line goes out in one unbuffered write, because a line that waits in a buffer is neither
visible to a reader nor safe from a crash, and a subscriber that blocks in `listen()` has no moment to flush in.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path

PATTERN = "tickstock:*"
STOP_CHANNEL = "tickstock:bench:stop"


@cache
def _line_start(channel: str) -> str:
    return f'{{"channel":{json.dumps(channel)},"message":'


class Tally:
    """Counts by (channel, event) and appends to the archive."""

    def __init__(self, archive: str) -> None:
        """Opens the archive for appending."""
        self.counts: Counter[tuple[str, str]] = Counter()
        self._file = Path(archive).open("ab", buffering=0)  # noqa: SIM115 - open as long as the process lives

    def take(self, channel: str, text: str) -> None:
        """Does the whole job for one message; what is not JSON is passed over, as in the contract's subscriber."""
        try:
            event = json.loads(text)
        except json.JSONDecodeError:
            return
        name = event.get("event") or event.get("event_type") or event.get("alert_type") or ""
        self.counts[channel, name] += 1
        self._file.write(f"{_line_start(channel)}{text}}}\n".encode())


def ready() -> None:
    """Tells the harness that the subscription stands."""
    print("READY", flush=True)


def done(counted: int) -> None:
    """Tells the harness how many were counted, and stays until it has read what it wants to know of the process."""
    print(f"DONE {counted}", flush=True)
    sys.stdin.readline()
