"""Incidents: what belongs to one, what is announced of it and when, and that only a sound result ends it."""

import shlex
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from relay.events import Announcement, Event, utc_text
from relay.watchdog.incident.belonging import MAX_ERROR_INCIDENTS
from relay.watchdog.incidents import MAX_INCIDENTS
from tests.support.days import DUE, a_run, world
from tests.support.stand_in import StandIn, past_runs
from tests.support.wire import event
from tests.support.world import World

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
TOMORROW = DUE + timedelta(days=1)


def states(around: World) -> list[tuple[str, str, str]]:
    """`(id, change, state)` of each incident event."""
    return [(one.payload["incident"], one.payload["change"], one.payload["state"]) for _, one in around.incident_events]


def last(around: World) -> dict[str, Any]:
    return around.incident_events[-1][1].payload


def error(at: datetime, message: str = "no answer", severity: str = "error", **more: Any) -> Event:
    payload = {"component": "data_import", "error_code": "VENDOR", "severity": severity, "message": message}
    return event("errors", "error", at, **(payload | more))


def hear(around: World, *events: Event) -> None:
    for one in events:
        around.now = max(around.now, one.received)
        around.hear(one)


def begin(around: World, start: datetime = DUE, run_id: str = "r1", **more: Any) -> None:
    around.until(start)
    around.tell("processing:status", "processing_started", run_id=run_id, **more)


def end(around: World, run_id: str = "r1", status: str = "completed", **more: Any) -> None:
    counts = {"symbols_processed": 505, "indicators_calculated": 7575, "patterns_detected": 1250}
    around.tell("processing:status", "processing_completed", run_id=run_id, status=status, **(counts | more))


def failing_run(around: World, start: datetime = DUE, run_id: str = "r1", trigger: str = "automatic") -> None:
    begin(around, start, run_id, trigger_type=trigger)
    around.pass_(3, step=5)
    hear(around, error(around.now, "could not connect to db:5432", "critical", run_id=run_id))
    end(around, run_id, "failed", error="database")
    around.pass_(1, step=1)


def good_run(around: World, start: datetime, run_id: str, trigger: str = "manual") -> None:
    around.until(start)
    around.play(a_run(start, run_id, start_with={"trigger_type": trigger}, steps=20), step=5)
    around.pass_(1, step=1)


def test_errors_and_alerts_of_a_run_are_one_incident_that_is_announced_once() -> None:
    around = world()
    failing_run(around)
    assert states(around) == [("r1", "begins", "firing")]
    state = last(around)
    assert (state["severity"], state["highest"]) == ("critical", "critical")
    assert state["errors"]["count"] == 1
    assert [alert["name"] for alert in state["alerts"]] == ["run_failed"]
    assert state["silence"] == "tickstock-relay silence add --for 2h --incident r1"
    (note,) = state["notes"]
    assert note.keys() == {"number", "at", "change", "severity", "text"}
    assert (note["number"], note["change"], note["severity"]) == (state["number"], "begins", "critical")
    assert note["text"] == "Run of Mon 27 Jan failed."
    assert note["at"] == utc_text(around.incident_events[0][0])


def test_the_first_state_of_a_run_waits_five_seconds_for_more_of_it() -> None:
    around = world()
    begin(around)
    around.pass_(1, step=1)
    hear(around, error(around.now, run_id="r1"))
    began = around.now
    around.until(began + 4 * SECOND, step=1)
    assert around.incident_events == []
    hear(around, error(around.now, "another", run_id="r1"))
    around.until(began + 6 * SECOND, step=1)
    assert [(at - began, one.payload["errors"]["count"]) for at, one in around.incident_events] == [(5 * SECOND, 2)]


def test_an_alert_outside_of_runs_does_not_wait() -> None:
    around = world("2025-01-27 12:00")
    around.until(around.now + MINUTE)
    around.api_up = False
    around.until(around.now + 5 * MINUTE, step=1)
    (fired,) = [at for at, one in around.announcements if one.event == "api_unreachable"]
    assert [(at, one.payload["incident"]) for at, one in around.incident_events] == [(fired, "api_unreachable")]


def test_updates_come_every_five_seconds_at_most_and_what_is_worse_at_once() -> None:
    around = world()
    begin(around)
    start = around.now
    for second in range(1, 31):
        around.until(start + second * SECOND, step=1)
        hear(around, error(around.now, run_id="r1", severity="critical" if second == 18 else "error"))
    around.until(start + 60 * SECOND, step=1)
    changes = [(int((at - start).total_seconds()), one.payload["change"]) for at, one in around.incident_events]
    assert changes[0] == (6, "begins")
    worse = [at for at, change in changes if change == "worse"]
    assert worse == [19]
    others = [at for at, change in changes if change != "worse"]
    assert all(later - earlier >= 5 for earlier, later in pairwise(others))
    assert last(around)["errors"]["count"] == 30
    assert last(around)["reached"].keys() == {"warning", "error", "critical"}


def test_a_state_that_says_the_same_is_not_announced_again() -> None:
    around = world()
    failing_run(around)
    around.pass_(60)
    around.start_relay()
    around.pass_(60)
    assert len(around.incident_events) == 1


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


def test_single_alerts_name_their_incident() -> None:
    around = world()
    failing_run(around)
    good_run(around, DUE + 60 * MINUTE, "r2")
    of_alerts = [one.payload for _, one in around.announcements if one.channel == "relay:alert:run_failed"]
    assert [(payload["state"], payload["incident"]) for payload in of_alerts] == [("firing", "r1"), ("resolved", "r1")]


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


def test_an_incident_of_silenced_parts_alone_is_not_announced() -> None:
    around = world()
    around.silenced.append(lambda event: event.run_id == "r1" or event.payload.get("run_id") == "r1")
    failing_run(around)
    assert around.incident_events == []
    alert = around.alert("run_failed")
    assert alert["incident"] == "r1"


def test_a_silenced_part_is_not_told_of_and_its_incident_is() -> None:
    around = world()
    around.silenced.append(lambda event: event.domain == "errors")
    failing_run(around)
    assert states(around) == [("r1", "begins", "firing")]
    assert last(around)["errors"]["count"] == 0


def test_an_alert_that_is_no_longer_kept_does_not_hold_its_incident_open() -> None:
    around = world("2025-01-27 12:00")
    around.until(around.now + MINUTE)
    around.api_up = False
    around.until(around.now + 5 * MINUTE)
    around.alerts.resolve("api_unreachable", around.now)  # and nobody announces it
    around.api_up = True
    around.tick()
    assert last(around)["state"] == "over"


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


def test_an_error_just_after_a_sound_end_does_not_reopen_the_incident_that_it_ended() -> None:
    around = world()
    past_runs(around)
    failing_run(around)
    good_run(around, DUE + 60 * MINUTE, "r2")
    hear(around, error(around.now, run_id="r1"))
    around.pass_(1, step=1)
    assert [state for _, _, state in states(around)][-2:] == ["over", "over"]
    assert last(around)["errors"]["count"] == 2


def test_texts_fit_a_phone_and_titles_a_line() -> None:
    around = world()
    failing_run(around)
    failing_run(around, DUE + 60 * MINUTE, "r2", "manual")
    around.until(TOMORROW + 30 * MINUTE)
    for _, one in around.incident_events:
        assert len(one.payload["text"]) <= 150 - len("@channel ")
        assert "\n" not in one.payload["text"]


@pytest.mark.parametrize("run_id", ["r1; rm -rf ~", "$(reboot)", "a 'b"])
def test_the_ready_command_is_safe_to_paste(run_id: str) -> None:
    around = world()
    failing_run(around, run_id=run_id)
    words = shlex.split(last(around)["silence"])
    assert words == ["tickstock-relay", "silence", "add", "--for", "2h", "--incident", run_id]


@pytest.mark.parametrize("password", ["s3cret-pw", "p@ss-w0rd", "a/b@c?d", "x#y:z@@"])
def test_no_part_of_an_addresses_password_is_on_a_phone(password: str) -> None:
    around = world()
    begin(around)
    around.pass_(1, step=1)
    message = f"could not connect to postgresql://tickstock:{password}@db:5432/tickstock"
    hear(around, error(around.now, message, "critical", run_id="r1"))
    end(around, "r1", "failed")
    around.pass_(1, step=1)
    texts = [last(around)["text"], *(group["text"] for group in last(around)["errors"]["list"])]
    assert all("could not connect to db:5432" in text for text in texts), texts


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


def test_a_run_that_gets_its_name_later_stays_the_runs_incident() -> None:
    around = world()
    around.until(DUE)
    events = a_run(DUE, None, steps=20)
    around.play(events[:5], step=5)
    hear(around, error(around.now))
    around.pass_(0.2, step=1)
    (unnamed,) = [run.run_id for run in around.runs.open]
    around.tell("import:progress", "import_progress", run_id="r1", percent_complete=90)
    around.pass_(0.2, step=1)
    assert [run.run_id for run in around.runs.open] == ["r1"]
    around.play(events[5:], step=5)
    around.pass_(1, step=1)
    assert {incident for incident, _, _ in states(around)} == {unnamed}
    assert last(around)["run"]["run_id"] == "r1"
    assert last(around)["state"] == "over"
