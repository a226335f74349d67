"""Snapshots made by hand, for tests of what is drawn from them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from relay.runs.recent import ErrorGroup, PastAlert
from relay.status.snapshot import (
    Band,
    FiringAlert,
    IntakeView,
    PhaseView,
    QuietView,
    RunView,
    SinkView,
    Snapshot,
    Today,
)

NOW = datetime(2025, 1, 27, 21, 30, tzinfo=UTC)
USUAL = Band(median=2100, low=1980, high=2220, runs=17)


def a_run(text: str = "r1", *, ago: timedelta = timedelta(minutes=20), **more: Any) -> RunView:
    began = NOW - ago
    phases = [
        PhaseView(name="import", state="completed", began=began, ended=began, seconds=600, percent=100, usual=USUAL),
        PhaseView(name="cache", state="running", began=began, seconds=600, percent=40, last_symbol=text, eta=NOW),
        PhaseView(name="indicators"),
        PhaseView(name="patterns"),
    ]
    known: dict[str, Any] = {
        "state": "running",
        "percent": 35,
        "seconds": 1200.0,
        "trigger": text,
        "reason": text,
        "usual": USUAL,
    }
    return RunView(run_id=text, began=began, run_date="2025-01-27", phases=phases, **(known | more))


def snapshot(text: str = "words", **more: Any) -> Snapshot:
    """One of everything; `text` stands wherever the wire could put it."""
    run = a_run(text)
    ended = [a_run(f"{text} {n}", ago=timedelta(days=n), state="completed", seconds=2000 + n) for n in range(1, 5)]
    known: dict[str, Any] = {
        "at": NOW,
        "version": "1",
        "name": text,
        "started": NOW - timedelta(days=1),
        "timezone": "America/New_York",
        "today": Today(state="running", mood="busy", headline="Today’s run is in progress", detail=text, next_due=NOW),  # noqa: RUF001
        "running": [run],
        "runs": [run, *ended],
        "usual": USUAL,
        "firing": [FiringAlert(key=text, severity="error", title=text, message=text, since=NOW)],
        "quiet": [
            QuietView(id=text, since=NOW, until=NOW, matches=text, comment=text, who=text, why=text, kept_errors=3)
        ],
        "alerts": [
            PastAlert(key=text, severity="error", title=text, message=text, fired_at=NOW),
            PastAlert(
                key=text, severity="error", title=text, message="", fired_at=NOW, resolved_at=NOW, resolution=text
            ),
        ],
        "errors_since": NOW - timedelta(days=3),
        "errors": [
            ErrorGroup(
                group="0a1b2c3d4e5f",
                component=text,
                code=text,
                severity="error",
                message=text,
                count=3,
                first=NOW,
                last=NOW,
            )
        ],
        "sinks": [SinkView(name="ops", type="slack", accepted=3, delivered=2, waiting=1, oldest=NOW, error=text)],
        "intake": IntakeView(subscribed=True, since=NOW, rates=[1.0, 2.0, 0.0], rate=1.5, reason=text),
        "trouble": [text],
    }
    return Snapshot(**(known | more))
