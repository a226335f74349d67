"""The list of runs: made into the template's facts."""

from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from relay.status.run_list import ListFilter, RunList
from relay.web import charts
from relay.web.rendering import Clock, render

RESULT_NAMES = {
    "all": "All",
    "completed": "Completed",
    "findings": "With findings",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "not_started": "Not started",
}


def page(listed: RunList, chosen: ListFilter) -> str:
    """The whole document."""
    gantt = charts.gantt([row.run for row in listed.rows if row.run is not None], listed.usual)
    bars = {row.run.run_id: row for row in gantt.rows}
    name = f" ({listed.installation})" if listed.installation else ""

    def query(**other: str) -> str:
        values = {"result": chosen.result, "month": chosen.month} | other
        return f"?{urlencode({key: value for key, value in values.items() if value})}"

    return render(
        "runs.html",
        l=listed,
        root="",
        stream="",
        ended=False,
        live=False,
        now=listed.at,
        clock=Clock(listed.at, ZoneInfo(listed.timezone)),
        version=listed.version,
        mood="waiting",
        current="runs",
        title=f"Runs – TickStock Relay{name}",  # noqa: RUF001 - typography
        chosen=chosen,
        query=query,
        result_names=RESULT_NAMES,
        gantt=gantt,
        usual=listed.usual,
        phase_names=charts.PHASES,
        rows=[(row, bars.get(row.key)) for row in listed.rows],
    )
