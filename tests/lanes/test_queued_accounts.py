"""The counts of a queued lane: each event is waiting, delivered, dead or dropped for a reason, whatever happens."""

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from structlog.testing import capture_logs

from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support import eventually
from tests.support.examples import examples
from tests.support.scripted import DOWN, PATIENT, Rig, ScriptedSink


async def test_what_must_wake_nobody_is_counted_by_its_reason() -> None:
    rig = Rig(muted=lambda event: "silenced" if event.offset == 2 else None)
    type(rig.sink).alerting = True
    try:
        rig.accept(1, 2, 3)
        await rig.round()
    finally:
        del type(rig.sink).alerting
    assert rig.sink.arrived == [1, 3]
    assert rig.lane.dropped == {"silenced": 1}
    assert rig.adds_up()


async def test_rows_that_the_command_line_drops_or_revives_are_counted() -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [Outcome(Reason.REJECTED, "no")]
    rig.accept(1, 2, 3)
    await rig.round()
    assert rig.sink.arrived == [2, 3]
    rig.store.write(lambda db: db.execute("UPDATE outbox SET state = 'waiting'"))
    rig.tick()
    assert rig.adds_up()
    await rig.round()
    assert rig.sink.arrived == [2, 3, 1]
    rig.accept(4, 5)
    rig.store.write(lambda db: db.execute("DELETE FROM outbox"))
    rig.tick()
    assert rig.lane.dropped["removed"] == 2
    assert rig.adds_up()


async def test_rows_that_a_damaged_store_has_lost_are_counted_as_such() -> None:
    rig = Rig()
    rig.accept(1, 2)
    rig.store.is_whole = False
    rig.store.write(lambda db: db.execute("DELETE FROM outbox"))
    rig.tick()
    assert rig.lane.dropped == {"store_damaged": 2}
    assert rig.adds_up()


class Accounts(RuleBasedStateMachine):
    """Whatever happens to a lane: no event is without a place, and the counts add up."""

    def __init__(self) -> None:
        super().__init__()
        options = {
            "max_rows": 12,
            "dead_letters": 1000,
            "breaker_failures": 2,
            "breaker_rest": "3s",
            "retry_first": "1s",
        }
        batching = Batching(max_events=3, repeat_window=5.0, concurrency=2)
        sink = ScriptedSink(
            batching=batching,
            order=lambda event: str(event.offset % 3) if event.offset % 2 else None,
            repeat=lambda event: "same" if event.offset % 5 == 0 else None,
        )
        self.rig = Rig(sink, options | {"retry_most": "4s", "max_age": "40s"})
        self.loop = asyncio.new_event_loop()
        self.quiet = capture_logs()
        self.quiet.__enter__()
        self.sent = 0
        self.removed = 0

    @rule(count=st.integers(1, 5))
    def accept(self, count: int) -> None:
        self.rig.accept(*range(self.sent + 1, self.sent + count + 1))
        self.sent += count

    @rule(
        outcomes=st.lists(
            st.sampled_from(
                [DELIVERED, DOWN, Outcome(Reason.REJECTED), Outcome(Reason.RATE_LIMITED, "", 2.0), ValueError("x")]
            ),
            max_size=4,
        )
    )
    def deliver(self, outcomes: list[Outcome | Exception]) -> None:
        self.rig.sink.outcomes = list(outcomes)
        self.loop.run_until_complete(self.rig.round())

    @rule(seconds=st.sampled_from([1.0, 3.0, 20.0, -50.0, 100_000.0]))
    def tick(self, seconds: float) -> None:
        self.rig.tick(seconds)

    @rule(state=st.sampled_from(["waiting", "dead"]))
    def revive_or_drop_by_hand(self, state: str) -> None:
        """`tickstock-relay outbox retry` and `drop`."""
        query = "DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox WHERE state = 'waiting')"
        if state == "dead":
            query = "UPDATE outbox SET state = 'waiting', not_before = 0 WHERE state = 'dead'"
        else:
            self.removed += min(1, self.rig.outbox.count_of("app"))
        self.rig.store.write(lambda db: db.execute(query))
        self.rig.outbox.count()

    @rule()
    def restart(self) -> None:
        self.rig.lane.tick(self.rig.clock.now)
        before = self.rig.lane
        self.rig.lane = self.rig.make_lane()
        self.rig.lane.accepted = before.accepted
        self.rig.lane.delivered, self.rig.lane.dropped = before.delivered, before.dropped

    @invariant()
    def no_event_is_without_a_place(self) -> None:
        depth = self.rig.outbox.depth("app")
        arrived = len(set(self.rig.sink.arrived))
        full = self.rig.lane.dropped["outbox_full"] + self.rig.outbox.dropped.get("app", 0)
        assert arrived + depth.waiting + depth.dead + full + self.removed >= self.sent

    def teardown(self) -> None:
        self.rig.tick()
        assert self.rig.adds_up()
        self.loop.close()
        self.quiet.__exit__(None, None, None)


Accounts.TestCase.settings = examples(100, stateful_step_count=40)
TestAccounts = Accounts.TestCase


async def test_a_row_that_was_dropped_by_hand_while_others_of_its_chain_were_underway_is_not_sent() -> None:
    rig = Rig(ScriptedSink(order=lambda _: "one"))

    async def meanwhile() -> Outcome:
        rig.store.write(lambda db: db.execute("DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox)"))
        return DELIVERED

    rig.sink.outcomes = [meanwhile]
    rig.accept(1, 2, 3)
    await rig.round()
    rig.tick()
    assert rig.sink.arrived == [1, 2]
    assert rig.lane.dropped == {"removed": 1}
    assert rig.adds_up()


@pytest.mark.parametrize("ended", [False, True], ids=["underway", "arrived"])
async def test_a_full_outbox_takes_nothing_that_is_on_its_way(ended: bool) -> None:
    """It was counted as lost (`outbox_full`), and arrived all the same."""
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=2)), {"max_rows": 4})
    rig.sink.outcomes = [slow, slow, *[DOWN] * 100]
    rig.accept(1, 2)
    rig.lane.start()
    await eventually(lambda: len(rig.sink.deliveries) == 2)
    if ended:
        answer.set()
        await eventually(lambda: rig.lane.delivered == 2)
    rig.accept(*range(3, 9))
    answer.set()
    await eventually(lambda: rig.lane.delivered == 2)
    await rig.lane.stop(1.0)
    rig.lane.tick(rig.clock.now)
    assert rig.lane.dropped["outbox_full"] + rig.outbox.count_of("app") == 6
    assert rig.lane.dropped["removed"] == 0
    assert sorted(rig.sink.arrived) == [1, 2]
    assert rig.adds_up()
