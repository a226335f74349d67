"""Which run is the day's: early ones, ones by hand, and events that are no evidence of any."""

from datetime import timedelta

import pytest

from relay.runs.signals import State
from tests.support.days import DUE, SCHEDULE, a_run, world
from tests.support.missed_days import GRACE_OVER, MINUTE, about_starts, day_state, fired_at, later, row
from tests.support.wire import event, utc
from tests.support.world import IDLE, World

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
    assert day.alerts_announced == []
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
    before = [announcement.event for _, announcement in day.announcements]
    day.status = IDLE
    for one in sent:
        day.until(DUE + MINUTE)
        one.received = day.now
        day.hear(one)
    day.until(DUE + 30 * MINUTE)
    assert about_starts(day) == ["never_started firing"]
    assert fired_at(day) == GRACE_OVER
    events = [announcement.event for _, announcement in day.announcements][len(before) :]
    assert not {"run_started", "run_failed", "run_completed"} & set(events)
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
    assert day.alerts_announced == ["never_started firing"]
    assert "One progress event without a run came at 16:09." in day.alert("never_started")["message"]
    assert list(day.runs.newest_first()) == []


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
        payload = {"run_date": run_date} if run_date else {}
        day.hear(event("processing:status", "processing_started", DUE, stamp=DUE - off, run_id="r1", **payload))
        day.until(DUE + 6 * MINUTE)
        assert bool(about_starts(day)) is not fits, (off, run_date)
