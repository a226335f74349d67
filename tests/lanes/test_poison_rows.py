"""Which delivery ends each process: found on a store that outlives them, with no process harmed."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from relay.config.settings import OutboxOptions
from relay.lanes.poison import CAREFUL, DeliveryWatch
from relay.lanes.queued import QueuedLane
from relay.store.outbox import Outbox, Row
from relay.store.store import Store
from sinks.base import DELIVERED, Batching, Outcome
from tests.support.scripted import Clock, Rig, ScriptedSink


def row(number: int) -> Row:
    return Row(number, "app", "waiting", None, None, None, 0.0, 0.0)


class Processes:
    """One after the other on one store, each with its own watch."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "relay.db"
        self._store: Store | None = None

    def start(self, *, ended_otherwise: bool = False, boot: str = "b1") -> DeliveryWatch:
        """The one before is gone without a word; what it had staged is lost."""
        if self._store is not None:
            self._store._db.close()
        self._store = Store(self._path)
        return DeliveryWatch(self._store, ended_otherwise=ended_otherwise, boot=boot)

    def stop(self, watch: DeliveryWatch) -> None:
        """In good order."""
        assert self._store is not None
        watch.end()
        self._store.close()
        self._store = None


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


async def underway(watch: DeliveryWatch, lane: str, *rows: Row) -> None:
    """A delivery that has begun, and goes on when its process ends."""
    await watch.delivery(lane, rows).__aenter__()


async def test_a_row_on_record_at_three_ends_in_a_row_is_poison(processes: Processes) -> None:
    assert not processes.start().is_careful("app"), "there was no unclean end before"
    for ends in range(3):
        watch = processes.start()
        assert watch.is_careful("app")
        assert watch.ends_of([row(1)]) == ends
        await underway(watch, "app", row(1))
    watch = processes.start()
    assert watch.ends_of([row(1)]) == 3
    assert watch.was_alone(row(1))
    assert watch.ends_of([row(2)]) == 0


async def test_an_outcome_a_clean_end_or_another_reason_count_for_nothing(processes: Processes) -> None:
    processes.start()
    for _ in range(5):
        watch = processes.start()
        async with watch.delivery("app", [row(1)]):
            pass
    for _ in range(5):
        watch = processes.start(ended_otherwise=True)
        await underway(watch, "app", row(1))
    watch = processes.start(ended_otherwise=True)
    assert watch.ends_of([row(1)]) == 0
    await underway(watch, "app", row(1))
    watch = processes.start()
    assert watch.ends_of([row(1)]) == 1
    assert processes.start().ends_of([row(1)]) == 1, "one that began no delivery says nothing of it"
    processes.stop(processes.start())
    watch = processes.start()
    assert watch.ends_of([row(1)]) == 0
    assert not watch.is_careful("app")


async def test_a_process_that_was_asked_to_end_blames_nothing_even_if_it_was_killed_then(processes: Processes) -> None:
    processes.start()
    for _ in range(5):
        watch = processes.start()
        await underway(watch, "app", row(1))
        watch.stopping()
    watch = processes.start()
    assert watch.ends_of([row(1)]) == 0
    await underway(watch, "app", row(1))
    watch = processes.start()
    assert watch.ends_of([row(1)]) == 1, "that one had not been asked to"
    await underway(watch, "app", row(1))
    watch.stopping()
    assert processes.start().ends_of([row(1)]) == 1


async def test_an_end_of_the_machine_blames_nothing(processes: Processes) -> None:
    processes.start()
    for number in range(5):
        watch = processes.start(boot=f"b{number + 2}")
        assert watch.is_careful("app")
        await underway(watch, "app", row(1))
    watch = processes.start(boot="b9")
    assert watch.ends_of([row(1)]) == 0
    await underway(watch, "app", row(1))
    watch = processes.start(boot="b9")
    assert watch.ends_of([row(1)]) == 1


@pytest.mark.parametrize("boot", ["", "b1"])
async def test_where_the_machines_starts_are_not_told_apart_each_end_counts(processes: Processes, boot: str) -> None:
    processes.start(boot="")
    await underway(processes.start(boot=""), "app", row(1))
    assert processes.start(boot=boot).ends_of([row(1)]) == 1


async def test_while_any_is_suspect_there_is_one_delivery_in_all_lanes(processes: Processes) -> None:
    processes.start()
    watch = processes.start()
    await underway(watch, "app", row(1))
    await underway(watch, "slow", row(2))  # nothing is suspect yet: no lane waits for another
    watch = processes.start()
    await underway(watch, "slow", row(2))
    waiting = asyncio.create_task(underway(watch, "app", row(1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()
    watch = processes.start()
    assert (watch.ends_of([row(1)]), watch.ends_of([row(2)])) == (1, 2)


async def test_a_lane_is_careful_no_longer_than_it_must(processes: Processes) -> None:
    processes.start()
    watch = processes.start()
    for number in range(CAREFUL):
        assert watch.is_careful("app")
        async with watch.delivery("app", [row(number)]):
            pass
    assert not watch.is_careful("app")
    assert watch.is_careful("other")
    watch.nothing_is_due("other")
    assert not watch.is_careful("other")


async def test_what_an_outcome_has_cleared_is_suspect_no_more_and_others_are_still(processes: Processes) -> None:
    processes.start()
    watch = processes.start()
    await underway(watch, "app", row(1))
    await underway(watch, "other", row(2))
    watch = processes.start()
    assert [watch.ends_of([row(number)]) for number in (1, 2)] == [1, 1]
    assert [watch.was_alone(row(number)) for number in (1, 2, 3)] == [True, True, False]
    async with watch.delivery("app", [row(1)]):
        pass
    assert [watch.ends_of([row(number)]) for number in (1, 2)] == [0, 1]


async def test_a_lane_that_need_not_be_careful_puts_nothing_on_record(processes: Processes) -> None:
    processes.start()
    watch = processes.start()
    watch.nothing_is_due("app")
    await underway(watch, "app", row(1))
    assert processes.start().ends_of([row(1)]) == 0


async def test_a_careful_lane_has_one_worker_until_nothing_is_due(tmp_path: Path) -> None:
    Store(tmp_path / "relay.db").close()
    for _ in range(2):
        store = Store(tmp_path / "relay.db")
        watch = DeliveryWatch(store, ended_otherwise=False)
        if not watch.is_careful("app"):
            store._db.close()
    rig = Rig(ScriptedSink(batching=Batching(concurrency=4)), store=store)
    at_once: list[int] = []
    on_record: list[str] = []
    left: list[int] = []

    async def delivering() -> Outcome:
        at_once.append(len(workers.tasks))
        on_record.append(dict(store.shelf("deliveries").items()).get("app", ""))
        left.append(rig.outbox.count_of("app"))
        return DELIVERED

    workers = rig.lane._workers
    workers._watch = rig.lane._watch = watch
    rig.sink.outcomes = [delivering] * 8
    rig.accept(*range(1, 5))
    await rig.round(2)
    assert at_once == [1] * 4
    assert left == [4, 3, 2, 1], "what has arrived does not come again"
    assert [text.split()[:2] for text in on_record] == [["underway", "0"]] * 4
    assert not watch.is_careful("app"), "nothing is due any more"
    rig.accept(*range(5, 9))
    await rig.round()
    assert max(at_once) == 4
    assert sorted(rig.sink.arrived) == list(range(1, 9))


def test_a_lane_and_its_workers_have_the_same_watch(tmp_path: Path) -> None:
    with contextlib.closing(Store(tmp_path / "relay.db")) as store:
        watch = DeliveryWatch(store, ended_otherwise=False)
        outbox, clock = Outbox(store, OutboxOptions()), Clock().judged()
        lane = QueuedLane(
            ScriptedSink(),
            outbox,
            OutboxOptions(),
            clock=clock,
            redact=lambda event: event,
            muted=lambda _: None,
            watch=watch,
        )
        assert lane._watch is lane._workers._watch is watch


async def test_of_a_delivery_of_several_rows_each_is_tried_alone_before_it_is_given_up(tmp_path: Path) -> None:
    store = Store(tmp_path / "relay.db")
    watch = DeliveryWatch(store, ended_otherwise=False)
    rig = Rig(ScriptedSink(batching=Batching(max_events=10)), store=store)
    rig.accept(1, 2, 3)
    rows = rig.outbox.waiting("app", rig.clock.now.timestamp(), 10)
    watch._ends = {one.id: 3 for one in rows}
    rig.lane._watch = watch
    assert not await rig.lane._deliver(rows)
    again = rig.outbox.waiting("app", rig.clock.now.timestamp(), 10)
    assert len({one.delivery for one in again}) == 3
    assert rig.sink.deliveries == []
    watch._singles = {again[1].id}
    for one in again:
        assert await rig.lane._deliver([one])
    assert rig.sink.arrived == [1, 3]
    assert rig.lane.dropped["poison"] == 1
    (dead,) = rig.store.read("SELECT error FROM outbox WHERE state = 'dead'")
    assert dead == ("poison: the relay's process ended 3 times while it was delivered",)
