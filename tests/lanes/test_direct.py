"""A direct lane: written at once, held while the sink cannot, nothing twice after a crash."""

import errno
from typing import Any

from structlog.testing import capture_logs

from relay.lanes.direct import DirectLane
from sinks.base import Reason
from tests.support.scripted import BEGIN, DirectScript, numbered

FULL = OSError(errno.ENOSPC, "No space left on device")


def a_lane(sink: DirectScript, **options: Any) -> DirectLane:
    lane = DirectLane(sink, **options)
    lane.start()
    return lane


def accept(lane: DirectLane, *numbers: int, stream: str = "s1") -> None:
    lane.accept([numbered(number, stream) for number in numbers])


def adds_up(lane: DirectLane) -> bool:
    return lane.waiting == len(lane._held) and lane._held_bytes == sum(
        len(e.original) + len(e.raw) + 500 for e in lane._held
    )


def test_what_the_sink_cannot_write_now_is_held_and_written_later_in_order() -> None:
    sink = DirectScript()
    lane = a_lane(sink)
    accept(lane, 1)
    sink.error = FULL
    accept(lane, 2, 3)
    lane.tick(BEGIN)
    assert (lane.error, lane.failing_since, lane.waiting) == ("No space left on device", sink.context.now(), 2)
    sink.error = None
    accept(lane, 4)
    assert sink.written == [1], "4 does not overtake"
    lane.tick(BEGIN)
    assert sink.written == [1, 2, 3, 4]
    assert (lane.error, lane.failing_since, lane.waiting) == ("", None, 0)
    assert adds_up(lane)


def test_a_hold_is_bounded_the_oldest_go_and_are_counted() -> None:
    sink = DirectScript()
    lane = a_lane(sink, hold_bytes=5_500)
    sink.error = FULL
    for number in range(1, 31):
        accept(lane, number)
    assert lane.dropped == {"hold_full": 20}
    assert adds_up(lane)
    sink.error = None
    lane.tick(BEGIN)
    assert sink.written == list(range(21, 31))
    sink.error = FULL
    for number in range(31, 41):
        accept(lane, number)
    assert lane.dropped == {"hold_full": 20}, "there is all the room again"
    assert adds_up(lane)


def test_a_sink_that_fails_halfway_through_the_hold_keeps_the_rest(monkeypatch: Any) -> None:
    monkeypatch.setattr("relay.lanes.direct.HELD_SLICE", 3)
    sink = DirectScript()
    lane = a_lane(sink)
    sink.error = FULL
    accept(lane, *range(1, 11))
    sink.error = None
    write, allowed = sink.write, [3, 3]

    def twice(events: Any) -> None:
        if not allowed:
            raise FULL
        allowed.pop()
        write(events)

    sink.write = twice  # type: ignore[method-assign]
    lane.tick(BEGIN)
    assert sink.written == [1, 2, 3, 4, 5, 6]
    assert lane.waiting == 4
    assert adds_up(lane)


def test_one_event_that_the_sink_cannot_bear_is_lost_alone() -> None:
    sink = DirectScript()
    sink.poison = {2}
    lane = a_lane(sink)
    with capture_logs() as logs:
        accept(lane, 1, 2, 3)
    assert sink.written == [1, 3]
    assert lane.dropped == {Reason.FAILED: 1}
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["sink raised"]
    assert adds_up(lane)
    accept(lane, 2)
    assert lane.error == "ValueError in the sink"


def test_a_sink_that_fails_in_its_housekeeping_harms_no_other() -> None:
    sink = DirectScript()
    lane = a_lane(sink)
    for error in (FULL, ValueError("a bug")):
        sink.tick_error = error
        with capture_logs():
            lane.tick(BEGIN)
        assert lane.error
    sink.tick_error = None
    accept(lane, 1)
    assert sink.written == [1]
    assert not lane.error


def test_what_the_sink_holds_since_before_the_crash_is_not_written_twice() -> None:
    sink = DirectScript(held=("s1", 3))
    lane = a_lane(sink)
    accept(lane, 1, stream="r1")
    accept(lane, 1, 2)
    accept(lane, 3, 4, 5)
    accept(lane, 6)
    assert sink.written == [1, 4, 5, 6], "the relay's own event, and what is new"
    assert lane.accepted == 4


def test_another_connections_positions_say_nothing_about_this_one() -> None:
    sink = DirectScript(held=("s1", 300))
    lane = a_lane(sink)
    accept(lane, 1, 2, stream="s2")
    accept(lane, 3, stream="s2")
    assert sink.written == [1, 2, 3]


async def test_a_stop_writes_what_is_held_or_counts_it_as_lost() -> None:
    for error, written, lost in ((None, [1, 2], 0), (FULL, [], 2)):
        sink = DirectScript()
        lane = a_lane(sink)
        sink.error = FULL
        accept(lane, 1, 2)
        sink.error = error
        with capture_logs() as logs:
            await lane.stop(1.0)
        assert sink.written == written
        assert lane.dropped["stopped"] == lost
        assert any(entry["event"] == "events lost at shutdown" for entry in logs) == bool(lost)
