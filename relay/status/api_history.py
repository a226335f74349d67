"""The results of runs that only the API's history tells of: checked like those that the relay has followed. Pure."""

from collections.abc import Sequence
from datetime import datetime

from relay.config.watchdog import WatchdogOptions
from relay.runs.reconstruction import SAME_START, seed
from relay.runs.run import Run
from relay.runs.runs import Runs
from relay.status.run_view import result_words
from relay.status.snapshot import Tone
from relay.store.shelf import MemoryShelf
from relay.tickstockpl.models import HistoryRun
from relay.watchdog.alerts import Alerts
from relay.watchdog.result_check import ResultCheck


def results(rows: Sequence[HistoryRun], now: datetime) -> list[tuple[str, Tone] | None]:
    """For each row its result in words and how good it is, by the default limits; None where that cannot be said."""
    runs = Runs(MemoryShelf(), keep=len(rows) + 1)
    seed(runs, rows, now)
    ResultCheck(runs, Alerts(MemoryShelf())).tick(now, WatchdogOptions(enabled=False))
    found = (_run_of(row, runs) for row in rows)
    return [result_words(run) if run is not None else None for run in found]


def _run_of(row: HistoryRun, runs: Runs) -> Run | None:
    if row.run_id is not None:
        return runs.named(row.run_id, row.start_time)
    start = row.start_time
    unnamed = (run for run in runs.newest_first() if run.is_unnamed)
    return next((run for run in unnamed if start is not None and abs(run.began - start) < SAME_START), None)
