"""Of which only the newest matters: what is held, in which order it goes on, and what goes out before what."""

import pytest

from relay.events import Event
from relay.lanes.latest import Latest
from tests.support.scripted import numbered


def numbers(events: list[Event]) -> list[int]:
    return [event.offset for event in events]


def passed(latest: Latest, *keys: str | None, first: int = 1) -> list[int]:
    """What goes on of events with these keys, numbered from `first` on."""
    events = [numbered(first + place) for place in range(len(keys))]
    return numbers(latest.pass_on(events, [None if key is None else (key, "r1") for key in keys]))


@pytest.mark.parametrize(
    ("keys", "goes_on", "held"),
    [
        ("", [], []),
        ("a", [], [1]),
        ("aba", [], [2, 3]),
        ("-", [1], []),
        ("a-b", [1, 2], [3]),
        ("aab-ba-", [2, 3, 4, 5, 6, 7], []),
        ("--a-aa", [1, 2, 3, 4], [6]),
    ],
)
def test_the_newest_of_each_key_is_held_until_one_that_must_not_wait(
    keys: str, goes_on: list[int], held: list[int]
) -> None:
    latest = Latest()
    assert passed(latest, *(None if key == "-" else key for key in keys)) == goes_on
    assert len(latest) == len(held)
    assert numbers(latest.release()) == held
    assert (len(latest), latest.release()) == (0, [])


def test_what_is_held_of_an_earlier_batch_is_replaced_or_goes_out_first() -> None:
    latest = Latest()
    assert passed(latest, "a", "b") == []
    assert passed(latest, "a", first=3) == []
    assert passed(latest, "c", None, "b", first=4) == [2, 3, 4, 5]
    assert numbers(latest.release()) == [6]
