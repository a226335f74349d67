"""The sink `socketio` behind its lane: what it does not want costs and fills nothing, and the sums stay right."""

from collections.abc import Sequence

from structlog.testing import capture_logs

from relay.events import Event
from sinks.base import Batching
from tests.scripted import Rig, ScriptedSink


class _Choosy(ScriptedSink):
    """Wants even numbers only."""

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        return [event for event in events if event.offset % 2 == 0]


class _Broken(ScriptedSink):
    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        raise KeyError(len(events))


async def test_what_the_sink_does_not_want_is_counted_and_never_stored() -> None:
    rig = Rig(_Choosy(batching=Batching(max_events=10)))
    rig.accept(1, 2, 3, 4)
    assert rig.outbox.count_of("app") == 2
    await rig.round()
    assert rig.sink.arrived == [2, 4]
    assert rig.lane.dropped == {"not_wanted": 2}
    assert rig.adds_up()


async def test_a_selection_that_raises_loses_nothing_and_does_not_reach_the_intake() -> None:
    rig = Rig(_Broken(batching=Batching(max_events=10)))
    with capture_logs() as logs:
        rig.accept(1, 2)
    await rig.round()
    assert rig.sink.arrived == [1, 2]
    assert [entry["event"] for entry in logs] == ["sink raised"]
