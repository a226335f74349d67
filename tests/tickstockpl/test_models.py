"""Bodies as they drift: what cannot be read becomes None, and nothing raises."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.tickstockpl.models import Status, read_history, read_schedule, read_status

LONG_AGO = datetime(2025, 1, 26, 21, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "is_running", "state"),
    [
        ({"is_running": True}, True, "running"),
        ({"is_running": False, "status": "running"}, False, "idle"),
        ({"status": "running"}, True, "running"),
        ({"status": "idle", "is_running": None}, False, "idle"),
        ({"status": "paused"}, None, "unknown"),
        ({"is_running": "yes"}, None, "unknown"),
        ({"status": ["running"]}, None, "unknown"),
        ({}, None, "unknown"),
    ],
)
def test_running_idle_and_unknown_are_told_apart(body: dict[str, Any], is_running: bool | None, state: str) -> None:
    status = read_status(body)
    assert status.is_running is is_running
    assert status.state == state


@pytest.mark.parametrize(
    ("progress", "symbols", "percent"),
    [
        (49.5, None, 49.5),
        (0, None, 0.0),
        (100, None, 100.0),
        ("49.5", None, 49.5),
        (" 49.5 % ", None, 49.5),
        (0.495, None, 49.5),
        ("0.495", None, 49.5),
        (1.0, None, 100.0),
        (1, None, 1.0),
        ("1", None, 1.0),
        ("0.5%", None, 0.5),
        (0.4, (2, 505), 0.4),
        (0.4, (202, 505), 40.0),
        (1.0, (5, 505), 1.0),
        (1.0, (0, 0), 100.0),
        (-1, None, None),
        (101, None, None),
        (True, None, None),
        ("half", None, None),
        ([50], None, None),
        (10**400, None, None),
        ("nan", None, None),
    ],
)
def test_progress_is_percent_however_it_was_written(
    progress: object, symbols: tuple[int, int] | None, percent: float | None
) -> None:
    done, total = symbols or (None, None)
    body = {"progress": progress, "symbols_processed": done, "symbols_total": total}
    assert read_status(body).progress == (None if percent is None else pytest.approx(percent))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-01-26T21:10:00Z", LONG_AGO),
        ("2025-01-26T16:10:00-05:00", LONG_AGO),
        ("2025-01-26T21:10:00", LONG_AGO),
        ("2025-01-26 21:10:00.000000", LONG_AGO),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("yesterday", None),
        (1737925800, None),
        (None, None),
    ],
)
def test_times_become_utc_or_none(written: object, meant: datetime | None) -> None:
    found = read_status({"start_time": written}).start_time
    assert found == meant
    assert found is None or found.tzinfo is UTC


def test_older_phase_names_become_the_canonical_ones_and_unknown_ones_stay() -> None:
    names = ["data_import", "cache_sync", "INDICATORS", "pattern_detection", "cooling down", 7, ""]
    found = [read_status({"current_phase": name}).current_phase for name in names]
    assert found == ["import", "cache", "indicators", "patterns", "cooling down", None, None]


def test_counts_are_taken_from_numbers_texts_and_lists() -> None:
    counts: list[object] = [3, "3", 3.0, ["A", "B"], 3.5, True, -1, {}, 10**300, "9" * 5000]
    runs = [{"symbols_failed": count} for count in counts]
    found = [run.symbols_failed for run in read_history({"runs": ["noise", *runs]})]
    assert found == [3, 3, 3, 2] + [None] * 6


@pytest.mark.parametrize(
    ("written", "meant"),
    [(2100, 2100.0), ("2100.5", 2100.5), (0, 0.0), (-1, None), (math.inf, None), (math.nan, None), ("inf", None)],
)
def test_a_duration_is_finite_seconds_or_none(written: object, meant: float | None) -> None:
    (run,) = read_history({"runs": [{"duration_seconds": written}]})
    assert run.duration_seconds == meant


@pytest.mark.parametrize("zone", ["EST", "EDT", "et", " Eastern "])
def test_the_names_of_new_yorks_clock_mean_its_zone_in_summer_too(zone: str) -> None:
    assert read_schedule({"timezone": zone}).timezone == "America/New_York"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "America", "../etc", "a\0b", "x" * 5000, 5, ""])
def test_a_zone_that_nobody_knows_is_none(zone: object) -> None:
    assert read_schedule({"timezone": zone}).timezone is None


def test_the_schedules_trigger_time_comes_as_hours_and_minutes() -> None:
    written = ["16:10", "9:05", "16:10:00", "24:00", "1610", 1610, None]
    found = [read_schedule({"trigger_time": text}).trigger_time for text in written]
    assert found == ["16:10", "09:05", "16:10", None, None, None, None]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**330)
    | st.floats()
    | st.text()
    | st.text(alphabet="0123456789:.-+TZ% eE_"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "is_running",
    "status",
    "run_id",
    "current_phase",
    "progress",
    "symbols_processed",
    "symbols_total",
    "start_time",
    "end_time",
    "estimated_completion",
    "runs",
    "run_date",
    "duration_seconds",
    "symbols_failed",
    "enabled",
    "trigger_time",
    "timezone",
    "next_run",
    "universes",
    "market_check",
    "services",
    "version",
    "message",
    "processing_status",
]
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)


def check_types(status: Status) -> None:
    assert status.is_running in {True, False, None}
    assert status.progress is None or 0 <= status.progress <= 100
    for moment in (status.start_time, status.estimated_completion):
        assert moment is None or moment.utcoffset() is not None
    for text in (status.run_id, status.current_phase):
        assert text is None or text.encode() == text.strip().encode() != b""
    for count in (status.symbols_processed, status.symbols_total):
        assert count is None or (type(count) is int and count >= 0)


@given(bodies)
def test_any_body_is_read_without_an_exception(body: dict[str, Any]) -> None:
    check_types(read_status({name: value for name, value in body.items() if name != "run_id"}))
    for run in read_history({"runs": [body]}):
        assert run.duration_seconds is None or math.isfinite(run.duration_seconds)
    assert all(isinstance(universe, str) for universe in read_schedule(body).universes)
