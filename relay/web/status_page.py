"""The status page: a snapshot made into the template's facts, whole or part by part for the stream of live updates."""

from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from relay.status.run_view import icon_of
from relay.status.snapshot import Snapshot
from relay.web import charts
from relay.web.rendering import Clock, render

REFRESH = 30
"""Seconds between reloads for a browser without JavaScript."""
MOOD_COLOURS = {"good": "#1a8f4c", "bad": "#c4332b", "warning": "#c27c0e", "busy": "#2f6fd0", "waiting": "#66758a"}
MOOD_WORDS = {
    "good": "All is well",
    "bad": "Trouble",
    "warning": "Look at this",
    "busy": "Running",
    "waiting": "Waiting",
}
PARTS = ("verdict", "current", "alerts", "quiet", "runs", "trend", "errors", "sinks", "intake")
"""Each part's name is its template's, and the id of its section."""
CALM = frozenset({"sinks", "intake"})
"""Parts whose numbers move with every event: nobody needs them each second."""
SHOWN_RUNS = 14
TREND = 20
SHOWN_ALERTS = 12
LOUD = frozenset({"error", "critical", "emergency", "fatal"})


def page(snapshot: Snapshot) -> str:
    """The whole document."""
    return render("status.html", **_facts(snapshot, live=False))


def parts(snapshot: Snapshot) -> dict[str, str]:
    """The parts by name, without ages, which the browser counts; beside them `title`, `announcement` and `icon`."""
    facts = _facts(snapshot, live=True)
    made = {name: render(f"status/{name}.html", **facts).strip() for name in PARTS}
    icon = f"{facts['root']}icon-{facts['mood']}.svg"
    return made | {"title": facts["title"], "announcement": facts["announcement"], "icon": icon}


def icon(mood: str) -> str:
    """The tab's icon: the verdict's colour and sign. `mood` must be one of `MOOD_COLOURS`."""
    return render("icon.svg", mood=mood, colour=MOOD_COLOURS[mood])


def severity_icon(severity: str) -> tuple[str, str]:
    """Sign and colour of a severity."""
    return ("failed", "bad") if severity in LOUD else ("warn", "warn")


def _facts(snapshot: Snapshot, *, live: bool) -> dict[str, Any]:
    clock = Clock(snapshot.at, ZoneInfo(snapshot.timezone))
    scheduled = [run for run in snapshot.runs if run.is_scheduled and not run.is_open and run.seconds is not None]
    firing = {alert.key for alert in snapshot.firing}
    past = [alert for alert in snapshot.alerts if alert.resolved_at or alert.is_notice or alert.key not in firing]
    return {
        "s": snapshot,
        "live": live,
        "root": "",
        "stream": "live",
        "ended": False,
        "refresh": REFRESH,
        "now": snapshot.at,
        "clock": clock,
        "version": snapshot.version,
        "mood": snapshot.today.mood,
        "current": "now",
        "mood_words": MOOD_WORDS,
        "look_of": charts.look_of,
        "page_of": _page_of,
        "icon_of": icon_of,
        "severity_icon": severity_icon,
        "phase_words": charts.phase_words,
        "phase_names": charts.PHASES,
        "title": f"{snapshot.today.headline} – TickStock Relay ({snapshot.name})",  # noqa: RUF001 - typography
        "announcement": _announcement(snapshot),
        "is_loud": bool(snapshot.trouble) or any(one.severity in LOUD for one in snapshot.firing),
        "past": past[:SHOWN_ALERTS],
        "page_of_today": snapshot.today.run_id or (snapshot.today.day and snapshot.today.day.isoformat()),
        "gantt": charts.gantt(snapshot.runs[:SHOWN_RUNS], snapshot.usual),
        "trend": charts.trend(scheduled[:TREND][::-1], snapshot.usual),
    }


def _page_of(run_id: str | None) -> str:
    """The page of an alert's run; of one about no run, the intake."""
    return f"runs/{quote(run_id, safe='')}" if run_id else "#intake"


def _announcement(snapshot: Snapshot) -> str:
    """What a screen reader says when it changes: the verdict and the alerts, not every tick of a bar."""
    alerts = "; ".join(one.title for one in snapshot.firing)
    return f"{snapshot.today.headline}. {f'Firing: {alerts}.' if alerts else 'No alert is firing.'}"
