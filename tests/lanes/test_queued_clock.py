"""A queued lane whose clock is set, or whose process is stopped: rests, waits and ages go by the time that passed."""

import pytest

from relay.lanes.breaker import Breaker
from tests.support.scripted import DOWN, PATIENT, Rig


def test_a_breaker_moves_with_the_clock() -> None:
    breaker = Breaker(1, 20)
    breaker.failed(1000.0)
    breaker.shift(-500.0)
    assert breaker.waits(500.0) == 20
    assert breaker.waits(521.0) == 0


async def test_what_has_waited_too_long_is_given_up() -> None:
    rig = Rig(options=PATIENT | {"max_age": "100s"})
    rig.sink.outcomes = [DOWN] * 1000
    rig.accept(1)
    for _ in range(5):
        rig.tick(25)
        await rig.round()
    assert rig.lane.dropped == {"expired": 1}
    assert rig.store.read("SELECT error FROM outbox WHERE state = 'dead'") == [("waited too long",)]
    assert rig.adds_up()


async def test_a_round_between_the_clocks_setting_and_the_next_tick_does_not_misjudge_it() -> None:
    rig = Rig(options=PATIENT | {"breaker_failures": 1, "breaker_rest": "15s"})
    rig.sink.outcomes = [DOWN, DOWN]
    rig.accept(1)
    rig.tick()
    await rig.round()
    rig.clock.set(7 * 3600)
    await rig.round()
    rig.tick()
    for _ in range(2):
        rig.tick(16)
        await rig.round()
    assert rig.sink.arrived == [1]


@pytest.mark.parametrize("step", [-7200.0, 4 * 86400.0], ids=["back", "forward"])
async def test_when_the_clock_is_set_nothing_waits_for_hours_and_nothing_expires(step: float) -> None:
    rig = Rig(options=PATIENT | {"breaker_failures": 1, "breaker_rest": "15s", "max_age": "3d"})
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2)
    rig.tick()
    await rig.round()
    rig.set_clock(step)
    assert rig.lane.waiting == 2
    await rig.round()
    assert rig.sink.arrived == [], "it still rests"
    rig.tick(16)
    await rig.round(2)
    assert sorted(rig.sink.arrived) == [1, 2]
    assert rig.lane.dropped.total() == 0


@pytest.mark.parametrize("step", [-7200.0, 4 * 86400.0], ids=["back", "forward"])
async def test_after_the_clock_was_set_the_times_of_a_backlog_are_moved_bit_by_bit(step: float) -> None:
    rig = Rig(options=PATIENT | {"breaker_failures": 1, "breaker_rest": "15s", "max_age": "3d"})
    rig.sink.outcomes = [DOWN]
    rig.accept(*range(1, 1001))
    rig.tick()
    await rig.round()
    rig.set_clock(step)
    assert rig.outbox.time_shift.is_underway("app"), "not all at once"
    rig.tick()
    assert rig.lane.dropped.total() == 0, "none is taken for too old meanwhile"
    while rig.outbox.time_shift.is_underway("app"):
        await rig.round()  # also while the breaker rests
    assert rig.sink.arrived == []
    rig.tick(16)
    while rig.lane.waiting:
        await rig.round()
    assert sorted(rig.sink.arrived) == list(range(1, 1001))


@pytest.mark.parametrize("step", [-7200.0, 4 * 86400.0], ids=["back", "forward"])
async def test_after_a_step_of_the_clock_nothing_is_given_up_for_its_age_for_two_hours(step: float) -> None:
    rig = Rig(options=PATIENT | {"max_age": "100s"})
    rig.sink.outcomes = [DOWN] * 1000
    rig.accept(1)
    rig.set_clock(step)
    for _ in range(7):
        rig.tick(1000)
        await rig.round()
    assert rig.lane.dropped.total() == 0
    rig.tick(1000)
    assert rig.lane.dropped == {"expired": 1}


async def test_time_in_which_the_process_was_stopped_has_passed() -> None:
    rig = Rig(options=PATIENT | {"max_age": "100s"})
    rig.sink.outcomes = [DOWN] * 1000
    rig.accept(1)
    rig.tick()
    rig.tick(66)
    assert rig.lane.dropped.total() == 0
    rig.tick(66)
    assert rig.lane.dropped == {"expired": 1}
