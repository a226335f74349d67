"""Routes decided by plan and cache are those that plain evaluation finds; throttles and stops do what they say."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.settings import RouteOptions, ThrottleOptions
from relay.events import Event, Severity
from relay.routing import UNROUTED, Routes, explain
from tests.support.examples import examples
from tests.support.wire import event, read

NOW = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
SYMBOLS = ("AAPL", "MSFT", "1", "true", "None")
VALUES = st.sampled_from((*SYMBOLS, 1, 1.0, True, None, 0.95, ["AAPL"], {"x": 1}))
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "payload.symbol": st.one_of(
            st.sampled_from((*SYMBOLS, "A*", "=~^M", 1, 1.0, True, None)), st.just(["AAPL", 1])
        ),
        "payload.confidence": st.sampled_from((">=0.9", "<0.5", 0.95, "!=1", {"exists": True}, {"in": [0.95, 1]})),
        "payload.a.b": st.sampled_from(("x", 1)),
        "severity": st.sampled_from((">=error", "info", ["info", "critical"], "<warning")),
        "channel": st.sampled_from(("tickstock:errors", "tickstock:*", "relay:*")),
        "domain": st.sampled_from(("errors", "patterns")),
        "phase": st.sampled_from(("patterns", "import", ["pattern_detection", "cache"], None)),
        "event": st.sampled_from(("error", "pattern_detected")),
        "run_id": st.sampled_from(("r1", "r*", None)),
        "test": st.booleans(),
    },
)
MATCHES = st.one_of(
    CONDITIONS,
    st.builds(lambda match, negated: {**match, "not": negated}, CONDITIONS, CONDITIONS.filter(bool)),
)
ROUTES = st.lists(
    st.builds(
        lambda match, to, stop: {"match": match, "to": to, "stop": stop},
        MATCHES,
        st.lists(st.sampled_from("abcd"), max_size=3),
        st.booleans(),
    ),
    max_size=12,
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    payload: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "symbol": VALUES,
                "confidence": VALUES,
                "a": st.sampled_from(({"b": "x"}, {"b": 1}, ["x"], "x", None)),
                "severity": st.sampled_from(("error", "critical", "info", "WARN")),
                "run_id": st.sampled_from(("r1", "r2", 5)),
                "test": st.booleans(),
            },
        )
    )
    channel = draw(st.sampled_from(("tickstock:errors", "tickstock:patterns:detected", "relay:gap", "tickstock.x")))
    name = draw(st.sampled_from(("error", "pattern_detected", None)))
    return read(channel, json.dumps({"event": name, "payload": payload}).encode(), NOW)


def compiled(routes: list[dict[str, Any]]) -> Routes:
    return Routes([RouteOptions(name=f"route {number}", **route) for number, route in enumerate(routes)])


@examples(400)
@given(routes=ROUTES, heard=st.lists(events(), min_size=1, max_size=8))
def test_plans_find_the_sinks_that_plain_evaluation_finds(routes: list[dict[str, Any]], heard: list[Event]) -> None:
    by_plan = compiled(routes)
    for one in (*heard, *heard):  # the second time from the cache
        plain = [verdict.route.sinks for verdict in explain(by_plan, one) if verdict.matches]
        assert by_plan.sinks_for(one) == tuple(dict.fromkeys(sink for sinks in plain for sink in sinks))


@examples(60)
@given(routes=ROUTES, heard=st.lists(events(), max_size=12))
def test_a_batch_is_split_without_losing_or_repeating_an_event(
    routes: list[dict[str, Any]], heard: list[Event]
) -> None:
    parts = compiled(routes).split(heard)
    for sink, part in parts.items():
        expected = [one for one in heard if (compiled(routes).sinks_for(one) or (UNROUTED,)).count(sink)]
        assert [id(one) for one in part] == [id(one) for one in expected]
    assert {id(one) for part in parts.values() for one in part} == {id(one) for one in heard}


def test_many_routes_that_each_want_another_symbol_share_one_lookup() -> None:
    routes = compiled([{"match": {"payload.symbol": f"S{number}"}, "to": [f"s{number}"]} for number in range(200)])
    heard = event("patterns:detected", "pattern_detected", NOW, symbol="S77")
    assert routes.sinks_for(heard) == ("s77",)
    (plan,) = routes._plans.values()
    assert [step.route.name for step in plan.candidates(heard, heard.payload)] == ["route 77"]


def test_a_route_that_stops_hides_later_ones_only_from_what_it_takes() -> None:
    routes = compiled([{"match": {"payload.symbol": "AAPL"}, "to": ["a"], "stop": True}, {"match": {}, "to": ["b"]}])
    assert routes.sinks_for(event("patterns:detected", "p", NOW, symbol="AAPL")) == ("a",)
    assert routes.sinks_for(event("patterns:detected", "p", NOW, symbol="MSFT")) == ("b",)


def taken(routes: Routes, name: str = "p", **payload: Any) -> tuple[str, ...]:
    return routes.sinks_for(event("x", name, NOW, **payload))


def test_routes_that_ask_for_other_fields_and_in_other_ways_stand_beside_each_other() -> None:
    routes = compiled(
        [
            {"match": {"payload.confidence": ">=0.9"}, "to": ["strong"]},
            {"match": {"payload.symbol": "AAPL"}, "to": ["apple"]},
            {"match": {"payload.confidence": "<0.5"}, "to": ["weak"]},
            {"match": {"payload.timeframe": "5m"}, "to": ["short"]},
            {"match": {"run_id": "r1"}, "to": ["run"]},
        ]
    )
    assert taken(routes, symbol="AAPL", timeframe="5m", confidence=0.4, run_id="r1") == (
        "apple",
        "weak",
        "short",
        "run",
    )
    assert taken(routes, symbol="5m", timeframe="AAPL", confidence=0.95) == ("strong",)
    assert taken(routes, symbol="MSFT", timeframe="5m", confidence=0.7) == ("short",)


def test_routes_that_ask_for_other_facts_of_the_kind_stand_beside_each_other() -> None:
    routes = compiled(
        [
            {"match": {"channel": "tickstock:*"}, "to": ["all"]},
            {"match": {"event": "p"}, "to": ["p"]},
            {"match": {"source": "daily_job"}, "to": ["job"]},
            {"match": {"event": "q", "source": "daily_job"}, "to": ["q"]},
            {"match": {"action": "p"}, "to": ["none"]},
        ]
    )
    assert taken(routes) == ("all", "p", "job")
    assert taken(routes, "q") == ("all", "job", "q")


def test_a_route_is_filed_under_the_fact_that_the_fewest_kinds_have() -> None:
    for written in ({"source": "s", "event": "e"}, {"domain": "d", "channel": "c", "severity": "error"}):
        (rarest,) = compiled([{"match": written, "to": ["a"]}])._by_kind._by_value
        assert rarest == list(written)[1]


def test_what_stands_behind_a_sure_stop_is_not_asked() -> None:
    routes = compiled(
        [
            {"match": {}, "to": ["a"], "stop": True},
            {"match": {"payload.symbol": "AAPL"}, "to": ["b"]},
            {"match": {"event": "p", "payload.symbol": "AAPL"}, "to": ["c"]},
        ]
    )
    assert taken(routes, symbol="AAPL") == ("a",)
    (plan,) = routes._plans.values()
    assert not plan.is_open


def test_what_stands_behind_a_stop_that_asks_is_asked() -> None:
    first = {"match": {"event": "p", "payload.symbol": "AAPL"}, "to": ["a"], "stop": True}
    routes = compiled([first, {"match": {"payload.symbol": ["AAPL", "MSFT"]}, "to": ["b"]}])
    assert [taken(routes, symbol=symbol) for symbol in ("AAPL", "MSFT", "C")] == [("a",), ("b",), ()]


def test_a_kind_is_decided_once(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = compiled([{"match": {"event": "p"}, "to": ["a"]}])
    assert taken(routes) == ("a",)
    monkeypatch.delattr(Routes, "_make_plan")
    assert taken(routes) == ("a",)


def test_a_sink_named_twice_gets_an_event_once() -> None:
    routes = compiled([{"match": {"payload.symbol": "AAPL"}, "to": ["a", "a"]}, {"match": {}, "to": ["a"]}])
    assert routes.sinks_for(event("patterns:detected", "p", NOW, symbol="AAPL")) == ("a",)


def throttled(**options: Any) -> Routes:
    return Routes([RouteOptions(name="r", to=["a"], throttle=ThrottleOptions(**options))])


def test_a_throttle_lets_the_first_of_each_key_pass_in_a_span() -> None:
    routes = throttled(by=["payload.symbol"], every="5m")
    moments = [(0, "AAPL"), (1, "MSFT"), (299, "AAPL"), (300, "AAPL"), (301, "MSFT"), (599, "AAPL")]
    heard = [event("x", "p", NOW + timedelta(seconds=second), symbol=symbol) for second, symbol in moments]
    passed = [bool(routes.sinks_for(one)) for one in heard]
    assert passed == [True, True, False, True, True, False]
    throttle = routes.routes[0].throttle
    assert throttle is not None
    assert throttle.held == 2


def test_a_throttle_does_not_hold_for_ever_when_the_clock_goes_back() -> None:
    routes = throttled(every="5m")
    assert routes.sinks_for(event("x", "p", NOW))
    assert routes.sinks_for(event("x", "p", NOW - timedelta(hours=1)))


def test_a_throttle_remembers_a_bounded_number_of_keys() -> None:
    routes = throttled(by=["payload.n"], every="5m")
    for number in range(10_500):
        assert routes.sinks_for(event("x", "p", NOW, n=number))
    throttle = routes.routes[0].throttle
    assert throttle is not None
    assert len(throttle._last) == 10_000


def test_a_throttled_route_that_stops_does_so_also_for_what_it_holds_back() -> None:
    first = RouteOptions(name="r", to=["a"], throttle=ThrottleOptions(every=60.0), stop=True)
    routes = Routes([first, RouteOptions(name="rest", to=["b"])])
    assert [routes.sinks_for(event("x", "p", NOW)) for _ in range(2)] == [("a",), ()]


def test_invented_kinds_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.routing.MOST_PLANS", 5)
    routes = compiled([{"match": {"event": "p*"}, "to": ["a"]}])
    for number in range(20):
        assert routes.sinks_for(event("x", f"p{number}", NOW)) == ("a",)
    assert len(routes._plans) == 5


def test_plans_of_many_sorts_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.routing.MOST_SHARED", 3)
    routes = compiled([{"match": {"event": f"p{number}"}, "to": [f"s{number}"]} for number in range(8)])
    for number in range(8):
        assert taken(routes, f"p{number}") == (f"s{number}",)
        assert len(routes._shared) == number % 3 + 1


@pytest.mark.parametrize("filler", ["x", "\ud800", "\u00e9"])
def test_long_keys_of_a_throttle_are_told_apart_and_take_little_memory(filler: str) -> None:
    routes = throttled(by=["payload.text"], every="5m")
    throttle = routes.routes[0].throttle
    assert throttle is not None
    for length, kept in ((120, 120), (121, 32), (5000, 32)):
        texts = [filler * (length - 1) + end for end in "ab"]
        assert [bool(taken(routes, text=text)) for text in texts * 2] == [True, True, False, False]
        assert [len(text) for text in throttle.key_of(event("x", "p", NOW, text=texts[0]))] == [kept]
    assert throttle.by == ("payload.text",)


def test_routes_with_lists_share_one_lookup() -> None:
    lists = [{"match": {"payload.symbol": [f"S{number}", f"T{number}"]}, "to": [f"s{number}"]} for number in range(100)]
    named = [{"match": {"payload.symbol": {"in": [f"U{number}"]}}, "to": [f"u{number}"]} for number in range(100)]
    routes = compiled([*lists, *named])
    for symbol, sink in (("S77", "s77"), ("T77", "s77"), ("U5", "u5")):
        heard = event("patterns:detected", "pattern_detected", NOW, symbol=symbol)
        assert routes.sinks_for(heard) == (sink,)
        (plan,) = routes._plans.values()
        assert len(plan.candidates(heard, heard.payload)) == 1


def test_kinds_with_the_same_routes_share_one_plan() -> None:
    routes = compiled([{"match": {"payload.symbol": ["A", "B"]}, "to": ["a"]}, {"match": {"event": "p7"}, "to": ["b"]}])
    for number in range(50):
        heard = event("x", f"p{number}", NOW, symbol="B")
        assert routes.sinks_for(heard) == (("a", "b") if number == 7 else ("a",))
    assert len({id(plan) for plan in routes._plans.values()}) == 2


def test_a_list_with_a_pattern_or_nothing_in_it_is_still_a_test_of_its_own() -> None:
    routes = compiled([{"match": {"payload.symbol": ["A*", "B"]}, "to": ["a"]}])
    assert routes.sinks_for(event("x", "p", NOW, symbol="AAPL")) == ("a",)
    assert routes.sinks_for(event("x", "p", NOW, symbol="C")) == ()


def test_the_sample_configurations_alert_route_takes_the_state_of_incidents() -> None:
    route = RouteOptions(name="alerts", match={"channel": "relay:alert:*"}, to=["ops"])
    assert all(Routes([route]).incident_sinks(severity) == {"ops"} for severity in Severity)


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ({"channel": "tickstock:errors"}, set()),
        ({"severity": ">=critical"}, {Severity.CRITICAL, Severity.EMERGENCY}),
        ({"channel": "relay:alert:*", "severity": "error"}, {Severity.ERROR}),
        ({"event": "incident", "payload.incident": "?*"}, set(Severity)),
        ({"payload.incident": None}, set()),
    ],
)
def test_which_severities_of_incidents_a_sink_is_sent(match: dict[str, object], taken: set[Severity]) -> None:
    routes = Routes([RouteOptions(name="some", match=match, to=["ops"])])
    assert {severity for severity in Severity if routes.incident_sinks(severity)} == taken
