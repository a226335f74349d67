"""What is usual: robust against single outliers, silent until there is enough, explainable by its numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.watchdog import LearnedOptions
from relay.watchdog.baseline import Baseline, Usual, usual
from tests.support.days import DUE, a_run, world

OPTIONS = LearnedOptions()


def test_the_band_is_the_median_and_three_robust_deviations() -> None:
    band = usual([100, 110, 90, 105, 95], OPTIONS)
    assert band is not None
    assert (band.median, band.runs) == (100, 5)
    assert band.high == pytest.approx(100 + 3 * 5 * 1.4826)
    assert band.low == pytest.approx(100 - 3 * 5 * 1.4826)


def test_one_outlier_does_not_move_what_is_usual() -> None:
    band = usual([100] * 10 + [100_000], OPTIONS)
    assert band is not None
    assert band.high < 120


def test_it_is_off_until_there_is_enough_and_when_it_is_switched_off() -> None:
    assert usual([100] * 4, OPTIONS) is None
    assert usual([100] * 5, OPTIONS) is not None
    assert usual([100] * 50, LearnedOptions(enabled=False)) is None


@given(st.lists(st.floats(0.1, 1e6), min_size=5, max_size=60))
def test_the_median_lies_in_the_band_and_the_band_is_not_negative(values: list[float]) -> None:
    band = usual(values, OPTIONS)
    assert band is not None
    assert 0 <= band.low <= band.median <= band.high


BAND = Usual(600.0, 500.0, 700.0, 8)


def baseline() -> Baseline:
    day = world()
    day.play(a_run(DUE))
    (run,) = day.runs.newest_first()
    return Baseline(OPTIONS, [run], run)


@pytest.mark.parametrize(
    ("seconds", "band", "word"),
    [
        (1200.0, BAND, "slow"),
        (900.0, BAND, None),
        (901.0, BAND, "slow"),
        (901.0, Usual(600.0, 500.0, 901.0, 8), None),
        (240.0, BAND, "fast"),
        (300.0, BAND, None),
        (299.0, BAND, "fast"),
        (299.0, Usual(600.0, 299.0, 700.0, 8), None),
        (600.0, BAND, None),
        (5.0, Usual(0.0, 0.0, 0.0, 8), None),
        (5.0, None, None),
    ],
)
def test_a_duration_is_unusual_by_both_its_factor_and_the_spread(
    seconds: float, band: Usual | None, word: str | None
) -> None:
    remark = baseline().remark_on_duration("Import", seconds, band)
    assert (remark and remark[0]) == word


def test_what_is_unusual_is_said_with_what_is_usual() -> None:
    given = baseline()
    numbers = "usually 8 to 12 min, median 10 min of 8 runs"
    assert given.remark_on_duration("Import", 1200.0, Usual(600.0, 480.0, 720.0, 8)) == (
        "slow",
        f"Import took 20 min, 2.0 times as long as usual ({numbers}).",
    )
    assert given.remark_on_duration("Import", 120.0, Usual(600.0, 480.0, 720.0, 8)) == (
        "fast",
        f"Import took only 2 min, 20% of the usual time ({numbers}).",
    )
    few = given.remark_on_count("patterns", 1000, Usual(12500.0, 9000.0, 15000.0, 8))
    assert few == "1,000 patterns, usually 12,500 (median of 8 runs)."


@pytest.mark.parametrize(("number", "is_few"), [(299, True), (300, False), (499, False), (600, False), (0, True)])
def test_a_count_is_small_by_both_its_share_and_the_spread(number: float, is_few: bool) -> None:
    assert (baseline().remark_on_count("patterns", number, BAND) is not None) is is_few
    assert baseline().remark_on_count("patterns", number, Usual(600.0, 0.0, 700.0, 8)) is None
    assert baseline().remark_on_count("patterns", number, None) is None
