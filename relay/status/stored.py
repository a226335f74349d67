"""What a relay that is not running has stored of its runs: the sources of a report, out of its store."""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from relay.config.links import Links
from relay.config.settings import Settings
from relay.redaction.redactor import Redactor
from relay.runs.run_log import RunLogs
from relay.runs.runs import Runs
from relay.status.sources import Sources
from relay.store.shelf import MemoryShelf
from relay.watchdog.run_schedule import RunSchedule


def stored_sources(settings: Settings, db: sqlite3.Connection, now: datetime) -> Sources:
    """As the daemon would make them; the API has not been asked.

    Raises:
        sqlite3.Error: the store cannot be read.
    """

    def shelf(name: str) -> MemoryShelf:
        kept = MemoryShelf()
        for key, value in db.execute("SELECT key, value FROM shelf WHERE name = ?", (name,)):
            kept.put(key, value)
        return kept

    runs = Runs(shelf("runs"))
    watchdog = settings.watchdog
    schedule = RunSchedule(watchdog.schedule, shelf("watchdog"), watchdog.finish_grace)
    schedule.advance(now)
    return Sources(
        now=now,
        version=version("tickstock-relay"),
        runs=runs,
        logs=RunLogs(shelf("run_logs"), runs),
        schedule=schedule,
        options=watchdog,
        sinks=settings.sinks,
        links=Links(settings.links, settings.name),
        hide=_hide(settings),
        installation=settings.name or "",
    )


def _hide(settings: Settings) -> Callable[[str], str]:
    rules = settings.redaction
    return Redactor(rules.patterns, rules.keys).redact_text if rules.enabled else str


def written_at(store: Path) -> datetime:
    """When the relay last wrote its store, or the log beside it."""
    files = [store, store.with_name(f"{store.name}-wal")]
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in files if path.exists()), UTC)
