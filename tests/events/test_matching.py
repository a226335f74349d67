"""Conditions: what each form holds for, and what cannot be meant."""

from datetime import UTC, date, datetime
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.cli.matchers import matching, read_matchers
from relay.events import Event, Mark
from relay.events.matching import (
    KIND_FIELDS,
    MatchError,
    UnknownFieldError,
    compile_match,
    field_getter,
    predicate,
)
from relay.events.scalars import lookup_key
from tests.support.wire import event

NOW = datetime(2025, 1, 27, 21, 10, tzinfo=UTC)
HEARD = event(
    "patterns:detected",
    "pattern_detected",
    NOW,
    run_id="r1",
    symbol="AAPL",
    confidence=0.95,
    count=3,
    sure=True,
    nothing=None,
    context={"symbol": "MSFT", "list": [{"a": 1}, "b"]},
)


def holds(match: dict[str, Any], one: Event = HEARD) -> bool:
    return predicate(match)(one)


@pytest.mark.parametrize(
    ("field", "yes", "no"),
    [
        ("channel", "tickstock:patterns:detected", "tickstock:patterns"),
        ("channel", "tickstock:*:detected", "relay:*"),
        ("channel", "=~^tickstock:(patterns|errors):", "=~errors$"),
        ("domain", ["errors", "patterns"], ["errors"]),
        ("action", "detect??", "det"),
        ("event", "!=error", "!=pattern_detected"),
        ("event", {"glob": "pattern_*"}, {"regex": "^x"}),
        ("phase", "patterns", "import"),
        ("phase", "pattern_detection", "data_import"),
        ("phase", ["data_import", "pattern_processing"], ["cache_sync", "import"]),
        ("phase", "pat*", "im*"),
        ("phase", {"equals": "pattern_detection"}, {"equals": "data_import"}),
        ("phase", {"in": ["cache_sync", "pattern"]}, {"in": ["cache_sync"]}),
        ("phase", "!=data_import", "!=pattern_detection"),
        ("phase", ["import", None, "patterns"], [None]),
        ("phase", ["=~^imp", "=~^pat"], "=~^imp"),
        ("severity", "info", "error"),
        ("severity", ">=info", ">info"),
        ("severity", "<warn", "<=debug"),
        ("severity", ["error", "INFO"], ["error", ">=critical"]),
        ("source", "daily_job", None),
        ("version", "1.0", "1.1"),
        ("event", {"!=": None}, "other"),
        ("channel", {"!=": None}, "tickstock:other"),
        ("test", {"!=": None}, True),
        ("run_id", "r1", "r2"),
        ("test", False, True),
        ("payload.symbol", "AAPL", "aapl"),
        ("payload.symbol", {"in": ["MSFT", "AAPL"]}, {"in": ["MSFT"]}),
        ("payload.confidence", ">=0.95", ">0.95"),
        ("payload.confidence", {">": 0.9, "<": 1}, {">": 0.9, "<": 0.95}),
        ("payload.confidence", 0.95, 0.950001),
        ("payload.count", 3, 4),
        ("payload.count", "3", "4"),
        ("payload.count", 3.0, True),
        ("payload.sure", True, False),
        ("payload.sure", "true", "yes"),
        ("payload.sure", "!=1", ">=0"),
        ("payload.nothing", None, "None"),
        ("payload.nothing", {"exists": False}, {"exists": True}),
        ("payload.nothing", {"equals": None}, {"equals": "None"}),
        ("payload.nothing", ["x", None], ["x", "null"]),
        ("payload.symbol", {"!=": None}, {"in": [None]}),
        ("payload.sure", {"glob": True}, {"glob": False}),
        ("event", ["x", {"glob": "pattern_*"}], ["x", {"regex": "^x"}]),
        ("payload.sure", {"!=": False}, {"!=": True}),
        ("payload.symbol", {"equals": "AAPL"}, {"equals": None}),
        ("payload.absent", None, "*"),
        ("payload.absent", "!=5", "<5"),
        ("payload.context.symbol", "M*", {"equals": "M*"}),
        ("payload.context.list.0.a", 1, 2),
        ("payload.context.list.1", "b", "a"),
        ("payload.context.list.2", None, "b"),
        ("payload.context.list.9", None, "b"),
        ("payload.symbol.deeper", None, "*"),
    ],
)
def test_a_condition_holds_for_what_it_says_and_for_nothing_else(field: str, yes: Any, no: Any) -> None:
    assert holds({field: yes})
    assert not holds({field: no})
    assert not holds({"not": {field: yes}})
    assert holds({"not": {field: no}})


def test_conditions_must_all_hold_and_none_hold_for_everything() -> None:
    assert holds({})
    assert holds({"event": "pattern_detected", "payload.symbol": "AAPL"})
    assert not holds({"event": "pattern_detected", "payload.symbol": "MSFT"})
    assert holds({"not": {"event": "pattern_detected", "payload.symbol": "MSFT"}}), "not all of them hold"


@pytest.mark.parametrize("mark", [Mark.TEST, Mark.RECONSTRUCTED, Mark.REPLAYED, Mark.UNDATED, Mark.UNWRAPPED])
def test_marks_are_fields(mark: Mark) -> None:
    assert mark.name
    one = event("errors", "error", NOW)
    assert not field_getter(mark.name.lower())(one)
    one.marks = mark
    assert holds({mark.name.lower(): True}, one)


NO_SEVERITY = "is not a valid severity; write one of debug, info, warning, error, critical, emergency or '>=error'"
NO_PHASE = "is not a valid phase; the phases are import, cache, indicators, patterns"
NO_TEST = "is not a valid test; the tests are equals, in [a, b], glob, regex, exists true, >=, <=, >, <, !="
NO_ITEM = "a list holds texts, numbers, true, false, null and tests, and"
NO_PHASE_FITS = "matches none of the values that phase can have: import, cache, indicators, patterns, null"
NO_NEGATION = "`not` holds conditions of its own, such as {domain: market}"


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ({"colour": "red"}, "events have no field 'colour'"),
        ({"payload": "x"}, "events have no field 'payload'"),
        ({"payload.": "x"}, "events have no field 'payload.'"),
        ({"severity": "terrible"}, f"'terrible' {NO_SEVERITY}"),
        ({"severity": 5}, f"5 {NO_SEVERITY}"),
        ({"severity": None}, f"None {NO_SEVERITY}"),
        ({"severity": [">=terrible"]}, f"'>=terrible' {NO_SEVERITY}"),
        ({"phase": "lunch"}, f"'lunch' {NO_PHASE}"),
        ({"phase": ["import", "lunch"]}, f"'lunch' {NO_PHASE}"),
        ({"event": {"like": "x"}}, f"like: 'x' {NO_TEST}"),
        ({"event": {"in": "x"}}, f"in: 'x' {NO_TEST}"),
        ({"event": {"in": []}}, "an empty list matches nothing"),
        ({"event": {"exists": "perhaps"}}, f"exists: 'perhaps' {NO_TEST}"),
        ({"event": {"equals": ["x"]}}, "['x'] is not a text, a number, true or false"),
        ({"event": {"glob": ["a*", "b*"]}}, f"glob: ['a*', 'b*'] {NO_TEST}"),
        ({"event": {"glob": None}}, f"glob: None {NO_TEST}"),
        ({"event": {"regex": {"x": 1}}}, f"regex: {{'x': 1}} {NO_TEST}"),
        ({"event": []}, "an empty list matches nothing"),
        ({"event": ["x", b"y"]}, "b'y' is not a text, a number, true or false"),
        ({"payload.x": ">=many"}, ">= needs a number, and 'many' is not one"),
        ({"payload.x": {"<": "many"}}, "< needs a number, and 'many' is not one"),
        ({"payload.x": {"in": ["x", [None]]}}, f"{NO_ITEM} [None] is none of them"),
        ({"event": ["x", ["y"]]}, f"{NO_ITEM} ['y'] is none of them"),
        ({"severity": [["error"]]}, f"{NO_ITEM} ['error'] is none of them"),
        ({"phase": {"in": [["import"]]}}, f"{NO_ITEM} ['import'] is none of them"),
        ({"event": {"in": None}}, f"in: None {NO_TEST}"),
        ({"event": {"in": {"x": 1}}}, f"in: {{'x': 1}} {NO_TEST}"),
        ({"severity": []}, "an empty list matches nothing"),
        ({"event": {}}, "an empty map is not a test; write {exists: true} for any value"),
        ({"payload.x": {}}, "an empty map is not a test; write {exists: true} for any value"),
        ({"payload.x": float("nan")}, "nan is not a text, a number, true or false"),
        ({"payload.x": [float("nan")]}, "nan is not a text, a number, true or false"),
        ({"payload.x": ">=nan"}, ">= needs a number, and 'nan' is not one"),
        ({"payload.x": {">": float("inf")}}, "> needs a number, and 'inf' is not one"),
        ({"payload.x": {">": True}}, "> needs a number, and 'true' is not one"),
        ({"payload.x": {">": None}}, "> needs a number, and 'None' is not one"),
        ({"payload.x": date(2025, 1, 27)}, "datetime.date(2025, 1, 27) is not a text, a number, true or false"),
        ({"payload.x": {"!=": [1]}}, "[1] is not a text, a number, true or false"),
        ({"payload.x": {"!=": {"a": 1}}}, "{'a': 1} is not a text, a number, true or false"),
        ({"channel": None}, "every event has the field channel, so it is never null"),
        ({"event": ["x", None]}, "every event has the field event, so it is never null"),
        ({"action": {"exists": False}}, "every event has the field action, so it is never null"),
        ({"test": None}, "every event has the field test, so it is never null"),
        ({"test": "maybe"}, "'maybe' is neither true nor false"),
        ({"replayed": 1}, "1 is neither true nor false"),
        ({"test": "!=yes"}, "'yes' is neither true nor false"),
        ({"test": ">=1"}, ">= compares numbers, and test is not a number"),
        ({"test": "x*"}, "'x*' matches none of the values that test can have: true, false"),
        ({"phase": True}, f"True {NO_PHASE}"),
        ({"phase": 5}, f"5 {NO_PHASE}"),
        ({"phase": "!=lunch"}, f"'lunch' {NO_PHASE}"),
        ({"phase": {"equals": "lunch"}}, f"'lunch' {NO_PHASE}"),
        ({"phase": {"in": ["import", "lunch"]}}, f"'lunch' {NO_PHASE}"),
        ({"phase": ">=5"}, ">= compares numbers, and phase is not a number"),
        ({"phase": "lunch*"}, f"'lunch*' {NO_PHASE_FITS}"),
        ({"phase": {"regex": "_processing$"}}, f"'regex _processing$' {NO_PHASE_FITS}"),
        ({"phase": {"equals": "import", "exists": False}}, f"'equals import, exists False' {NO_PHASE_FITS}"),
        ({"severity": ">emergency"}, "no severity is '>emergency'"),
        ({"severity": "<debug"}, "no severity is '<debug'"),
    ],
)
def test_what_cannot_be_meant_is_refused(match: dict[str, Any], message: str) -> None:
    with pytest.raises(MatchError) as refused:
        compile_match(match)
    (key,) = match
    assert (refused.value.key, str(refused.value)) == (key, message)


@pytest.mark.parametrize(
    "match",
    [
        {"phase": "=~("},
        {"event": "=~("},
        {"event": ["=~(", "x"]},
        {"event": {"regex": "["}},
        {"payload.x": {"in": ["=~(", 1]}},
    ],
)
def test_a_pattern_that_is_none_is_refused(match: dict[str, Any]) -> None:
    with pytest.raises(MatchError, match="not a regular expression: ") as refused:
        compile_match(match)
    assert [refused.value.key] == list(match)


@pytest.mark.parametrize(
    ("inner", "key", "message"),
    [
        ({}, "not", NO_NEGATION),
        ("x", "not", NO_NEGATION),
        ({"colour": "red"}, "colour", "events have no field 'colour'"),
    ],
)
def test_what_cannot_be_negated_is_refused(inner: Any, key: str, message: str) -> None:
    with pytest.raises(MatchError) as refused:
        compile_match({"not": inner})
    assert (refused.value.key, str(refused.value)) == (key, message)


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ({"event": ["a", True, 3.0]}, "event: one of a, true, 3"),
        ({"payload.x": {">": 1, "<": 2}}, "payload.x: > 1, < 2"),
        ({"payload.x": False}, "payload.x: false"),
        ({"not": {"domain": "market", "event": "x*"}}, "not: {domain: market, event: x*}"),
    ],
)
def test_a_condition_is_shown_as_it_is_written(match: dict[str, Any], text: str) -> None:
    (condition,) = compile_match(match)
    assert str(condition) == text


@pytest.mark.parametrize(
    ("spec", "keys"),
    [
        ("AAPL", ("AAPL",)),
        (["AAPL", "1", "AAPL"], ("AAPL", "1", 1)),
        ({"equals": "AAPL"}, ("AAPL",)),
        ({"equals": None}, ()),
        ({"in": ["AAPL", "MSFT"]}, ("AAPL", "MSFT")),
        ("=~^A", ()),
        (["AAPL", "=~M"], ()),
        ("A*", ()),
        (">=1", ()),
        ({"equals": 1, "exists": True}, ()),
        (None, ()),
    ],
)
def test_what_one_lookup_can_answer_and_what_is_a_test_of_its_own(spec: Any, keys: tuple[Any, ...]) -> None:
    (condition,) = compile_match({"payload.context.symbol": spec})
    assert condition.one_of == keys
    assert condition.path == ("context", "symbol"), "so that it is held against one reading of the payload"


def test_an_unknown_field_is_told_apart_from_a_wrong_test() -> None:
    with pytest.raises(UnknownFieldError, match="no field 'colour'"):
        compile_match({"colour": "red"})


@pytest.mark.parametrize("field", sorted(KIND_FIELDS))
def test_what_the_kind_decides_is_cacheable_and_the_rest_is_not(field: str) -> None:
    (condition,) = compile_match({field: "info" if field == "severity" else "import"})
    assert condition.cacheable
    (negated,) = compile_match({"not": {field: "info" if field == "severity" else "import"}})
    assert negated.cacheable
    (open_,) = compile_match({"not": {field: "info" if field == "severity" else "import", "run_id": "x"}})
    assert not open_.cacheable


@given(st.one_of(st.integers(), st.floats(allow_nan=False), st.booleans(), st.text(), st.none()), st.integers())
def test_no_value_of_the_wire_makes_a_condition_raise(value: object, limit: int) -> None:
    for spec in (f">={limit}", f"!={limit}", "a*", "=~^a", limit, {"exists": True}, [limit, "a"], None, {"<": limit}):
        (condition,) = compile_match({"payload.x": spec})
        assert condition.test(value) in (True, False)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()))
def test_a_value_equals_itself(value: float) -> None:
    (condition,) = compile_match({"payload.x": value})
    assert condition.test(value)
    assert lookup_key(value) in condition.one_of, "so that many such routes share one lookup"


def test_the_command_line_says_the_same_in_its_own_way() -> None:
    written = (
        "severity>=info",
        "event=~^pattern",
        "payload.symbol = AAPL",
        "payload.count!=4",
        "run_id=r1",
        "source=*job",
    )
    match = read_matchers(written)
    assert match == {
        "severity": ">=info",
        "event": "=~^pattern",
        "payload.symbol": "AAPL",
        "payload.count": "!=4",
        "run_id": "r1",
        "source": "*job",
    }
    assert matching(match)(HEARD)
    assert read_matchers(("severity=>=error",)) == {"severity": ">=error"}
    assert read_matchers(("event=",)) == {"event": ""}


@pytest.mark.parametrize("text", ["nonsense", "=x", ">=error", ""])
def test_what_is_no_matcher_on_the_command_line_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        read_matchers((text,))
    with pytest.raises(click.BadParameter, match="no field 'chanel'; did you mean channel"):
        matching({"chanel": "x"})
