"""A route with `stop` ends the search whenever it matches: also when its own throttle holds the event back."""

from datetime import timedelta
from typing import Any

import pytest

from relay.config.settings import RouteOptions
from relay.routing import Routes
from tests.support.wire import event, utc

NOW = utc("2025-01-27 21:10")


def routes(*options: dict[str, Any]) -> Routes:
    return Routes([RouteOptions(name=f"route {number}", **given) for number, given in enumerate(options)])


def sinks(routes: Routes, seconds: float, **payload: Any) -> tuple[str, ...]:
    return routes.sinks_for(event("errors", "error", NOW + timedelta(seconds=seconds), **payload))


def test_a_throttled_event_does_not_go_on_to_the_routes_behind_the_stop() -> None:
    some = routes({"to": ["a"], "throttle": {"every": "60s"}, "stop": True}, {"to": ["b"]})
    assert [sinks(some, at) for at in (0, 30, 59, 60)] == [("a",), (), (), ("a",)]


def test_the_same_for_a_route_that_asks_for_the_payload() -> None:
    first = {"match": {"payload.symbol": "AAPL"}, "to": ["a"], "throttle": {"every": "60s"}, "stop": True}
    some = routes(first, {"to": ["b"]})
    assert [sinks(some, at, symbol="AAPL") for at in (0, 30)] == [("a",), ()]
    assert sinks(some, 31, symbol="MSFT") == ("b",)


def test_a_throttled_event_without_stop_goes_on() -> None:
    some = routes({"to": ["a"], "throttle": {"every": "60s"}}, {"to": ["b"]})
    assert [sinks(some, at) for at in (0, 30)] == [("a", "b"), ("b",)]


def test_an_event_that_another_route_has_stopped_does_not_begin_a_throttles_span() -> None:
    first = {"match": {"payload.symbol": "AAPL"}, "to": ["a"], "stop": True}
    some = routes(first, {"to": ["b"], "throttle": {"every": "60s"}})
    assert [sinks(some, 0, symbol="AAPL"), sinks(some, 1, symbol="MSFT")] == [("a",), ("b",)]


def test_each_key_has_a_span_of_its_own() -> None:
    some = routes({"to": ["a"], "throttle": {"every": "60s", "by": ["payload.symbol"]}})
    assert [sinks(some, at, symbol=symbol) for at, symbol in ((0, "A"), (1, "B"), (2, "A"), (60, "A"), (61, "B"))] == [
        ("a",),
        ("a",),
        (),
        ("a",),
        ("a",),
    ]


def test_when_there_are_too_many_keys_the_one_that_passed_longest_ago_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("relay.routing.MOST_THROTTLE_KEYS", 2)
    some = routes({"to": ["a"], "throttle": {"every": "60s", "by": ["payload.symbol"]}})
    steps = ((0, "A"), (1, "B"), (60, "A"), (61, "C"), (62, "A"), (63, "C"))
    assert [sinks(some, at, symbol=symbol) for at, symbol in steps] == [("a",)] * 4 + [()] * 2
