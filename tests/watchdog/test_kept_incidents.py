"""What is kept of incidents: it outlives a restart, and makes room when there is too much."""

import pytest

from relay.events import Announcement
from relay.watchdog.incidents import MAX_INCIDENTS
from tests.support.announced_incidents import MINUTE, begin, end, error, failing_run, good_run, hear, last, states
from tests.support.days import DUE, world


@pytest.mark.parametrize("again", ["the same process", "a new process"])
def test_what_is_known_of_an_incident_outlives_a_restart(again: str) -> None:
    around = world()
    begin(around)
    around.pass_(1, step=1)
    hear(around, *(error(around.now, run_id="r1") for _ in range(30)))
    if again == "a new process":
        around.incidents.keep()
        around.start_relay()
    around.pass_(1, step=1)
    hear(around, *(error(around.now, run_id="r1") for _ in range(12)))
    end(around, "r1", "failed")
    around.pass_(1, step=1)
    state = last(around)
    assert state["errors"]["count"] == 42
    assert [one.payload["number"] for _, one in around.incident_events] == list(
        range(1, len(around.incident_events) + 1)
    )
    assert {incident for incident, _, _ in states(around)} == {"r1"}


def test_the_number_of_a_state_rises_also_when_an_incident_comes_again() -> None:
    around = world("2025-01-27 12:00")
    for _ in range(2):
        around.until(around.now + 15 * MINUTE)
        around.api_up = False
        around.until(around.now + 5 * MINUTE)
        around.api_up = True
        around.until(around.now + 30 * MINUTE)
    assert [state for _, _, state in states(around)] == ["firing", "over", "firing", "over"]
    assert [one.payload["number"] for _, one in around.incident_events] == [1, 2, 3, 4]


def test_what_is_over_makes_room_first() -> None:
    around = world()
    failing_run(around)
    for number in range(2 * MAX_INCIDENTS):
        one = Announcement(
            channel="relay:alert:sink_failing",
            event="sink_failing",
            payload={"alert": f"sink_failing:{number}", "state": "firing", "title": "Sink is failing"},
        )
        around.incidents.see([one], around.now)
    assert len(around.incidents.open) == MAX_INCIDENTS
    around.tick()  # no such alert is kept: all of them clear
    assert [incident.id for incident in around.incidents.open if incident.kind == "alert"] == []


@pytest.mark.parametrize("run_id", ["sequence", "incident:", "\x00", "r" * 200])
def test_any_run_id_outlives_a_restart(run_id: str) -> None:
    around = world()
    failing_run(around, run_id=run_id)
    around.start_relay()
    good_run(around, DUE + 60 * MINUTE, "r2")
    assert [change for _, change, _ in states(around)] == ["begins", "again", "over"]


@pytest.mark.parametrize("broken", ["{", "[]", '{"id": "x"}'])
def test_what_cannot_be_read_on_the_shelf_is_forgotten(broken: str) -> None:
    around = world()
    failing_run(around)
    around.shelves["incidents"].put("incident:other", broken)
    around.shelves["incidents"].put("sequence", broken)
    around.start_relay()
    assert [incident.id for incident in around.incidents.open] == ["r1"]
    assert around.shelves["incidents"].get("incident:other") is None


def test_what_still_fires_is_announced_once_more_for_a_sink_that_has_missed_it() -> None:
    around = world()
    begin(around)
    end(around, "r1", "failed")
    around.pass_(1, step=1)
    before = list(around.incident_events)
    around.incidents.tell_again()
    around.pass_(1, step=1)
    again = around.incident_events[len(before) :]
    assert [one.payload["state"] for _, one in again] == ["firing"]
    known, repeated = before[-1][1].payload, again[0][1].payload
    assert repeated["number"] > known["number"]
    assert {name for name in known if known[name] != repeated[name]} <= {"number", "change", "changed", "context"}
