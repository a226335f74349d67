"""What a queued lane delivers together: batches, repeats within a window, and the same events again under an id."""

from unittest.mock import Mock

import pytest

from sinks.base import Batching
from tests.support.scripted import DOWN, PATIENT, Rig, ScriptedSink


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


async def test_more_repeats_than_are_read_at_once_go_out_together() -> None:
    rig = Rig(ScriptedSink(batching=Batching(repeat_window=60.0), repeat=lambda _: "same"))
    rig.accept(*range(1, 152))
    rig.clock.forward(61)
    await rig.round()
    assert [len(numbers) for _, numbers in rig.sink.deliveries] == [151]


async def test_without_a_window_like_events_are_delivered_one_by_one() -> None:
    rig = Rig(ScriptedSink(repeat=lambda _: "same"), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3)
    await rig.round()
    rig.clock.forward(10)
    await rig.round()
    assert [numbers for _, numbers in rig.sink.deliveries] == [[1], [2], [3], [1]]


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


async def test_rows_that_were_tried_together_go_together_again_though_one_was_revived_alone() -> None:
    rig = Rig(ScriptedSink(batching=Batching(max_events=3), order=lambda event: str(event.offset)), PATIENT)
    rig.sink.outcomes = [DOWN]
    rig.accept(1, 2, 3)
    await rig.round()
    rig.store.write(lambda db: db.execute("UPDATE outbox SET not_before = 0 WHERE id = (SELECT max(id) FROM outbox)"))
    await rig.round()
    assert rig.sink.deliveries == [("s1-1", [1, 2, 3])] * 2
