"""One condition of a route, a silence or a test: which field, and what it must be.

Compiled once from config.yaml into plain functions of a value. Nothing here knows sinks or routes.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from relay.events import PHASE_NAMES, SEVERITIES, SEVERITY_LABELS, Event, Severity
from relay.events.patterns import Pattern, PatternError
from relay.events.scalars import core_value, lookup_key, lookup_keys, text_of

Test = Callable[[Any], bool]

KIND_FIELDS = frozenset({"channel", "domain", "action", "event", "phase", "severity", "source", "version"})
"""The same for all events of a kind, so their conditions are decided once and cached."""
EVENT_FIELDS = ("run_id", "test", "reconstructed", "replayed", "undated", "unwrapped")
FIELDS = (*sorted(KIND_FIELDS), *EVENT_FIELDS, "payload.<name>", "not")
_COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_COMPARISON = re.compile(r"\s*(>=|<=|!=|>|<)\s*(.+?)\s*")
_GLOB = re.compile(r"[*?\[]")


class MatchError(ValueError):
    """A condition that cannot be meant; the text says why, `key` which one."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class UnknownFieldError(MatchError):
    """Events have no such field; `FIELDS` are those that they have."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One field and its test. `cacheable`: the event's kind decides it, whatever else it says."""

    key: str
    spec: str
    get: Callable[[Event], Any]
    test: Test
    cacheable: bool
    one_of: tuple[Hashable, ...] = ()
    """For an equality, or a list of them: the `lookup_key`s that the value may have; many such routes share one lookup.
    """
    path: tuple[str, ...] = ()
    """Where in the payload the field is, if it is there: several conditions can be held against one reading of it."""

    def value(self, event: Event, payload: Mapping[str, Any]) -> Any:
        """The field's value; `payload` need only have the fields that are asked for."""
        return _descend(payload, self.path) if self.path else self.get(event)

    def holds(self, event: Event) -> bool:
        """Whether `event` meets it."""
        return self.test(self.get(event))

    def __str__(self) -> str:
        return f"{self.key}: {self.spec}"


def compile_match(match: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a `match:`; an event matches when all hold, so no conditions match everything.

    Raises:
        MatchError: an unknown field, or a test that makes no sense.
    """
    return tuple(_negation(spec) if key == "not" else _condition(key, spec) for key, spec in match.items())


def predicate(match: Mapping[str, Any]) -> Callable[[Event], bool]:
    """`compile_match` as one function."""
    conditions = compile_match(match)
    return lambda event: all(condition.holds(event) for condition in conditions)


def _condition(key: str, spec: Any) -> Condition:
    getter = field_getter(key)
    # Severities and phases have several names and an order of their own; everything else is compared as it is.
    make = {"severity": _severity_test, "phase": _phase_test}.get(key, _value_test)
    one_of = _lookup_keys(spec) if make is _value_test else ()
    return Condition(key, _spec_text(spec), getter, make(key, spec), key in KIND_FIELDS, one_of, _payload_path(key))


def _lookup_keys(spec: Any) -> tuple[Hashable, ...]:
    """The keys of what satisfies `spec`, if it is nothing but scalars: `X`, `[X, Y]`, `{equals: X}`, `{in: [X, Y]}`."""
    if isinstance(spec, Mapping) and len(spec) == 1:
        (name, wanted), *_ = spec.items()
        if name == "equals":
            return lookup_keys(wanted) if _is_scalar(wanted) else ()
        return _lookup_keys(wanted) if name == "in" else ()
    # A pattern or a comparison has no keys: one among them makes the whole condition a test of its own.
    items = spec if isinstance(spec, list) else [spec]
    return (
        tuple(dict.fromkeys(key for item in items for key in lookup_keys(item))) if all(map(_is_plain, items)) else ()
    )


def _is_scalar(spec: Any) -> TypeGuard[str | int | float]:
    return isinstance(spec, str | int | float)


def _is_plain(spec: Any) -> bool:
    return _is_scalar(spec) and not (isinstance(spec, str) and _is_pattern(spec))


def _negation(spec: Any) -> Condition:
    if not isinstance(spec, Mapping) or not spec:
        raise MatchError("not", "`not` holds conditions of its own, such as {domain: market}")
    inner = compile_match(spec)
    text = "{" + ", ".join(map(str, inner)) + "}"
    holds = lambda event: not all(condition.holds(event) for condition in inner)  # noqa: E731 - it is a getter
    return Condition("not", text, holds, bool, all(condition.cacheable for condition in inner))


def field_getter(key: str) -> Callable[[Event], Any]:
    """How to read `key` (`channel`, `severity`, `payload.context.symbol` …) from an event; None when it has no such.

    Raises:
        MatchError: events have no such field.
    """
    if path := _payload_path(key):
        return lambda event: _descend(event.payload, path)
    if key in ("test", "reconstructed", "replayed", "undated", "unwrapped"):
        name = key.upper()
        return lambda event: any(mark.name == name for mark in event.marks)
    if key in KIND_FIELDS or key in EVENT_FIELDS:
        return operator.attrgetter(key)
    raise UnknownFieldError(key, f"events have no field {key!r}")


def _payload_path(key: str) -> tuple[str, ...]:
    first, _, path = key.partition(".")
    return tuple(path.split(".")) if first == "payload" and path else ()


def _descend(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def _severity_test(key: str, spec: Any) -> Test:
    if isinstance(spec, list):
        return _any_of([_severity_test(key, item) for item in spec])
    sign, text = _split_comparison(spec) if isinstance(spec, str) else ("==", "")
    severity = SEVERITIES.get(text.lower())
    if severity is None:
        raise MatchError(
            key, f"{spec!r} is not a valid severity; write one of {', '.join(SEVERITY_LABELS.values())} or '>=error'"
        )
    compare = _COMPARISONS.get(sign, operator.eq)
    return lambda value: isinstance(value, Severity) and compare(value, severity)


def _phase_test(key: str, spec: Any) -> Test:
    if isinstance(spec, list) and spec:
        return _any_of([_phase_test(key, item) for item in spec])
    if isinstance(spec, str) and not _is_pattern(spec) and spec not in PHASE_NAMES:
        raise MatchError(key, f"{spec!r} is not a valid phase; the phases are import, cache, indicators, patterns")
    return _value_test(key, PHASE_NAMES.get(spec, spec) if isinstance(spec, str) else spec)


def _value_test(key: str, spec: Any) -> Test:
    if isinstance(spec, list):
        if not spec:
            raise MatchError(key, "an empty list matches nothing")
        if keys := frozenset(_lookup_keys(spec)):
            return lambda value: lookup_key(value) in keys
        return _any_of([_value_test(key, item) for item in spec])
    if isinstance(spec, Mapping):
        return _all_of([_named_test(key, name, wanted) for name, wanted in spec.items()])
    if spec is None:
        return lambda value: value is None
    if isinstance(spec, str):
        sign, text = _split_comparison(spec)
        if sign != "==":
            return _comparison(key, sign, text)
        if spec.startswith("=~"):
            return _regex(key, spec[2:].strip())
        if _GLOB.search(spec):
            return _glob(spec)
    return _equality(key, spec)


def _equality(key: str, wanted: Any) -> Test:
    if wanted is None:
        return lambda value: value is None
    if not _is_scalar(wanted):
        raise MatchError(key, f"{wanted!r} is not a text, a number, true or false")
    keys = frozenset(lookup_keys(wanted))
    return lambda value: lookup_key(value) in keys


def _named_test(key: str, name: str, wanted: Any) -> Test:
    """`{regex: …}`, `{glob: …}`, `{in: […]}`, `{exists: true}`, `{equals: …}`, `{">=": 0.9}`."""
    if name == "exists" and isinstance(exists := core_value(str(wanted)), bool):
        return lambda value: (value is not None) is exists
    if name == "regex" and _is_scalar(wanted):
        return _regex(key, str(wanted))
    if name == "glob" and _is_scalar(wanted):
        return _glob(str(wanted))
    if name == "equals":
        return _equality(key, wanted)
    if name == "in" and isinstance(wanted, list):
        return _value_test(key, wanted)
    if name in _COMPARISONS:
        return _comparison(key, name, str(wanted))
    raise MatchError(
        key,
        f"{name}: {wanted!r} is not a valid test; the tests are equals, in [a, b], glob, regex, exists true,"
        " >=, <=, >, <, !=",
    )


def _comparison(key: str, sign: str, text: str) -> Test:
    if sign == "!=":
        equals = _equality(key, text)
        return lambda value: not equals(value)
    compare = _COMPARISONS[sign]
    try:
        limit = float(text)
    except ValueError:
        raise MatchError(key, f"{sign} needs a number, and {text!r} is not one") from None

    def test(value: Any) -> bool:
        if isinstance(value, bool):
            return False
        try:
            return bool(compare(float(value), limit))
        except (TypeError, ValueError, OverflowError):
            return False

    return test


def _regex(key: str, text: str) -> Test:
    try:
        found_in = Pattern(text).found_in
    except PatternError as error:
        raise MatchError(key, str(error)) from None
    return lambda value: value is not None and found_in(text_of(value))


def _glob(text: str) -> Test:
    fits = re.compile(fnmatch.translate(text)).match
    return lambda value: value is not None and fits(text_of(value)) is not None


def _any_of(tests: list[Test]) -> Test:
    return lambda value: any(test(value) for test in tests)


def _all_of(tests: list[Test]) -> Test:
    return lambda value: all(test(value) for test in tests)


def _split_comparison(spec: str) -> tuple[str, str]:
    found = _COMPARISON.fullmatch(spec)
    return (found[1], found[2]) if found else ("==", spec.strip())


def _is_pattern(spec: str) -> bool:
    return spec.startswith("=~") or _COMPARISON.fullmatch(spec) is not None or _GLOB.search(spec) is not None


def _spec_text(spec: Any) -> str:
    if isinstance(spec, list):
        return "one of " + ", ".join(map(text_of, spec))
    if isinstance(spec, Mapping):
        return ", ".join(f"{name} {wanted}" for name, wanted in spec.items())
    return text_of(spec)
