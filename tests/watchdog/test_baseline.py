"""What is usual: robust against single outliers, silent until there is enough, explainable by its numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.watchdog import LearnedOptions
from relay.watchdog.baseline import usual

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
