"""Each fault of the stand-in TickStockPL, on an injected clock: what is said, how soon, and that it is said once.

The stand-in's own steps and disturbances go through the real normaliser, runs and watchdog; the day after is good.
"""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from relay.redaction.redactor import Redactor
from tests.support.days import DUE, world
from tests.support.stand_in import StandIn, day_of
from tests.support.world import World
from tickstock_simulator.faults import FAULTS

PAGE = Path(__file__).parents[2] / "docs" / "alerts.md"
HIDE = Redactor((), ()).redact_text

# fault: the alerts of that day, each with the seconds after the moment at which it was due, to a look of 30 s.
EXPECTED = {
    "never-starts": [("never_started", 0)],
    "stall:import:1200": [("run_stalled", 0)],
    "stall:indicators:1200": [("run_stalled", 0)],
    "stall:patterns:1200": [("run_stalled", 0)],
    "error-burst": [("error_rate", 0)],
    "malformed": [],
    "older-names": [],
    "streaming": [],
    "ticks": [],
    "no-completion": [("completion_not_reported", 60)],
    "api-down:1800": [("api_unreachable", 0)],
    "api-slow": [],
    "fails-at:import": [("run_failed", 0)],
    "fails-at:patterns": [("run_failed", 0)],
    "zero-results": [("zero_results", 0)],
    "low-success": [("low_success_rate", 0)],
    "too-fast": [("too_fast", 0)],
    "missing-phase:cache": [("phase_missing", 0)],
    "missing-phase:indicators": [("phase_missing", 0)],
    "out-of-order": [("out_of_order", 0)],
    "overlap": [],
    "wrong-clock": [],
    "no-run-id": [],
    "cancelled": [("run_cancelled", 0)],
    "duplicate-patterns": [],
    "flapping-health": [],
    "events-silent": [("events_missing", 0)],
    "html-in-error": [],
}


def due_at(fault: str, name: str) -> datetime:
    """When that alert is due: the end of a grace, or the moment at which the run ends."""
    if name == "never_started":
        return DUE + timedelta(minutes=5)
    if name == "api_unreachable":
        return DUE + timedelta(minutes=3)
    if name == "events_missing":
        return DUE + timedelta(minutes=2)
    if name == "run_stalled":
        half_way = {"import": 5, "indicators": 13, "patterns": 25}[fault.split(":")[1]]
        return DUE + timedelta(minutes=half_way + 5, seconds=-5)  # progress comes every 5 s
    moments = {"error_rate": 5, "low_success_rate": 10, "too_fast": 3.5, "run_cancelled": 17.5}
    if name == "run_failed":
        return DUE + timedelta(minutes={"import": 5, "patterns": 25}[fault.split(":")[1]])
    return DUE + timedelta(minutes=moments.get(name, 35))


# What a phone shows of the incident when it begins.
TEXTS = {
    "never-starts": "Run of Mon 27 Jan has not started: due 16:10 EST, TickStockPL is idle."
    " Start it: tickstock-relay trigger.",
    "stall:indicators:1200": "Run of Mon 27 Jan is stalled in indicators: no progress since 16:22:55 EST, at CBV,"
    " 241 of 505. The day's data is not complete yet.",
    "error-burst": "Run of Mon 27 Jan: high error rate, 50 \N{MULTIPLICATION SIGN} RATE_LIMIT_EXCEEDED in data_import."
    " The day's data is not complete yet.",
    "fails-at:patterns": "Run of Mon 27 Jan failed in patterns at 16:35 EST: could not connect to db:5432."
    " The day's data is not usable.",
    "zero-results": "Run of Mon 27 Jan completed without results at 16:45 EST: 0 symbols, 0 indicators and 0 patterns."
    " The day's data is not usable.",
    "cancelled": "Run of Mon 27 Jan was cancelled in patterns at 16:27 EST: it had run for 18 min."
    " The day's data is not usable.",
}


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_said_once_in_time_and_resolved(fault: str) -> None:
    around = day_of(fault)
    fired = [
        (announcement.event, at)
        for at, announcement in around.announcements
        if _is_alert(announcement.channel) and announcement.payload["state"] == "firing"
    ]
    assert [name for name, _ in fired] == [name for name, _ in EXPECTED[fault]]
    for (name, at), (_, allowed) in zip(fired, EXPECTED[fault], strict=True):
        late = (at - due_at(fault, name)).total_seconds()
        assert 0 <= late <= allowed + 35, f"{name} {late:g} s after it was due"
    states = [
        announcement.payload["state"] for _, announcement in around.announcements if _is_alert(announcement.channel)
    ]
    assert states == ["firing", "resolved"] * len(fired)
    begins = [one.payload["text"] for _, one in around.incident_events if one.payload["change"] == "begins"]
    assert fault not in TEXTS or begins == [TEXTS[fault]]
    assert row_of(fault, around) in PAGE.read_text(encoding="utf-8").splitlines(), (
        "docs/alerts.md says it word for word"
    )


def row_of(fault: str, around: World) -> str:
    """The row of docs/alerts.md: what was said on this day, secrets hidden as for every sink that is elsewhere."""
    alerts = [one for _, one in around.announcements if _is_alert(one.channel)]
    if not alerts:
        return f"| `{fault}` | none: nothing is wrong with the run | | |"
    firing, resolved = ({one.payload["state"]: one for one in alerts}[state] for state in ("firing", "resolved"))
    at = next(at for at, one in around.announcements if one is firing)
    late = (at - due_at(fault, firing.event)).total_seconds()
    more = " ([when, and in which words](missed-run.md))" if firing.event == "never_started" else ""
    title, message, end = (
        HIDE(text) for text in (firing.payload["title"], firing.payload["message"], resolved.payload["message"])
    )
    return f"| `{fault}` | **{title}.** {message}{more} | {late:.0f} s | {end} |"


def test_an_api_that_is_down_for_half_an_hour_is_back_after_it() -> None:
    around = world("2025-01-27 20:00")
    StandIn(around, "api-down:1800").day(DUE, "today")
    cleared = [at for at, announcement in around.announcements if announcement.payload.get("state") == "resolved"]
    assert len(cleared) == 1
    assert cleared[0] - DUE < timedelta(seconds=1800 + 120 + 60)  # api_back_after, and a look


def test_every_fault_of_the_stand_in_is_in_the_table() -> None:
    assert {fault.split(":")[0] for fault in EXPECTED} == set(FAULTS)


def _is_alert(channel: str) -> bool:
    return channel.startswith("relay:alert:")
