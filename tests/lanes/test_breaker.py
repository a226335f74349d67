"""The circuit breaker: what it lets through after it was open, and how long it stays open."""

import asyncio

import pytest

from relay.lanes.breaker import Breaker, BreakerState
from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support import eventually
from tests.support.scripted import DOWN, Rig, ScriptedSink, numbered

OPTIONS = {"breaker_failures": 1, "breaker_rest": "20s", "retry_first": "1s", "retry_most": "1s"}


async def test_a_half_open_breaker_lets_one_trial_through_however_many_may_work_at_once() -> None:
    answered = asyncio.Event()

    async def slow() -> Outcome:
        await answered.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=4)), OPTIONS)
    rig.sink.outcomes = [DOWN]
    rig.accept(1)
    await rig.round()
    rig.accept(*range(2, 10))
    rig.sink.outcomes = [slow] * 9
    rig.clock.forward(21)
    rounds = asyncio.create_task(rig.round())
    await eventually(lambda: len(rig.sink.deliveries) > 1)
    during = rig.lane.breaker.state
    assert during is BreakerState.HALF_OPEN
    assert rig.lane._workers._next(rig.clock.now.timestamp()) is None, "nothing beside the trial"
    assert len(rig.lane._workers.tasks) == 1
    answered.set()
    await rounds
    await rig.round(2)
    assert sorted(rig.sink.arrived) == list(range(1, 10))
    assert rig.lane.breaker.state is BreakerState.CLOSED


async def test_a_failed_trial_opens_it_again_whatever_the_number_of_failures() -> None:
    breaker = Breaker(3, 20)
    for _ in range(3):
        breaker.failed(1000.0)
    assert breaker.waits(1020.0) == 0
    breaker.failed(1020.0)
    assert breaker.waits(1020.0) == 20


@pytest.mark.parametrize(("first", "second"), [(1100.0, 1050.0), (1050.0, 1100.0), (1100.0, 1100.0)])
def test_of_two_wishes_to_be_left_alone_the_later_moment_counts(first: float, second: float) -> None:
    breaker = Breaker(5, 20)
    breaker.rest_until(first, 1000.0)
    breaker.rest_until(second, 1000.0)
    assert breaker.waits(1000.0) == 100
    assert breaker.waits(1099.0) == 1
    assert breaker.waits(1100.0) == 0


def test_a_short_wish_does_not_end_the_rest_of_an_open_breaker() -> None:
    breaker = Breaker(1, 60)
    breaker.failed(1000.0)
    breaker.rest_until(1010.0, 1000.0)
    assert breaker.waits(1010.0) == 50


def test_what_is_open_and_since_when_moves_with_the_clock() -> None:
    breaker = Breaker(1, 20)
    is_open = [breaker.is_open]
    breaker.failed(1000.0)
    is_open.append(breaker.is_open)
    breaker.shift(500.0)
    breaker.shift(-100.0)
    assert (breaker.resting_since, breaker.waits(1400.0)) == (1400.0, 20)
    assert breaker.waits(1420.0) == 0
    is_open.append(breaker.is_open)
    breaker.failed(1420.0)
    breaker.end_rest()
    assert [*is_open, breaker.is_open] == [False, True, False, False]


def test_failures_count_in_a_row_only() -> None:
    breaker = Breaker(2, 20)
    for _ in range(3):
        breaker.failed(1000.0)
        breaker.succeeded()
    assert breaker.state is BreakerState.CLOSED
    breaker.failed(1000.0)
    assert breaker.waits(1000.0) == 0
    breaker.failed(1000.0)
    assert breaker.waits(1000.0) == 20


def test_a_success_that_was_under_way_does_not_end_a_rest() -> None:
    breaker = Breaker(5, 15)
    breaker.rest_until(1300.0, 1000.0)
    breaker.succeeded()
    assert breaker.waits(1001.0) == 299
    assert breaker.waits(1300.0) == 0
    breaker.succeeded()
    breaker.rest_until(1302.0, 1301.0)
    assert breaker.waits(1301.0) == 1, "the rest that is over counts no more"


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_failures_within_a_rest_do_not_shorten_it(failures: int) -> None:
    breaker = Breaker(2, 15)
    breaker.failed(1000.0)
    breaker.rest_until(1300.0, 1001.0)
    for number in range(failures):
        breaker.failed(1002.0 + number)
    assert breaker.waits(1010.0) == 290
    assert breaker.resting_since == 1001.0


async def test_a_sink_that_is_cancelled_from_within_is_a_failed_delivery() -> None:
    async def cancelled() -> Outcome:
        raise asyncio.CancelledError

    rig = Rig(ScriptedSink(), OPTIONS)
    rig.sink.outcomes = [cancelled]
    rig.accept(1)
    await rig.round()
    assert rig.lane.results[Reason.FAILED] == 1
    assert rig.lane.error == "failed: cancelled in the sink"
    rig.clock.forward(30)
    await rig.round()
    assert rig.sink.arrived == [1]


async def test_rows_that_are_not_yet_committed_do_not_count_as_removed() -> None:
    rig = Rig(ScriptedSink(), OPTIONS)
    rig.lane.accept([numbered(1), numbered(2)])
    rig.lane.tick(rig.clock.now)
    assert (rig.lane.accepted, dict(rig.lane.dropped), rig.lane.waiting) == (2, {}, 2)
