"""A run without trouble, as `runs: all` shows it: its start and its end, and nothing else of what is told of runs."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from relay.events import Event, Severity
from sinks.slack.incident import Incident
from sinks.slack.runs import RUN_CHECKED, RUN_STARTED, state_of
from sinks.testing import make_event

NEW_YORK = ZoneInfo("America/New_York")
STARTED = {"started_at": "2025-01-27T21:10:03Z", "run_date": "2025-01-27", "trigger_type": "automatic"}
CHECKED: dict[str, Any] = STARTED | {
    "sound": True,
    "findings": [],
    "ended_at": "2025-01-27T21:45:10Z",
    "duration_seconds": 2107,
    "symbols_processed": 505,
    "indicators_calculated": 7575,
    "patterns_detected": None,
}


def shown(channel: str, payload: dict[str, Any], *, run_id: str | None = "r1", label: str = "") -> Incident | None:
    event: Event = make_event(payload, channel=channel, event="run", run_id=run_id)
    return state_of(event, NEW_YORK, label)


def test_a_start_is_in_progress_and_an_end_completed_with_its_counts() -> None:
    assert shown(RUN_STARTED, STARTED | {"url": "https://relay.example/r1"}, label="backup") == Incident(
        incident="r1",
        kind="run",
        state="running",
        severity=Severity.INFO.label,
        title="Run of Mon 27 Jan is in progress",
        text="Run of Mon 27 Jan is in progress: it began at 16:10 EST.",
        cause="It began at 16:10 EST.",
        context=["began 16:10 EST"],
        url="https://relay.example/r1",
        source="backup",
    )
    assert shown(RUN_CHECKED, CHECKED) == Incident(
        incident="r1",
        kind="run",
        state="completed",
        severity=Severity.INFO.label,
        title="Run of Mon 27 Jan completed",
        text="Run of Mon 27 Jan completed: it completed at 16:45 EST after 35 min.",
        cause="It completed at 16:45 EST after 35 min.",
        context=["505 symbols", "7,575 indicators"],
    )


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"trigger_type": "manual"}, "Manual run of Mon 27 Jan 16:10 is in progress"),
        ({"run_date": "2025-01-24"}, "Run of Fri 24 Jan is in progress"),
        ({"run_date": None}, "Run of Mon 27 Jan is in progress"),
        ({"run_date": "odd", "started_at": "2025-01-29T01:10:03Z"}, "Run of Tue 28 Jan is in progress"),
        ({"run_date": None, "started_at": "2025-01-29T01:10:03"}, "Run of Mon 27 Jan is in progress"),
    ],
)
def test_a_run_is_named_by_its_day_and_by_hand_by_its_time_too(changes: dict[str, Any], title: str) -> None:
    state = shown(RUN_STARTED, STARTED | changes)
    assert state is not None
    assert state.title == title


@pytest.mark.parametrize("odd", [None, "soon", 5, "2025-01-27T21:45:10"])
def test_times_that_are_none_are_those_of_the_event(odd: object) -> None:
    """At 16:20 in New York."""
    started = shown(RUN_STARTED, STARTED | {"started_at": odd})
    ended = shown(RUN_CHECKED, CHECKED | {"ended_at": odd, "duration_seconds": "long"})
    assert started is not None
    assert ended is not None
    assert (started.cause, ended.cause) == ("It began at 16:20 EST.", "It completed at 16:20 EST.")


@pytest.mark.parametrize(
    ("channel", "payload", "run_id"),
    [
        ("relay:run:ended", CHECKED, "r1"),
        (RUN_STARTED, STARTED, None),
        (RUN_CHECKED, CHECKED | {"sound": False}, "r1"),
        (RUN_CHECKED, CHECKED | {"sound": "yes"}, "r1"),
        (RUN_CHECKED, CHECKED | {"findings": ["a phase is missing"]}, "r1"),
    ],
)
def test_of_all_else_nothing_is_told(channel: str, payload: dict[str, Any], run_id: str | None) -> None:
    assert shown(channel, payload, run_id=run_id) is None
