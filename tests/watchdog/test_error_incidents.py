"""Errors in incidents: counted exactly, told apart by their kind, and an incident of their own outside of runs."""

import pytest

from relay.watchdog.incident.belonging import MAX_ERROR_INCIDENTS
from tests.support.announced_incidents import MINUTE, SECOND, begin, error, hear, last, states
from tests.support.days import world


@pytest.mark.parametrize("kinds", [1, 7, 53])
def test_errors_are_counted_exactly_and_forty_groups_are_told_apart(kinds: int) -> None:
    around = world()
    begin(around)
    around.pass_(1, step=1)
    for number in range(1000):
        hear(around, error(around.now, "gone", error_code=f"KIND_{'A' * (number % kinds)}", run_id="r1"))
    around.pass_(0.2, step=1)
    errors = last(around)["errors"]
    assert errors["count"] == 1000
    assert len(errors["list"]) == errors["groups"] == min(kinds, 40)
    assert errors["more_groups"] == max(0, kinds - 40)
    assert sum(group["count"] for group in errors["list"]) + errors["more_errors"] == 1000


def test_errors_of_no_run_are_an_incident_of_their_kind_that_ends_without_a_word() -> None:
    around = world("2025-01-27 15:00")
    around.until(around.now + MINUTE)
    for number in range(50):
        around.until(around.now + SECOND, step=1)
        hear(around, error(around.now, f"unexpected token {number}"))
    hear(around, error(around.now, "something else entirely", error_code="OTHER"))
    around.pass_(30, step=5)
    of_errors = [one.payload for _, one in around.incident_events if one.payload["kind"] == "error"]
    counts = {state["incident"]: state["errors"]["count"] for state in of_errors}
    assert sorted(counts.values()) == [1, 50]
    assert all(incident.startswith("error:") for incident in counts)
    over = [state for state in of_errors if state["state"] == "over"]
    assert [state["quiet_end"] for state in over] == [True, True]


@pytest.mark.parametrize(
    ("code", "begins"),
    [("BAD RESPONSE/1", "error:BAD_RESPONSE_1-"), ("", "error:error-"), ("X" * 60, f"error:{'X' * 40}-")],
)
def test_an_incident_of_errors_is_named_by_their_code(code: str, begins: str) -> None:
    around = world("2025-01-27 15:00")
    around.until(around.now + MINUTE)
    hear(around, error(around.now, "odd", error_code=code))
    around.pass_(0.2, step=1)
    assert last(around)["incident"].startswith(begins)
    assert len(last(around)["incident"]) == len(begins) + 6


def test_too_many_errors_belong_to_the_incident_of_the_errors() -> None:
    around = world("2025-01-27 15:00")
    around.until(around.now + MINUTE)
    hear(around, *(error(around.now, f"unexpected token {number}") for number in range(30)))
    around.pass_(1, step=1)
    assert [alert["name"] for alert in last(around)["alerts"]] == ["error_rate"]
    assert len({incident for incident, _, _ in states(around)}) == 1
    around.pass_(30, step=5)
    assert last(around)["state"] == "over"


def test_one_kind_of_error_more_than_forty_shares_an_incident() -> None:
    around = world("2025-01-27 15:00")
    around.until(around.now + MINUTE)
    for number in range(MAX_ERROR_INCIDENTS + 20):
        hear(around, error(around.now, "gone", error_code=f"KIND_{'A' * number}"))
    around.tick()
    ids = {one.payload["incident"] for _, one in around.incident_events if one.payload["kind"] == "error"}
    assert len(ids) == MAX_ERROR_INCIDENTS + 1
    assert [one.errors for one in around.incidents.open if one.id == "error:others"] == [20]


def test_a_warning_on_the_errors_channel_is_no_part_of_an_incident() -> None:
    around = world("2025-01-27 15:00")
    hear(around, error(around.now, severity="warning"))
    around.pass_(1, step=1)
    assert around.incident_events == []
