"""Rows that wait: in order, bounded, never more lost than counted."""

from pathlib import Path
from typing import Any

import pytest

from relay.config.settings import OutboxOptions
from relay.lanes.batching import chains, group
from relay.store.outbox import Depth, Outbox, Row
from relay.store.store import Store


def outbox(store: Store | None = None, **options: Any) -> Outbox:
    return Outbox(store or Store(None), OutboxOptions.model_validate(options))


def put(box: Outbox, *events: bytes, lane: str = "app", now: float = 100.0, **more: Any) -> None:
    for event in events:
        box.stage(lane, event, now=now, **more)
    box.commit()


def texts(box: Outbox, rows: list[Row]) -> list[bytes]:
    assert not rows or box.load(rows)
    return [row.event for row in rows]


def test_rows_come_oldest_first_when_their_time_has_come() -> None:
    box = outbox()
    put(box, b"1", b"2")
    put(box, b"later", not_before=200.0)
    put(box, b"other", lane="slack")
    assert texts(box, box.waiting("app", 100.0, 10)) == [b"1", b"2"]
    assert texts(box, box.waiting("app", 200.0, 10)) == [b"1", b"2", b"later"]
    assert texts(box, box.waiting("app", 200.0, 1)) == [b"1"]
    assert box.next_due("app", 100.0) == 200.0
    assert box.next_due("app", 200.0) is None
    assert box.next_due("nobody", 0.0) is None


def test_none_overtakes_an_earlier_one_of_its_key() -> None:
    box = outbox()
    put(box, b"1", order_key="run 1")
    put(box, b"2", order_key="run 2")
    put(box, b"3", order_key="run 1")
    first = box.waiting("app", 100.0, 10)[:1]
    first[0].not_before = 150.0
    box.postpone(first)
    assert texts(box, box.waiting("app", 100.0, 10)) == [b"2"]
    assert texts(box, box.waiting("app", 150.0, 10)) == [b"1", b"2", b"3"]


def test_order_is_kept_over_a_restart_with_the_clock_set_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "relay.db")
    put(outbox(store), b"1")
    monkeypatch.setattr("relay.store.outbox.time.time_ns", lambda: 5)
    again = outbox(store)
    put(again, b"2", b"3")
    assert texts(again, again.waiting("app", 100.0, 10)) == [b"1", b"2", b"3"]
    store.close()


@pytest.mark.parametrize("limit", [{"max_rows": 10}, {"max_bytes": 1000}], ids=["rows", "bytes"])
def test_when_all_is_full_the_oldest_go_and_are_counted(limit: dict[str, Any]) -> None:
    box = outbox(**limit)
    put(box, *[b"%100d" % number for number in range(25)])
    rows = box.waiting("app", 100.0, 100)
    assert list(map(int, texts(box, rows))) == list(range(15, 25))
    assert box.dropped == {"app": 15}


@pytest.mark.parametrize("limit", [{"max_rows": 10}, {"max_bytes": 1000}], ids=["rows", "bytes"])
def test_or_the_newest_are_refused_and_counted(limit: dict[str, Any]) -> None:
    box = outbox(**limit, when_full="refuse")
    put(box, *[b"%100d" % number for number in range(25)])
    assert list(map(int, texts(box, box.waiting("app", 100.0, 100)))) == list(range(10))
    assert box.dropped == {"app": 15}


def test_the_limit_is_for_all_lanes_together_and_whoever_loses_is_named() -> None:
    box = outbox(max_rows=4)
    put(box, b"1", b"2", lane="slack")
    put(box, b"3", b"4", b"5", lane="app")
    assert box.dropped == {"slack": 1}


def test_a_full_outbox_does_not_drop_what_is_held() -> None:
    """A delivery underway, or one that has arrived and is not forgotten yet, was counted as lost and arrived."""
    box = outbox(max_rows=10)
    put(box, *[b"%d" % number for number in range(10)])
    held = box.waiting("app", 100.0, 3)
    box.hold(held)
    put(box, *[b"%d" % number for number in range(10, 15)])
    assert texts(box, box.waiting("app", 100.0, 100)) == [b"0", b"1", b"2", *[b"%d" % n for n in range(8, 15)]]
    assert box.dropped == {"app": 5}
    box.release(held)
    put(box, b"15")
    assert texts(box, box.waiting("app", 100.0, 1)) == [b"1"]


def test_what_is_held_twice_is_released_twice() -> None:
    box = outbox(max_rows=2)
    put(box, b"1", b"2")
    rows = box.waiting("app", 100.0, 1)
    box.hold(rows)
    box.hold(rows)
    box.release(rows)
    put(box, b"3")
    assert texts(box, box.waiting("app", 100.0, 9)) == [b"1", b"3"]
    box.release(rows)
    put(box, b"4")
    assert texts(box, box.waiting("app", 100.0, 9)) == [b"3", b"4"]


@pytest.mark.parametrize("limit", [{"max_rows": 10}, {"max_bytes": 1000}], ids=["rows", "bytes"])
@pytest.mark.parametrize("before", [0, 4, 10])
def test_making_room_commits_nothing_of_a_batch_that_is_staged(
    tmp_path: Path, limit: dict[str, Any], before: int
) -> None:
    """Its position would be missing: after a crash the batch would come, and be stored, once more."""
    store = Store(tmp_path / "relay.db")
    box = outbox(store, **limit)
    put(box, *[b"%100d" % number for number in range(before)])
    store.stage_shelf("intake", "started", "yes")
    for number in range(before, before + 25):
        box.stage("app", b"%100d" % number, now=100.0)
    stored = Store(tmp_path / "relay.db")
    assert stored.read_shelf("intake") == {}
    left = [int(bytes(event)) for (event,) in stored.read("SELECT event FROM outbox")]  # type: ignore[call-overload]
    assert all(number < before for number in left)
    stored.close()
    store.commit()
    rows = box.waiting("app", 100.0, 100)
    assert list(map(int, texts(box, rows))) == list(range(before + 15, before + 25))
    assert box.dropped == {"app": before + 15}
    assert box.count_of("app") == 10
    store.close()


def test_an_event_larger_than_all_there_may_be_is_refused_without_emptying_the_outbox() -> None:
    box = outbox(max_bytes=1000)
    put(box, b"small")
    put(box, b"x" * 5000)
    assert texts(box, box.waiting("app", 100.0, 10)) == [b"small"]
    assert box.dropped == {"app": 1}


def test_room_is_there_again_when_rows_have_gone() -> None:
    box = outbox(max_rows=2, when_full="refuse")
    put(box, b"1", b"2")
    box.delivered(box.waiting("app", 100.0, 1))
    put(box, b"3")
    box.dead_letter(box.waiting("app", 100.0, 1), "no")
    put(box, b"4")
    assert texts(box, box.waiting("app", 100.0, 10)) == [b"3", b"4"]
    assert box.dropped == {}


def test_the_dead_letters_are_bounded_and_the_newest_stay() -> None:
    box = outbox(dead_letters=2)
    put(box, b"1", b"2", b"3")
    box.dead_letter(box.waiting("app", 100.0, 10), "no")
    assert box.depth("app") == Depth(dead=2)
    assert box.waiting("app", 100.0, 10) == []


def test_what_is_too_old_is_found() -> None:
    box = outbox(max_age="10s")
    put(box, b"old", now=100.0)
    put(box, b"new", now=105.0)
    assert texts(box, box.expired("app", 110.5)) == [b"old"]


def test_depth_tells_how_much_and_since_when() -> None:
    box = outbox()
    put(box, b"12345", now=90.0)
    put(box, b"1", now=95.0)
    assert box.depth("app") == Depth(waiting=2, dead=0, bytes=6, oldest=90.0)
    assert box.depth("nobody") == Depth()
    assert box.count_of("app") == 2


def row(number: int, *, delivery: str | None = None, order: str | None = None, repeat: str | None = None) -> Row:
    return Row(number, "app", "waiting", delivery, order, repeat, 0.0, 0.0)


@pytest.mark.parametrize(
    ("rows", "groups"),
    [
        ([row(1), row(2), row(3)], [[1, 2], [3]]),
        ([row(1, repeat="a"), row(2), row(3, repeat="a"), row(4)], [[1, 3], [2, 4]]),
        ([row(1, delivery="d"), row(2), row(3, delivery="d"), row(4)], [[1, 3], [2, 4]]),
        ([row(1, order="k"), row(2, order="k"), row(3, order="k")], [[1, 2], [3]]),
        ([row(1), row(2, order="k", delivery="d"), row(3, order="k")], [[1], [2], [3]]),
        ([], []),
    ],
)
def test_which_rows_go_out_together(rows: list[Row], groups: list[list[int]]) -> None:
    assert [[one.id for one in found] for found in group(rows, 2)] == groups


@pytest.mark.parametrize(
    ("deliveries", "found"),
    [
        ([[row(1)], [row(2)]], [[[1]], [[2]]]),
        ([[row(1, order="k")], [row(2, order="k")], [row(3)]], [[[1], [2]], [[3]]]),
        ([[row(1, order="k")], [row(2, order="l")], [row(3, order="k"), row(4, order="l")]], [[[1]], [[2]]]),
        ([[row(1, order="k")], [row(2, order="busy"), row(3, order="l")], [row(4, order="l")]], [[[1]]]),
        ([], []),
    ],
)
def test_which_deliveries_wait_for_one_another(deliveries: list[list[Row]], found: list[list[list[int]]]) -> None:
    assert [[[one.id for one in rows] for rows in chain] for chain in chains(deliveries, {"busy"})] == found
