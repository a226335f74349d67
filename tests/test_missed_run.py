"""The day's run in every case of docs/missed-run.md: reported when it is missing, and in words that fit; else not."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from relay.answers import HistoryRun, Status
from relay.config.thresholds import WatchdogOptions
from relay.events import Event
from relay.runs.signals import State
from tests.days import DUE, SCHEDULE, a_run, running, world
from tests.wire import event, upto, utc
from tests.world import IDLE, World

MINUTE = timedelta(minutes=1)
GRACE_OVER = DUE + 5 * MINUTE
PATIENCE_OVER = DUE + 8 * MINUTE
STARTS = ("never_started", "run_not_planned", "schedule_disabled")


def about_starts(day: World) -> list[str]:
    return [said for said in day.alerts_said if said.startswith(STARTS)]


def fired_at(day: World, name: str = "never_started") -> datetime:
    return next(at for at, one in day.said if one.channel == f"relay:alert:{name}")


def gap(day: World, begin: str, end: str) -> None:
    """The relay is not subscribed for a while."""
    day.until(utc(f"2025-01-27 {begin}"), 10)
    day.watchdog.hearing(None)
    day.is_deaf = True
    day.until(utc(f"2025-01-27 {end}"), 10)
    day.is_deaf = False
    day.watchdog.hearing(day.now, gap=(utc(f"2025-01-27 {begin}"), day.now))


def row(start: datetime, run_id: str = "r1", minutes: float = 35, **more: Any) -> HistoryRun:
    known = HistoryRun(run_id, None, start, start + minutes * MINUTE, "completed", 505, 5, 1250, 7575, minutes * 60)
    return replace(known, **more)


def day_state(day: World) -> tuple[State, str | None]:
    slot = day.watchdog.agenda.current
    assert slot is not None
    return slot.state, slot.run_id


def later(events: list[Event], by: timedelta) -> list[Event]:
    """The same events, sent again so much later."""
    for one in events:
        one.received += by
    return events


# --- evidence is missing: reported in time, in the words of the table


def test_idle_and_a_broken_history_are_two_witnesses_while_the_relay_hears() -> None:
    day = world(history_works=False)
    day.until(GRACE_OVER, 10)
    assert about_starts(day) == ["never_started firing"]
    said = day.alert("never_started")
    assert said["title"] == "Run of Mon 27 Jan has not started"
    assert "TickStockPL said at 16:15 that it is idle. Its history cannot be read:" in said["message"]
    assert "answered 500" in said["message"]


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
    said = day.alert("never_started")
    assert said["title"] == "No sign of the run of Mon 27 Jan"
    assert "TickStockPL has not answered since 15:00" in said["message"]


def test_a_history_that_answers_alone_is_asked_although_the_status_fails() -> None:
    day = world(api_up=False, history_alone=True)
    gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert fired_at(day) == GRACE_OVER
    assert day.alert("never_started")["title"] == "Run of Mon 27 Jan has not started"


@pytest.mark.parametrize(
    ("works", "deaf_for_a_while", "at", "title"),
    [
        (True, False, GRACE_OVER, "Run of Mon 27 Jan has not started"),
        (True, True, PATIENCE_OVER, "Run of Mon 27 Jan has not started"),
        (False, False, PATIENCE_OVER, "No sign of the run of Mon 27 Jan"),
        (False, True, PATIENCE_OVER, "No sign of the run of Mon 27 Jan"),
    ],
)
def test_a_status_that_does_not_say(works: bool, deaf_for_a_while: bool, at: datetime, title: str) -> None:
    day = world(status=Status(is_running=None), history_works=works)
    if deaf_for_a_while:
        gap(day, "21:08", "21:09")
    day.until(DUE + timedelta(minutes=20), 10)
    assert (fired_at(day), day.alert("never_started")["title"]) == (at, title)
    assert "its status does not say what it does" in day.alert("never_started")["message"]


def test_a_run_of_yesterday_that_still_goes_on_is_not_todays() -> None:
    day = world("2025-01-26 21:00")
    day.status = Status(is_running=True, run_id="old", start_time=utc("2025-01-26 21:10"))
    day.until(GRACE_OVER)
    assert "never_started firing" in day.alerts_said
    assert fired_at(day) == GRACE_OVER
    assert "busy with another run: the run old, begun on Sun 26 Jan at 16:10." in day.alert("never_started")["message"]


def test_a_running_status_without_a_start_counts_only_if_it_was_not_seen_before() -> None:
    unseen, seen = world(), world()
    seen.status = Status(is_running=True, run_id="x")
    for day in (unseen, seen):
        day.until(DUE - timedelta(minutes=29))
        day.status = Status(is_running=True, run_id="x")
        day.is_deaf = True
        day.until(DUE + 10 * MINUTE)
    assert about_starts(unseen) == []
    assert about_starts(seen) == ["never_started firing"]


# --- early and manual runs


@pytest.mark.parametrize("early", [12, 14, 16, 29])
@pytest.mark.parametrize("trigger", ["automatic", None])
@pytest.mark.parametrize("minutes", [(10, 1, 4, 20), (1, 1, 1, 1)])
def test_a_run_that_begins_early_is_the_days_run(early: int, trigger: str | None, minutes: tuple[float, ...]) -> None:
    day = world()
    start = DUE - early * MINUTE
    day.play(a_run(start, minutes=minutes, start_with={"trigger_type": trigger}))
    day.history = [row(start, minutes=sum(minutes))]
    day.until(DUE + timedelta(hours=3))
    assert day.alerts_said == []
    assert day_state(day) == (State.RUNNING, "r1")


@pytest.mark.parametrize(
    ("start", "minutes", "phases", "is_the_days"),
    [
        ("19:00", (5, 1, 1, 1), None, False),  # in the afternoon, ended
        ("20:45", (5, 1, 1, 1), None, False),  # while the market is open, ended
        ("20:45", (60, 1, 1, 1), None, False),  # the same, still going on
        ("21:03", (0.4, 0.2, 0.2, 0.2), None, False),  # after the close, ended before it was due
        ("21:03", (30, 1, 1, 1), ["cache"], False),  # some phases only
        ("21:12", (30, 1, 1, 1), ["cache", "patterns"], False),
        ("21:05", (30, 1, 1, 1), None, True),  # still going on when the scheduled one is due
        ("21:12", (1, 0.1, 0.1, 0.1), None, True),
        ("21:12", (30, 1, 1, 1), ["import", "cache", "indicators", "patterns"], True),
    ],
)
def test_a_manual_run_stands_for_the_scheduled_one_only_after_the_close_and_whole(
    start: str, minutes: tuple[float, ...], phases: list[str] | None, *, is_the_days: bool
) -> None:
    day = world("2025-01-27 18:30")
    begins = utc(f"2025-01-27 {start}")
    by_hand = {"trigger_type": "manual"} | ({"phases": phases} if phases else {})
    events = a_run(begins, "by-hand", minutes=minutes, start_with=by_hand)
    day.play(one for one in events if one.received <= DUE + 6 * MINUTE)
    if day.status is IDLE:
        day.history = [row(begins, "by-hand", sum(minutes), trigger_type="manual")]
    day.until(DUE + 7 * MINUTE)
    assert about_starts(day) == ([] if is_the_days else ["never_started firing"])
    if not is_the_days and day.status is not IDLE:
        assert "A manual run begun at" in day.alert("never_started")["message"]


def test_on_a_half_day_the_session_ends_at_one() -> None:
    due = utc("2025-07-03 20:10")
    day = World(utc("2025-07-03 18:00"), schedule=SCHEDULE)
    by_hand = {"trigger_type": "manual"}
    day.play(a_run(due - 25 * MINUTE, "by-hand", minutes=(40, 1, 1, 1), start_with=by_hand))
    assert about_starts(day) == []
    assert day_state(day) == (State.RUNNING, "by-hand")


def test_a_manual_row_of_the_history_is_judged_like_a_run_that_was_heard() -> None:
    for start, minutes, fired in (("21:03", 1, True), ("20:45", 60, True), ("21:05", 30, False)):
        day = world("2025-01-27 21:20")
        day.history = [row(utc(f"2025-01-27 {start}"), "m", minutes, trigger_type="manual")]
        day.pass_(10, step=10)
        assert bool(about_starts(day)) is fired, start


# --- events that are no evidence


@pytest.mark.parametrize("run_id", ["yesterday", None, "never-heard-of"])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_a_republished_backlog_of_yesterday_counts_for_nothing(run_id: str | None, *, whole: bool, known: bool) -> None:
    yesterday = DUE - timedelta(days=1)
    day = world("2025-01-26 20:00" if known else "2025-01-27 20:00")
    if known:  # a Sunday, on which somebody ran it by hand
        day.play(a_run(yesterday, "yesterday"))
        day.history = [row(yesterday, "yesterday")]
    sent = a_run(yesterday, run_id, status="failed")
    sent = later(sent if whole else sent[:1], timedelta(days=1, minutes=1))
    before = [one.event for _, one in day.said]
    day.status = IDLE
    for one in sent:
        day.until(DUE + MINUTE)
        one.received = day.now
        day.hear(one)
    day.until(DUE + 30 * MINUTE)
    assert about_starts(day) == ["never_started firing"]
    assert fired_at(day) == GRACE_OVER
    said = [one.event for _, one in day.said][len(before) :]
    assert not {"run_started", "run_failed", "run_completed"} & set(said)
    message = day.alert("never_started")["message"]
    assert "Events of the run of Sun 26 Jan came at 16:11, sent again; they do not count." in message


def test_an_ended_id_never_begins_anew_but_for_another_day() -> None:
    day = world("2025-01-26 20:00")
    day.play(a_run(DUE - timedelta(days=1), "daily", start_with={"run_date": "2025-01-26"}))
    day.until(DUE - MINUTE)
    day.hear(event("processing:status", "processing_started", DUE, run_id="daily"))
    day.until(DUE + 6 * MINUTE)
    assert about_starts(day) == ["never_started firing"]
    other = world("2025-01-26 20:00", api_up=False)
    other.play(a_run(DUE - timedelta(days=1), "daily", start_with={"run_date": "2025-01-26"}))
    other.until(DUE)
    other.hear(event("processing:status", "processing_started", DUE, run_id="daily", run_date="2025-01-27"))
    other.until(DUE + 6 * MINUTE)
    assert about_starts(other) == []


def test_one_stray_event_begins_no_run_and_is_named() -> None:
    day = world()
    day.until(DUE - MINUTE)
    day.hear(event("patterns:progress", "pattern_progress", day.now, percent_complete=50))
    day.until(DUE + 20 * MINUTE)
    assert day.alerts_said == ["never_started firing"]
    assert "One progress event without a run came at 16:09." in day.alert("never_started")["message"]
    assert day.runs.recent() == []


def test_a_wrong_clock_that_writes_local_time_with_a_z_fits() -> None:
    day = world(api_up=False)
    for one in a_run(DUE):
        one.timestamp -= timedelta(hours=5)
        day.until(one.received)
        day.hear(one)
    assert about_starts(day) == []
    assert day_state(day) == (State.RUNNING, "r1")


def test_a_claimed_time_of_another_hour_does_not_fit_unless_the_run_date_does_and_the_clock_is_days_off() -> None:
    for off, run_date, fits in (
        (timedelta(hours=2), None, False),
        (timedelta(hours=2), "2025-01-27", False),
        (timedelta(days=40), "2025-01-27", True),
        (timedelta(0), "2025-01-24", False),
    ):
        day = world(api_up=False)
        day.until(DUE)
        told = {"run_date": run_date} if run_date else {}
        day.hear(event("processing:status", "processing_started", DUE, stamp=DUE - off, run_id="r1", **told))
        day.until(DUE + 6 * MINUTE)
        assert bool(about_starts(day)) is not fits, (off, run_date)


# --- the API and the events differ


def test_an_api_that_lies_idle_is_disputed_and_never_called_a_missed_run() -> None:
    day = world()
    for one in a_run(DUE):
        day.until(one.received)
        day.hear(one)  # and the status stays idle
    assert day.alerts_said == ["run_disputed firing"]
    said = day.alert("run_disputed")
    assert "Events show the run since" in said["message"]
    assert "base_url" in said["message"]
    assert 5 * MINUTE <= fired_at(day, "run_disputed") - DUE <= timedelta(minutes=8)
    day.pass_(5)
    assert day.alerts_said == ["run_disputed firing", "run_disputed resolved"]


def test_a_dispute_ends_when_the_api_shows_the_run() -> None:
    day = world()
    events = a_run(DUE)
    for one in events[:15]:
        day.until(one.received)
        day.hear(one)
    day.status = running()
    day.pass_(1)
    assert day.alerts_said == ["run_disputed firing", "run_disputed resolved"]


def test_a_deaf_relay_believes_the_api() -> None:
    day = world()
    day.watchdog.hearing(None)
    day.is_deaf = True
    day.until(DUE)
    day.status = running()
    day.until(DUE + 20 * MINUTE)
    assert about_starts(day) == []
    assert day_state(day) == (State.RUNNING, "r1")
    idle = world()
    idle.watchdog.hearing(None)
    idle.until(GRACE_OVER, 10)
    assert about_starts(idle) == ["never_started firing"]
    assert "The relay is not subscribed to Redis" in idle.alert("never_started")["message"]


def test_a_broken_history_is_reported_by_itself_after_three_failures() -> None:
    day = world(history_works=False)
    day.until(GRACE_OVER - 90 * timedelta(seconds=1), 10)
    day.pass_(1, step=10)
    assert day.alerts_said == ["api_history_broken firing"]
    said = day.alert("api_history_broken")
    assert said["title"] == "TickStockPL's history cannot be read"
    assert "answered 500" in said["message"]
    day.play(a_run(DUE + 4 * MINUTE))
    day.history_works = True
    day.pass_(20)
    assert day.alerts_said == ["api_history_broken firing", "api_history_broken resolved"]


def test_an_api_that_is_down_is_not_called_a_broken_history_too() -> None:
    day = world(api_up=False)
    day.until(DUE + 30 * MINUTE)
    assert [said for said in day.alerts_said if "history" in said] == []


# --- the relay itself comes late, or again


@pytest.mark.parametrize("installed", [False, True])
def test_a_relay_that_starts_at_half_past_decides_when_the_table_says_so(*, installed: bool) -> None:
    for history_works, at in ((True, 0.5), (False, 3)):
        day = world("2025-01-27 20:00" if not installed else "2025-01-27 21:30")
        if not installed:
            day.stop_relay()
            day.until(utc("2025-01-27 21:30"))
            day.start_relay()
        day.history_works = history_works
        day.pass_(10, step=10)
        assert about_starts(day) == ["never_started firing"]
        assert fired_at(day) - utc("2025-01-27 21:30") <= at * MINUTE + timedelta(seconds=10)


def test_a_relay_that_is_restarted_over_and_over_still_reports_in_time() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:09")
    while day.now < DUE + 12 * MINUTE:
        day.stop_relay()
        day.now += timedelta(seconds=2)
        day.start_relay()
        day.pass_(0.7, step=10)
    assert fired_at(day) <= PATIENCE_OVER + MINUTE
    assert about_starts(day) == ["never_started firing"]


def test_what_was_decided_is_not_decided_again_after_a_restart() -> None:
    day = world()
    day.play(upto(a_run(DUE), "import_progress"))
    day.stop_relay()
    day.until(DUE + 20 * MINUTE)
    day.start_relay()
    day.status, day.api_up = IDLE, False
    day.pass_(10)
    assert about_starts(day) == []


def test_handed_over_without_a_gap_the_relay_has_heard_all_the_time() -> None:
    day = world(api_up=False)
    day.until(GRACE_OVER - MINUTE)
    day.start_relay()
    day.until(GRACE_OVER, 10)
    assert about_starts(day) == ["never_started firing"]
    evidence = day.alert("never_started")["facts"]["evidence"]
    assert evidence == "events none, status silent, history broken, hearing whole"


def test_a_run_in_the_middle_with_the_api_silent_has_started_its_beginning_unknown() -> None:
    day = world(api_up=False)
    day.stop_relay()
    events = a_run(DUE, run_id=None)
    day.play(one for one in events if one.received < DUE + 4 * MINUTE)
    day.start_relay()
    for one in events:
        if one.received >= DUE + 4 * MINUTE:
            day.until(one.received)
            day.hear(one)
    assert about_starts(day) == []
    state, run_id = day_state(day)
    assert state is State.RUNNING
    assert run_id is not None


def test_the_same_trace_is_no_run_when_the_api_is_idle_and_has_none() -> None:
    day = world()
    day.until(DUE)
    for minute in range(10):
        day.hear(event("import:progress", "import_progress", day.now, percent_complete=minute))
        day.pass_(1)
    assert "never_started firing" in day.alerts_said
    assert fired_at(day) == GRACE_OVER
    assert "Events without the start of a run have come since 16:10." in day.alert("never_started")["message"]


def test_after_a_step_of_the_clock_only_what_was_asked_since_counts() -> None:
    day = world(api_up=True, history_works=True)
    day.until(DUE - 20 * MINUTE)
    day.now = GRACE_OVER + MINUTE  # it jumps
    day.watchdog.clock_stepped(day.now)
    day._keep(day.watchdog.tick(day.now, day.view))
    assert about_starts(day) == []
    day.pass_(0.5, step=10)
    assert about_starts(day) == ["never_started firing"]


# --- the calendar and the schedule


def test_a_run_on_a_holiday_is_followed_and_one_that_is_planned_there_is_due() -> None:
    holiday = utc("2025-01-20 21:10")  # Martin Luther King Jr. Day
    day = World(utc("2025-01-20 15:00"), schedule=SCHEDULE)
    day.play(upto(a_run(holiday, "r1"), "import_progress"))
    day.tell("processing:status", "processing_failed", run_id="r1", error="no vendor data")
    day.pass_(30)
    assert day.alerts_said == ["run_failed firing"]
    for planned in (holiday, utc("2025-01-20 16:10")):  # the second in local time with a Z
        day = World(utc("2025-01-20 15:00"), schedule=replace(SCHEDULE, next_run=planned))
        day.until(holiday + 6 * MINUTE)
        assert about_starts(day) == ["never_started firing"]
        assert day.alert("never_started")["title"] == "Run of Mon 20 Jan has not started"
        slot = day.watchdog.agenda.coming
        assert slot is not None
        assert f"{slot.day}" == "2025-01-21"


def test_a_run_planned_on_a_holiday_is_not_due_if_it_would_be_left_out_or_is_given_up() -> None:
    holiday = utc("2025-01-20 21:10")
    planned = replace(SCHEDULE, next_run=holiday)
    for change in (replace(planned, market_check=True), replace(SCHEDULE, next_run=holiday + timedelta(days=1))):
        day = World(utc("2025-01-20 15:00"), schedule=planned if change.market_check is None else change)
        day.pass_(10)
        day.schedule = change
        day.until(holiday + 60 * MINUTE)
        assert about_starts(day) == []


def test_a_half_day_is_a_trading_day() -> None:
    day = World(utc("2025-07-03 15:00"), schedule=SCHEDULE)
    day.until(utc("2025-07-03 20:15"))
    assert about_starts(day) == ["never_started firing"]


def test_a_day_without_a_planned_run_is_a_warning_whatever_else_is_broken() -> None:
    for api_up in (True, False):
        day = world()
        day.schedule = replace(SCHEDULE, next_run=DUE + timedelta(days=1))
        day.until(DUE - 15 * MINUTE)
        day.api_up = api_up
        day.until(DUE + 30 * MINUTE)
        assert about_starts(day) == ["run_not_planned firing"]
        assert day.alert("run_not_planned")["title"] == "No run is planned for Mon 27 Jan, a trading day"


@pytest.mark.parametrize("by_event", [False, True])
def test_a_schedule_switched_off_before_the_grace_is_over_is_reported_as_that(*, by_event: bool) -> None:
    day = world()
    day.until(DUE + 2 * MINUTE)
    day.schedule = replace(SCHEDULE, enabled=False)
    if by_event:
        day.tell("processing:schedule", "schedule_updated", enabled=False)
    day.until(DUE + 20 * MINUTE)
    assert about_starts(day) == ["schedule_disabled firing"]
    assert fired_at(day, "schedule_disabled") == GRACE_OVER


def test_a_schedule_switched_off_after_the_alert_ends_it() -> None:
    day = world()
    day.until(DUE + 10 * MINUTE)
    day.tell("processing:schedule", "schedule_updated", enabled=False)
    day.schedule = replace(SCHEDULE, enabled=False)
    day.until(DUE + 200 * MINUTE)
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert "switched off at 16:20" in day.alert("never_started", "resolved")["message"]


@pytest.mark.parametrize("at", [2, 12])
def test_a_run_that_is_moved_to_a_later_time_is_waited_for_then(at: int) -> None:
    day = world()
    day.until(DUE + at * MINUTE)
    day.tell("processing:schedule", "schedule_updated", enabled=True, trigger_time="16:30")
    day.schedule = replace(SCHEDULE, trigger_time="16:30")
    day.tick()
    before = ["never_started firing", "never_started resolved"] if at > 5 else []
    assert about_starts(day) == before
    if before:
        assert "moved to 16:30 EST" in day.alert("never_started", "resolved")["message"]
    day.until(utc("2025-01-27 21:34"))
    assert about_starts(day) == before
    day.until(utc("2025-01-27 21:36"))
    assert about_starts(day) == [*before, "never_started firing"]
    assert "It was due at 16:30 EST (21:30 UTC)." in day.alert("never_started")["message"]


# --- maintenance, acting, and how it ends


@pytest.mark.parametrize("starts", [False, True])
def test_in_maintenance_it_is_decided_all_the_same_and_told_afterwards_if_it_is_still_so(*, starts: bool) -> None:
    window = {"date": "2025-01-27", "from": "16:00", "lasting": "2h"}
    day = world(options=WatchdogOptions.model_validate({"maintenance": [window]}))
    if starts:
        day.play(a_run(DUE + 40 * MINUTE))
    day.until(utc("2025-01-27 22:59"))
    assert about_starts(day) == []
    day.until(utc("2025-01-27 23:01"))
    assert about_starts(day) == ([] if starts else ["never_started firing"])


@pytest.mark.parametrize(
    ("changes", "acts"),
    [
        ({}, True),
        ({"history_works": False}, False),
        ({"api_up": False}, False),
        ({"status": Status(is_running=None), "history_works": False}, False),
        ({"status": Status(is_running=True, run_id="old", start_time=DUE - timedelta(hours=3))}, False),
    ],
)
def test_a_run_is_started_only_when_it_is_known_that_none_has(changes: dict[str, Any], *, acts: bool) -> None:
    day = world(options=WatchdogOptions(auto_trigger=True), **changes)
    wanted = []
    while day.now < DUE + 40 * MINUTE:
        day.pass_(0.5)
        wanted.append(day.watchdog.trigger_wanted(day.now, day.view))
    assert any(wanted) is acts
    assert about_starts(day) == ["never_started firing"]


def test_after_no_sign_nothing_is_started_even_if_the_api_comes_back_idle() -> None:
    day = world(options=WatchdogOptions(auto_trigger=True), api_up=False)
    day.until(DUE + 10 * MINUTE)
    assert day.alert("never_started")["title"].startswith("No sign")
    day.api_up = True
    for _ in range(60):
        day.pass_(0.5)
        assert day.watchdog.trigger_wanted(day.now, day.view) is None


def test_a_late_start_by_hand_ends_it() -> None:
    day = world()
    day.play(a_run(DUE + 21 * MINUTE, start_with={"trigger_type": "manual"}))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert day.alert("never_started", "resolved")["message"] == "Started at 16:31 (manual), 21 min late."


def test_a_run_that_is_seen_later_in_the_history_ends_it_with_the_truth() -> None:
    day = world(api_up=False)
    gap(day, "21:08", "21:40")
    assert about_starts(day) == ["never_started firing"]
    day.api_up, day.history = True, [row(DUE, minutes=20)]
    day.pass_(20)
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    words = "It had started at 16:10; the relay could not see it."
    assert day.alert("never_started", "resolved")["message"] == words


def test_a_day_without_a_run_is_missed_and_the_next_day_s_run_ends_it() -> None:
    day = world()
    day.until(DUE + 91 * MINUTE)
    assert day_state(day) == (State.MISSED, None)
    day.play(a_run(DUE + timedelta(days=1)))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert day.alert("never_started", "resolved")["facts"]["never_ran"] is True  # Slack keeps it red
    words = "That run never happened; the next one started on Tue 28 Jan at 16:10 EST (21:10 UTC) (automatic)."
    assert day.alert("never_started", "resolved")["message"] == words


def test_an_early_run_of_the_next_day_is_not_the_missed_one() -> None:
    day = world()
    day.play(a_run(DUE + timedelta(days=1) - 20 * MINUTE))
    day.until(DUE + timedelta(days=1, hours=2))
    assert about_starts(day) == ["never_started firing", "never_started resolved"]
    assert "never happened" in day.alert("never_started", "resolved")["message"]


@pytest.mark.parametrize("due", ["2025-03-10 20:10", "2025-11-03 21:10", "2025-03-09 20:10", "2025-11-02 21:10"])
@pytest.mark.parametrize("starts", [False, True])
def test_on_and_after_the_days_on_which_the_clock_changes(due: str, *, starts: bool) -> None:
    at = utc(due)
    everyday = WatchdogOptions.model_validate({"schedule": {"calendar": "none"}})
    day = World(at - timedelta(hours=20), options=everyday, schedule=SCHEDULE)
    day.until(at - timedelta(hours=18), 600)
    day.said.clear()
    day.alerts.resolve(f"never_started:{at.date() - timedelta(days=1)}", day.now)
    if starts:
        day.play(a_run(at))
    day.until(at + 6 * MINUTE)
    assert about_starts(day) == ([] if starts else ["never_started firing"])
    if not starts:
        assert fired_at(day) == at + 5 * MINUTE
