"""Scalars of YAML 1.2 (core schema), and when a value of an event equals one.

A scalar equals a JSON string by its text as written, a JSON number or boolean by value: `1.10` equals "1.10" and 1.1,
`ON` only "ON". Quotes change nothing here, so a value from `${…}` or the command line is compared like any other.
"""

import re
from collections.abc import Hashable

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"[-+]?[0-9]+", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII
)
_MOST_DIGITS = 4300
_NO_SCALAR = ()


def core_value(text: str) -> str | float | bool | None:
    """What a scalar without quotes is in YAML 1.2: null, a boolean, a number, else the text itself.

    A whole number of more than 4,300 digits, which Python does not read, stays text.
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _WHOLE.fullmatch(text):
        return int(text) if len(text) <= _MOST_DIGITS else text
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text if any(map(str.isdigit, text)) else text.replace(".", ""))  # `.inf`, `.nan`
    return text


def text_of(value: object) -> str:
    """A value as text, for patterns and for display: numbers and truth values as YAML would write them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def lookup_key(value: object) -> Hashable:
    """Under which key of `lookup_keys` a value of an event is found; what is no scalar is found under none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return (value,)  # as True == 1
    return value if isinstance(value, int | float) else _NO_SCALAR


def lookup_keys(scalar: str | float) -> tuple[Hashable, ...]:
    """The keys of all values that equal `scalar`: its text, and the number or boolean that it is."""
    if not isinstance(scalar, str):
        return text_of(scalar), lookup_key(scalar)
    value = core_value(scalar)
    return (scalar,) if value is None or isinstance(value, str) else (scalar, lookup_key(value))
