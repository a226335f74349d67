"""Old files: by two clocks and by one another's dates, a few at a time."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sinks.base import SETTLED
from sinks.retention import doomed

NOW = datetime(2025, 1, 27, 12, tzinfo=UTC)
DAY = 86400.0
KEEP = 5 * DAY


def made(directory: Path, *days: float) -> list[Path]:
    """Files that were last written so many days ago, the first of them first."""
    paths = []
    for number, ago in enumerate(days):
        path = directory / f"{number:03}.jsonl"
        path.touch()
        os.utime(path, ((NOW - timedelta(days=ago)).timestamp(),) * 2)
        paths.append(path)
    return paths


def names(found: list[Path]) -> list[str]:
    return [path.stem for path in found]


def test_what_is_too_old_by_both_goes(tmp_path: Path) -> None:
    files = made(tmp_path, 10, 7, 3, 0)
    assert names(doomed(files[:-1], files[-1], KEEP, NOW, SETTLED)) == ["000", "001"]


@pytest.mark.parametrize("steady_for", [0.0, 15.0, SETTLED - 1])
def test_nothing_goes_before_the_clock_has_been_steady_for_hours(tmp_path: Path, steady_for: float) -> None:
    files = made(tmp_path, 10, 7, 0)
    assert doomed(files[:-1], files[-1], KEEP, NOW, steady_for) == []


@pytest.mark.parametrize("wrong", [1000.0, 30.0, 6.0])
def test_a_clock_that_is_far_ahead_of_all_files_deletes_none(tmp_path: Path, wrong: float) -> None:
    files = made(tmp_path, 4, 3, 2, 1, 0)
    assert doomed(files[:-1], files[-1], KEEP, NOW + timedelta(days=wrong), SETTLED) == []


def test_a_file_of_the_future_makes_no_other_old(tmp_path: Path) -> None:
    files = made(tmp_path, -1000, 4, 1, 0)
    assert doomed(files[:-1], files[-1], KEEP, NOW, SETTLED) == []


def test_without_a_current_file_the_newest_of_the_others_counts(tmp_path: Path) -> None:
    files = made(tmp_path, 30, 20, 19)
    assert names(doomed(files, tmp_path / "none", KEEP, NOW, SETTLED)) == ["000"]
    assert doomed([], tmp_path / "none", KEEP, NOW, SETTLED) == []


def test_few_go_at_a_time_the_oldest_first(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()
    files = made(few, *range(20, 9, -1), 0)
    assert names(doomed(files[:-1], files[-1], KEEP, NOW, SETTLED)) == ["000", "001", "002"]
    files = made(many, *[10.0] * 100, 0)
    assert len(doomed(files[:-1], files[-1], KEEP, NOW, SETTLED)) == 10
