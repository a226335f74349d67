"""Never the contrary: only a sound result clears what is said of a run, and only for its own day or an older one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from relay.config.watchdog import WatchdogOptions
from relay.events import Event
from tests.support.days import DUE, a_run, world
from tests.support.wire import event, upto
from tests.support.world import World

HOUR = timedelta(hours=1)
ZERO = {"symbols_processed": 0, "patterns_detected": 0, "indicators_calculated": 0}
MANUAL = {"trigger_type": "manual"}


def whole(**changes: Any) -> Callable[..., list[Event]]:
    return lambda start, run_id, **more: a_run(start, run_id, **(changes | more))


def failing(start: Any, run_id: str, **more: Any) -> list[Event]:
    begun = upto(a_run(start, run_id, **more), "pattern_progress")
    ended = begun[-1].received + timedelta(minutes=1)
    return [*begun, event("processing:status", "processing_completed", ended, run_id=run_id, status="failed")]


def without_cache(start: Any, run_id: str, **more: Any) -> list[Event]:
    return [one for one in a_run(start, run_id, **more) if one.domain != "cache"]


TROUBLES: dict[str, Callable[..., list[Event]]] = {
    "run_failed": failing,
    "run_cancelled": whole(status="cancelled"),
    "run_partial": whole(status="partial"),
    "zero_results": whole(**ZERO),
    "low_success_rate": whole(symbols_failed=100),
    "few_results": whole(patterns_detected=0, symbols_processed=505, indicators_calculated=7575),
    "phase_missing": without_cache,
}
RESULT_TROUBLES = [name for name in TROUBLES if name != "few_results"]


def troubled(name: str) -> World:
    """The day after the scheduled run with that trouble."""
    day = world()
    day.play(TROUBLES[name](DUE, "r1"))
    day.pass_(5)
    assert [each for each in day.alerts_announced if each.endswith("firing")] == [f"{name} firing"]
    return day


def resolved(day: World) -> list[str]:
    return [each.removesuffix(" resolved") for each in day.alerts_announced if each.endswith(" resolved")]


@pytest.mark.parametrize("name", RESULT_TROUBLES)
@pytest.mark.parametrize("second", RESULT_TROUBLES)
def test_no_run_without_a_sound_result_clears_it(name: str, second: str) -> None:
    day = troubled(name)
    day.play(TROUBLES[second](DUE + 2 * HOUR, "r2", start_with=MANUAL))
    day.pass_(60)
    assert resolved(day) == []


@pytest.mark.parametrize("name", RESULT_TROUBLES)
def test_a_sound_run_of_the_same_day_clears_it(name: str) -> None:
    day = troubled(name)
    day.play(a_run(DUE + 2 * HOUR, "r2", start_with=MANUAL))
    assert resolved(day) == [name], "at its end, not at its start"
    day.pass_(5)
    assert day.alert(name, "resolved")["message"] == (
        "Manual run of Mon 27 Jan 18:10 completed at 18:45 EST with sound results. The day's data is usable."
    )


@pytest.mark.parametrize("name", RESULT_TROUBLES)
def test_the_start_and_the_course_of_another_run_clear_nothing(name: str) -> None:
    day = troubled(name)
    day.play(upto(a_run(DUE + 2 * HOUR, "r2", start_with=MANUAL), "pattern_processing_completed"))
    day.pass_(2)
    assert resolved(day) == []


@pytest.mark.parametrize("name", ["run_failed", "run_cancelled", "zero_results"])
def test_the_next_day_s_sound_run_clears_it_and_says_that_the_day_was_not_run_again(name: str) -> None:
    day = troubled(name)
    day.play(a_run(DUE + 24 * HOUR, "r2"))
    day.pass_(5)
    assert resolved(day) == [name]
    assert day.alert(name, "resolved")["message"].endswith("with sound results. Mon 27 Jan was not run again.")


@pytest.mark.parametrize("name", ["run_failed", "run_partial", "zero_results"])
def test_a_sound_run_for_an_older_day_clears_nothing(name: str) -> None:
    day = troubled(name)
    day.play(a_run(DUE + 2 * HOUR, "r2", start_with=MANUAL | {"run_date": "2025-01-24"}))
    day.pass_(60)
    assert resolved(day) == []


@pytest.mark.parametrize("phases", [["cache"], ["import", "cache"]])
def test_a_run_of_some_phases_clears_only_what_is_said_of_such(phases: list[str]) -> None:
    day = troubled("run_failed")
    some = {"phases": phases, **MANUAL}
    begun = event("processing:status", "processing_started", DUE + HOUR, run_id="c1", **some)
    failed = event("processing:status", "processing_failed", DUE + HOUR + timedelta(minutes=2), run_id="c1")
    day.play([begun, failed])
    day.pass_(2)
    assert day.alerts_announced == ["run_failed firing", "run_failed firing"]
    parts = [one for one in a_run(DUE + 2 * HOUR, "c2") if one.domain in phases]
    begun = event("processing:status", "processing_started", parts[0].received, run_id="c2", **some)
    end = parts[-1].received + timedelta(minutes=1)
    ended = event("processing:status", "processing_completed", end, run_id="c2", status="completed")
    day.play([begun, *parts, ended])
    day.pass_(2)
    assert day.alerts_announced[2:] == ["run_failed resolved"]
    assert day.alert("run_failed", "resolved")["alert"] == "run_failed:c1"


def test_a_sound_run_that_had_ended_before_clears_nothing() -> None:
    day = world()
    day.play(a_run(DUE, "r1"))
    day.play(failing(DUE + HOUR, "m1", start_with=MANUAL))
    day.pass_(120)
    assert day.alerts_announced == ["run_failed firing"]


def test_alerts_of_old_manual_runs_do_not_pile_up() -> None:
    day = world("2025-01-27 15:00")
    for number in range(5):
        day.play(failing(DUE - (5 - number) * HOUR, f"m{number}", start_with=MANUAL))
    day.pass_(2)
    assert day.alerts_announced == ["run_failed firing"] * 5
    day.play(a_run(DUE, "r1"))
    day.pass_(2)
    assert resolved(day) == ["run_failed"] * 5
    assert day.alerts.firing() == []


def test_a_run_that_is_only_unlike_the_last_ones_is_sound() -> None:
    day = world("2025-01-19 15:00")
    for number in (20, 21, 22, 23, 24):
        day.play(a_run(DUE - timedelta(days=27 - number), f"r{number}"))
    day.play(failing(DUE, "r1"))
    day.play(a_run(DUE + 2 * HOUR, "r2", minutes=(1, 1, 1, 1)))
    day.pass_(2)
    assert day.alerts_announced[-2:] == ["run_failed resolved", "too_fast firing"]


def test_a_day_of_eight_manual_runs_is_told_as_it_was() -> None:
    """Each with another fault. The rows: when it began, what it was, what is announced by the next one's start."""

    def starting(run_id: str, hours: float, make: Callable[..., list[Event]], **more: Any) -> list[Event]:
        return make(DUE - timedelta(hours=8) + hours * HOUR, run_id, start_with=MANUAL, **more)

    stalled = upto(a_run(DUE - HOUR, "m8", start_with=MANUAL), "indicator_progress")
    rows: list[tuple[list[Event], list[str]]] = [
        (starting("m1", 0, a_run), []),
        (starting("m2", 1, failing), ["run_failed firing"]),
        (starting("m3", 2, TROUBLES["run_cancelled"]), ["run_cancelled firing"]),
        (starting("m4", 3, TROUBLES["zero_results"]), ["zero_results firing"]),
        # What is usual is known of scheduled runs only: a fast one by hand is a good one.
        (
            starting("m5", 4, a_run, minutes=(1, 1, 1, 1)),
            ["run_failed resolved", "run_cancelled resolved", "zero_results resolved"],
        ),
        (starting("m6", 5, without_cache), ["phase_missing firing"]),
        (starting("m7", 6, a_run), ["phase_missing resolved"]),
        (stalled, ["run_stalled firing"]),
    ]
    day = world("2025-01-27 13:00")
    for events, expected in rows:
        before = len(day.alerts_announced)
        day.play(events)
        day.pass_(8)
        assert day.alerts_announced[before:] == expected, events[0].run_id
    assert [(alert.name, alert.run_id) for alert in day.alerts.firing()] == [("run_stalled", "m8")]
    last = list(day.runs.newest_first())[:8]
    states = [(run.run_id, run.state.value, len(run.findings or [])) for run in last]
    assert states == [
        ("m8", "stalled", 0),
        ("m7", "completed", 0),
        ("m6", "completed", 1),
        ("m5", "completed", 0),
        ("m4", "completed", 2),  # no results, and other numbers than its phases had
        ("m3", "cancelled", 1),
        ("m2", "failed", 1),
        ("m1", "completed", 0),
    ]


@pytest.mark.parametrize(
    ("name", "sound", "word"),
    [("", True, "Yes"), ("run_failed", False, "No"), ("zero_results", False, "No"), ("run_partial", False, "Partly")],
)
@pytest.mark.parametrize("watched", [True, False])
def test_the_result_of_each_run_is_announced_once_it_was_checked(
    name: str, sound: bool, word: str, *, watched: bool
) -> None:
    day = world(options=WatchdogOptions(enabled=watched))
    played: Callable[..., list[Event]] = TROUBLES.get(name, a_run)
    day.play(played(DUE, "r1"))
    day.pass_(5)
    day.start_relay()
    day.pass_(5)
    (checked,) = [one for _, one in day.announcements if one.channel == "relay:run:checked"]
    assert (checked.payload["sound"], checked.payload["data_usable"]) == (sound, word)
    assert checked.payload["findings"][:1] == ([name] if name else [])
    assert day.alerts_announced == ([f"{name} firing"] if name and watched else [])
