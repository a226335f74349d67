"""The exchange's closings: asked for elsewhere, they are what the package knows here."""

import subprocess
import sys
from datetime import date
from typing import Any

import pytest
from holidays import financial_holidays

from relay.schedule import exchange_holidays


@pytest.fixture(autouse=True)
def _nothing_known_yet() -> None:
    exchange_holidays._decade.cache_clear()


@pytest.mark.parametrize("year", [1999, 2000, 2026, 2029, 2030])
def test_a_process_of_its_own_knows_what_the_package_knows(year: int) -> None:
    closed = {day for day in financial_holidays("NYSE", years=year) if day.year == year}
    early = {day for day in financial_holidays("NYSE", years=year, categories=("half_day",)) if day.year == year}
    assert {day for day in exchange_holidays.closings(year) if day.year == year} == closed
    assert {day for day in exchange_holidays.early_closings(year) if day.year == year} == early


def test_the_calendars_of_other_countries_are_not_carried() -> None:
    code = (
        "import sys; from relay.schedule.exchange_holidays import closings; assert closings(2026);"
        " print([name for name in sys.modules if name.startswith('holidays')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    "trouble",
    [
        PermissionError(13, "no second process here"),
        subprocess.CalledProcessError(1, "python"),
        subprocess.TimeoutExpired("python", 30),
        b"somebody's sitecustomize says hello",
    ],
)
def test_where_no_process_can_be_started_the_package_is_asked_here(
    trouble: Exception | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_output(*_: Any, **__: Any) -> bytes:
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    monkeypatch.setattr(subprocess, "check_output", check_output)
    assert date(2026, 12, 25) in exchange_holidays.closings(2026)
    assert date(2026, 11, 27) in exchange_holidays.early_closings(2026)
