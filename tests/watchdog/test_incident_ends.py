"""What ends an incident: a sound result of the day, and nothing less; and what an end leaves behind."""

from tests.support.announced_incidents import MINUTE, TOMORROW, error, failing_run, good_run, hear, last, states
from tests.support.days import DUE, a_run, world
from tests.support.stand_in import StandIn, past_runs


def test_a_later_run_of_the_day_joins_and_only_a_sound_result_ends_it() -> None:
    around = world()
    failing_run(around)
    failing_run(around, DUE + 60 * MINUTE, "r2", "manual")
    again = [one.payload for _, one in around.incident_events if one.payload["change"] == "again"]
    assert [state["again"]["run_id"] for state in again] == ["r2"]
    assert last(around)["title"].startswith("Manual run of Mon 27 Jan 17:10 failed")
    good_run(around, DUE + 120 * MINUTE, "r3")
    assert {incident for incident, _, _ in states(around)} == {"r1"}
    state = last(around)
    assert (state["change"], state["state"], state["ended"] is not None) == ("over", "over", True)
    assert state["cleared"]["by_run_id"] == "r3"
    assert state["cleared"]["by_name"] == "18:10 run"
    assert state["data"]["word"] == "Yes"
    assert around.incidents.open == []


def test_a_sound_run_of_an_older_day_does_not_end_it() -> None:
    around = world()
    failing_run(around)
    around.until(DUE + 60 * MINUTE)
    around.play(a_run(around.now, "r0", start_with={"trigger_type": "manual", "run_date": "2025-01-24"}), step=30)
    around.pass_(2)
    assert [incident.id for incident in around.incidents.open] == ["r1"]
    assert last(around)["state"] != "over"


def test_a_run_that_starts_late_eases_the_day_and_its_sound_result_ends_it() -> None:
    around = world()
    around.until(DUE + 30 * MINUTE)
    assert states(around) == [("day:2025-01-27", "begins", "firing")]
    assert last(around)["data"]["word"] == "No"
    good_run(around, DUE + 30 * MINUTE, "late")
    assert [state for _, _, state in states(around)][-2:] == ["eased", "over"]
    eased = next(one.payload for _, one in around.incident_events if one.payload["state"] == "eased")
    assert eased["title"] == "Run of Mon 27 Jan started late"
    assert {incident for incident, _, _ in states(around)} == {"day:2025-01-27"}
    assert not last(around)["lasting"]


def test_a_late_run_that_fails_stays_in_the_days_incident() -> None:
    around = world()
    around.until(DUE + 30 * MINUTE)
    failing_run(around, DUE + 30 * MINUTE, "late", "manual")
    assert {incident for incident, _, _ in states(around)} == {"day:2025-01-27"}
    assert last(around)["title"].startswith("Manual run of Mon 27 Jan 16:40 failed")
    assert last(around)["state"] == "firing"


def test_a_run_by_hand_before_the_due_time_does_not_end_the_days_incident() -> None:
    around = world("2025-01-27 19:00")
    around.until(DUE - 15 * MINUTE)
    early = a_run(around.now, "early", start_with={"trigger_type": "manual"}, steps=20)
    around.play(early, step=30)
    around.until(DUE + 30 * MINUTE)
    assert [incident.id for incident in around.incidents.open] == ["day:2025-01-27"]
    good_run(around, DUE + 40 * MINUTE, "late")
    assert last(around)["state"] == "over"
    assert last(around)["cleared"]["by_run_id"] in (None, "late")


def test_a_day_that_was_never_run_is_over_with_the_next_one_and_stays_red() -> None:
    around = world()
    around.until(TOMORROW)
    around.play(a_run(TOMORROW, "next"), step=30)
    around.pass_(2)
    assert [change for _, change, _ in states(around)] == ["begins", "over"]
    state = last(around)
    assert (state["lasting"], state["data"]["word"]) == (True, "No")
    assert state["title"] == "Run of Mon 27 Jan never started"


def test_a_run_that_ends_its_own_trouble_names_nobody() -> None:
    around = world()
    StandIn(around, "stall:indicators:1200", step=5).day(DUE, "r1")
    assert states(around)[0][1] == "begins"
    assert [state for _, _, state in states(around)][-1] == "over"
    assert last(around)["cleared"]["by_name"] is None
    assert [phase["state"] for phase in last(around)["phases"]] == ["completed"] * 4


def test_an_alert_that_is_no_longer_kept_does_not_hold_its_incident_open() -> None:
    around = world("2025-01-27 12:00")
    around.until(around.now + MINUTE)
    around.api_up = False
    around.until(around.now + 5 * MINUTE)
    around.alerts.resolve("api_unreachable", around.now)  # and nobody announces it
    around.api_up = True
    around.tick()
    assert last(around)["state"] == "over"


def test_an_error_just_after_a_sound_end_does_not_reopen_the_incident_that_it_ended() -> None:
    around = world()
    past_runs(around)
    failing_run(around)
    good_run(around, DUE + 60 * MINUTE, "r2")
    hear(around, error(around.now, run_id="r1"))
    around.pass_(1, step=1)
    assert [state for _, _, state in states(around)][-2:] == ["over", "over"]
    assert last(around)["errors"]["count"] == 2
