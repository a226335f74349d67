"""What is a step of the wall clock, and what is time that passed."""

from datetime import datetime, timedelta

import pytest

from relay.process.clock import Clock
from tests.support.scripted import BEGIN
from tests.support.scripted import Clock as ByHand

DAY = 86400.0


@pytest.mark.parametrize("seconds", [-40 * DAY, -3600.0, -2.0, 2.0, 3600.0, 1000 * DAY])
def test_what_only_the_wall_clock_shows_is_a_step(seconds: float) -> None:
    by_hand = ByHand()
    clock = by_hand.judged()
    by_hand.forward(10)
    by_hand.set(seconds)
    assert clock.now() == BEGIN + timedelta(seconds=10 + seconds)
    assert (clock.steps, clock.stepped, clock.since_step) == (1, seconds, 0)
    step = clock.last_step
    assert step is not None
    assert (step.before, step.after) == (BEGIN + timedelta(seconds=10), BEGIN + timedelta(seconds=10 + seconds))
    by_hand.forward(30)
    clock.now()
    assert (clock.steps, clock.since_step, clock.steady_for) == (1, 30, 30)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 66.0, 8 * 3600.0, 30 * DAY], ids=str)
def test_what_both_clocks_show_has_passed(seconds: float) -> None:
    """SIGSTOP, a suspended machine, a loop that was busy."""
    by_hand = ByHand()
    clock = by_hand.judged()
    by_hand.forward(seconds)
    clock.now()
    assert (clock.steps, clock.stepped, clock.steady_for) == (0, 0.0, seconds)


def test_a_clock_that_is_slewed_or_meets_a_leap_second_has_not_been_set() -> None:
    by_hand = ByHand()
    clock = by_hand.judged()
    for _ in range(100):
        by_hand.forward(1)
        by_hand.set(0.08)
        clock.now()
    by_hand.set(-1)
    clock.now()
    assert clock.steps == 0


def test_a_process_that_is_stopped_between_two_readings_reads_again() -> None:
    by_hand, looks = ByHand(), 0

    def wall() -> datetime:
        nonlocal looks
        looks += 1
        shown = by_hand.now
        if looks == 2:
            by_hand.forward(66)
        return shown

    clock = Clock(wall, lambda: by_hand.passed)
    assert clock.now() == BEGIN + timedelta(seconds=66)
    assert clock.steps == 0


def test_steps_forth_and_back_add_up_to_none() -> None:
    by_hand = ByHand()
    clock = by_hand.judged()
    for seconds in (DAY, -DAY):
        by_hand.forward(12)
        by_hand.set(seconds)
        clock.now()
    assert (clock.steps, clock.stepped, clock.now()) == (2, 0.0, BEGIN + timedelta(seconds=24))
