"""The line for a shell that finds a run's events in the archive, and which files they are in. Pure."""

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SELECT = "select(.run_id == $r or .payload.context.run_id? == $r)"


def archive_place(sinks: Mapping[str, Mapping[str, Any]]) -> tuple[Path, str] | None:
    """Directory and prefix of the archive's files, by the configuration of the sinks; None when there is none."""
    for options in sinks.values():
        if options.get("type") == "jsonl" and options.get("directory"):
            return Path(str(options["directory"])), str(options.get("prefix", "events"))
    return None


def archive_command(
    sinks: Mapping[str, Mapping[str, Any]], run_id: str, began: datetime | None, ended: datetime | None, now: datetime
) -> str | None:
    """`zstdcat … | jq …` for the days (UTC) of the run; without its time, over all files."""
    place = archive_place(sinks)
    if place is None:
        return None
    directory, prefix = place
    base = shlex.quote(f"{directory}/{prefix}")
    files = [f"{base}-{day}-*.jsonl*" for day in _days(began, ended or now) if day != f"{now.astimezone(UTC):%Y-%m-%d}"]
    if began is None:
        files = [f"{base}*.jsonl*"]
    elif (ended or now).astimezone(UTC).date() == now.astimezone(UTC).date():
        files.append(f"{base}.jsonl")
    return f"zstdcat -f {' '.join(files)} | jq -c --arg r {shlex.quote(run_id)} {shlex.quote(SELECT)}"


def _days(began: datetime | None, ended: datetime) -> list[str]:
    """At most a week of them."""
    if began is None:
        return []
    first, last = began.astimezone(UTC).date(), ended.astimezone(UTC).date()
    count = min(max(0, (last - first).days), 7)
    return [f"{first + timedelta(days=number):%Y-%m-%d}" for number in range(count + 1)]
