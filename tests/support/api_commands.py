"""TickStockPL's API as the commands that ask it meet it, and those commands run as a shell user runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from click.testing import CliRunner, Result

from relay.cli import main

RUN_ID = "550e8400-e29b-41d4-a716-446655440000"
THAT_DAY = datetime(2025, 1, 26, 21, 30, tzinfo=UTC)
DONE = {
    "run_id": RUN_ID,
    "run_date": "2025-01-26",
    "start_time": "2025-01-26T21:10:00Z",
    "end_time": "2025-01-26T21:45:00Z",
    "status": "completed",
    "symbols_processed": 505,
    "symbols_failed": 3,
    "patterns_detected": 1250,
    "indicators_calculated": 7575,
    "duration_seconds": 2100,
    "trigger_type": "automatic",
}
"""A run in the API's history."""


@dataclass
class TickStockPLStand:
    """Answers each path with a body (and status); remembers the commands that it got."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, Any, str | None]] = field(default_factory=list)

    @property
    def commands(self) -> list[tuple[str, str, Any]]:
        """What would change something there."""
        return [(method, path, body) for method, path, body, _ in self.asked if method != "GET"]


def run(*arguments: str, stdin: str = "", code: int = 0) -> Result:
    """The command with these arguments, which ends with this exit code."""
    result = CliRunner().invoke(main, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def line_of(result: Result, name: str) -> str:
    """What stands behind that name in the only line of it."""
    (line,) = (line for line in result.stdout.splitlines() if line.startswith(name))
    return line.removeprefix(name).strip()
