"""A day of eight manual runs, each with another fault: alerts, their ends, incidents and rows, by a hand-written table.

All runs begin on the hour and belong to Mon 27 Jan. Times are New York's.
"""

from datetime import datetime, timedelta

from relay.events.wording import NEW_YORK
from tests.support.days import world
from tests.support.stand_in import StandIn, past_runs
from tests.support.wire import utc
from tests.support.world import World

FIRST = utc("2025-01-27 13:00")

# The runs by their ids: the fault of each, its state, and what the check of its result found.
RUNS = [
    ("good", None, "completed", []),
    ("failed", "fails-at:indicators", "failed", ["run_failed"]),
    ("cancelled", "cancelled", "cancelled", ["run_cancelled"]),
    ("zero", "zero-results", "completed", ["zero_results"]),
    ("fast", "too-fast", "completed", []),  # only scheduled runs are compared with what is usual
    ("missing", "missing-phase:cache", "completed", ["phase_missing"]),
    ("good again", None, "completed", []),
    ("stalled", "stall:patterns:900", "completed", []),
]

# The sound result of the fifth run ends all three alerts of the day before it; nothing else ends one of another run.
ALERTS = [
    ("09:13", "run_failed:failed", "firing"),
    ("10:17", "run_cancelled:cancelled", "firing"),
    ("11:35", "zero_results:zero", "firing"),
    ("12:03", "run_failed:failed", "resolved"),
    ("12:03", "run_cancelled:cancelled", "resolved"),
    ("12:03", "zero_results:zero", "resolved"),
    ("13:35", "phase_missing:missing", "firing"),
    ("14:35", "phase_missing:missing", "resolved"),
    ("15:29", "run_stalled:stalled", "firing"),
    ("15:40", "run_stalled:stalled", "resolved"),
]

# Three incidents: what is announced of each, under the id of the run that it began with.
INCIDENTS = [
    ("09:13", "failed", "begins", "critical", "Manual run of Mon 27 Jan 09:00 failed in indicators"),
    ("10:00", "failed", "again", "critical", "Manual run of Mon 27 Jan 09:00 failed in indicators"),
    ("10:17", "failed", "update", "critical", "Manual run of Mon 27 Jan 09:00 failed in indicators"),
    ("11:00", "failed", "again", "critical", "Manual run of Mon 27 Jan 09:00 failed in indicators"),
    ("11:35", "failed", "update", "critical", "Manual run of Mon 27 Jan 11:00 completed without results"),
    ("12:00", "failed", "again", "critical", "Manual run of Mon 27 Jan 11:00 completed without results"),
    ("12:03", "failed", "over", "info", "Manual run of Mon 27 Jan 11:00 completed without results"),
    ("13:35", "missing", "begins", "error", "Manual run of Mon 27 Jan 13:00 completed without cache"),
    ("14:00", "missing", "again", "error", "Manual run of Mon 27 Jan 13:00 completed without cache"),
    ("14:35", "missing", "over", "info", "Manual run of Mon 27 Jan 13:00 completed without cache"),
    ("15:30", "stalled", "begins", "error", "Manual run of Mon 27 Jan 15:00 is stalled in patterns"),
    ("15:40", "stalled", "better", "info", "Manual run of Mon 27 Jan 15:00 goes on in patterns"),
    ("15:50", "stalled", "over", "info", "Manual run of Mon 27 Jan 15:00 is stalled in patterns"),
]

# What ended each incident, as it is written.
ENDS = {
    "failed": "Cleared by the 12:00 run at 12:03 EST",
    "missing": "Cleared by the 14:00 run at 14:35 EST",
    "stalled": "Cleared at 15:50 EST",
}


def played() -> World:
    around = world("2025-01-27 12:00")
    past_runs(around)
    for number, (run_id, fault, _, _) in enumerate(RUNS):
        stand_in = StandIn(around, *([fault] if fault else []), step=5)
        stand_in.manual(FIRST + timedelta(hours=number), run_id)
        around.pass_(2, step=5)
    around.until(utc("2025-01-27 21:05"))
    return around


def at(moment: datetime) -> str:
    return f"{moment.astimezone(NEW_YORK):%H:%M}"


def test_a_day_of_eight_manual_runs() -> None:
    around = played()
    last = list(around.runs.newest_first())[:8]
    rows = {run.run_id: (run.state.value, [one.name for one in run.findings or []]) for run in last}
    assert rows == {run_id: (state, findings) for run_id, _, state, findings in RUNS}
    alerts = [(at(when), one.payload) for when, one in around.announcements if "alert" in one.payload]
    assert [(when, payload["alert"], payload["state"]) for when, payload in alerts] == ALERTS
    states = [(at(when), one.payload) for when, one in around.incident_events]
    assert [
        (when, state["incident"], state["change"], state["severity"], state["title"]) for when, state in states
    ] == INCIDENTS
    ends = {state["incident"]: state["cleared"]["text"].partition(",")[0] for _, state in states if state["cleared"]}
    assert ends == ENDS
    assert around.incidents.open == []
