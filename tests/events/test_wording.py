"""Durations, moments and numbers for people: one function each, in the forms that all screens and texts have."""

import ast
import re
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from relay.events.wording import between, clock_time, duration, figure, percent, plural, run_title, size, usually
from tests.support.sources import trees
from tests.support.wire import utc

ROOT = Path(__file__).parents[2]
MOMENT = utc("2025-01-27 21:42:08")
TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (59.7, "1 min"),
        (103, "1 min 43 s"),
        (119, "1 min 59 s"),
        (240, "4 min"),
        (599, "9 min 59 s"),
        (599.6, "10 min"),
        (2100, "35 min"),
        (630, "11 min"),
        (3569, "59 min"),
        (3571, "1 h"),
        (3660, "1 h 01 min"),
        (3900, "1 h 05 min"),
        (7200, "2 h"),
        (172_740, "47 h 59 min"),
        (172_800, "2 days"),
        (183_600, "2 days 3 h"),
        (273_600, "3 days 4 h"),
    ],
)
def test_a_duration_has_one_form(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("band", "words"),
    [
        ((2100, 1800, 2400), "usually 35 min (30 to 40)"),
        ((590, 500, 700), "usually 9 min 50 s (8 min 20 s to 12 min)"),
        ((60, 50, 180), "usually 1 min (50 s to 3 min)"),
        ((2100, 2100, 2110), "usually 35 min (35)"),
    ],
)
def test_what_is_usual(band: tuple[float, float, float], words: str) -> None:
    assert usually(*band) == words


def test_a_span_names_its_unit_once() -> None:
    assert between(2040, 2220) == "34 to 37 min"
    assert between(50, 180) == "50 s to 3 min"


@pytest.mark.parametrize(
    ("today", "more", "words"),
    [
        (MOMENT, {}, "16:42"),
        (date(2025, 1, 27), {}, "16:42"),
        (MOMENT, {"seconds": True}, "16:42:08"),
        (MOMENT, {"named": True}, "16:42 EST"),
        (MOMENT, {"utc": True}, "16:42 EST (21:42 UTC)"),
        (MOMENT, {"utc": True, "seconds": True}, "16:42:08 EST (21:42:08 UTC)"),
        (MOMENT, {"zone": UTC, "utc": True}, "21:42 UTC"),
        (utc("2025-01-29 21:00"), {}, "Mon 27 Jan 16:42"),
        (None, {"named": True}, "Mon 27 Jan 16:42 EST"),
        (utc("2025-12-29 21:00"), {}, "Mon 27 Jan 16:42"),
        (utc("2026-01-02 21:00"), {}, "27 Jan 2025"),
        (utc("2026-01-02 21:00"), {"named": True}, "27 Jan 2025 16:42 EST"),
        (MOMENT, {"zone": TOKYO, "utc": True}, "06:42 JST (Mon 21:42 UTC)"),
    ],
)
def test_a_moment_has_one_form(today: datetime | date | None, more: dict[str, object], words: str) -> None:
    assert clock_time(MOMENT, today, **more) == words  # type: ignore[arg-type] # of the table


def test_the_last_days_of_a_year_keep_their_time_in_the_next_one() -> None:
    assert clock_time(utc("2024-12-31 21:10"), utc("2025-01-02 21:10")) == "Tue 31 Dec 16:10"


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_a_moment_at_the_end_of_all_time_can_be_told(moment: datetime) -> None:
    assert clock_time(moment, zone=TOKYO, utc=True)


def test_a_run_has_one_title() -> None:
    day = date(2025, 1, 27)
    assert run_title(day) == "Run of Mon 27 Jan"
    assert run_title(day, MOMENT, by_hand=True) == "Manual run of Mon 27 Jan 16:42"
    assert run_title(day, by_hand=True) == "Manual run of Mon 27 Jan"


def test_nobody_else_titles_a_run() -> None:
    for path in others():
        assert '"Run of {day_name(' not in path.read_text(), f"{path}: use run_title"


def test_numbers() -> None:
    assert [percent(99), percent(98.98), percent(99.97), percent(100)] == ["99.0 %", "99.0 %", "99.9 %", "100.0 %"]
    assert [size(812), size(400_000)] == ["812 bytes", "0.4 MB"]
    assert [plural(1, "error"), plural(2, "error"), plural(1250, "error")] == ["1 error", "2 errors", "1,250 errors"]
    assert [figure(7575), figure(98.5), figure(0.001)] == ["7,575", "98.5", "0.001"]


FOLDERS = ("relay", "sinks", "tickstock_simulator/demo")  # the stand-ins share no code with the relay
FOR_MACHINES = ("%Y%m%d", "%Y-%m-%dT%H")
"""Formats of ids and of files' names."""


def others() -> list[Path]:
    return [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path.name != "wording.py"]


def test_nobody_else_writes_a_clock_time() -> None:
    for path, tree in trees(others(), "%H"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                is_for_people = "%H" in node.value and not any(form in node.value for form in FOR_MACHINES)
                assert not is_for_people, f"{path}:{node.lineno}: use clock_time"


def test_nobody_else_writes_a_duration() -> None:
    paths = (path for path in others() if path.name != "charts.py")  # an axis has its unit once
    for path, tree in trees(paths, " min", "} h", '" h', "divmod"):
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                for before, after in zip(node.values, node.values[1:], strict=False):
                    follows = isinstance(before, ast.FormattedValue) and isinstance(after, ast.Constant)
                    text = str(after.value) if follows and isinstance(after, ast.Constant) else ""
                    is_unit = re.match(r" (min|h)\b", text) is not None
                    assert not is_unit, f"{path}:{node.lineno}: use duration"
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "divmod":
                assert ast.unparse(node.args[1]) not in {"60", "3600"}, f"{path}:{node.lineno}: use duration"
