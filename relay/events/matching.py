"""One condition of a route, a silence or a test: which field, and what it must be.

Compiled once from config.yaml into plain functions of a value. Nothing here knows sinks or routes.
"""

import operator
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from relay.events import Event
from relay.events.match_tests import MARK_FIELDS, MatchError, Test, keys_of, spec_text, test_of

__all__ = ["FIELDS", "KIND_FIELDS", "Condition", "MatchError", "UnknownFieldError", "compile_match", "predicate"]

KIND_FIELDS = frozenset({"channel", "domain", "action", "event", "phase", "severity", "source", "version"})
"""The same for all events of a kind, so their conditions are decided once and cached."""
EVENT_FIELDS = ("run_id", "test", "reconstructed", "replayed", "undated", "unwrapped")
FIELDS = (*sorted(KIND_FIELDS), *EVENT_FIELDS, "payload.<name>", "not")


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
    getter, test = field_getter(key), test_of(key, spec)
    return Condition(key, spec_text(spec), getter, test, key in KIND_FIELDS, keys_of(key, spec), _payload_path(key))


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
    if key in MARK_FIELDS:
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
