"""The day's run in the cases of docs/missed-run.md: witnesses fail or differ, the alert comes in time."""

from datetime import datetime, timedelta

import pytest

from relay.runs.signals import State
from relay.tickstockpl.models import Status
from tests.support.days import DUE, a_run, running, world
from tests.support.missed_days import GRACE_OVER, MINUTE, PATIENCE_OVER, about_starts, day_state, fired_at, gap
from tests.support.wire import utc

# --- evidence is missing: reported in time, in the words of the table


def test_idle_and_a_broken_history_are_two_witnesses_while_the_relay_hears() -> None:
    day = world(history_works=False)
    day.until(GRACE_OVER, 10)
    assert about_starts(day) == ["never_started firing"]
    alert = day.alert("never_started")
    assert alert["title"] == "Run of Mon 27 Jan has not started"
    assert "TickStockPL said at 16:15 that it is idle. Its history cannot be read:" in alert["message"]
    assert "answered 500" in alert["message"]


def test_idle_and_a_broken_history_with_a_gap_are_reported_three_minutes_later() -> None:
    day = world(history_works=False)
    gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert fired_at(day) == PATIENCE_OVER
    message = day.alert("never_started")["message"]
    assert "The relay was not subscribed from 16:08 to 16:09, so it may have started unseen." in message
    assert "no_sign" not in message


def test_an_api_that_does_not_answer_and_a_gap_are_no_sign_three_minutes_later() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert fired_at(day) == PATIENCE_OVER
    alert = day.alert("never_started")
    assert alert["title"] == "No sign of the run of Mon 27 Jan"
    assert "TickStockPL has not answered since 15:00" in alert["message"]


def test_a_history_that_answers_alone_is_asked_although_the_status_fails() -> None:
    day = world(api_up=False, history_alone=True)
    gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert fired_at(day) == GRACE_OVER
    assert day.alert("never_started")["title"] == "Run of Mon 27 Jan has not started"


@pytest.mark.parametrize(
    ("works", "disconnected_for_a_while", "at", "title"),
    [
        (True, False, GRACE_OVER, "Run of Mon 27 Jan has not started"),
        (True, True, PATIENCE_OVER, "Run of Mon 27 Jan has not started"),
        (False, False, PATIENCE_OVER, "No sign of the run of Mon 27 Jan"),
        (False, True, PATIENCE_OVER, "No sign of the run of Mon 27 Jan"),
    ],
)
def test_a_status_that_does_not_say(works: bool, disconnected_for_a_while: bool, at: datetime, title: str) -> None:
    day = world(status=Status(is_running=None), history_works=works)
    if disconnected_for_a_while:
        gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert (fired_at(day), day.alert("never_started")["title"]) == (at, title)
    assert "its status does not say what it does" in day.alert("never_started")["message"]


def test_a_run_of_yesterday_that_still_goes_on_is_not_todays() -> None:
    day = world("2025-01-26 21:00")
    day.status = Status(is_running=True, run_id="old", start_time=utc("2025-01-26 21:10"))
    day.until(GRACE_OVER)
    assert "never_started firing" in day.alerts_announced
    assert fired_at(day) == GRACE_OVER
    assert "busy with another run: the run old, begun at Sun 26 Jan 16:10." in day.alert("never_started")["message"]


def test_a_running_status_without_a_start_counts_only_if_it_was_not_seen_before() -> None:
    unseen, seen = world(), world()
    seen.status = Status(is_running=True, run_id="x")
    for day in (unseen, seen):
        day.until(DUE - timedelta(minutes=29))
        day.status = Status(is_running=True, run_id="x")
        day.is_disconnected = True
        day.until(DUE + 10 * MINUTE)
    assert about_starts(unseen) == []
    assert about_starts(seen) == ["never_started firing"]


# --- the API and the events differ


def test_a_run_that_only_the_api_showed_for_a_while_is_no_event() -> None:
    day = world()
    day.until(DUE + timedelta(minutes=1))
    day.status = Status(is_running=True, run_id="x")
    day.pass_(1)
    day.status = Status(is_running=False)
    day.until(DUE + timedelta(minutes=6))
    message = day.alert("never_started")["message"]
    assert "No event of a run came, though TickStockPL's API showed one at 16:11." in message
    assert "have come" not in message


def test_an_api_that_lies_idle_is_disputed_and_never_called_a_missed_run() -> None:
    day = world()
    for one in a_run(DUE):
        day.until(one.received)
        day.hear(one)  # and the status stays idle
    assert day.alerts_announced == ["run_disputed firing"]
    alert = day.alert("run_disputed")
    assert "Events show the run since" in alert["message"]
    assert "base_url" in alert["message"]
    assert 5 * MINUTE <= fired_at(day, "run_disputed") - DUE <= timedelta(minutes=8)
    day.pass_(5)
    assert day.alerts_announced == ["run_disputed firing", "run_disputed resolved"]


def test_a_dispute_ends_when_the_api_shows_the_run() -> None:
    day = world()
    events = a_run(DUE)
    for one in events[:15]:
        day.until(one.received)
        day.hear(one)
    day.status = running()
    day.pass_(1)
    assert day.alerts_announced == ["run_disputed firing", "run_disputed resolved"]


def test_a_disconnected_relay_believes_the_api() -> None:
    day = world()
    day.watchdog.note_connection(None)
    day.is_disconnected = True
    day.until(DUE)
    day.status = running()
    day.until(DUE + 20 * MINUTE)
    assert about_starts(day) == []
    assert day_state(day) == (State.RUNNING, "r1")
    idle = world()
    idle.watchdog.note_connection(None)
    idle.until(GRACE_OVER, 10)
    assert about_starts(idle) == ["never_started firing"]
    assert "The relay is not subscribed to Redis" in idle.alert("never_started")["message"]


def test_a_broken_history_is_reported_by_itself_after_three_failures() -> None:
    day = world(history_works=False)
    day.until(GRACE_OVER - 90 * timedelta(seconds=1), 10)
    day.pass_(1, step=10)
    assert day.alerts_announced == ["api_history_broken firing"]
    alert = day.alert("api_history_broken")
    assert alert["title"] == "TickStockPL's history cannot be read"
    assert "answered 500" in alert["message"]
    day.play(a_run(DUE + 4 * MINUTE))
    day.history_works = True
    day.pass_(20)
    assert day.alerts_announced == ["api_history_broken firing", "api_history_broken resolved"]


def test_an_api_that_is_down_is_not_called_a_broken_history_too() -> None:
    day = world(api_up=False)
    day.until(DUE + 30 * MINUTE)
    assert [alert for alert in day.alerts_announced if "history" in alert] == []
