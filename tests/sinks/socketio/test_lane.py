"""The sink `socketio` behind its lane: what it does not want costs and fills nothing, and the sums stay right."""

from collections.abc import Sequence

from structlog.testing import capture_logs

from relay.events import Event, Kind, KindFacts, kind_of
from sinks.base import Batching
from tests.support.scripted import Rig, ScriptedSink, numbered
from tests.support.waiting import eventually


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
    rig.accept(5)
    assert rig.lane.dropped == {"not_wanted": 3}
    assert rig.adds_up()


async def test_a_selection_that_raises_loses_nothing_and_does_not_reach_the_intake() -> None:
    rig = Rig(_Broken(batching=Batching(max_events=10)))
    with capture_logs() as logs:
        rig.accept(1, 2)
    await rig.round()
    assert rig.sink.arrived == [1, 2]
    assert [entry["event"] for entry in logs] == ["sink raised"]


class _Forgetful(ScriptedSink):
    """Of progress the newest is enough."""

    durable = False

    def latest_key(self, kind: Kind) -> str | None:
        return kind.event if kind.event == "progress" else None


def accept(rig: Rig, *numbers: int) -> None:
    """A batch, in which numbers below 100 are progress."""
    events = [numbered(number) for number in numbers]
    for event in events:
        if event.offset < 100:
            event.kind = kind_of(KindFacts("tickstock:a:b", "progress"))
    rig.lane.accept(events)
    rig.store.commit()


async def test_of_a_flood_only_the_newest_is_stored_and_it_is_delivered_though_nothing_follows() -> None:
    rig = Rig(_Forgetful(batching=Batching(max_events=10, latest_wait=0.01)))
    for number in range(1, 51):
        accept(rig, number)
    assert rig.outbox.count_of("app") == 0
    assert rig.lane.dropped == {"superseded": 49}
    rig.tick(0)
    assert rig.lane.dropped == {"superseded": 49}, "what is held is not lost"
    await eventually(lambda: rig.outbox.count_of("app") == 1, what="what was held")
    rig.clock.forward(1)
    await rig.round()
    assert rig.sink.arrived == [50]
    assert rig.adds_up()


class _Confused(_Forgetful):
    def latest_key(self, kind: Kind) -> str | None:
        if kind.event == "progress":
            raise KeyError("symbol")
        return "all"


async def test_a_key_that_raises_loses_nothing_and_is_asked_for_once() -> None:
    rig = Rig(_Confused(batching=Batching(max_events=10)))
    with capture_logs() as logs:
        accept(rig, 100, 101, 1, 2, 102)
    rig.lane._admission.release_latest()
    await rig.round()
    assert rig.sink.arrived == [1, 2, 102]
    assert rig.lane.dropped == {"superseded": 2}
    assert [entry["event"] for entry in logs] == ["sink raised"]
    assert rig.adds_up()


async def test_what_is_held_goes_out_before_what_follows() -> None:
    rig = Rig(_Forgetful(batching=Batching(max_events=10)))
    accept(rig, 1, 2)
    accept(rig, 3, 100, 4, 101)
    await rig.round()
    assert rig.sink.arrived == [2, 100, 4, 101], "3 is superseded by 4 of its own batch"
    assert rig.lane.dropped == {"superseded": 2}
    assert rig.adds_up()


async def test_what_is_held_is_stored_at_the_end() -> None:
    rig = Rig(_Forgetful(batching=Batching(max_events=10, latest_wait=100.0)))
    accept(rig, 1)
    await rig.lane.stop(1.0)
    assert rig.outbox.count_of("app") == 1
