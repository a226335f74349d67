"""The runs that are remembered and the days on which none started, the newest first; by result and month. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from relay.status.hidden import without_secrets
from relay.status.run_view import band_of, icon_of, run_view
from relay.status.snapshot import Band, RunView
from relay.status.sources import Sources, day_of
from relay.watchdog.baseline import Baseline

SHOWN = 30
"""Runs that are listed when no month is chosen."""


class ListedRun(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row: a run, or a day on which none started (`run` is None)."""

    key: str
    began: datetime
    result: str
    tone: str
    icon: str
    run: RunView | None = None
    alerts: int | None = None
    """None when that is not kept any more."""


class RunList(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The rows that were chosen, and how many there are of each kind."""

    at: datetime
    version: str
    timezone: str
    installation: str = ""
    rows: list[ListedRun]
    counts: dict[str, int]
    """Rows by result: `all`, `completed`, `findings`, `failed`, `cancelled`, `not_started`."""
    months: list[str]
    """`2025-01`, the newest first."""
    usual: Band | None = None
    usual_patterns: Band | None = None


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What is listed: a result's name, a month; empty: all results, the last runs."""

    result: str = ""
    month: str = ""


RESULTS: dict[str, Callable[[ListedRun], bool]] = {
    "all": lambda _: True,
    "completed": lambda row: row.tone == "good",
    "findings": lambda row: row.run is not None and row.run.state in ("completed", "partial") and row.tone != "good",
    "failed": lambda row: row.run is not None and row.run.state == "failed",
    "cancelled": lambda row: row.run is not None and row.run.state == "cancelled",
    "not_started": lambda row: row.run is None,
}


def run_list(sources: Sources, chosen: ListFilter) -> RunList:
    """The list."""
    remembered = list(sources.runs.newest_first())
    learned = sources.options.learned
    rows = [_listed(run_view(run, [], sources.now, learned, sources.api), sources, run.number) for run in remembered]
    rows = sorted([*rows, *_not_started(sources)], key=lambda row: row.began, reverse=True)
    months = sorted({f"{row.began.astimezone(sources.zone):%Y-%m}" for row in rows}, reverse=True)
    if chosen.month in months:
        rows = [row for row in rows if f"{row.began.astimezone(sources.zone):%Y-%m}" == chosen.month]
    else:
        rows = rows[:SHOWN]
    baseline = Baseline(learned, remembered, remembered[0]) if remembered else None
    listed = RunList(
        at=sources.now,
        version=sources.version,
        timezone=sources.zone.key,
        installation=sources.installation,
        rows=[row for row in rows if RESULTS.get(chosen.result, RESULTS["all"])(row)],
        counts={name: sum(map(is_so, rows)) for name, is_so in RESULTS.items()},
        months=months,
        usual=band_of(baseline.duration()) if baseline else None,
        usual_patterns=band_of(baseline.count("patterns_detected")) if baseline else None,
    )
    return without_secrets(listed, sources.hide)


def _listed(run: RunView, sources: Sources, number: int) -> ListedRun:
    log = sources.logs.log_numbered(number)
    return ListedRun(
        key=run.run_id,
        began=run.began,
        result=run.result,
        tone=run.tone,
        icon=icon_of(run),
        run=run,
        alerts=len(log.alerts) if log else None,
    )


def _not_started(sources: Sources) -> list[ListedRun]:
    """The days that had an incident because their run did not start, and that have no scheduled run."""
    started = {day_of(run, sources.zone) for run in sources.runs.newest_first() if run.is_scheduled}
    rows = []
    for text in sources.logs.days():
        day = date.fromisoformat(text)
        due = sources.schedule.timetable.due_on(day)
        if due is not None and day not in started:
            rows.append(ListedRun(key=text, began=due, result="not started", tone="bad", icon="never"))
    return rows
