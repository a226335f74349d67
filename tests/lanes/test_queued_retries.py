"""A delivery by a queued lane that fails: it is tried again later, or given up, and other events do not suffer."""

import asyncio
import ssl

import pytest
from structlog.testing import capture_logs

from relay.events import Event
from relay.lanes.breaker import BreakerState
from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support.scripted import DOWN, PATIENT, Rig, ScriptedSink


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
