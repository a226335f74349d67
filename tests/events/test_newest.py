"""Of a flood only the newest of each kind and run is kept, and nothing else is lost or moved."""

from hypothesis import given
from hypothesis import strategies as st

from relay.events import Event, Kind, KindFacts, Mark, PerKind, kind_of
from relay.events.newest import without_superseded
from tests.support.scripted import BEGIN

only_newest: PerKind[bool] = PerKind(lambda kind: kind.event.endswith("_progress"))
messages = st.tuples(
    st.sampled_from(["import_progress", "cache_progress", "error"]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from([Mark.NONE, Mark.NONE, Mark.REPLAYED, Mark.TEST | Mark.UNDATED]),
)


def _event(number: int, name: str, run_id: str | None, marks: Mark) -> Event:
    kind = kind_of(KindFacts("tickstock:a:b", name))
    return Event(kind, "s1", number, BEGIN, BEGIN, b"{}", b"{}", run_id, marks)


def _plainly(events: list[Event]) -> list[int]:
    def key(event: Event) -> tuple[Kind, str | None, int]:
        return event.kind, event.run_id, int(event.marks)

    last = {key(event): event.offset for event in events}
    return [event.offset for event in events if not only_newest[event.kind] or last[key(event)] == event.offset]


@given(st.lists(messages, max_size=30))
def test_only_what_a_later_one_makes_pointless_is_left_out(drawn: list[tuple[str, str | None, Mark]]) -> None:
    events = [_event(number, *facts) for number, facts in enumerate(drawn)]
    assert [event.offset for event in without_superseded(events, only_newest)] == _plainly(events)


def test_a_flood_leaves_its_last() -> None:
    flood = [_event(number, "import_progress", "a", Mark.NONE) for number in range(1000)]
    assert [event.offset for event in without_superseded(flood, only_newest)] == [999]
