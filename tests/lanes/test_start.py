"""Lanes that begin, at a start of the process or behind the lanes that a reload replaces."""

import pytest
from structlog.testing import capture_logs

from relay.events import Kind
from relay.lanes.build import LaneSet
from relay.lanes.direct import DirectLane
from sinks.base import Batching, Outcome, Reason
from tests.support import eventually
from tests.support.scripted import DirectScript, Rig, ScriptedSink, numbered


@pytest.mark.parametrize("is_committed", [True, False])
@pytest.mark.parametrize("ticks", [0, 1, 3])
async def test_what_waits_is_counted_once_by_the_lane_of_a_reload(ticks: int, is_committed: bool) -> None:
    """It accepts and is ticked while the lane before it still stops; what it counted twice was then "removed"."""
    rig = Rig()
    rig.accept(1, 2, 3)
    lane = rig.make_new_lane()
    lane.accept([numbered(4)])
    if is_committed:
        rig.store.commit()
    for _ in range(ticks):
        lane.tick(rig.clock.now)
    lane.start()
    lane.tick(rig.clock.now)
    assert (lane.accepted, lane.waiting, lane.dropped.total()) == (4, 4, 0)
    await eventually(lambda: rig.sink.arrived == [1, 2, 3, 4])
    await lane.stop(1.0)
    lane.tick(rig.clock.now)
    assert (lane.accepted, lane.waiting, lane.dropped.total()) == (4, 0, 0)


async def test_a_lane_counts_what_other_hands_remove_once_it_has_started() -> None:
    rig = Rig()
    lane = rig.make_new_lane()
    assert lane.results == dict.fromkeys(Reason, 0)
    lane.accept([numbered(1), numbered(2)])
    rig.store.commit()
    rig.sink.outcomes = [Outcome(Reason.RATE_LIMITED, retry_after=100.0)]
    lane.start()
    await eventually(lambda: len(rig.sink.deliveries) == 1)
    rig.store.write(lambda db: db.execute("DELETE FROM outbox"))
    lane.tick(rig.clock.now)
    assert lane.dropped == {"removed": 2}
    await lane.stop(1.0)


class _Newest(ScriptedSink):
    durable = False

    def latest_key(self, kind: Kind) -> str | None:
        return kind.event


async def test_what_waits_in_memory_for_a_newer_event_is_counted_once() -> None:
    rig = Rig(_Newest(batching=Batching(latest_wait=100.0)))
    lane = rig.make_new_lane()
    events = [numbered(1), numbered(2)]
    for event in events:
        event.run_id = f"run {event.offset}"
    lane.accept(events)
    lane.tick(rig.clock.now)
    lane.start()
    lane.tick(rig.clock.now)
    assert (lane.accepted, lane.waiting, lane.dropped.total()) == (2, 2, 0)
    await lane.stop(1.0)


class _Unstartable(DirectScript):
    def position(self) -> tuple[str, int] | None:
        raise PermissionError(13, "Permission denied")


async def test_a_lane_that_cannot_start_keeps_no_other_from_starting() -> None:
    rig = Rig()
    rig.accept(1)
    lane = rig.make_new_lane()
    lanes = LaneSet({}, {}, [DirectLane(_Unstartable()), lane, DirectLane(_Unstartable())])
    with capture_logs() as logs, pytest.raises(PermissionError):
        lanes.start()
    assert [entry["event"] for entry in logs] == ["a lane could not be started"] * 2
    await eventually(lambda: rig.sink.arrived == [1])
    lanes.start()
    assert lane.accepted == 1, "each is started once"
    await lane.stop(1.0)
