"""What a field must be: the tests that can be written behind it in a match, compiled into functions of a value.

What can never hold, and what is not of the kind that a test takes, is refused while it is compiled.
"""

import fnmatch
import operator
import re
from collections.abc import Callable, Hashable, Mapping
from math import isfinite, isnan
from typing import Any, TypeGuard

from relay.events.patterns import Pattern, PatternError
from relay.events.scalars import core_value, lookup_key, lookup_keys, text_of
from relay.events.terms import MARK_KEYS, PHASE_NAMES, SEVERITIES, SEVERITY_LABELS, Phase, Severity

Test = Callable[[Any], bool]

MARK_FIELDS = frozenset(MARK_KEYS.values())
_ALWAYS_THERE = frozenset({"channel", "domain", "action", "event"})
"""Fields that every event has."""
_VALUES: dict[str, tuple[Any, ...]] = {"phase": (*Phase, None), **dict.fromkeys(MARK_FIELDS, (True, False))}
"""All that these fields can be: a test that holds for none of it holds for no event."""
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


def test_of(key: str, spec: Any) -> Test:
    """The test that `spec` is for the field `key`.

    Raises:
        MatchError: it makes no sense, or could never hold.
    """
    if isinstance(spec, list):
        return _one_of(key, spec)
    if key == "severity":
        return _severity_test(key, spec)
    if not isinstance(spec, Mapping):
        return _scalar_test(key, spec)
    if not spec:
        raise MatchError(key, "an empty map is not a test; write {exists: true} for any value")
    return _possible(key, spec, _all_of([_named_test(key, name, wanted) for name, wanted in spec.items()]))


def keys_of(key: str, spec: Any) -> tuple[Hashable, ...]:
    """The `lookup_key`s of what satisfies `spec`, if it is nothing but scalars.

    That is `X`, `[X, Y]`, `{equals: X}` or `{in: [X, Y]}`.
    """
    if key in ("severity", "phase"):  # they have several names for one thing
        return ()
    if isinstance(spec, Mapping) and len(spec) == 1:
        (name, wanted), *_ = spec.items()
        if name == "equals":
            return lookup_keys(wanted) if _is_scalar(wanted) else ()
        return keys_of(key, wanted) if name == "in" else ()
    # A pattern or a comparison has no keys: one among them makes the whole condition a test of its own.
    items = spec if isinstance(spec, list) else [spec]
    return _keys(items) if all(map(_is_plain, items)) else ()


def spec_text(spec: Any) -> str:
    """What is written behind a field, as it is shown to people."""
    if isinstance(spec, list):
        return "one of " + ", ".join(map(text_of, spec))
    if isinstance(spec, Mapping):
        return ", ".join(f"{name} {wanted}" for name, wanted in spec.items())
    return text_of(spec)


def _one_of(key: str, items: list[Any]) -> Test:
    if not items:
        raise MatchError(key, "an empty list matches nothing")
    for item in items:
        if isinstance(item, list):
            raise MatchError(
                key, f"a list holds texts, numbers, true, false, null and tests, and {item!r} is none of them"
            )
    if key != "severity" and all(map(_is_plain, items)):
        keys = frozenset(_keys([_meant(key, item) for item in items]))
        return lambda value: lookup_key(value) in keys
    return _any_of([test_of(key, item) for item in items])


def _scalar_test(key: str, spec: Any) -> Test:
    if isinstance(spec, str):
        sign, text = _split_comparison(spec)
        if sign != "==":
            return _comparison(key, sign, text)
        if spec.startswith("=~"):
            return _possible(key, spec, _regex(key, spec[2:].strip()))
        if _GLOB.search(spec):
            return _possible(key, spec, _glob(spec))
    return _equality(key, spec)


def _severity_test(key: str, spec: Any) -> Test:
    sign, text = _split_comparison(spec) if isinstance(spec, str) else ("==", "")
    severity = SEVERITIES.get(text.lower())
    compare = _COMPARISONS.get(sign, operator.eq)
    if severity is None:
        raise MatchError(
            key, f"{spec!r} is not a valid severity; write one of {', '.join(SEVERITY_LABELS.values())} or '>=error'"
        )
    if not any(compare(possible, severity) for possible in Severity):
        raise MatchError(key, f"no severity is {spec!r}")
    return lambda value: isinstance(value, Severity) and compare(value, severity)


def _named_test(key: str, name: str, wanted: Any) -> Test:
    """`{regex: …}`, `{glob: …}`, `{in: […]}`, `{exists: true}`, `{equals: …}`, `{">=": 0.9}`."""
    if name == "exists" and isinstance(exists := core_value(str(wanted)), bool):
        return _presence if exists else _absence(key)
    if name == "regex" and _is_scalar(wanted):
        return _regex(key, text_of(wanted))
    if name == "glob" and _is_scalar(wanted):
        return _glob(text_of(wanted))
    if name == "equals":
        return _equality(key, wanted)
    if name == "in" and isinstance(wanted, list):
        return _one_of(key, wanted)
    if name in _COMPARISONS:
        return _comparison(key, name, wanted)
    raise MatchError(
        key,
        f"{name}: {wanted!r} is not a valid test; the tests are equals, in [a, b], glob, regex, exists true,"
        " >=, <=, >, <, !=",
    )


def _equality(key: str, wanted: Any) -> Test:
    if wanted is None:
        return _absence(key)
    keys = frozenset(lookup_keys(_meant(key, wanted)))
    return lambda value: lookup_key(value) in keys


def _absence(key: str) -> Test:
    if key in _ALWAYS_THERE or key in MARK_FIELDS:
        raise MatchError(key, f"every event has the field {key}, so it is never null")
    return lambda value: value is None


def _presence(value: Any) -> bool:
    return value is not None


def _meant(key: str, wanted: Any) -> str | float:
    """What is to be equal: a scalar that the field can have, under the name that it has there."""
    if not _is_scalar(wanted) or (isinstance(wanted, float) and isnan(wanted)):
        raise MatchError(key, f"{wanted!r} is not a text, a number, true or false")
    if key == "phase":
        if wanted not in PHASE_NAMES:
            raise MatchError(key, f"{wanted!r} is not a valid phase; the phases are {', '.join(Phase)}")
        return PHASE_NAMES[str(wanted)]
    if key in MARK_FIELDS and not isinstance(core_value(text_of(wanted)), bool):
        raise MatchError(key, f"{wanted!r} is neither true nor false")
    return wanted


def _possible(key: str, spec: Any, test: Test) -> Test:
    """The test, unless it holds for no value that the field can have."""
    values = _VALUES.get(key)
    if values is not None and not any(map(test, values)):
        names = ", ".join("null" if value is None else text_of(value) for value in values)
        raise MatchError(key, f"{spec_text(spec)!r} matches none of the values that {key} can have: {names}")
    return test


def _comparison(key: str, sign: str, wanted: Any) -> Test:
    if sign == "!=" and wanted is None:
        return _presence
    if sign == "!=":
        equals = _equality(key, wanted)
        return lambda value: not equals(value)
    compare = _COMPARISONS[sign]
    limit = _limit(key, sign, text_of(wanted))

    def test(value: Any) -> bool:
        if isinstance(value, bool):
            return False
        try:
            return bool(compare(float(value), limit))
        except (TypeError, ValueError, OverflowError):
            return False

    return test


def _limit(key: str, sign: str, text: str) -> float:
    """The number that values are compared with."""
    if key in _VALUES:
        raise MatchError(key, f"{sign} compares numbers, and {key} is not a number")
    try:
        limit = float(text)
    except ValueError:
        limit = float("nan")
    if not isfinite(limit):
        raise MatchError(key, f"{sign} needs a number, and {text!r} is not one")
    return limit


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


def _is_scalar(spec: Any) -> TypeGuard[str | int | float]:
    return isinstance(spec, str | int | float)


def _is_plain(spec: Any) -> bool:
    return _is_scalar(spec) and not (isinstance(spec, str) and _is_pattern(spec))


def _keys(scalars: list[Any]) -> tuple[Hashable, ...]:
    return tuple(dict.fromkeys(key for scalar in scalars for key in lookup_keys(scalar)))
