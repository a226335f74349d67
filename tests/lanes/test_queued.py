"""A queued lane on a clock moved by hand: retries, rests, groups, gives up, and always knows where each event is."""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from structlog.testing import capture_logs

from relay.events import Event
from relay.lanes.arrived import Arrived
from relay.lanes.breaker import Breaker, BreakerState
from relay.lanes.stored_event import packed, unpacked
from relay.store.outbox import Row
from relay.store.store import Store
from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support import eventually
from tests.support.examples import examples
from tests.support.scripted import Rig, ScriptedSink, numbered

DOWN = Outcome(Reason.SERVER_ERROR, "HTTP 500")
PATIENT = {"breaker_failures": 1000, "retry_first": "1s", "retry_most": "8s"}


class Crash(BaseException):
    """The process ends here; nothing catches that."""


async def test_events_arrive_in_order_each_under_its_own_id() -> None:
    rig = Rig()
    rig.accept(1, 2, 3)
    await rig.round()
    assert rig.sink.deliveries == [("s1-1", [1]), ("s1-2", [2]), ("s1-3", [3])]
    assert (rig.lane.accepted, rig.lane.delivered, rig.lane.waiting) == (3, 3, 0)
    assert rig.adds_up()


async def test_nothing_is_delivered_before_the_batch_is_committed() -> None:
    rig = Rig()
    rig.lane.accept([numbered(1)])
    await rig.round()
    assert rig.sink.deliveries == []
    rig.store.commit()
    await rig.round()
    assert rig.sink.arrived == [1]


async def test_a_failed_delivery_waits_longer_each_time_and_keeps_its_id() -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [DOWN] * 6
    rig.accept(1)
    waits = []
    for _ in range(6):
        await rig.round()
        due = rig.outbox.next_due("app", rig.clock.now.timestamp())
        assert due is not None
        waits.append(due - rig.clock.now.timestamp())
        await rig.round()
        assert rig.slept[-1] == waits[-1], "that long nothing is to be done"
        rig.clock.forward(waits[-1] + 0.001)
    for wait, most in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
        assert most / 2 <= wait <= most
    await rig.round()
    assert rig.sink.arrived == [1]
    assert {delivery for delivery, _ in rig.sink.deliveries} == {"s1-1"}
    assert rig.lane.retries == 6


async def test_a_wished_wait_is_kept_and_the_whole_lane_rests() -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [Outcome(Reason.RATE_LIMITED, "HTTP 429", retry_after=30.0)]
    rig.accept(1, 2)
    await rig.round()
    assert len(rig.sink.deliveries) == 1
    rig.clock.forward(29)
    await rig.round()
    assert len(rig.sink.deliveries) == 1
    rig.clock.forward(1.1)
    await rig.round(2)
    assert sorted(rig.sink.arrived) == [1, 2]


async def test_the_breaker_opens_rests_and_lets_one_trial_decide() -> None:
    rig = Rig(options={"breaker_failures": 3, "breaker_rest": "20s", "retry_first": "1s", "retry_most": "1s"})
    rig.sink.outcomes = [DOWN] * 4
    rig.accept(*range(1, 11))
    await rig.round()
    assert len(rig.sink.deliveries) == 3, "the third failure ends the round"
    assert rig.lane.breaker.state is BreakerState.OPEN
    rig.clock.forward(19)
    await rig.round()
    assert len(rig.sink.deliveries) == 3
    rig.clock.forward(2)
    await rig.round()
    assert len(rig.sink.deliveries) == 4, "one trial, and it failed"
    rig.clock.forward(21)
    await rig.round(2)
    assert sorted(rig.sink.arrived) == list(range(1, 11))
    assert rig.adds_up()


def test_a_breaker_moves_with_the_clock() -> None:
    breaker = Breaker(1, 20)
    breaker.failed(1000.0)
    breaker.shift(-500.0)
    assert breaker.waits(500.0) == 20
    assert breaker.waits(521.0) == 0


async def test_what_is_rejected_is_a_dead_letter_at_once() -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [Outcome(Reason.REJECTED, "HTTP 400: no")]
    rig.accept(1, 2)
    await rig.round()
    assert rig.sink.arrived == [2]
    assert rig.lane.dropped == {Reason.REJECTED: 1}
    assert rig.lane.depth().dead == 1
    assert rig.adds_up()


async def test_after_so_many_attempts_it_is_given_up() -> None:
    rig = Rig(options=PATIENT | {"max_attempts": 3})
    rig.sink.outcomes = [DOWN] * 9
    rig.accept(1)
    for _ in range(5):
        await rig.round()
        rig.clock.forward(10)
    assert len(rig.sink.deliveries) == 3
    assert rig.lane.dropped == {Reason.SERVER_ERROR: 1}
    assert rig.adds_up()


async def test_a_rejected_batch_is_sent_again_one_by_one_so_that_only_the_bad_one_is_lost() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), PATIENT)
    no = Outcome(Reason.REJECTED, "HTTP 400")
    rig.sink.outcomes = [no, DELIVERED, no]
    rig.accept(1, 2, 3)
    await rig.round(2)
    assert [numbers for _, numbers in rig.sink.deliveries] == [[1, 2, 3], [1], [2], [3]]
    assert rig.sink.arrived == [1, 3]
    assert rig.lane.dropped == {Reason.REJECTED: 1}
    assert rig.adds_up()


async def test_an_event_that_makes_the_sink_raise_does_not_keep_its_batch_from_arriving() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), PATIENT)
    rig.sink.poison = {2}
    rig.accept(1, 2, 3)
    await rig.round(2)
    assert rig.sink.arrived == [1, 3]
    assert rig.lane.waiting == 1, "a bug may be mended: it is tried again"
    rig.accept(4)
    await rig.round()
    assert rig.sink.arrived == [1, 3, 4]
    assert rig.lane.error.startswith("failed") or not rig.lane.error
    assert rig.adds_up()


async def test_a_delivery_that_hangs_is_given_up_and_the_lane_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.lanes.attempt.HANG_SECONDS", 0.05)

    async def hang() -> Outcome:
        await asyncio.Event().wait()
        return DELIVERED

    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [hang]
    rig.accept(1, 2)
    await rig.round()
    assert rig.sink.arrived == [2]
    assert rig.lane.results[Reason.TIMEOUT] == 1
    assert "no result within" in rig.outbox.waiting("app", 9e9, 10)[0].error


async def test_a_key_that_raises_is_the_lanes_trouble_not_the_intakes() -> None:
    def broken(_: Event) -> str | None:
        raise KeyError("symbol")

    rig = Rig(ScriptedSink(batching=Batching(repeat_window=60.0), order=broken, repeat=broken))
    with capture_logs() as logs:
        rig.accept(1)
    await rig.round()
    assert rig.sink.arrived == [1]
    assert [entry["event"] for entry in logs] == ["sink raised"] * 2


async def test_redaction_that_raises_is_a_failed_delivery_and_nothing_leaves_unredacted() -> None:
    def broken(_: Event) -> Event:
        raise RecursionError("a pattern")

    rig = Rig(redact=broken)
    type(rig.sink).remote = True
    try:
        rig.accept(1)
        await rig.round()
    finally:
        del type(rig.sink).remote
    assert rig.sink.deliveries == []
    assert rig.lane.results[Reason.FAILED] == 1
    assert rig.adds_up()


async def test_a_row_that_cannot_be_read_back_is_buried_and_the_others_arrive() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)))
    rig.accept(1, 2, 3)
    rig.store.write(lambda db: db.execute("UPDATE outbox SET event = x'00ff' WHERE id = (SELECT min(id) FROM outbox)"))
    await rig.round(2)
    assert rig.sink.arrived == [2, 3]
    assert rig.lane.dropped == {"unreadable": 1}
    assert rig.adds_up()


async def test_a_batch_that_failed_goes_out_again_as_the_same_batch_whatever_came_since() -> None:
    """Its id tells the receiver that it is a repeat: the events under it must not change."""
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), PATIENT)
    rig.sink.outcomes = [DOWN, DOWN]
    rig.accept(1)
    await rig.round()
    rig.accept(2, 3)
    await rig.round()
    rig.clock.forward(10)
    rig.accept(4)
    await rig.round()
    contents: dict[str, set[tuple[int, ...]]] = {}
    for delivery, numbers in rig.sink.deliveries:
        contents.setdefault(delivery, set()).add(tuple(numbers))
    assert contents == {"s1-1": {(1,)}, "s1-2": {(2, 3)}, "s1-4": {(4,)}}


async def test_the_same_batch_goes_out_again_after_a_crash() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), PATIENT)

    async def crash() -> Outcome:
        raise Crash

    rig.sink.outcomes = [crash]
    rig.accept(1, 2)
    with pytest.raises(Crash):
        await rig.round()
    rig.lane = rig.make_lane()
    rig.accept(3)
    await rig.round()
    assert rig.sink.deliveries[0] == rig.sink.deliveries[1] == ("s1-1", [1, 2])
    assert rig.sink.arrived == [1, 2, 3]


async def test_a_batch_waits_for_more_but_not_for_long() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=3, max_wait=2.0)))
    rig.accept(1, 2)
    await rig.round()
    assert rig.sink.deliveries == []
    assert rig.slept == [0.5]
    rig.accept(3)
    await rig.round()
    assert rig.sink.deliveries == [("s1-1", [1, 2, 3])], "it is full"
    rig.accept(4)
    for seconds, arrived in ((1.5, [1, 2, 3]), (0.5, [1, 2, 3, 4])):
        rig.clock.forward(seconds)
        await rig.round()
        assert rig.sink.arrived == arrived


async def test_repeats_are_held_and_go_out_together_at_the_end_of_the_window() -> None:
    rig = Rig(ScriptedSink(batching=Batching(repeat_window=60.0), repeat=lambda event: f"odd {event.offset % 2}"))
    rig.accept(1)
    await rig.round()
    rig.accept(2, 3, 5, 7)
    await rig.round()
    assert rig.sink.arrived == [1, 2], "the first of each kind at once"
    rig.clock.forward(59)
    await rig.round()
    assert rig.sink.arrived == [1, 2]
    rig.clock.forward(2)
    await rig.round()
    assert rig.sink.deliveries[2:] == [("s1-3", [3, 5, 7])]
    rig.accept(9)
    await rig.round()
    assert rig.sink.arrived[-1] == 9, "a new window begins"
    assert rig.adds_up()


async def test_events_of_one_key_wait_for_one_another_and_others_do_not() -> None:
    rig = Rig(ScriptedSink(batching=Batching(concurrency=8), order=lambda event: f"odd {event.offset % 2}"), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3, 4, 5)
    await rig.round(3)
    assert rig.sink.arrived == [2, 4], "1 failed, so 3 and 5 wait"
    rig.clock.forward(10)
    await rig.round(3)
    assert rig.sink.arrived == [2, 4, 1, 3, 5]


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


async def test_more_repeats_than_are_read_at_once_go_out_together() -> None:
    rig = Rig(ScriptedSink(batching=Batching(repeat_window=60.0), repeat=lambda _: "same"))
    rig.accept(*range(1, 152))
    rig.clock.forward(61)
    await rig.round()
    assert [len(numbers) for _, numbers in rig.sink.deliveries] == [151]


async def test_large_deliveries_are_made_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, most in ((1, 1), (1 << 20, 4)):
        monkeypatch.setattr("relay.lanes.queued.ALONE", limit)
        rig = Rig(ScriptedSink(batching=Batching(concurrency=4)))
        underway: list[int] = []
        at_once: list[int] = []

        async def delivering(underway: list[int] = underway, at_once: list[int] = at_once) -> Outcome:
            underway.append(1)
            await asyncio.sleep(0.001)
            at_once.append(len(underway))
            underway.pop()
            return DELIVERED

        rig.sink.outcomes = [delivering] * 4
        rig.accept(1, 2, 3, 4)
        await rig.round()
        assert sorted(rig.sink.arrived) == [1, 2, 3, 4]
        assert max(at_once) == most


def test_what_workers_have_taken_does_not_keep_the_others_from_what_is_next() -> None:
    rig = Rig()
    ready = rig.lane._workers.ready
    ready._most = 2
    rig.accept(*range(1, 6))
    chains = []
    for most in (2, 2, 1):
        ready.fill(rig.clock.now.timestamp())
        found = [chain for _ in range(3) if (chain := ready.take())]
        assert len(found) == most
        chains += found
        assert ready.underway == len(chains)
    for chain in chains:
        ready.release(chain)
    assert ready.underway == 0
    assert len({row.id for chain in chains for row in chain.rows()}) == 5


async def test_without_a_window_like_events_are_delivered_one_by_one() -> None:
    rig = Rig(ScriptedSink(repeat=lambda _: "same"), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3)
    await rig.round()
    rig.clock.forward(10)
    await rig.round()
    assert [numbers for _, numbers in rig.sink.deliveries] == [[1], [2], [3], [1]]


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


async def test_a_sink_that_needs_no_disk_delivers_all_the_same() -> None:
    """Its outbox is its own; no batch of the intake commits it."""
    rig = Rig()
    type(rig.sink).durable = False
    try:
        rig.lane.accept([numbered(1)])
        await rig.round()
    finally:
        del type(rig.sink).durable
    assert rig.sink.arrived == [1]


@pytest.mark.parametrize("hold", [False, True])
async def test_a_lane_that_stops_waits_for_what_is_underway_and_no_longer(hold: bool) -> None:
    """Whatever it is at then has ended when `stop` returns."""
    ended = []

    async def delivering() -> Outcome:
        try:
            await (asyncio.Event().wait() if hold else asyncio.sleep(0))
        finally:
            ended.append(hold)
        return DELIVERED

    rig = Rig()
    rig.sink.outcomes = [delivering]
    rig.accept(1, 2)
    rig.lane.start()
    await eventually(lambda: len(rig.sink.deliveries) > 0)
    await rig.lane.stop(0.01 if hold else 60.0)
    assert ended == [hold]
    assert (1 in rig.sink.arrived) is not hold
    assert rig.lane._workers.tasks == set()
    assert rig.adds_up()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(113, "No route to host"), "unreachable: No route to host"),
        (ConnectionResetError(), "unreachable: ConnectionResetError"),
        (ssl.SSLError(1, "wrong version"), "unreachable: wrong version"),
        (KeyError("x"), "failed: KeyError in the sink"),
    ],
)
async def test_what_a_sink_raises_is_the_outcome_in_words(error: Exception, text: str) -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [error]
    assert rig.lane.error == ""
    rig.accept(1)
    with capture_logs():
        await rig.round()
    assert rig.lane.error == text
    rig.clock.forward(10)
    with capture_logs():
        await rig.round()
    assert rig.lane.error == ""


async def test_events_that_arrive_one_by_one_are_written_down_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery of several, and one of repeats, is put on record first: it must go out again as it was."""
    for batching, repeats, written in (
        (Batching(), False, 0),
        (Batching(max_events=2), False, 1),
        (Batching(repeat_window=60.0), True, 1),
    ):
        rig = Rig(
            ScriptedSink(batching=batching, repeat=lambda _: "same") if repeats else ScriptedSink(batching=batching)
        )
        records = Mock()
        monkeypatch.setattr(rig.outbox, "postpone", records)
        rig.accept(1)
        await rig.round()
        assert rig.sink.arrived == [1]
        assert records.call_count == written


async def test_rows_that_a_damaged_store_has_lost_are_counted_as_such() -> None:
    rig = Rig()
    rig.accept(1, 2)
    rig.store.is_whole = False
    rig.store.write(lambda db: db.execute("DELETE FROM outbox"))
    rig.tick()
    assert rig.lane.dropped == {"store_damaged": 2}
    assert rig.adds_up()


@pytest.mark.parametrize("rows", [1, 49, 50])
async def test_what_has_arrived_is_forgotten_soon_and_many_rows_at_once(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.lanes.arrived.FLUSH_SECONDS", 0.01)
    outbox = Rig().outbox
    forgotten: list[int] = []
    monkeypatch.setattr(outbox, "delivered", lambda those: forgotten.append(len(those)))
    arrived = Arrived(outbox)
    for number in range(rows):
        arrived.add([Row(number, "app", "waiting", None, None, None, 0.0, 0.0)])
    assert forgotten == ([50] if rows == 50 else [])
    await eventually(lambda: forgotten == [rows])
    arrived.flush()
    assert forgotten == [rows]


@pytest.mark.parametrize("with_original", [True, False])
def test_an_event_is_in_the_outbox_with_its_message_as_it_came_if_that_is_wanted(with_original: bool) -> None:
    event = numbered(1)
    event.original = b"line\nand line"
    again = unpacked(packed(event, with_original=with_original))
    assert again.id == "s1-1"
    assert (again.original == event.original) is with_original


async def test_the_worker_outlives_a_round_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    real = rig.lane._workers.round
    errors = [ValueError("odd")]

    async def failing() -> None:
        if errors:
            raise errors.pop()
        await real()

    monkeypatch.setattr(rig.lane._workers, "round", failing)
    rig.accept(1)
    with capture_logs() as logs:
        rig.lane.start()
        await eventually(lambda: rig.sink.arrived == [1])
        await rig.lane.stop(1.0)
    assert "lane failed" in [entry["event"] for entry in logs]


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


async def test_a_store_on_disk_serves_the_next_process(tmp_path: Path) -> None:
    first = Rig(store=Store(tmp_path / "relay.db"))
    first.accept(1, 2)
    first.store.close()
    second = Rig(store=Store(tmp_path / "relay.db"))
    second.lane.start()
    await eventually(lambda: second.sink.arrived == [1, 2])
    await second.lane.stop(1.0)
    assert second.lane.accepted == 2
    second.store.close()


@pytest.mark.parametrize("order", [lambda _: None, lambda event: f"key {event.offset}"], ids=["no order", "a key each"])
async def test_nobody_waits_for_the_slowest_delivery(order: Callable[[Event], str | None]) -> None:
    """One in four hangs: the others deliver all that comes meanwhile."""
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=4), order=order))
    rig.sink.outcomes = [slow]
    rig.accept(*range(1, 400))
    rig.lane.start()
    await eventually(lambda: len(rig.sink.arrived) == 398)
    assert 1 not in rig.sink.arrived
    rig.accept(400)
    await eventually(lambda: 400 in rig.sink.arrived)
    answer.set()
    await eventually(lambda: 1 in rig.sink.arrived)
    await rig.lane.stop(1.0)
    assert len(rig.sink.deliveries) == 400, "each once"
    rig.lane.tick(rig.clock.now)
    assert rig.adds_up()


@pytest.mark.parametrize("ill", ["answers at once", "raises at once", "unreadable"])
@pytest.mark.parametrize("key", [None, "one"])
async def test_a_backlog_that_is_gone_through_without_waiting_leaves_the_loop_to_others(
    ill: str, key: str | None
) -> None:
    rig = Rig(ScriptedSink(order=lambda _: key), PATIENT)
    rig.accept(*range(1, 201))
    if ill == "raises at once":
        rig.sink.poison = set(range(1, 201))
    if ill == "unreadable":
        rig.store.write(lambda db: db.execute("UPDATE outbox SET event = x'00ff'"))
    begun = rig.outbox.depth("app")
    rig.lane.start()
    with capture_logs():
        for _ in range(10):
            await asyncio.sleep(0)
        await rig.lane.stop(1.0)
    assert begun.waiting == 200
    assert len(rig.sink.deliveries) + rig.lane.dropped.total() < 15, "one at a time, with others between"


async def test_a_key_whose_delivery_hangs_holds_up_no_other_key() -> None:
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    rig = Rig(ScriptedSink(batching=Batching(concurrency=2), order=lambda event: f"odd {event.offset % 2}"))
    rig.sink.outcomes = [slow]
    rig.accept(*range(1, 301))
    rig.lane.start()
    await eventually(lambda: len(rig.sink.arrived) == 150)
    assert rig.sink.arrived == list(range(2, 301, 2)), "in order, and none of the key that waits"
    answer.set()
    await eventually(lambda: len(rig.sink.arrived) == 300)
    await rig.lane.stop(1.0)
    assert rig.sink.arrived[150:] == list(range(1, 301, 2))


@pytest.mark.parametrize("keys", [1, 3, 40])
async def test_no_event_overtakes_another_of_its_key_while_some_fail(keys: int) -> None:
    """Twenty answers in a hundred are errors, and each takes a moment or none."""
    chance = random.Random(keys)

    async def odd() -> Outcome:
        for _ in range(chance.randrange(3)):
            await asyncio.sleep(0)
        return DOWN if chance.random() < 0.2 else DELIVERED

    options = PATIENT | {"retry_first": "0.001s", "retry_most": "0.001s"}
    rig = Rig(ScriptedSink(batching=Batching(concurrency=4), order=lambda event: str(event.offset % keys)), options)
    rig.sink.outcomes = [odd] * 10_000
    rig.accept(*range(1, 501))
    while rig.lane.waiting:
        await rig.round()
        rig.clock.forward(0.01)
    for key in range(keys):
        assert [n for n in rig.sink.arrived if n % keys == key] == [n for n in range(1, 501) if n % keys == key]


async def test_a_crash_repeats_at_most_what_was_not_forgotten_yet_and_under_the_same_ids() -> None:
    async def crash() -> Outcome:
        raise Crash

    rig = Rig()
    rig.sink.outcomes = [*[DELIVERED] * 80, crash]
    rig.accept(*range(1, 101))
    with pytest.raises(Crash):
        await rig.round()
    assert rig.outbox.count_of("app") == 50, "fifty were forgotten together, thirty were not yet"
    rig.lane = rig.make_lane()
    await rig.round()
    repeated = [delivery for delivery, count in Counter(d for d, _ in rig.sink.deliveries).items() if count > 1]
    assert repeated == [f"s1-{number}" for number in range(51, 82)]
    assert rig.outbox.count_of("app") == 0


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


async def test_rows_that_were_tried_together_go_together_again_though_one_was_revived_alone() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=3), order=lambda event: str(event.offset)), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3)
    await rig.round()
    rig.store.write(lambda db: db.execute("UPDATE outbox SET not_before = 0 WHERE id = (SELECT max(id) FROM outbox)"))
    await rig.round()
    assert rig.sink.deliveries == [("s1-1", [1, 2, 3])] * 2


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


@pytest.mark.parametrize(
    "error", [ssl.SSLError(1, "[SSL] bad record mac"), ConnectionResetError(104, "Connection reset by peer"), OSError()]
)
async def test_an_error_of_the_network_is_no_bug_of_the_sink(error: OSError) -> None:
    rig = Rig(options=PATIENT)
    rig.sink.outcomes = [error]
    rig.accept(1)
    with capture_logs() as logs:
        await rig.round()
    assert rig.lane.results[Reason.UNREACHABLE] == 1
    assert [entry["event"] for entry in logs] == ["sink is failing"], "one line, no traceback"
    rig.clock.forward(2)
    await rig.round()
    assert rig.sink.arrived == [1]


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
