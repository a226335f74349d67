"""A lane that rests: for how long, what ends it, and that one bad row holds nobody else."""

from collections.abc import Sequence

import pytest

from relay.events import Event
from relay.lanes.breaker import BreakerState
from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support.scripted import Rig, ScriptedSink

FOR_EVER = Outcome(Reason.RATE_LIMITED, "HTTP 429", retry_after=86400.0)
QUICK = {"breaker_failures": 2, "breaker_rest": "15s", "retry_first": "1s", "retry_most": "60s"}


class ChoosySink(ScriptedSink):
    """Answers `refusal` to each delivery with a bad event."""

    def __init__(self, bad: int, refusal: Outcome, batching: Batching | None = None) -> None:
        super().__init__(batching=batching)
        self.bad, self.refusal = bad, refusal

    async def deliver(self, events: Sequence[Event], delivery_id: str) -> Outcome:
        self.outcomes = [self.refusal if self.bad in [event.offset for event in events] else DELIVERED]
        return await super().deliver(events, delivery_id)


@pytest.mark.parametrize(("asked", "option", "rest"), [(86400.0, {}, 900), (5000.0, {"longest_rest": "60s"}, 60)])
async def test_no_rest_is_longer_than_the_limit(asked: float, option: dict[str, str], rest: float) -> None:
    """It was 24 hours; a trial comes each `longest_rest` until the place takes events again."""
    rig = Rig(options=option)
    rig.sink.outcomes = [Outcome(Reason.RATE_LIMITED, "HTTP 429", retry_after=asked)] * 2
    rig.accept(1)
    for attempts in (1, 2, 3):
        await rig.round()
        assert len(rig.sink.deliveries) == attempts
        rig.clock.forward(rest - 1)
        await rig.round()
        assert len(rig.sink.deliveries) == attempts
        rig.clock.forward(1.1)
    assert rig.sink.arrived == [1]


async def test_a_503_is_bounded_too() -> None:
    rig = Rig()
    rig.sink.outcomes = [Outcome(Reason.SERVER_ERROR, "HTTP 503", retry_after=86400.0)]
    rig.accept(1)
    await rig.round()
    rig.clock.forward(901)
    await rig.round()
    assert rig.sink.arrived == [1]


async def test_the_error_says_until_when() -> None:
    rig = Rig()
    rig.sink.outcomes = [FOR_EVER]
    rig.accept(1)
    await rig.round()
    wait = "it asked to wait, next try at 16:15:00 EST"
    assert rig.lane.error == f"rate_limited: HTTP 429; {wait}"


async def test_a_retry_by_the_command_line_ends_the_rest() -> None:
    rig = Rig()
    rig.sink.outcomes = [FOR_EVER]
    rig.accept(1, 2)
    await rig.round()
    rig.tick(10)
    assert rig.lane.breaker.state is BreakerState.OPEN, "new and waiting rows end no rest"
    rig.clock.forward(10)
    now = rig.clock.now.timestamp()
    rig.store.write(lambda db: db.execute("UPDATE outbox SET not_before = ?, attempts = 0 WHERE error <> ''", (now,)))
    rig.tick(1)
    await rig.round(2)
    assert sorted(rig.sink.arrived) == [1, 2]


async def test_a_retry_is_one_trial_if_the_place_still_asks_for_quiet() -> None:
    rig = Rig()
    rig.sink.outcomes = [FOR_EVER] * 2
    rig.accept(1)
    await rig.round()
    rig.clock.forward(10)
    now = rig.clock.now.timestamp()
    rig.store.write(lambda db: db.execute("UPDATE outbox SET not_before = ?, attempts = 0", (now,)))
    for _ in range(5):
        rig.tick(1)
        await rig.round()
    assert len(rig.sink.deliveries) == 2


async def test_a_reload_ends_the_rest() -> None:
    rig = Rig()
    rig.sink.outcomes = [FOR_EVER]
    rig.accept(1)
    await rig.round()
    rig.clock.forward(10)
    rig.lane.try_now(rig.clock.now)
    await rig.round()
    assert rig.sink.arrived == [1]


@pytest.mark.parametrize(
    "refusal",
    [FOR_EVER, Outcome(Reason.SERVER_ERROR, "HTTP 500"), Outcome(Reason.TIMEOUT), Outcome(Reason.BAD_ANSWER)],
    ids=lambda refusal: str(refusal.reason),
)
async def test_one_bad_row_holds_no_lane(refusal: Outcome) -> None:
    """Its 429 rested the whole lane again and again, as it was always the trial."""
    rig = Rig(sink=ChoosySink(1, refusal), options=QUICK | {"breaker_failures": 1})
    rig.accept(*range(1, 6))
    await rig.round()
    rig.clock.forward(900.01)
    await rig.round(3)
    assert rig.sink.arrived == [2, 3, 4, 5]
    for number in range(6, 20):
        rig.clock.forward(1000)
        rig.accept(number)
        await rig.round(2)
        assert rig.sink.arrived[-1] == number, "no rest for a row that fails alone"
    assert rig.lane.waiting == 1
    assert rig.adds_up()


async def test_a_batch_that_fails_alone_is_sent_singly() -> None:
    down = Outcome(Reason.SERVER_ERROR, "HTTP 500")
    rig = Rig(sink=ChoosySink(2, down, Batching(max_events=3)), options=QUICK | {"breaker_failures": 100})
    rig.accept(1, 2, 3, 4, 5, 6)
    for _ in range(4):
        await rig.round(3)
        rig.clock.forward(70)
    assert sorted(rig.sink.arrived) == [1, 3, 4, 5, 6]
    assert rig.adds_up()
