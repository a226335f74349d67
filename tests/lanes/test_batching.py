"""Which rows go out together: none overtakes another of its order key, also where repeats or retries are between."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.lanes.batching import chains, group
from relay.store.outbox import Row
from sinks.base import DELIVERED, Batching, Outcome, Reason
from tests.support import eventually
from tests.support.examples import examples
from tests.support.scripted import PATIENT, Rig, ScriptedSink

DOWN = Outcome(Reason.SERVER_ERROR, "HTTP 503")


def of(id_: int, order_key: str | None, repeat_key: str | None = None, delivery: str | None = None) -> Row:
    return Row(id_, "app", "waiting", delivery, order_key, repeat_key, 0.0, 0.0)


def ids(deliveries: Iterable[list[Row]]) -> list[list[int]]:
    return [[row.id for row in rows] for rows in deliveries]


@pytest.mark.parametrize(
    ("rows", "grouped"),
    [
        ([of(1, "a", "F"), of(2, "a", "R"), of(3, "a", "F")], [[1], [2], [3]]),
        ([of(1, "a", "F"), of(2, "b", "R"), of(3, "a", "F")], [[1, 3], [2]]),
        ([of(1, "a", "F"), of(2, "b", "R"), of(3, "a", "R"), of(4, "a", "F")], [[1], [2, 3], [4]]),
        ([of(1, "a"), of(2, "m", delivery="x"), of(3, "k", delivery="x"), of(4, "k")], [[1], [2, 3], [4]]),
        ([of(1, "a"), of(2, "b", "F"), of(3, "a", "F"), of(4, "a"), of(5, "c")], [[1], [2, 3], [4, 5]]),
        ([of(1, None), of(2, "b", "F"), of(3, None)], [[1, 3], [2]]),
    ],
    ids=["repeats", "repeats of others", "joined", "retry", "batch behind repeats", "no order"],
)
def test_a_row_joins_no_delivery_before_one_of_its_key(rows: list[Row], grouped: list[list[int]]) -> None:
    assert ids(group(rows, 10)) == grouped


@pytest.mark.parametrize(
    ("deliveries", "busy", "chained"),
    [
        ([[of(1, "a")], [of(2, None)], [of(3, "a")], [of(4, None)]], "", [[1, 3], [2], [4]]),
        ([[of(1, "a")], [of(2, "b")], [of(3, "c")]], "ab", [[3]]),
        ([[of(1, "a"), of(2, "b")], [of(3, "b")], [of(4, "c")]], "a", [[4]]),
        ([[of(1, "a")], [of(2, "b")], [of(3, "a"), of(4, "b")], [of(5, "a")], [of(6, "c")]], "d", [[1], [2], [6]]),
        ([[of(1, "a"), of(2, "c")], [of(3, "c"), of(4, "d")], [of(5, "d")]], "", [[1, 2, 3, 4, 5]]),
        ([[of(1, "d")], [of(2, "a")], [of(3, "a"), of(4, "b")], [of(5, "d")]], "bd", [[2]]),
    ],
)
def test_a_chain_is_of_one_worker_and_what_is_busy_or_ties_two_waits(
    deliveries: list[list[Row]], busy: str, chained: list[list[int]]
) -> None:
    found = chains(deliveries, busy)
    assert [[row.id for rows in chain for row in rows] for chain in found] == chained


@examples(200)
@given(
    keys=st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, None, "F", "R"]))),
    most=st.integers(1, 4),
)
def test_what_goes_out_is_in_order_within_each_key(keys: list[tuple[str | None, str | None]], most: int) -> None:
    rows = [of(number, order, repeat) for number, (order, repeat) in enumerate(keys)]
    deliveries = group(rows, most)
    assert sorted(id_ for rows in ids(deliveries) for id_ in rows) == list(range(len(keys))), "each once"
    found: dict[str, list[int]] = defaultdict(list)
    for chain in chains(deliveries):
        for row in (row for rows in chain for row in rows):
            if row.order_key is not None:
                found[row.order_key].append(row.id)
    for sent in found.values():
        assert sent == sorted(sent)


@pytest.mark.parametrize("pause", [120, 30, 1], ids=["all due at once", "some", "one by one"])
async def test_an_alert_that_fires_and_resolves_again_and_again_arrives_in_that_order(pause: float) -> None:
    """Repeats of "firing" went out together before "resolved": the channel showed resolved while it fired."""
    state = {0: "resolved", 1: "firing"}
    sink = ScriptedSink(
        batching=Batching(repeat_window=60.0), order=lambda _: "alert", repeat=lambda event: state[event.offset % 2]
    )
    rig = Rig(sink)
    for number in range(1, 7):
        rig.accept(number)
        await rig.round()
        rig.clock.forward(1)
    assert rig.sink.arrived == [1, 2], "the repeats wait"
    for _ in range(120):
        rig.clock.forward(pause)
        await rig.round()
    assert rig.sink.arrived == [1, 2, 3, 4, 5, 6]
    assert rig.adds_up()


async def test_an_event_behind_a_batch_that_is_retried_does_not_join_an_earlier_batch() -> None:
    """Events 1 and 2 are of key a, 3 of m, 4 and 5 of k: 5 went out with 2, before 4."""
    answer = asyncio.Event()

    async def slow() -> Outcome:
        await answer.wait()
        return DELIVERED

    keys = {1: "a", 2: "a", 3: "m", 4: "k", 5: "k"}
    sink = ScriptedSink(batching=Batching(max_events=2, concurrency=2), order=lambda event: keys[event.offset])
    rig = Rig(sink, PATIENT)
    rig.sink.outcomes = [slow, DOWN]
    rig.lane.start()
    rig.accept(1)
    await eventually(lambda: len(rig.sink.deliveries) == 1)
    rig.accept(2, 3, 4)
    await eventually(lambda: rig.sink.deliveries[1:] == [("s1-3", [3, 4])])
    rig.accept(5)
    rig.clock.forward(10)
    answer.set()
    await eventually(lambda: len(rig.sink.arrived) == 5)
    await rig.lane.stop(1.0)
    assert rig.sink.arrived.index(4) < rig.sink.arrived.index(5)
    assert rig.sink.deliveries.count(("s1-3", [3, 4])) == 2, "again as the same batch"
