"""What belongs to an incident, and what is announced of it and when."""

import shlex
from itertools import pairwise

import pytest

from relay.events import utc_text
from tests.support.announced_incidents import (
    MINUTE,
    SECOND,
    TOMORROW,
    begin,
    end,
    error,
    failing_run,
    good_run,
    hear,
    last,
    states,
)
from tests.support.days import DUE, a_run, world


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


def test_single_alerts_name_their_incident() -> None:
    around = world()
    failing_run(around)
    good_run(around, DUE + 60 * MINUTE, "r2")
    of_alerts = [one.payload for _, one in around.announcements if one.channel == "relay:alert:run_failed"]
    assert [(payload["state"], payload["incident"]) for payload in of_alerts] == [("firing", "r1"), ("resolved", "r1")]


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
