"""The page of a run: its report made into the templates' facts, whole or part by part for the live updates."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from relay.events import SEVERITIES, Severity
from relay.status.run_report import EventLine, NoReport, RunReport
from relay.web import run_charts
from relay.web.charts import PHASES, look_of
from relay.web.rendering import Clock, render
from relay.web.status_page import REFRESH, severity_icon

PARTS = ("verdict", "timeline", "results", "alerts", "errors", "events")
MOST_ROWS = 100
SHOWS = {"milestones": "Milestones", "warnings": "Warnings and worse", "all": "Everything"}
DATA_LOOKS = {
    "yes": ("ok", "good"),
    "no": ("failed", "bad"),
    "partly": ("warn", "warn"),
    "unknown": ("unknown", "warn"),
    "not_yet": ("waiting", "wait"),
    "not_affected": ("ok", "good"),
}


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which rows of the events are shown; what is not known is as if nothing had been asked."""

    show: str = "milestones"
    phase: str = ""

    @classmethod
    def asked(cls, show: str | None, phase: str | None) -> "EventFilter":
        """By a page's query."""
        return cls(show if show in SHOWS else "milestones", phase if phase in PHASES else "")

    @property
    def needs_events(self) -> bool:
        """Whether it shows single events, and not only what follows from them."""
        return self.show != "milestones"

    def query(self, **other: str) -> str:
        """The query of a link that changes one of them: `?show=all&phase=import#events`."""
        values = {"show": self.show, "phase": self.phase} | other
        return f"?{urlencode({name: value for name, value in values.items() if value})}#events"


def page(report: RunReport, chosen: EventFilter) -> str:
    """The whole document."""
    return render("run.html", **_facts(report, chosen, live=False))


def parts(report: RunReport, chosen: EventFilter) -> dict[str, str]:
    """The parts by name, without ages; beside them `title`, `announcement` and `icon`."""
    facts = _facts(report, chosen, live=True)
    made = {name: render(f"run/{name}.html", **facts).strip() for name in PARTS}
    icon = f"{facts['root']}icon-{facts['mood']}.svg"
    return made | {"title": facts["title"], "announcement": report.verdict.headline, "icon": icon}


def not_found(answer: NoReport) -> str:
    """The page of a run of which nothing is known."""
    clock = Clock(answer.at, ZoneInfo(answer.timezone))
    return render(
        "not_found.html",
        answer=answer,
        root="../",
        stream="",
        ended=False,
        now=answer.at,
        clock=clock,
        version=answer.version,
        mood="waiting",
        current="runs",
        title=f"No run {answer.asked} – TickStock Relay",  # noqa: RUF001 - typography
    )


def is_live(report: RunReport) -> bool:
    """Whether anything about it may still change soon: the run goes on, or an alert about it fires."""
    return report.is_open or any(alert.resolved_at is None and not alert.is_notice for alert in report.alerts)


def chosen_events(report: RunReport, chosen: EventFilter) -> list[EventLine]:
    """The rows that the filter leaves, the newest first."""
    lines = report.milestones
    if chosen.show != "milestones":
        lines = report.events
    if chosen.show == "warnings":
        lines = [line for line in lines if is_warning(line.severity)]
    return [line for line in lines if not chosen.phase or line.phase == chosen.phase]


def _facts(report: RunReport, chosen: EventFilter, *, live: bool) -> dict[str, Any]:
    clock = Clock(report.at, ZoneInfo(report.timezone))
    lines = chosen_events(report, chosen)
    name = f" ({report.installation})" if report.installation else ""
    query = urlencode({"run": report.key, "show": chosen.show, "phase": chosen.phase}, quote_via=quote)
    return {
        "r": report,
        "live": live,
        "root": "../",
        "stream": f"live?{query}" if is_live(report) else "",
        "refresh": REFRESH,
        "ended": not is_live(report),
        "now": report.at,
        "clock": clock,
        "version": report.version,
        "mood": report.verdict.mood,
        "current": "runs",
        "title": f"{report.verdict.headline} – TickStock Relay{name}",  # noqa: RUF001 - typography
        "data_look": DATA_LOOKS[report.data.key],
        "course": run_charts.course(report, clock),
        "results": run_charts.result_rows(report.results),
        "chosen": chosen,
        "shows": SHOWS,
        "counts": {
            "milestones": len(report.milestones),
            "warnings": sum(n for label, n in report.severity_counts.items() if is_warning(label)),
            "all": report.event_count,
        },
        "lines": lines[:MOST_ROWS],
        "line_count": len(lines),
        "look_of": look_of,
        "severity_icon": severity_icon,
        "is_warning": is_warning,
    }


def is_warning(severity: str) -> bool:
    """Whether that severity, by its label, is a warning or worse."""
    level = SEVERITIES.get(severity)
    return level is not None and level >= Severity.WARNING
